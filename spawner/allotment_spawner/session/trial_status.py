"""What became of a user's last trial, kept in the hub's database. Pure."""

import datetime as dt
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Self

from allotment_profiles.access.launch import Trial
from allotment_spawner.session.session import EndReason, trial_from

_ENDS: Mapping[EndReason, str] = {
    "stopped": "It was stopped.",
    "idle": "It was not used.",
    "total": "Its time was over.",
    "access-ended": "Its user has left the team, or has lost the access to its data.",
    "deleted": "Its pod was deleted.",
    "evicted": "The cluster needed its place.",
    "exited": "Its program has ended by itself.",
    "out-of-memory": "It used more memory than its profile gives it.",
}


@dataclass(frozen=True, slots=True)
class TrialStatus:
    """A trial from its decision until the next one of the same user."""

    trial: Trial
    profile: str
    began: dt.datetime
    seconds: float | None = None
    """After how many seconds it answered; None while it has not."""
    ended: dt.datetime | None = None
    why: str = ""
    """Why it ended, or has not started."""
    code: str = ""
    """The code of why it has not started; empty where it has."""

    @classmethod
    def from_state(cls, state: object) -> Self | None:
        """Parse what `as_state` returned; None for anything else."""
        found = state if isinstance(state, Mapping) else {}
        trial, ended, seconds = trial_from(found.get("trial")), found.get("ended"), found.get("seconds")
        try:
            return cls(
                trial=trial,
                profile=str(found["profile"]),
                began=_time(found["began"]),
                seconds=None if seconds is None else float(seconds),
                ended=_time(ended) if ended else None,
                why=str(found.get("why", "")),
                code=str(found.get("code", "")),
            ) if trial else None  # fmt: skip
        except (KeyError, TypeError, ValueError):
            return None

    def as_state(self) -> dict[str, Any]:
        """Return the form that the hub stores as JSON."""
        ended = self.ended.isoformat() if self.ended else None
        return {**asdict(self), "began": self.began.isoformat(), "ended": ended}


def end_text(reason: EndReason) -> str:
    """Return why a trial has ended, as a sentence."""
    return _ENDS.get(reason, _ENDS["stopped"])


def _time(text: str) -> dt.datetime:
    return dt.datetime.fromisoformat(text).astimezone(dt.UTC)
