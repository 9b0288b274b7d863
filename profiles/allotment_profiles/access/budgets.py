"""How much may run at one time, per team and per user. Pure functions: the caller passes the running sessions."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from allotment_profiles.access.people import ADMINISTRATORS, User
from allotment_profiles.catalog.catalog import Catalog
from allotment_profiles.model import Budget
from allotment_profiles.model.problems import Refusal
from allotment_profiles.model.sizes import Size
from allotment_profiles.model.values.quantities import format_count, format_cpus, format_memory


@dataclass(frozen=True, slots=True)
class Usage:
    """One session that counts against budgets: it runs, is starting or is stopping."""

    user: str
    team: str
    size: Size


@dataclass(frozen=True, slots=True)
class _Bound:
    """One budget, and the sessions that count against it."""

    code: str
    budget: Budget
    whose: str
    running: tuple[Usage, ...]
    remedy: str


def over_budget(catalog: Catalog, user: User, team: str, size: Size, running: Iterable[Usage]) -> Refusal | None:
    """Return why one more session of that size, beside the `running` ones of all users, does not fit, or None."""
    entry = catalog.teams.get(team)
    user_budget = catalog.policy and catalog.policy.value.user_budget
    if not user_budget and not (entry and (entry.value.user_budget or entry.value.budget)):
        return None  # Without any budget nothing is counted: there may be thousands of sessions.
    for bound in _bounds(catalog, user, team, tuple(running)):
        why = _excess(bound, size)
        if why:
            return Refusal(bound.code, "The session was not started.", why, bound.remedy, ADMINISTRATORS, 409)
    return None


def _bounds(catalog: Catalog, user: User, team: str, sessions: Sequence[Usage]) -> Iterable[_Bound]:
    own = tuple(session for session in sessions if session.user == user.name)
    own_remedy = "End one of your sessions, choose a smaller size, or wait."
    entry = catalog.teams.get(team)
    if catalog.policy and catalog.policy.value.user_budget:
        yield _Bound("budget-user", catalog.policy.value.user_budget, "One user", own, own_remedy)
    if entry and entry.value.user_budget:
        own_in_team = tuple(session for session in own if session.team == team)
        whose = f"One member of {entry.value.title}"
        yield _Bound("budget-member", entry.value.user_budget, whose, own_in_team, own_remedy)
    if entry and entry.value.budget:
        team_sessions = tuple(session for session in sessions if session.team == team)
        remedy = "Choose a smaller size, or wait until a member of the team ends a session."
        yield _Bound("budget-team", entry.value.budget, f"The team {entry.value.title}", team_sessions, remedy)


def _excess(bound: _Bound, size: Size) -> str | None:
    budget, sizes = bound.budget, [session.size for session in bound.running]
    amounts: tuple[tuple[int | None, int, int, Callable[[int], str]], ...] = (
        (budget.sessions, len(sizes), 1, lambda number: format_count(number, "session")),
        (budget.cpu, sum(other.cpu for other in sizes), size.cpu, format_cpus),
        (
            budget.memory,
            sum(other.memory for other in sizes),
            size.memory,
            lambda amount: f"{format_memory(amount)} of memory",
        ),
        (budget.gpu, sum(other.gpu for other in sizes), size.gpu, lambda number: format_count(number, "GPU")),
    )
    for limit, used, requested, text in amounts:
        if limit is not None and requested and used + requested > limit:
            in_use = f"{text(used)} already in use" if used else "nothing in use yet"
            too_much = f"With {in_use}, {text(requested)} more would be too much."
            return f"{bound.whose} may use {text(limit)} at one time. {too_much}"
    return None


def _memory(amount: int) -> str:
    return f"{format_memory(amount)} of memory"
