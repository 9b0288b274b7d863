"""Everything that the start page shows to one user, as plain values. Pure."""

import datetime as dt
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from urllib.parse import quote, urlencode

from allotment_profiles.access.budgets import Usage
from allotment_profiles.access.deployments import Capabilities
from allotment_profiles.access.offers import Offer, offers
from allotment_profiles.access.rules import successor_of
from allotment_profiles.catalog.catalog import Catalog
from allotment_profiles.model.problems import Refusal
from allotment_profiles.model.values.dates import relative_time
from allotment_profiles.store.standstill import Standstill
from allotment_profiles.store.watcher import FetchStatus
from allotment_spawner.session.access_expiry import Link, data_request_link
from allotment_spawner.start_page.cards import Card, CardBuilder, Viewer

_PROPOSE_TEXTS = {"review-overdue": "Propose a later review date", "profile-broken": "Propose a correction"}
# A proposal does not help with these: the machine, a group or another profile has to change.
_NOT_PROPOSED = ("app-unavailable", "binding-unavailable", "only-groups", "profile-retired")


@dataclass(frozen=True, slots=True)
class RefusedView:
    """One profile that cannot be started, with a link to what helps."""

    id: str
    title: str
    team: str
    refusal: Refusal
    link: Link


@dataclass(frozen=True, slots=True)
class RepositoryState:
    """The state of the repository, as the page reports it."""

    revision: str
    """Empty if the repository was never read."""
    changed: dt.datetime
    age: str
    policy_is_stale: bool
    policy_is_missing: bool
    error: str | None
    """Why the newest state does not apply; None if it does. The reason is for administrators, empty for others."""
    unreachable: str
    """Since when fetching from the git server fails, and why; empty if it works."""
    unreachable_error: str
    """The error message of git, for administrators; empty for others."""


@dataclass(frozen=True, slots=True)
class StartPage:
    """Everything on the page, in its order."""

    repository: RepositoryState
    last: Card | None
    """The last choice, or what a link has chosen."""
    linked: bool
    """Whether a link has chosen it."""
    groups: tuple[tuple[str, tuple[Card, ...]], ...]
    """Team → the other cards."""
    refused: tuple[RefusedView, ...]
    member_of: tuple[str, ...]
    known_groups: tuple[str, ...]
    """The user's groups as the hub knows them."""
    notice: str
    service_url: str

    @property
    def count(self) -> int:
        """How many cards the groups have."""
        return sum(len(cards) for _, cards in self.groups)


def start_page(
    catalog: Catalog,
    viewer: Viewer,
    choice: Mapping[str, object] | None,
    now: dt.datetime,
    capabilities: Capabilities,
    running: Sequence[Usage] = (),
    *,
    linked: bool = False,
) -> StartPage:
    """Build the start page. `choice` is the user's last good one, or a link's; `running` counts for the budgets."""
    offered = offers(catalog, viewer.user, now, capabilities)
    successors = _startable_successors(catalog, offered, now)
    last_id, chosen = _parse_choice(choice)
    last_id = successors.get(last_id, last_id)
    cards = _cards(catalog, viewer, offered, {last_id: chosen}, running, successors)
    last = cards.pop(last_id, None)
    return StartPage(
        repository=_repository_state(catalog, viewer, now),
        last=last,
        linked=linked,
        groups=_by_team(cards.values()),
        refused=tuple(
            _refused(catalog, viewer, offer, offer.refusal, now)
            for offer in offered
            if offer.refusal and offer.profile_id not in successors and not _is_hidden(offer)
        ),
        member_of=tuple(sorted({offer.team.value.title for offer in offered if offer.team})),
        known_groups=tuple(sorted(viewer.user.groups)),
        notice=viewer.notice,
        service_url=viewer.service_url,
    )


def _repository_state(catalog: Catalog, viewer: Viewer, now: dt.datetime) -> RepositoryState:
    error, failed = viewer.error, viewer.failed_fetch
    return RepositoryState(
        revision=catalog.revision,
        changed=catalog.time,
        age=relative_time(catalog.time, now),
        policy_is_stale=catalog.policy is not None and not catalog.policy_reads,
        policy_is_missing=bool(catalog.revision) and catalog.policy is None,
        error=error if error is None or viewer.user.admin else "",
        unreachable=_unreachable(failed, now) if failed else _locked(viewer.standstill, now),
        unreachable_error=(failed.error or "") if failed and viewer.user.admin else "",
    )


def _unreachable(fetched: FetchStatus, now: dt.datetime) -> str:
    when = _since(fetched.failing_since or fetched.time, now)
    return f"The profiles could not be fetched from the git server since {when}: {fetched.why}."


