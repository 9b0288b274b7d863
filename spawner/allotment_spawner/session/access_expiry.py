"""Data access that a session has lost, since when, and when the session is stopped for it. Pure."""

import contextlib
import datetime as dt
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple
from urllib.parse import quote, urlencode

from allotment_profiles.access.lost_access import LostAccess
from allotment_profiles.model.problems import Refusal
from allotment_spawner.text import deadline_text

# A new grant from the data role's owner restores the access.
_REQUEST_TEXTS = {
    "grant-missing": "Ask for this data",
    "grant-expired": "Ask to renew it",
    "grant-review-overdue": "Ask to renew it",
}


class Link(NamedTuple):
    """A link on a page."""

    url: str
    text: str


@dataclass(frozen=True, slots=True)
class AccessExpiry:
    """One data role that a running session has lost, or the session as a whole, because its user has left."""

    data_role: str
    """Empty for the session as a whole."""
    title: str
    server: str
    """The session's name; empty for the default one."""
    profile: str
    refusal: Refusal
    """What was lost, why, what helps and who decides."""
    link: Link
    """Where the user can ask for the data or read about it."""
    since: dt.datetime
    """When the loss was first seen."""
    ends_at: dt.datetime
    """When the session is stopped, unless the access comes back first."""
    left: str
    """How long that is from now, in words."""

    @property
    def session_title(self) -> str:
        """The session as its user knows it."""
        return f"Your session {self.server} ({self.profile})" if self.server else f"Your session ({self.profile})"


def access_expiries(
    lost: Sequence[LostAccess],
    lost_since: Mapping[str, dt.datetime],
    now: dt.datetime,
    grace: dt.timedelta,
    profile: str,
    *,
    server: str,
    service: str,
) -> tuple[AccessExpiry, ...]:
    """Return one entry for each data role that a session has lost. All of them end with the first.

    `lost_since` has the losses that are already known. Others count from now. Access that came back is dropped.
    """
    since = {loss.data_role: lost_since.get(loss.data_role, now) for loss in lost}
    ends_at = min(since.values(), default=now) + grace
    return tuple(
        AccessExpiry(
            data_role=loss.data_role,
            title=loss.title,
            server=server,
            profile=profile,
            refusal=loss.refusal,
            link=_link(loss, profile, service),
            since=since[loss.data_role],
            ends_at=ends_at,
            left=deadline_text(ends_at, now),
        )
        for loss in lost
    )


def access_events(
    lost_since: Mapping[str, dt.datetime], expiries: Sequence[AccessExpiry]
) -> list[tuple[Literal["access-lost", "access-back"], dict[str, str]]]:
    """Return what has changed since the last check, for the table of events."""
    lost = {expiry.data_role: expiry for expiry in expiries}
    return [
        *(
            ("access-lost", {"data_role": role, "code": expiry.refusal.code, "ends": expiry.ends_at.isoformat()})
            for role, expiry in lost.items()
            if role not in lost_since
        ),
        *(("access-back", {"data_role": role}) for role in sorted(lost_since.keys() - lost.keys())),
    ]


def data_request_link(code: str, role: str, team: str, service: str) -> Link | None:
    """Return the link to ask a data role's owner for access; None if a grant would not help."""
    text = _REQUEST_TEXTS.get(code)
    return Link(f"{service}data-roles/{quote(role)}/ask?{urlencode({'team': team})}", text) if text else None


def _link(loss: LostAccess, profile: str, service: str) -> Link:
    if not loss.data_role:
        return Link(f"{service}profiles/{quote(profile)}", "About this profile")
    request = data_request_link(loss.refusal.code, loss.data_role, profile.partition("/")[0], service)
    return request or Link(f"{service}data-roles/{quote(loss.data_role)}", "About this data")


def lost_since_as_state(lost_since: Mapping[str, dt.datetime]) -> dict[str, str]:
    """Return the form that the hub stores as JSON."""
    return {role: moment.isoformat() for role, moment in lost_since.items()}


def lost_since_from_state(state: object) -> dict[str, dt.datetime]:
    """Parse what `lost_since_as_state` returned, without what is anything else."""
    found = {}
    for role, moment in state.items() if isinstance(state, Mapping) else ():
        with contextlib.suppress(TypeError, ValueError):
            found[str(role)] = dt.datetime.fromisoformat(moment).astimezone(dt.UTC)
    return found
