"""What the start page shows to one user: plain values made from the catalog, with nothing left to decide. Pure."""

import datetime as dt
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from urllib.parse import quote, urlencode

from allotment_profiles.access.budgets import Usage
from allotment_profiles.access.deployments import Capabilities
from allotment_profiles.access.offers import Offer, offers
from allotment_profiles.access.succession import successor_of
from allotment_profiles.catalog.catalog import Catalog
from allotment_profiles.model.dates import relative_time
from allotment_profiles.model.problems import Refusal
from allotment_profiles.store.watcher import Fetched
from allotment_spawner.session.access_expiry import ask_for_data
from allotment_spawner.start_page.cards import Card, Viewer, card

_ASK = {
    "review-overdue": "Propose a later review date",
    "profile-broken": "Propose a correction",
}
# No proposal helps here: the machine lacks it, or a group or another profile is what helps.
_NOT_ASKED = ("app-unavailable", "binding-unavailable", "only-groups", "profile-retired")


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
    known_groups: tuple[str, ...]
    """The groups of the user as the hub knows them."""
    """The titles of the user's teams."""
    revision: str
    """Empty while the repository was never read."""
    changed: dt.datetime
    age: str
    stale_policy: bool
    error: str | None
    """The technical reason why the newest state does not apply, for administrators; empty text for others."""
    unreachable: str
    """Since when the git server has not answered, and why; empty where it has."""
    unreachable_error: str
    """What git says about it, for administrators; empty for others."""
    notice: str
    service_url: str

    @property
    def count(self) -> int:
        """How many profiles can be started."""
        return sum(len(cards) for _, cards in self.groups)


def start_page(
    catalog: Catalog,
    viewer: Viewer,
    choice: Mapping[str, object] | None,
    now: dt.datetime,
    capabilities: Capabilities,
    running: Sequence[Usage] = (),
) -> StartPage:
    """Lay out the start page; `choice` is the user's last good one, `{"profile": …, "options": …}`.

    `running` is what runs on the hub, for the budgets.
    """
    found = offers(catalog, viewer.user, now, capabilities)
    replaced = _replaced(catalog, found, now)
    last_id, chosen = _last(choice)
    last_id = replaced.get(last_id, last_id)
    cards = _cards(catalog, viewer, found, {last_id: chosen}, running, replaced)
    groups: dict[str, list[Card]] = {}
    for each in sorted(cards.values(), key=lambda each: (each.team.lower(), each.title.lower())):
        if each.id != last_id:
            groups.setdefault(each.team, []).append(each)
    teams = {each.team.value.title for each in found if each.team}
    error = viewer.error
    return StartPage(
        last=cards.get(last_id),
        groups=tuple((team, tuple(members)) for team, members in groups.items()),
        refused=tuple(
            _refused(catalog, viewer, each, each.refusal, now)
            for each in found
            if each.refusal and each.profile_id not in replaced and not _is_hidden(each)
        ),
        member_of=tuple(sorted(teams)),
        known_groups=tuple(sorted(viewer.user.groups)),
        revision=catalog.revision,
        changed=catalog.time,
        age=relative_time(catalog.time, now),
        stale_policy=bool(catalog.revision) and not catalog.policy_reads,
        error=error if error is None or viewer.user.admin else "",
        unreachable=_unreachable(viewer.unreachable_since, now) if viewer.unreachable_since else "",
        unreachable_error=(viewer.unreachable_since.error or "")
        if viewer.unreachable_since and viewer.user.admin
        else "",
        notice=viewer.notice,
        service_url=viewer.service_url,
    )


def _unreachable(fetched: Fetched, now: dt.datetime) -> str:
    since = fetched.since or fetched.time
    when = f"{since.astimezone(dt.UTC):%d %B, %H:%M} UTC"
    return f"The git server has not given the profiles since {when}, {relative_time(since, now)}: {fetched.why}."


def _last(choice: Mapping[str, object] | None) -> tuple[str, Mapping[str, str]]:
    """Take the last choice apart."""
    options = choice.get("options", {}) if choice else {}
    chosen = {str(key): str(value) for key, value in options.items()} if isinstance(options, Mapping) else {}
    return str(choice["profile"]) if choice else "", chosen


def _cards(
    catalog: Catalog,
    viewer: Viewer,
    found: Sequence[Offer],
    chosen: Mapping[str, Mapping[str, str]],
    running: Sequence[Usage],
    replaced: Mapping[str, str],
) -> dict[str, Card]:
    """Lay out a card for each profile that can be started."""
    own: dict[str, list[Usage]] = {}
    cards: dict[str, Card] = {}
    for each in found:
        if each.refusal or each.entry is None:
            continue
        team = each.profile_id.partition("/")[0]
        if team not in own:
            # What counts for this user and team, once: many sessions of others run on a large hub.
            own[team] = [one for one in running if team == one.team or one.user == viewer.user.name]
        succeeds = [catalog.profiles[old].value.title for old, new in replaced.items() if new == each.profile_id]
        answers = chosen.get(each.profile_id, {})
        cards[each.profile_id] = card(catalog, viewer, each, each.entry.value, answers, own[team], succeeds)
    return cards


def _replaced(catalog: Catalog, found: Sequence[Offer], now: dt.datetime) -> dict[str, str]:
    """Give the retired profiles whose successor this user can start: retired → successor."""
    startable = {each.profile_id for each in found if each.startable}
    retired = [each.profile_id for each in found if each.refusal and each.refusal.code == "profile-retired"]
    following = {old: successor_of(catalog, old, now) for old in retired}
    return {old: new for old, new in following.items() if new in startable and new is not None}


def _is_hidden(each: Offer) -> bool:
    """Tell whether an offer is refused as if it did not exist: a draft of others, which its refusal must not show."""
    return each.refusal is not None and each.refusal.code == "profile-unknown" and each.entry is not None


def _refused(catalog: Catalog, viewer: Viewer, each: Offer, refusal: Refusal, now: dt.datetime) -> RefusedView:
    team = each.profile_id.partition("/")[0]
    role = _refused_role(each)
    link = f"{viewer.service_url}propose?{urlencode({'from': each.profile_id})}"
    text = _ASK.get(refusal.code, "Propose a change")
    if refusal.code in _NOT_ASKED:
        link, text = f"{viewer.service_url}profiles/{quote(each.profile_id)}", "About this profile"
    following = successor_of(catalog, each.profile_id, now) if refusal.code == "profile-retired" else None
    if following:
        title = catalog.profiles[following].value.title
        link, text = f"{viewer.service_url}profiles/{quote(following)}", f"About {title}"
    link, text = (role and ask_for_data(refusal.code, role, team, viewer.service_url)) or (link, text)
    return RefusedView(
        id=each.profile_id,
        title=each.entry.value.title if each.entry else each.profile_id,
        team=each.team.value.title if each.team else team,
        refusal=refusal,
        link=link,
        link_text=text,
    )


def _refused_role(each: Offer) -> str | None:
    """Name the data role whose grant is missing or has ended: the rules ask for the grants in the profile's order."""
    asked = sum(step.rule == "grant" for step in each.steps)
    if each.refusal is None or each.entry is None or each.steps[-1].rule != "grant":
        return None
    return each.entry.value.data_roles[asked - 1]
