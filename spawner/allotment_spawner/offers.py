"""What the start page shows to one user: plain values made from the catalog, with nothing left to decide. Pure."""

import datetime as dt
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from urllib.parse import quote, urlencode

from allotment_profiles.catalog import Catalog
from allotment_profiles.cost import cost_of
from allotment_profiles.model import Choice, Option, Profile
from allotment_profiles.problems import Refusal
from allotment_profiles.quantities import format_cpu, format_memory
from allotment_profiles.rules import Capabilities, Offer, User, offers
from allotment_profiles.sizes import Size, size_of
from allotment_spawner.form import option_field

APPS = {"jupyterlab": "JupyterLab", "rstudio": "RStudio", "vscode": "VS Code"}

_ASK = {
    "review-overdue": "Propose a later review date",
    "profile-broken": "Propose a correction",
}


@dataclass(frozen=True, slots=True)
class Viewer:
    """Who looks, and from where."""

    user: User
    service_url: str
    notice: str = ""
    """What this kind of deployment does not do."""
    error: str | None = None
    """Why the newest state of the repository does not apply; None where it does."""


@dataclass(frozen=True, slots=True)
class ChoiceView:
    """One answer to an option."""

    value: str
    title: str
    about: str
    size: str
    """Size and price, where the answers to this option differ in them."""
    selected: bool


@dataclass(frozen=True, slots=True)
class OptionView:
    """One question of a card."""

    field: str
    title: str
    about: str
    choices: tuple[ChoiceView, ...]


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
    about: str
    purpose: str
    team: str
    app: str
    image: str
    cpu: str
    memory: str
    gpu: str
    price: str
    data: tuple[DataView, ...]
    options: tuple[OptionView, ...]
    notes: tuple[str, ...]
    """Warnings, and what is wrong with its file."""
    link: str

    @property
    def sized_by_choice(self) -> bool:
        """Whether size and price stand beside the answers to an option."""
        return any(choice.size for option in self.options for choice in option.choices)

    @property
    def words(self) -> str:
        """What the filter looks in."""
        data = " ".join(f"{each.name} {each.title}" for each in self.data)
        return f"{self.id} {self.title} {self.about} {self.purpose} {self.team} {self.app} {self.image} {data}".lower()


@dataclass(frozen=True, slots=True)
class RefusedView:
    """One profile that cannot be started, and the way on."""

    id: str
    title: str
    team: str
    refusal: Refusal
    link: str
    link_text: str


@dataclass(frozen=True, slots=True)
class StartPage:
    """Everything on the page, in its order."""

    last: Card | None
    groups: tuple[tuple[str, tuple[Card, ...]], ...]
    """Team → cards."""
    refused: tuple[RefusedView, ...]
    member_of: tuple[str, ...]
    """The titles of the user's teams."""
    revision: str
    """Empty while the repository was never read."""
    changed: dt.datetime
    age: str
    stale_policy: bool
    error: str | None
    """The technical reason why the newest state does not apply, for administrators; empty text for others."""
    notice: str
    service_url: str

    @property
    def count(self) -> int:
        """How many profiles can be started."""
        return sum(len(cards) for _, cards in self.groups)


def start_page(
    catalog: Catalog, viewer: Viewer, choice: Mapping[str, object] | None, now: dt.datetime, capabilities: Capabilities
) -> StartPage:
    """Lay out the start page; `choice` is the user's last good one, `{"profile": …, "options": …}`."""
    found = offers(catalog, viewer.user, now, capabilities)
    last_id = str(choice["profile"]) if choice else ""
    last_options = choice.get("options", {}) if choice else {}
    chosen = {str(key): str(value) for key, value in last_options.items()} if isinstance(last_options, Mapping) else {}
    cards = {
        each.profile_id: _card(catalog, viewer, each, each.entry.value, chosen if each.profile_id == last_id else {})
        for each in found
        if each.startable and each.entry
    }
    groups: dict[str, list[Card]] = {}
    for card in sorted(cards.values(), key=lambda card: (card.team.lower(), card.title.lower())):
        if card.id != last_id:
            groups.setdefault(card.team, []).append(card)
    teams = {each.team.value.title for each in found if each.team}
    error = viewer.error
    return StartPage(
        last=cards.get(last_id),
        groups=tuple((team, tuple(members)) for team, members in groups.items()),
        refused=tuple(_refused(viewer, each) for each in found if each.refusal),
        member_of=tuple(sorted(teams)),
        revision=catalog.revision,
        changed=catalog.time,
        age=age_text(now - catalog.time),
        stale_policy=bool(catalog.revision) and not catalog.policy_reads,
        error=error if error is None or viewer.user.admin else "",
        notice=viewer.notice,
        service_url=viewer.service_url,
    )


def size_text(size: Size) -> str:
    """Write a size in one line: `0.5-2 CPU, 1-4 GiB memory`."""
    parts = [cpu_text(size), f"{memory_text(size)} memory", gpu_text(size)]
    return ", ".join(part for part in parts if part)


def cpu_text(size: Size) -> str:
    """Write the CPUs: guarantee, then limit."""
    low, high = format_cpu(size.cpu_guarantee), format_cpu(size.cpu)
    return f"{high} CPU" if low == high else f"{low}\N{EN DASH}{high} CPU"


