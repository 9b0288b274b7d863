"""Grants that a proposal asks for: a team's entry in the file of a data role. Pure."""

import datetime as dt
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from allotment_hub.errors import refused
from allotment_hub.services.judging.checking import Files
from allotment_profiles.catalog.catalog import Catalog
from allotment_profiles.documents.parsing import parse_yaml
from allotment_profiles.documents.rewriting import rewrite
from allotment_profiles.model.limits import MAXIMUM_BYTES
from allotment_profiles.model.paths import data_role_path, file_ref
from allotment_profiles.model.problems import quoted
from allotment_profiles.model.values.dates import days_left


@dataclass(frozen=True, slots=True)
class Ask:
    """A request for a grant, as typed."""

    until: str
    reason: str


def has_grant(catalog: Catalog, role: str, team: str) -> bool:
    """Whether a team has a grant of a data role that has not ended and whose review is not overdue."""
    entry = catalog.data_roles.get(role)
    grant = entry.value.granted_to.get(team) if entry else None
    return grant is not None and days_left(grant.last_day, dt.datetime.now(dt.UTC)) >= 0


def check_size(texts: Iterable[str]) -> None:
    """Raise a refusal where texts are together longer than a file may be, before they are written into one."""
    if sum(map(len, texts)) > MAXIMUM_BYTES:
        why = f"What was typed has more than {MAXIMUM_BYTES} characters, and no file may have that many."
        raise refused(422, "too-large", "This cannot be checked.", why, "Write less.")


def with_grant(catalog: Catalog, role: str, team: str, ask: Ask) -> bytes:
    """Return a data role's file with a grant of a team added or renewed. The catalog must have the data role.

    Raise a refusal where the team has the data for longer: whoever asks for data means to get it, not to end it. The
    date of the owner's next review stays if it is still to come: deciding about the grant is a review.
    """
    check_size((ask.until, ask.reason))
    entry = catalog.data_roles[role]
    data = dict(parse_yaml(entry.source))
    grant: dict[str, Any] = {"until": ask.until.strip()}
    current = entry.value.granted_to.get(team)
    if current and has_grant(catalog, role, team) and _day(ask.until) < current.until:
        why = f"The team {team} has the data {role} until {current.until.isoformat()} already."
        remedy = "Choose a later day. The page of the data role has a form to end a grant."
        raise refused(422, "grant-holds", "This data cannot be asked for.", why, remedy)
    if current and current.review_by and current.review_by >= dt.datetime.now(dt.UTC).date():
        grant["review_by"] = current.review_by.isoformat()
    if ask.reason.strip():
        grant["reason"] = " ".join(ask.reason.split())
    data["granted_to"] = {**(data.get("granted_to") or {}), team: grant}
    return rewrite("data role", entry.source, data)


def _day(text: str) -> dt.date:
    """Parse a day. What is none is left to the check of the file."""
    try:
        return dt.date.fromisoformat(text.strip())
    except ValueError:
        return dt.date.max


def ending_grant(catalog: Catalog, role: str, team: str, until: str) -> bytes:
    """Return a data role's file with another last day of a team's grant; without one, with yesterday: it ends at once.

    The grant stays in the file, so that the team's profiles stay valid, and a refused start says what has ended.
    """
    check_size((until,))
    entry = catalog.data_roles[role]
    data = dict(parse_yaml(entry.source))
    grants = dict(data.get("granted_to") or {})
    yesterday = dt.datetime.now(dt.UTC).date() - dt.timedelta(days=1)
    grants[team] = {**grants[team], "until": until.strip() or yesterday.isoformat()}
    data["granted_to"] = grants
    return rewrite("data role", entry.source, data)


def with_grants(files: Files, catalog: Catalog, team: str, asks: Mapping[str, Ask]) -> Files:
    """Add a team's requests for data to changed files. Raise a refusal where a data role cannot be read."""
    changed = dict(files)
    for role, ask in asks.items():
        if role not in catalog.data_roles:
            why, remedy = f"There is no readable data role {quoted(role)}.", "Look at the list of data roles."
            raise refused(422, "data-role-unknown", "This data cannot be asked for.", why, remedy)
        changed[data_role_path(role)] = with_grant(catalog, role, team, ask)
    return changed


def ask_in(catalog: Catalog, path: str, team: str, text: str | None) -> Ask | None:
    """Return the request in a proposed data role's file, if it differs from main in one team's grant alone."""
    ref = file_ref(path)
    if text is None or ref is None or ref.kind != "data role" or ref.id not in catalog.data_roles:
        return None
    try:
        proposed, current = parse_yaml(text.encode()), parse_yaml(catalog.data_roles[ref.id].source)
        grant = proposed["granted_to"].pop(team)
        (current.get("granted_to") or {}).pop(team, None)
        same = {**proposed, "granted_to": None} == {**current, "granted_to": None}
        if same and proposed["granted_to"] == (current.get("granted_to") or {}):
            return Ask(str(grant["until"]), str(grant.get("reason", "")))
    except (ValueError, KeyError, TypeError, AttributeError):
        pass
    return None
