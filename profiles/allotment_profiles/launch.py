"""From an untrusted request to a Launch: exactly what will run, the only thing that a spawner accepts. Pure."""

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass

from allotment_profiles.catalog import Catalog
from allotment_profiles.checks import Size, size_of
from allotment_profiles.cost import Cost, cost_of
from allotment_profiles.model import Binding, Choice, Option, Profile
from allotment_profiles.problems import Refusal, RefusedError
from allotment_profiles.quantities import shown
from allotment_profiles.rules import Capabilities, User, offer


@dataclass(frozen=True, slots=True)
class Request:
    """What somebody asks to start; nothing in it is trusted but its shape."""

    profile: str
    """`<team>/<name>`."""
    options: Mapping[str, str]
    """Option → choice; what is left out takes its default."""

    def as_dict(self) -> dict[str, object]:
        """Give the form that the hub's API takes and that is stored as the last good choice."""
        return {"profile": self.profile, "options": dict(self.options)}


@dataclass(frozen=True, slots=True)
class Launch:
    """One offer with its options resolved."""

    profile_id: str
    team: str
    title: str
    commit: str
    """The commit of main that decided it."""
    app: str
    image: str
    size: Size
    environment: Mapping[str, str]
    bindings: Mapping[str, Binding]
    """Data role → credential."""
    idle: int
    """Seconds without activity after which the session ends."""
    total: int
    """Seconds after the start at which the session ends."""
    request: Request
    """The request with every option spelled out."""
    cost: Cost


def _malformed(why: str) -> RefusedError:
    return RefusedError(
        Refusal(
            "request-malformed",
            "The session was not started.",
            why,
            'Send {"profile": "team/name", "options": {"option": "choice"}}.',
            status=400,
        )
    )


def parse_request(body: object) -> Request:
    """Take the shape of a request from anything; raises RefusedError."""
    if not isinstance(body, Mapping):
        raise _malformed("The request is not an object.")
    unknown = sorted(str(key)[:40] for key in body if key not in ("profile", "options"))
    if unknown:
        raise _malformed(f"Unknown in a request: {', '.join(map(shown, unknown[:5]))}.")
    profile, options = body.get("profile"), body.get("options", {})
    if not isinstance(profile, str) or not 1 <= len(profile) <= 100:
        raise _malformed("The profile is not named as text.")
    if not isinstance(options, Mapping) or len(options) > 20:
        raise _malformed("The options are not an object of at most twenty.")
    for key, value in options.items():
        if not isinstance(key, str) or not isinstance(value, str) or len(key) > 100 or len(value) > 100:
            raise _malformed("An option or its choice is not a short text.")
    return Request(profile, dict(options))


def resolve(catalog: Catalog, user: User, request: Request, now: dt.datetime, capabilities: Capabilities) -> Launch:
    """Decide a request from one catalog; raises RefusedError with what, why, what helps and who decides."""
    decided = offer(catalog, user, request.profile, now, capabilities)
    if decided.refusal or decided.entry is None or catalog.policy is None:
        raise RefusedError(decided.refusal or Refusal("profile-unknown", "Nothing was started.", "", "", status=404))
    profile = decided.entry.value
    chosen = _choices(profile, request)
    choices = {f"options.{name}.choices.{key}": profile.options[name].choices[key] for name, key in chosen.items()}
    app = _last(choices, "app", profile.app)
    if app in capabilities.missing_apps:
        raise RefusedError(
            Refusal("app-unavailable", "The session was not started.", capabilities.missing_apps[app], "")
        )
    environment = dict(profile.environment)
    for choice in choices.values():
        environment.update(choice.environment)
    size = size_of(profile.resources, choices)
    return Launch(
        profile_id=request.profile,
        team=request.profile.partition("/")[0],
        title=profile.title,
        commit=catalog.revision,
        app=app,
        image=_last(choices, "image", profile.image),
        size=size,
        environment=environment,
        bindings={role: catalog.data_roles[role].value.binding for role in profile.data_roles},
        idle=profile.lifetime.idle,
        total=profile.lifetime.total,
        request=Request(request.profile, chosen),
        cost=cost_of(size, catalog.policy.value.prices),
    )


def _last(choices: Mapping[str, Choice], name: str, otherwise: str) -> str:
    """Give what the last choice says that says anything."""
    said = [getattr(choice, name) for choice in choices.values() if getattr(choice, name) is not None]
    return str(said[-1]) if said else otherwise


def _choices(profile: Profile, request: Request) -> dict[str, str]:
    what = f"{shown(request.profile)} cannot be started as asked."
    for name in request.options:
        if name not in profile.options:
            known = ", ".join(profile.options) or "none"
            raise RefusedError(
                Refusal(
                    "option-unknown", what, f"It has no option {shown(name)}.", f"Its options: {known}.", status=400
                )
            )
    return {name: _choice(what, name, option, request.options.get(name)) for name, option in profile.options.items()}


def _choice(what: str, name: str, option: Option, asked: str | None) -> str:
    if asked is None:
        return option.default
    if asked not in option.choices:
        why = f"The option {name} has no choice {shown(asked)}."
        raise RefusedError(
            Refusal("choice-unknown", what, why, f"Its choices: {', '.join(option.choices)}.", status=400)
        )
    return asked
