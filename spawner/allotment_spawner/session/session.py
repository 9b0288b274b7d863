"""The stored facts of one running session, the page that it opens, when it has to end, and what all sessions use."""

import datetime as dt
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Literal, Self

from allotment_profiles.access.budgets import Usage
from allotment_profiles.access.launch import Launch, Trial, parse_request
from allotment_profiles.model.problems import RefusedError
from allotment_profiles.model.sizes import Size

# A session reports its activity to the hub every five minutes, so the latest report may be late.
ACTIVITY_DELAY = dt.timedelta(minutes=10)

EndReason = Literal[
    "stopped", "stop-order", "idle", "total", "access-ended", "deleted", "evicted", "exited", "out-of-memory"
]

_AMOUNTS = ("cpu_guarantee", "cpu", "memory_guarantee", "memory", "gpu", "gpu_kind")
# JupyterLab, and the paths of the proxies inside the session for the other two.
_PATHS = {"jupyterlab": "/lab", "rstudio": "/rstudio", "vscode": "/vscode"}
_NOTHING = Size(0, 0, 0, 0, 0)


@dataclass(frozen=True, slots=True)
class Session:
    """What decided the session and how long it may live, kept in the hub's database."""

    profile: str
    team: str
    commit: str
    data_roles: tuple[str, ...]
    started: dt.datetime
    idle: int
    """Seconds without activity."""
    total: int
    """Seconds after the start."""
    size: Size = _NOTHING
    """What it uses of the budgets. A session stored by a version without sizes counts with no amounts."""
    image: str = ""
    """The reference of its image, as written; empty if an older version has stored the session."""
    options: Mapping[str, str] = field(default_factory=dict)
    """The choices that it was started with; empty if an older version has stored the session."""
    trial: Trial | None = None
    """None for a session of what main has."""
    reviewing: bool = False
    """Whether it is a trial for somebody who has to approve it, and need not be in the team."""

    @classmethod
    def of(cls, launch: Launch, now: dt.datetime, *, reviewing: bool = False) -> Self:
        """Return the session of a launch that starts now."""
        return cls(
            profile=launch.profile_id,
            team=launch.team,
            commit=launch.commit,
            data_roles=tuple(launch.bindings),
            started=now,
            idle=launch.idle,
            total=launch.total,
            size=launch.size,
            image=launch.image,
            options=dict(launch.request.options),
            trial=launch.trial,
            reviewing=reviewing,
        )

    @classmethod
    def from_state(cls, state: object) -> Self | None:
        """Parse what `as_state` returned, in this version or another; None for what another spawner class stored.

        The hub of another version has to go on with its sessions: keys are only added, and are optional here.
        """
        if not isinstance(state, Mapping):
            return None
        try:
            return cls(
                profile=str(state["profile"]),
                team=str(state["team"]),
                commit=str(state["commit"]),
                data_roles=tuple(map(str, state["data_roles"])),
                started=dt.datetime.fromisoformat(state["started"]).astimezone(dt.UTC),
                idle=int(state["idle"]),
                total=int(state["total"]),
                size=_size_from(state.get("size")),
                image=str(state.get("image", "")),
                options=_options_from(state.get("options")),
                trial=trial_from(state.get("trial")),
                reviewing=state.get("reviewing") is True,
            )
        except (KeyError, TypeError, ValueError):
            return None

    def as_state(self) -> dict[str, object]:
        """Return the form that the hub stores as JSON."""
        return {
            "profile": self.profile,
            "team": self.team,
            "commit": self.commit,
            "data_roles": list(self.data_roles),
            "started": self.started.isoformat(),
            "idle": self.idle,
            "total": self.total,
            "size": {name: getattr(self.size, name) for name in _AMOUNTS},
            "image": self.image,
            "options": dict(self.options),
            **({"trial": asdict(self.trial), "reviewing": self.reviewing} if self.trial else {}),
        }

    def environment(self) -> dict[str, str]:
        """Return the environment variables that describe the session to itself."""
        return {
            "ALLOTMENT_PROFILE": self.profile,
            "ALLOTMENT_COMMIT": self.commit,
            "ALLOTMENT_TEAM": self.team,
            "ALLOTMENT_DATA_ROLES": ",".join(self.data_roles),
            **({"ALLOTMENT_TRIAL": self.trial.name} if self.trial else {}),
        }

    def event(self, kind: str) -> tuple[str, dict[str, str]]:
        """Return the kind of an event of this session, and what the event says about it."""
        about = {"profile": self.profile, "revision": self.commit}
        if self.trial is None:
            return kind, about
        # Kinds of their own: the first start of a merged profile is no trial.
        return f"trial-{kind}", {**about, "trial": self.trial.name, "head": self.trial.head}

    def overdue(self, now: dt.datetime, active: dt.datetime, stored: dt.datetime | None = None) -> EndReason | None:
        """Return why the session has to end now, or None.

        `active` is the last known activity; a later one that the hub has `stored`, in UTC, counts instead.
        """
        if (now - self.started).total_seconds() >= self.total:
            return "total"
        last = max(self.started, active, stored.replace(tzinfo=dt.UTC) if stored else active)
        if now - last >= dt.timedelta(seconds=self.idle) + ACTIVITY_DELAY:
            return "idle"
        return None


def _options_from(state: object) -> Mapping[str, str]:
    return {str(name): str(choice) for name, choice in state.items()} if isinstance(state, Mapping) else {}


def trial_from(state: object) -> Trial | None:
    """Parse of what a stored session is a trial; None for anything else."""
    found = state if isinstance(state, Mapping) else {}
    proposal, head = found.get("proposal"), found.get("head")
    return Trial(proposal, head) if isinstance(proposal, str) and isinstance(head, str) else None


def _size_from(state: object) -> Size:
    """Parse a size; an amount that another version did not store is zero."""
    if not isinstance(state, Mapping):
        return _NOTHING
    kind = state.get("gpu_kind")
    cpu_guarantee, cpu, memory_guarantee, memory, gpu = (int(state.get(name, 0)) for name in _AMOUNTS[:-1])
    return Size(cpu_guarantee, cpu, memory_guarantee, memory, gpu, str(kind) if kind else None)


def parse_choice(state: object) -> Mapping[str, Any] | None:
    """Parse a choice from the hub's database, without what another version has added; None if it is invalid."""
    stored = state if isinstance(state, Mapping) else {}
    try:
        return parse_request({key: stored[key] for key in ("profile", "options") if key in stored}).as_dict()
    except RefusedError:
        return None


def default_url(launch: Launch) -> str:
    """Return the path below the session's address that is opened first."""
    return launch.tool.address if launch.tool else _PATHS[launch.app]


def usage(users: Mapping[Any, Any] | None) -> Iterator[Usage]:
    """Yield the usage of every session that starts, runs or ends. Spawners of other classes count nothing.

    There is no separate counter that could become wrong: a session counts from its decision until its spawner forgets
    it. A restarted hub reads the usage from the state of the sessions that it finds running.
    """
    for user in (users or {}).values():
        for spawner in user.spawners.values():
            usage_of_session = getattr(spawner, "budget_usage", None)
            if usage_of_session is not None:
                yield usage_of_session
