"""How much may run at one time, per team and per user: the files say the bounds, what runs is handed in. Pure."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from allotment_profiles.access.rules import ADMINISTRATORS, User
from allotment_profiles.catalog.catalog import Catalog
from allotment_profiles.model import Budget
from allotment_profiles.model.problems import Refusal
from allotment_profiles.model.quantities import format_cpu, format_memory
from allotment_profiles.model.sizes import Size


@dataclass(frozen=True, slots=True)
class Usage:
    """One session that runs, starts or ends: whatever still holds its share."""

    user: str
    team: str
    size: Size


@dataclass(frozen=True, slots=True)
class _Bound:
    """One budget, what counts against it, and how to say whose it is."""

    code: str
    budget: Budget
    whose: str
    running: tuple[Usage, ...]
    remedy: str


def over_budget(catalog: Catalog, user: User, team: str, size: Size, running: Iterable[Usage]) -> Refusal | None:
    """Say why one more session of that size does not fit, or give None.

    `running` are the sessions of everybody; the one that is asked about is not among them.
    """
    entry = catalog.teams.get(team)
    bounded = catalog.policy and catalog.policy.value.user_budget
    if not bounded and not (entry and (entry.value.user_budget or entry.value.budget)):
        return None  # nothing is counted where nothing is bounded: there may be thousands
    for bound in _bounds(catalog, user, team, tuple(running)):
        why = _excess(bound, size)
        if why:
            return Refusal(bound.code, "The session was not started.", why, bound.remedy, ADMINISTRATORS, 409)
    return None


def _bounds(catalog: Catalog, user: User, team: str, sessions: Sequence[Usage]) -> Iterable[_Bound]:
    own = tuple(each for each in sessions if each.user == user.name)
    end_one = "End one of your sessions, choose a smaller size, or wait."
    entry = catalog.teams.get(team)
    if catalog.policy and catalog.policy.value.user_budget:
        yield _Bound("budget-user", catalog.policy.value.user_budget, "One user", own, end_one)
    if entry and entry.value.user_budget:
        here = tuple(each for each in own if each.team == team)
        whose = f"One member of {entry.value.title}"
        yield _Bound("budget-member", entry.value.user_budget, whose, here, end_one)
    if entry and entry.value.budget:
        team_sessions = tuple(each for each in sessions if each.team == team)
        remedy = "Choose a smaller size, or wait until somebody of the team ends a session."
        yield _Bound("budget-team", entry.value.budget, f"The team {entry.value.title}", team_sessions, remedy)


def _excess(bound: _Bound, size: Size) -> str | None:
    """Say in one sentence which amount would pass its bound; None where everything fits."""
    budget, running = bound.budget, bound.running
    for limit, used, asked, write in (
        (budget.sessions, len(running), 1, lambda number: _counted(number, "session")),
        (budget.cpu, sum(each.size.cpu for each in running), size.cpu, _cpus),
        (budget.memory, sum(each.size.memory for each in running), size.memory, _memory),
        (budget.gpu, sum(each.size.gpu for each in running), size.gpu, lambda number: _counted(number, "GPU")),
    ):
        if limit is not None and asked and used + asked > limit:
            now = f"{write(used)} already in use" if used else "nothing in use yet"
            too_much = f"With {now}, {write(asked)} more would be too much."
            return f"{bound.whose} may use {write(limit)} at one time. {too_much}"
    return None


def _counted(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"


def _cpus(amount: int) -> str:
    return f"{format_cpu(amount)} CPU{'' if amount == 1000 else 's'}"


def _memory(amount: int) -> str:
    return f"{format_memory(amount)} of memory"
