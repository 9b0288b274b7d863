"""One profile that can be started, as its card on the start page shows it: plain values. Pure."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from urllib.parse import quote

from allotment_profiles.access.budgets import Usage, over_budget
from allotment_profiles.access.cost import cost_of
from allotment_profiles.access.launch import may_choose
from allotment_profiles.access.offers import Offer
from allotment_profiles.access.people import User
from allotment_profiles.catalog.catalog import Catalog
from allotment_profiles.model import Choice, GpuKind, Policy, Profile
from allotment_profiles.model.problems import Refusal
from allotment_profiles.model.quantities import format_memory
from allotment_profiles.model.sizes import Size, size_of
from allotment_profiles.store.watcher import Fetched
from allotment_spawner.start_page.form import option_field
from allotment_spawner.text import app_title, cpu_text, gpu_text, memory_text

_TEAM_FOLDER = {"read-only": "read only", "read-write": "read and write"}
_DOT = " \N{MIDDLE DOT} "


@dataclass(frozen=True, slots=True)
class Viewer:
    """Who looks, and from where."""

    user: User
    service_url: str
    notice: str = ""
    """What this kind of deployment does not do."""
    error: str | None = None
    """Why the newest state of the repository does not apply; None where it does."""
    unreachable_since: Fetched | None = None
    """The last fetch from the git server, where it failed."""


@dataclass(frozen=True, slots=True)
class ChoiceView:
    """One answer to an option."""

    value: str
    title: str
    about: str
    what: str
    """App, size and price, where the answers to this option differ in them."""
    selected: bool


@dataclass(frozen=True, slots=True)
class OptionView:
    """One question of a card."""

    field: str
    title: str
    about: str
    choices: tuple[ChoiceView, ...]
    sized: bool
    """Whether size and price stand beside the answers."""


@dataclass(frozen=True, slots=True)
class DataView:
    """Data that a session reaches."""

    name: str
    title: str
    sensitivity: str
    link: str


@dataclass(frozen=True, slots=True)
class Card:
    """One profile that can be started."""

    id: str
    title: str
    mark: str
    """`draft`, `deprecated` or empty."""
    about: str
    purpose: str
    team: str
    app: str
    image: str
    size: str
    """Size and price; empty where they stand beside the answers to an option."""
    facts: tuple[tuple[str, str], ...]
    """What only some profiles have: nodes, home, team folder, code."""
    data: tuple[DataView, ...]
    options: tuple[OptionView, ...]
    full: Refusal | None
    """Why there is no room for it now in a budget, and what would help."""
    notes: tuple[str, ...]
    """Warnings, and what is wrong with its file."""
    link: str
    in_place_of: tuple[str, ...] = ()
    """The titles of retired profiles that it succeeds."""


@dataclass(frozen=True, slots=True)
class _Resolved:
    """A profile with one answer to each of its options."""

    app: str
    image: str
    size: Size


def card(
    catalog: Catalog,
    viewer: Viewer,
    each: Offer,
    profile: Profile,
    chosen: Mapping[str, str],
    running: Sequence[Usage],
    in_place_of: Sequence[str] = (),
) -> Card:
    """Lay out one card; `chosen` are the answers of the last time, kept where they still hold for this user."""
    policy = catalog.policy.value if catalog.policy else None
    team = each.profile_id.partition("/")[0]
    kept = dict(_kept(profile, viewer.user, chosen))
    now = _resolved(profile, kept)
    options = tuple(_option(each.profile_id, profile, name, kept, viewer.user, policy) for name in profile.options)
    problems = each.entry.problems if each.entry else ()
    return Card(
        id=each.profile_id,
        title=profile.title,
        mark=profile.visibility if profile.visibility != "active" else "",
        about=profile.description,
        purpose=profile.purpose.partition("\n")[0],
        team=each.team.value.title if each.team else team,
        app=_app(now.app, policy),
        image=now.image,
        size="" if any(option.sized for option in options) else _size(now.size, policy),
        facts=tuple(_facts(profile, now.size, policy)),
        data=tuple(_data(catalog, viewer, profile)),
        options=options,
        full=over_budget(catalog, viewer.user, team, now.size, running),
        notes=(*each.warnings, *(str(problem) for problem in problems)),
        link=f"{viewer.service_url}profiles/{quote(each.profile_id)}",
        in_place_of=tuple(dict.fromkeys(in_place_of)),
    )


def _kept(profile: Profile, user: User, chosen: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    for name, option in profile.options.items():
        choice = option.choices.get(chosen.get(name, ""))
        yield name, chosen[name] if choice and may_choose(choice, user) else option.default


def _resolved(profile: Profile, kept: Mapping[str, str]) -> _Resolved:
    """Apply the answers in order, as a start does."""
    choices: dict[str, Choice] = {
        f"options.{name}.choices.{key}": profile.options[name].choices[key] for name, key in kept.items()
    }
    app, image = profile.app, profile.image
    for choice in choices.values():
        app, image = choice.app or app, choice.image or image
    return _Resolved(app, image, size_of(profile, choices))


def _app(app: str, policy: Policy | None) -> str:
    return app_title(app, policy.tools.get(app) if policy else None)


def _size(size: Size, policy: Policy | None) -> str:
    price = _price(size, policy)
    parts = [cpu_text(size), memory_text(size), gpu_text(size, _kind(size, policy)), price and f"{price} an hour"]
    return _DOT.join(part for part in parts if part)


def _kind(size: Size, policy: Policy | None) -> GpuKind | None:
    return policy.gpu_kinds.get(size.gpu_kind or "") if policy and size.gpu else None


def _price(size: Size, policy: Policy | None) -> str:
    if policy is None:
        return ""
    cost = cost_of(size, policy)
    return cost.hour_text if cost.hour else ""


def _facts(profile: Profile, size: Size, policy: Policy | None) -> Iterator[tuple[str, str]]:
    kind = _kind(size, policy)
    pool = policy.node_pools.get((kind.node_pool if kind else None) or size.node_pool or "") if policy else None
    if pool:
        yield "Nodes", pool.title
    if profile.storage.home:
        yield "Home", format_memory(profile.storage.home)
    if profile.storage.team != "none":
        yield "Team folder", _TEAM_FOLDER[profile.storage.team]
    if profile.checkout:
        ref = f" ({profile.checkout.ref})" if profile.checkout.ref else ""
        yield "Code", f"{profile.checkout.repository}{ref} in the folder {profile.checkout.folder}"


def _data(catalog: Catalog, viewer: Viewer, profile: Profile) -> Iterator[DataView]:
    for name in profile.data_roles:
        role = catalog.data_roles.get(name)
        if role:
            link = f"{viewer.service_url}data-roles/{quote(name)}"
            yield DataView(name, role.value.title, role.value.sensitivity, link)


def _option(
    profile_id: str, profile: Profile, name: str, kept: Mapping[str, str], user: User, policy: Policy | None
) -> OptionView:
    """Lay out one question, with the answers that are for this user."""
    option = profile.options[name]
    open_to = {key: choice for key, choice in option.choices.items() if may_choose(choice, user)}
    found = {key: _resolved(profile, {**kept, name: key}) for key in open_to}
    apps = len({each.app for each in found.values()}) > 1
    sizes = len({(each.size.cpu, each.size.memory, each.size.gpu, each.size.gpu_kind) for each in found.values()}) > 1
    views = []
    for key, choice in open_to.items():
        parts = [
            _app(found[key].app, policy) if apps else "",
            _size(found[key].size, policy) if sizes else "",
        ]
        said = _DOT.join(part for part in parts if part)
        views.append(ChoiceView(key, choice.title, choice.description, said, key == kept[name]))
    return OptionView(option_field(profile_id, name), option.title, option.description, tuple(views), sizes)