def memory_text(size: Size) -> str:
    """Write the memory: guarantee, then limit; the unit once where both have the same."""
    low, high = format_memory(size.memory_guarantee), format_memory(size.memory)
    if low == high:
        return high
    same = low.rpartition(" ")[2] == high.rpartition(" ")[2]
    return f"{low.rpartition(' ')[0]}\N{EN DASH}{high}" if same else f"{low} \N{EN DASH} {high}"


def gpu_text(size: Size) -> str:
    """Write the GPUs; empty where there are none."""
    return f"{size.gpu} GPU" if size.gpu else ""


def age_text(age: dt.timedelta) -> str:
    """Write how long ago something was."""
    seconds = max(0, int(age.total_seconds()))
    for unit, length in (("day", 86400), ("hour", 3600), ("minute", 60)):
        if seconds >= length:
            number = seconds // length
            return f"{number} {unit}{'' if number == 1 else 's'} ago"
    return "just now"


def _card(catalog: Catalog, viewer: Viewer, each: Offer, profile: Profile, chosen: Mapping[str, str]) -> Card:
    kept = {name: chosen.get(name, option.default) for name, option in profile.options.items()}
    kept = {
        name: value if value in profile.options[name].choices else profile.options[name].default
        for name, value in kept.items()
    }
    size = size_of(profile, _choices(profile, kept))
    problems = each.entry.problems if each.entry else ()
    return Card(
        id=each.profile_id,
        title=profile.title,
        about=profile.description,
        purpose=profile.purpose.partition("\n")[0],
        team=each.team.value.title if each.team else each.profile_id.partition("/")[0],
        app=APPS.get(profile.app, profile.app),
        image=profile.image,
        cpu=cpu_text(size),
        memory=memory_text(size),
        gpu=gpu_text(size),
        price=_price(catalog, size),
        data=tuple(_data(catalog, viewer, profile)),
        options=tuple(_option(catalog, each.profile_id, profile, name, kept) for name in profile.options),
        notes=(*each.warnings, *(str(problem) for problem in problems)),
        link=f"{viewer.service_url}profiles/{quote(each.profile_id)}",
    )


def _price(catalog: Catalog, size: Size) -> str:
    if catalog.policy is None:
        return ""
    cost = cost_of(size, catalog.policy.value)
    return cost.hour_text if cost.hour else ""


def _choices(profile: Profile, kept: Mapping[str, str]) -> dict[str, Choice]:
    return {f"options.{name}.choices.{key}": profile.options[name].choices[key] for name, key in kept.items()}


def _data(catalog: Catalog, viewer: Viewer, profile: Profile) -> Iterator[DataView]:
    for name in profile.data_roles:
        role = catalog.data_roles.get(name)
        if role:
            link = f"{viewer.service_url}data-roles/{quote(name)}"
            yield DataView(name, role.value.title, role.value.sensitivity, link)


def _option(catalog: Catalog, profile_id: str, profile: Profile, name: str, kept: Mapping[str, str]) -> OptionView:
    option: Option = profile.options[name]
    sizes = {key: size_of(profile, _choices(profile, {**kept, name: key})) for key in option.choices}
    changes_size = len({(size.cpu, size.memory, size.gpu) for size in sizes.values()}) > 1
    views = []
    for key, choice in option.choices.items():
        price = _price(catalog, sizes[key])
        parts = [cpu_text(sizes[key]), memory_text(sizes[key]), gpu_text(sizes[key]), price and f"{price} an hour"]
        size = " \N{MIDDLE DOT} ".join(part for part in parts if part) if changes_size else ""
        views.append(ChoiceView(key, choice.title, choice.description, size, key == kept[name]))
    return OptionView(option_field(profile_id, name), option.title, option.description, tuple(views))


def _refused(viewer: Viewer, each: Offer) -> RefusedView:
    assert each.refusal is not None  # noqa: S101  the caller chose the refused ones
    team = each.profile_id.partition("/")[0]
    role = _refused_role(each)
    link = f"{viewer.service_url}propose?{urlencode({'from': each.profile_id})}"
    text = _ASK.get(each.refusal.code, "Propose a change")
    if each.refusal.code in ("app-unavailable", "binding-unavailable"):
        # No proposal helps here: the machine lacks it.
        link, text = f"{viewer.service_url}profiles/{quote(each.profile_id)}", "About this profile"
    if role:
        link = f"{viewer.service_url}data-roles/{quote(role)}/ask?{urlencode({'team': team})}"
        text = "Ask to renew it" if each.refusal.code == "grant-expired" else "Ask for this data"
    return RefusedView(
        id=each.profile_id,
        title=each.entry.value.title if each.entry else each.profile_id,
        team=each.team.value.title if each.team else team,
        refusal=each.refusal,
        link=link,
        link_text=text,
    )


def _refused_role(each: Offer) -> str | None:
    """Name the data role whose grant is missing or has ended: the rules ask for the grants in the profile's order."""
    if each.refusal is None or each.entry is None or each.refusal.code not in ("grant-missing", "grant-expired"):
        return None
    asked = sum(step.rule == "grant" for step in each.steps)
    return each.entry.value.data_roles[asked - 1]
