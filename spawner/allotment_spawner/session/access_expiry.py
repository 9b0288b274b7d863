"""What a session has lost of its data, since when, and when it ends for that; in words for its user. Pure."""

import datetime as dt
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal
from urllib.parse import quote, urlencode

from allotment_profiles.access.lost_access import LostAccess
from allotment_profiles.model.problems import Refusal
from allotment_spawner.text import deadline_text

# The grant is what helps: its owner can give it again.
_GRANTS = {
    "grant-missing": "Ask for this data",
    "grant-expired": "Ask to renew it",
    "grant-review-overdue": "Ask to renew it",
}


@dataclass(frozen=True, slots=True)
class AccessExpiry:
    """One data role that a running session has lost."""

    data_role: str
    title: str
    server: str
    """The session's name; empty for the default one."""
    profile: str
    refusal: Refusal
    """What was lost, why, what helps and who decides."""
    way_on: tuple[str, str]
    """An address, and the words of the link to it."""
    since: dt.datetime
    """When it was first seen."""
    at: dt.datetime
    """When the session is stopped, unless the access comes back before."""

    left: str
    """How long that is from now, in words."""

    @property
    def which(self) -> str:
        """Name the session as its user knows it."""
        return f"Your session {self.server} ({self.profile})" if self.server else f"Your session ({self.profile})"


def access_expiries(
    lost: Sequence[LostAccess],
    seen: Mapping[str, dt.datetime],
    now: dt.datetime,
    left: dt.timedelta,
    profile: str,
    *,
    server: str,
    service: str,
) -> tuple[AccessExpiry, ...]:
    """Lay out what a session has lost; all of it ends with the first.

    `seen` says since when each is known; what is not in there is seen now, and what has come back does not count.
    """
    since = {each.data_role: seen.get(each.data_role, now) for each in lost}
    at = min(since.values(), default=now) + left
    return tuple(
        AccessExpiry(
            data_role=each.data_role,
            title=each.title,
            server=server,
            profile=profile,
            refusal=each.refusal,
            way_on=_way_on(each, profile, service),
            since=since[each.data_role],
            at=at,
            left=deadline_text(at, now),
        )
        for each in lost
    )


def observations(
    seen: Mapping[str, dt.datetime], found: Sequence[AccessExpiry]
) -> list[tuple[Literal["access-lost", "access-back"], dict[str, str]]]:
    """Say what is new since the last look, for the table of events."""
    lost = {each.data_role: each for each in found}
    return [
        *(
            ("access-lost", {"data_role": role, "code": each.refusal.code, "ends": each.at.isoformat()})
            for role, each in lost.items()
            if role not in seen
        ),
        *(("access-back", {"data_role": role}) for role in sorted(seen.keys() - lost.keys())),
    ]


def ask_for_data(code: str, role: str, team: str, service: str) -> tuple[str, str] | None:
    """Give the address and the words of asking a data role's owner; None where that is not what helps."""
    text = _GRANTS.get(code)
    return (f"{service}data-roles/{quote(role)}/ask?{urlencode({'team': team})}", text) if text else None


def _way_on(loss: LostAccess, profile: str, service: str) -> tuple[str, str]:
    asking = ask_for_data(loss.refusal.code, loss.data_role, profile.partition("/")[0], service)
    return asking or (f"{service}data-roles/{quote(loss.data_role)}", "About this data")


def seen_as_state(seen: Mapping[str, dt.datetime]) -> dict[str, str]:
    """Give the form that the hub keeps as JSON."""
    return {role: moment.isoformat() for role, moment in seen.items()}


def seen_from_state(state: object) -> dict[str, dt.datetime]:
    """Read what `seen_as_state` gave; nothing for anything else."""
    if not isinstance(state, Mapping):
        return {}
    try:
        return {str(role): dt.datetime.fromisoformat(moment).astimezone(dt.UTC) for role, moment in state.items()}
    except (TypeError, ValueError):
        return {}
