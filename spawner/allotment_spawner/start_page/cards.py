"""The card of one startable profile on the start page, as plain values. Pure."""

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
from allotment_profiles.model.sizes import Size, size_of
from allotment_profiles.model.values.quantities import format_memory
from allotment_profiles.store.standstill import Standstill
from allotment_profiles.store.watcher import FetchStatus
from allotment_spawner.start_page.form import option_field
from allotment_spawner.text import app_title, cpu_text, gpu_text, memory_text

_TEAM_FOLDER = {"read-only": "read only", "read-write": "read and write"}
_DOT = " \N{MIDDLE DOT} "


@dataclass(frozen=True, slots=True)
class Viewer:
    """The user who sees the page, and the state of the deployment."""

    user: User
    service_url: str
    notice: str = ""
    """The limits of this kind of deployment."""
    error: str | None = None
    """Why the newest state of the repository does not apply; None if it does."""
    failed_fetch: FetchStatus | None = None
    """The last fetch from the git server if it failed."""
    standstill: Standstill | None = None


@dataclass(frozen=True, slots=True)
class ChoiceView:
    """One choice of an option."""

    value: str
    title: str
    description: str
    details: str
    """App, size and price, if the choices of this option differ in them."""
    selected: bool


@dataclass(frozen=True, slots=True)
class OptionView:
    """One option of a card."""

    field: str
    title: str
    description: str
    choices: tuple[ChoiceView, ...]
    sized: bool
    """Whether the choices show size and price."""


@dataclass(frozen=True, slots=True)
class DataView:
    """Data that a session can access."""

    name: str
    title: str
    sensitivity: str
    link: str


@dataclass(frozen=True, slots=True)
class Card:
    """One profile that can be started."""

    id: str
    title: str
    badge: str
    """`draft`, `deprecated` or empty."""
    description: str
    purpose: str
    team: str
    app: str
    image: str
    size: str
    """Size and price; empty if the choices of an option show them."""
    facts: tuple[tuple[str, str], ...]
    """What only some profiles have: nodes, home, team folder, code."""
    data: tuple[DataView, ...]
    options: tuple[OptionView, ...]
    over_budget: Refusal | None
    """Why it exceeds a budget now, and what would help."""
    notes: tuple[str, ...]
    """Warnings, and the problems of its file."""
    link: str
    in_place_of: tuple[str, ...] = ()
    """The titles of retired profiles that it succeeds."""


@dataclass(frozen=True, slots=True)
class _Resolved:
    app: str
    image: str
    size: Size


@dataclass(frozen=True, slots=True)
class CardBuilder:
    """Builds the cards of one page."""

    catalog: Catalog
    viewer: Viewer
    running: Sequence[Usage]
    """The sessions that may count against the budgets of these cards."""

    def card(self, offer: Offer, profile: Profile, chosen: Mapping[str, str], in_place_of: Sequence[str] = ()) -> Card:
        """Build a card. `chosen` has the choices of the last start; those still allowed for this user are selected."""
        team = offer.profile_id.partition("/")[0]
        selected = dict(self._selected(profile, chosen))
        resolved = _resolved(profile, selected)
        options = tuple(self._option(offer.profile_id, profile, name, selected) for name in profile.options)
        problems = offer.entry.problems if offer.entry else ()
        return Card(
            id=offer.profile_id,
            title=profile.title,
            badge=profile.visibility if profile.visibility != "active" else "",
            description=profile.description,
            purpose=profile.purpose.partition("\n")[0],
            team=offer.team.value.title if offer.team else team,
            app=self._app(resolved.app),
            image=resolved.image,
            size="" if any(option.sized for option in options) else self._size(resolved.size),
            facts=tuple(self._facts(profile, resolved.size)),
            data=tuple(self._data(profile)),
            options=options,
            over_budget=over_budget(self.catalog, self.viewer.user, team, resolved.size, self.running),
            notes=(*offer.warnings, *(str(problem) for problem in problems)),
            link=f"{self.viewer.service_url}profiles/{quote(offer.profile_id)}",
            in_place_of=tuple(dict.fromkeys(in_place_of)),
        )

    @property
    def _policy(self) -> Policy | None:
        return self.catalog.policy.value if self.catalog.policy else None

    def _selected(self, profile: Profile, chosen: Mapping[str, str]) -> Iterator[tuple[str, str]]:
        for name, option in profile.options.items():
            choice = option.choices.get(chosen.get(name, ""))
            yield name, chosen[name] if choice and may_choose(choice, self.viewer.user) else option.default

    def _app(self, app: str) -> str:
        return app_title(app, self._policy.tools.get(app) if self._policy else None)

    def _size(self, size: Size) -> str:
        price = self._price(size)
        parts = [cpu_text(size), memory_text(size), gpu_text(size, self._gpu_kind(size)), price and f"{price} an hour"]
        return _DOT.join(part for part in parts if part)

    def _gpu_kind(self, size: Size) -> GpuKind | None:
        return self._policy.gpu_kinds.get(size.gpu_kind or "") if self._policy and size.gpu else None

    def _price(self, size: Size) -> str:
        cost = cost_of(size, self._policy) if self._policy else None
        return cost.hour_text if cost and cost.hour else ""

    def _facts(self, profile: Profile, size: Size) -> Iterator[tuple[str, str]]:
        kind = self._gpu_kind(size)
        name = (kind.node_pool if kind else None) or size.node_pool or ""
        pool = self._policy.node_pools.get(name) if self._policy else None
        if pool:
            yield "Nodes", pool.title
        if profile.storage.home:
            yield "Home", format_memory(profile.storage.home)
        if profile.storage.team != "none":
            yield "Team folder", _TEAM_FOLDER[profile.storage.team]
        if profile.checkout:
            ref = f" ({profile.checkout.ref})" if profile.checkout.ref else ""
            yield "Code", f"{profile.checkout.repository}{ref} in the folder {profile.checkout.folder}"

    def _data(self, profile: Profile) -> Iterator[DataView]:
        for name in profile.data_roles:
            role = self.catalog.data_roles.get(name)
            if role:
                link = f"{self.viewer.service_url}data-roles/{quote(name)}"
                yield DataView(name, role.value.title, role.value.sensitivity, link)

    def _option(self, profile_id: str, profile: Profile, name: str, selected: Mapping[str, str]) -> OptionView:
        option = profile.options[name]
        open_to = {key: choice for key, choice in option.choices.items() if may_choose(choice, self.viewer.user)}
        resolved = {key: _resolved(profile, {**selected, name: key}) for key in open_to}
        apps_differ = len({result.app for result in resolved.values()}) > 1
        sizes = {(size.cpu, size.memory, size.gpu, size.gpu_kind) for size in (r.size for r in resolved.values())}
        sized = len(sizes) > 1
        choices = []
        for key, choice in open_to.items():
            parts = [
                self._app(resolved[key].app) if apps_differ else "",
                self._size(resolved[key].size) if sized else "",
            ]
            details = _DOT.join(part for part in parts if part)
            choices.append(ChoiceView(key, choice.title, choice.description, details, key == selected[name]))
        return OptionView(option_field(profile_id, name), option.title, option.description, tuple(choices), sized)


def _resolved(profile: Profile, selected: Mapping[str, str]) -> _Resolved:
    """Apply the choices in the same order as a start."""
    choices: dict[str, Choice] = {
        f"options.{name}.choices.{key}": profile.options[name].choices[key] for name, key in selected.items()
    }
    app, image = profile.app, profile.image
    for choice in choices.values():
        app, image = choice.app or app, choice.image or image
    return _Resolved(app, image, size_of(profile, choices))
