"""An order to stop sessions: who gave it, why, and what its users are told. Pure."""

import datetime as dt
import secrets
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any, Self

from allotment_profiles.model.problems import Refusal
from allotment_profiles.stops import StopTarget


@dataclass(frozen=True, slots=True)
class StopOrder:
    """Somebody who decides about it has ended all sessions of a user, a profile, an image or a data role."""

    id: str
    """Connects the event of the order with those of the ends."""
    by: str
    reason: str
    time: dt.datetime
    target: str
    """What the sessions had in common, in words; empty for a trial that has ended alone."""
    profile: str = ""
    """The profile of the session that it ended."""

    @classmethod
    def given(cls, target: StopTarget, by: str, reason: str) -> Self:
        """Return a new order."""
        return cls(secrets.token_hex(8), by, reason, dt.datetime.now(dt.UTC), str(target))

    @classmethod
    def from_state(cls, state: object) -> Self | None:
        """Parse what `as_state` returned; None for anything else."""
        if not isinstance(state, Mapping):
            return None
        try:
            texts = {name: str(state[name]) for name in ("id", "by", "reason", "target", "profile")}
            return cls(**texts, time=dt.datetime.fromisoformat(state["time"]).astimezone(dt.UTC))
        except (KeyError, TypeError, ValueError):
            return None

    def as_state(self) -> dict[str, Any]:
        """Return the form that the hub stores as JSON."""
        return {**asdict(self), "time": self.time.isoformat()}

    def of_profile(self, profile: str) -> Self:
        """Return the order as it ends a session of a profile."""
        return replace(self, profile=profile)

    @property
    def what(self) -> str:
        """What was stopped, by whom and why, as a sentence."""
        what = f"all sessions of {self.target}" if self.target else "it"
        return f"{self.by} stopped {what}: {self.reason}"

    @property
    def refusal(self) -> Refusal:
        """What the user is told whose session was still starting."""
        what, remedy = "The session was stopped while it was starting.", "Ask them before you start it again."
        return Refusal("stopped-by-order", what, self.what, remedy, self.by, 409)
