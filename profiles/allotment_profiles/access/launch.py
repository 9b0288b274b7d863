"""From an untrusted request to a Launch: exactly what will run. A spawner starts nothing else. Pure functions."""

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass

from allotment_profiles import model
from allotment_profiles.access.cost import Cost, cost_of
from allotment_profiles.access.deployments import Capabilities
from allotment_profiles.access.offers import offer
from allotment_profiles.access.people import ADMINISTRATORS, User
from allotment_profiles.catalog.catalog import Catalog
from allotment_profiles.model.problems import Refusal, RefusedError, quoted
from allotment_profiles.model.sizes import Size, size_of
from allotment_profiles.model.values.texts import listed


@dataclass(frozen=True, slots=True)
class Request:
    """What a user asks to start. Only its shape has been checked."""

    profile: str
    options: Mapping[str, str]
    """Option → choice; an option that is left out takes its default."""

    def as_dict(self) -> dict[str, object]:
        """Return the request as the hub's API takes it and as the last good choice is stored."""
        return {"profile": self.profile, "options": dict(self.options)}


@dataclass(frozen=True, slots=True)
class Trial:
    """Of what a session is a trial: of a proposal's head, or of a draft."""

    proposal: str
    """Empty for a draft."""
    head: str
    """The commit that is tried; of a draft, the digest of its file."""

    @property
    def name(self) -> str:
        """What it is called on pages and in labels."""
        return self.proposal or "draft"


@dataclass(frozen=True, slots=True)
class Launch:
    """What will run: one offer with its options resolved."""

    profile_id: str
    team: str
    title: str
    commit: str
    app: str
    image: str
    size: Size
    environment: Mapping[str, str]
    bindings: Mapping[str, model.Binding]
    idle: int
    """Seconds without activity after which the session ends."""
    total: int
    """Seconds after the start at which the session ends."""
    request: Request
    cost: Cost
    gpu: model.GpuKind | None
    """The kind of the GPUs; None without GPUs, or where the policy names no kinds."""
    node_pool: model.NodePool | None
    tool: model.Tool | None
    storage: model.Storage
    checkout: model.Checkout | None
    cost_centre: str | None
    trial: Trial | None = None
    """None for a session of what main has."""


def _malformed(why: str) -> RefusedError:
    remedy = 'Send {"profile": "team/name", "options": {"option": "choice"}}.'
    return RefusedError(Refusal("request-malformed", "The session was not started.", why, remedy, status=400))


def parse_request(body: object) -> Request:
    """Check the shape of any JSON value and return it as a request; raise RefusedError where it is not one."""
    if not isinstance(body, Mapping):
        raise _malformed("The request is not a JSON object.")
    unknown = sorted(str(key)[:40] for key in body if key not in ("profile", "options"))
    if unknown:
        raise _malformed(f"The request has unknown keys: {', '.join(map(quoted, unknown[:5]))}.")
    profile, options = body.get("profile"), body.get("options", {})
    if not isinstance(profile, str) or not 1 <= len(profile) <= 100:
        raise _malformed("The profile is not a text of 1 to 100 characters.")
    if not isinstance(options, Mapping) or len(options) > 20:
        raise _malformed("The options are not a JSON object with at most 20 keys.")
    for key, value in options.items():
        if not isinstance(key, str) or not isinstance(value, str) or len(key) > 100 or len(value) > 100:
            raise _malformed("An option or its choice is not a text of at most 100 characters.")
    return Request(profile, dict(options))


def resolve(
    catalog: Catalog,
    user: User,
    request: Request,
    now: dt.datetime,
    capabilities: Capabilities,
    *,
    reviewing: bool = False,
) -> Launch:
    """Resolve a request against one catalog; raise RefusedError where it is not allowed."""
    decided = offer(catalog, user, request.profile, now, capabilities, reviewing=reviewing)
    if decided.refusal:
        raise RefusedError(decided.refusal)
    if decided.entry is None or catalog.policy is None:  # The rules have refused both; this is for the type checker.
        raise RefusedError(Refusal("profile-unknown", "Nothing was started.", "", "", status=404))
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


def _node_pool(size: Size, gpu: model.GpuKind | None, policy: model.Policy) -> model.NodePool | None:
    """Return the node pool of the GPUs, or else of the profile; where both are set, they are equal."""
    name = (gpu.node_pool if gpu else None) or size.node_pool
    return policy.node_pools.get(name) if name else None


def _last(choices: Mapping[str, model.Choice], name: str, default: str) -> str:
    """Return the value of the last choice that sets a key, or the default."""
    values = [getattr(choice, name) for choice in choices.values() if getattr(choice, name) is not None]
    return str(values[-1]) if values else default


def _choices(profile: model.Profile, request: Request, user: User) -> dict[str, str]:
    what = f"{quoted(request.profile)} cannot be started with these options."
    for name in request.options:
        if name not in profile.options:
            why = f"It has no option {quoted(name)}."
            remedy = f"Its options: {', '.join(profile.options) or 'none'}."
            raise RefusedError(Refusal("option-unknown", what, why, remedy, status=400))
    return {
        name: _choice(what, name, option, request.options.get(name), user) for name, option in profile.options.items()
    }


def _choice(what: str, name: str, option: model.Option, requested: str | None, user: User) -> str:
    if requested is None:
        return option.default
    allowed = [key for key, choice in option.choices.items() if may_choose(choice, user)]
    if requested not in option.choices:
        why = f"The option {name} has no choice {quoted(requested)}."
        raise RefusedError(Refusal("choice-unknown", what, why, f"Its choices: {', '.join(allowed)}.", status=400))
    if requested not in allowed:
        why = f"The choice {requested} is only for {listed(option.choices[requested].only)}."
        remedy = f"You may choose {', '.join(allowed)}. Or ask to be added to the group."
        raise RefusedError(Refusal("choice-only", what, why, remedy, "the manager of that group"))
    return requested


def may_choose(choice: model.Choice, user: User) -> bool:
    """Return whether a choice is for a user: for everyone, or for the groups of the team that `only` names."""
    return not choice.only or not user.groups.isdisjoint(choice.only)