def _locked(standstill: Standstill | None, now: dt.datetime) -> str:
    if standstill is None or standstill.code != "locked" or standstill.since is None:
        return ""
    return f"No change of the profiles has been possible since {_since(standstill.since, now)}: {standstill.why}."


def _since(since: dt.datetime, now: dt.datetime) -> str:
    return f"{since.astimezone(dt.UTC):%d %B, %H:%M} UTC, {relative_time(since, now)}"


def _parse_choice(choice: Mapping[str, object] | None) -> tuple[str, Mapping[str, str]]:
    options = choice.get("options", {}) if choice else {}
    chosen = {str(key): str(value) for key, value in options.items()} if isinstance(options, Mapping) else {}
    return str(choice.get("profile", "")) if choice else "", chosen


def _cards(
    catalog: Catalog,
    viewer: Viewer,
    offered: Sequence[Offer],
    chosen: Mapping[str, Mapping[str, str]],
    running: Sequence[Usage],
    successors: Mapping[str, str],
) -> dict[str, Card]:
    builders: dict[str, CardBuilder] = {}
    cards: dict[str, Card] = {}
    for offer in offered:
        if offer.refusal or offer.entry is None:
            continue
        team = offer.profile_id.partition("/")[0]
        if team not in builders:
            # Filter once for each team what counts for it or the user: a large hub has many sessions.
            counted = [usage for usage in running if team == usage.team or usage.user == viewer.user.name]
            builders[team] = CardBuilder(catalog, viewer, counted)
        replaces = [catalog.profiles[old].value.title for old, new in successors.items() if new == offer.profile_id]
        answers = chosen.get(offer.profile_id, {})
        cards[offer.profile_id] = builders[team].card(offer, offer.entry.value, answers, replaces)
    return cards


def _by_team(cards: Iterable[Card]) -> tuple[tuple[str, tuple[Card, ...]], ...]:
    groups: dict[str, list[Card]] = {}
    for card in sorted(cards, key=lambda card: (card.team.lower(), card.title.lower())):
        groups.setdefault(card.team, []).append(card)
    return tuple((team, tuple(members)) for team, members in groups.items())


def _startable_successors(catalog: Catalog, offered: Sequence[Offer], now: dt.datetime) -> dict[str, str]:
    """Return the retired profiles whose successor this user can start: retired → successor."""
    startable = {offer.profile_id for offer in offered if offer.startable}
    retired = [offer.profile_id for offer in offered if offer.refusal and offer.refusal.code == "profile-retired"]
    successors = {old: successor_of(catalog, old, now) for old in retired}
    return {old: new for old, new in successors.items() if new is not None and new in startable}


def _is_hidden(offer: Offer) -> bool:
    """Check whether this is a hidden profile of others. Its refusal must not reveal that it exists."""
    return offer.refusal is not None and offer.refusal.code == "profile-unknown" and offer.entry is not None


def _refused(catalog: Catalog, viewer: Viewer, offer: Offer, refusal: Refusal, now: dt.datetime) -> RefusedView:
    team = offer.profile_id.partition("/")[0]
    return RefusedView(
        id=offer.profile_id,
        title=offer.entry.value.title if offer.entry else offer.profile_id,
        team=offer.team.value.title if offer.team else team,
        refusal=refusal,
        link=_helpful_link(catalog, viewer.service_url, offer, refusal, now),
    )


def _helpful_link(catalog: Catalog, service: str, offer: Offer, refusal: Refusal, now: dt.datetime) -> Link:
    role = _refused_data_role(offer)
    request = data_request_link(refusal.code, role, offer.profile_id.partition("/")[0], service) if role else None
    if request:
        return request
    successor = successor_of(catalog, offer.profile_id, now) if refusal.code == "profile-retired" else None
    if successor:
        return Link(f"{service}profiles/{quote(successor)}", f"About {catalog.profiles[successor].value.title}")
    if refusal.code in _NOT_PROPOSED:
        return Link(f"{service}profiles/{quote(offer.profile_id)}", "About this profile")
    text = _PROPOSE_TEXTS.get(refusal.code, "Propose a change")
    return Link(f"{service}propose?{urlencode({'from': offer.profile_id})}", text)


def _refused_data_role(offer: Offer) -> str | None:
    """Return the data role whose grant is missing or has ended. The rules check grants in the profile's order."""
    grants_checked = sum(result.rule == "grant" for result in offer.results)
    if offer.refusal is None or offer.entry is None or offer.results[-1].rule != "grant":
        return None
    return offer.entry.value.data_roles[grants_checked - 1]
