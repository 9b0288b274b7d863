"""From an untrusted request to a Launch: exactly what will run, the only thing that a spawner accepts. Pure."""

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass

from allotment_profiles.access.cost import Cost, cost_of
from allotment_profiles.access.rules import ADMINISTRATORS, Capabilities, User, offer
from allotment_profiles.catalog.catalog import Catalog
from allotment_profiles.model import (
    Binding,
    Checkout,
    Choice,
    GpuKind,
    NodePool,
    Option,
    Policy,
    Profile,
    Storage,
    Tool,
)
from allotment_profiles.model.problems import Refusal, RefusedError, quoted
from allotment_profiles.model.sizes import Size, size_of


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
    gpu: GpuKind | None
    """The kind of the GPUs; None where there are none, or the policy names no kinds."""
    node_pool: NodePool | None
    """Where it runs; None: anywhere."""
    tool: Tool | None
    """What is opened, where `app` is a tool of the policy."""
    storage: Storage
    checkout: Checkout | None
    cost_centre: str | None
    """Who pays, as the team says it."""


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
        raise _malformed(f"Unknown in a request: {', '.join(map(quoted, unknown[:5]))}.")
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
    profile, policy = decided.entry.value, catalog.policy.value
    chosen = _choices(profile, request, user)
    choices = {f"options.{name}.choices.{key}": profile.options[name].choices[key] for name, key in chosen.items()}
    app = _last(choices, "app", profile.app)
    missing = capabilities.missing(app, policy)
    if missing:
        raise RefusedError(Refusal("app-unavailable", "The session was not started.", missing, "", ADMINISTRATORS))
    environment = dict(profile.environment)
    for choice in choices.values():
        environment.update(choice.environment)
    size = size_of(profile, choices)
    gpu = policy.gpu_kinds.get(size.gpu_kind) if size.gpu and size.gpu_kind else None
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
        cost=cost_of(size, policy),
        gpu=gpu,
        node_pool=_node_pool(size, gpu, policy),
        tool=policy.tools.get(app),
        storage=profile.storage,
        checkout=profile.checkout,
        cost_centre=decided.team.value.cost_centre if decided.team else None,
    )


def _node_pool(size: Size, gpu: GpuKind | None, policy: Policy) -> NodePool | None:
    """Give the pool of the GPUs, else the one that is named: where both are, the checks have proven them equal."""
    name = (gpu.node_pool if gpu else None) or size.node_pool
    return policy.node_pools.get(name) if name else None


def _last(choices: Mapping[str, Choice], name: str, otherwise: str) -> str:
    """Give what the last choice says that says anything."""
    said = [getattr(choice, name) for choice in choices.values() if getattr(choice, name) is not None]
    return str(said[-1]) if said else otherwise


def _choices(profile: Profile, request: Request, user: User) -> dict[str, str]:
    what = f"{quoted(request.profile)} cannot be started as asked."
    for name in request.options:
        if name not in profile.options:
            known = ", ".join(profile.options) or "none"
            raise RefusedError(
                Refusal(
                    "option-unknown", what, f"It has no option {quoted(name)}.", f"Its options: {known}.", status=400
                )
            )
    return {
        name: _choice(what, name, option, request.options.get(name), user) for name, option in profile.options.items()
    }


def _choice(what: str, name: str, option: Option, asked: str | None, user: User) -> str:
    if asked is None:
        return option.default
    open_to = [key for key, choice in option.choices.items() if may_choose(choice, user)]
    if asked not in option.choices:
        why = f"The option {name} has no choice {quoted(asked)}."
        raise RefusedError(Refusal("choice-unknown", what, why, f"Its choices: {', '.join(open_to)}.", status=400))
    if asked not in open_to:
        why = f"The choice {asked} is only for {', '.join(option.choices[asked].only)}."
        remedy = f"Yours: {', '.join(open_to)}. Or ask to be added to the group."
        raise RefusedError(Refusal("choice-only", what, why, remedy, "whoever manages that group"))
    return asked


def may_choose(choice: Choice, user: User) -> bool:
    """Tell whether a choice is for a user: `only` names groups of the team, and no `only` means everyone."""
    return not choice.only or not user.groups.isdisjoint(choice.only)
