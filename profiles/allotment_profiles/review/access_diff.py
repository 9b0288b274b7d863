"""Who gains and who loses access to data, and who can start which profiles, between two catalogs. Pure functions.

A way to data is a profile that somebody can start: a member of its team, in one of the groups that it is `only` for,
working on it if it is hidden; and every data role that the profile names is granted to the team. A way ends with the
first of its grants, their reviews and its retirement. Only what differs between the catalogs is compared.
"""

import bisect
import datetime as dt
import functools
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Literal

from allotment_profiles.access.subjects import Clause, Conditions, clause_text, clauses_of, conditions_of, meets
from allotment_profiles.catalog.catalog import Catalog, Entry
from allotment_profiles.model import Profile, Team
from allotment_profiles.model.base import attributes
from allotment_profiles.model.values.dates import days_left
from allotment_profiles.review.renames import differing, same_team_origins

AccessKind = Literal["gains", "loses", "longer", "shorter"]
_ONE_DAY = dt.timedelta(days=1)
_LISTED = 10


@dataclass(frozen=True, slots=True)
class AccessChange:
    """Some subjects gain or lose a way to data, or have it for a longer or shorter time."""

    kind: AccessKind
    data_role: str
    team: str
    profiles: tuple[str, ...]
    """The profiles that are the way; empty where the team has the grant but no profile uses it."""
    who: tuple[str, ...]
    """The groups and users, in words; `/red with /red/special` means users who are in both groups."""
    until: str
    """The last day: the proposed one; where the way is lost, the previous one."""
    was_until: str = ""
    also_via_other_profile: bool = False
    """Whether another profile of the team gives it as long: before the change for a gain, after it for a loss."""

    @property
    def gains(self) -> bool:
        """Whether access grows."""
        return self.kind in ("gains", "longer")

    @property
    def people(self) -> str:
        """The groups and users as one text."""
        return ", ".join(self.who) or "nobody"

    @property
    def through(self) -> str:
        """The profiles as one text; empty where no profile uses the grant."""
        return _listed(self.profiles)

    @property
    def text(self) -> str:
        """The change as a sentence."""
        start = f"{self.team} ({self.people}) can"
        way = f" through {self.through}" if self.through else ", but no profile uses it yet"
        if self.kind == "loses":
            still = " They still reach it through another profile." if self.also_via_other_profile else ""
            return f"{start} no longer reach {self.data_role}{way if self.through else ''}.{still}"
        only, so_far = "only " if self.kind == "shorter" else "", f" (so far {self.was_until})"
        until = f"until {self.until}{so_far if self.was_until else ''}"
        already = ""
        if self.also_via_other_profile and self.gains:
            already = " They reach it already through another profile."
        return f"{start} reach {self.data_role} {only}{until}{way}.{already}"

    def as_dict(self) -> dict[str, object]:
        """Return the change as the API and `allotment compare` send it."""
        return {
            **attributes(self, "kind", "gains", "data_role", "team", "people", "who", "through", "profiles", "until"),
            "was_until": self.was_until or None,
            "otherwise": self.also_via_other_profile,
            "text": self.text,
        }


@dataclass(frozen=True, slots=True)
class StartChange:
    """Some subjects can newly start a profile, no longer can, or can for a longer or shorter time."""

    kind: AccessKind
    team: str
    profiles: tuple[str, ...]
    who: tuple[str, ...]
    until: str
    """The last day: the proposed one; where starts end, the previous one. Empty without an end."""

    @property
    def gains(self) -> bool:
        """Whether more can be started."""
        return self.kind in ("gains", "longer")

    @property
    def text(self) -> str:
        """The change as a sentence."""
        start = f"{self.team} ({', '.join(self.who) or 'nobody'}) can"
        if self.kind == "loses":
            return f"{start} no longer start {_listed(self.profiles)}."
        until = f" {'only ' if self.kind == 'shorter' else ''}until {self.until}" if self.until else ""
        return f"{start} start {_listed(self.profiles)}{until}."

    def as_dict(self) -> dict[str, object]:
        """Return the change as the API and `allotment compare` send it."""
        names = ("kind", "gains", "team", "profiles", "who", "until", "text")
        return attributes(self, *names) | {"until": self.until or None}


def _listed(profiles: tuple[str, ...]) -> str:
    more = f" and {len(profiles) - _LISTED} more" if len(profiles) > _LISTED else ""
    return ", ".join(profiles[:_LISTED]) + more


@dataclass(frozen=True, slots=True)
class _Way:
    """Who can start something, and until when."""

    conditions: Conditions
    until: dt.date
    """The last day; `date.max` without an end."""


@dataclass(frozen=True)
class _Delta:
    """What differs between two ways for some of their subjects."""

    kind: AccessKind
    clauses: tuple[Clause, ...]
    until: dt.date
    was_until: dt.date | None = None
    partial: bool = False
    """Whether the way also exists for other subjects, for whom nothing changes."""

    @functools.cached_property
    def who(self) -> tuple[str, ...]:
        return tuple(clause_text(clause) if clause or not self.partial else "everybody else" for clause in self.clauses)


def compare_access(before: Catalog, after: Catalog, now: dt.datetime | None = None) -> list[AccessChange]:
    """Return who gains and who loses access to which data; with `now`, ended ways do not count."""
    return _Comparison(before, after, now).access()


def compare_open_access(
    before: Catalog, after: Catalog, now: dt.datetime | None = None
) -> tuple[list[AccessChange], frozenset[str]]:
    """Return who gains and who loses access as if there were no hidden profiles, and the ids of those that differ.

    A profile that was hidden before, or comes from a hidden one, counts as hidden.
    """
    comparison = _Comparison(before, after, now, open_only=True)
    return comparison.access(), frozenset(comparison.hidden)


def compare_starts(before: Catalog, after: Catalog, now: dt.datetime | None = None) -> list[StartChange]:
    """Return who can newly start which profiles, and who no longer can; with `now`, ended ways do not count."""
    return _Comparison(before, after, now).starts()


class _Comparison:
    def __init__(self, before: Catalog, after: Catalog, now: dt.datetime | None, *, open_only: bool = False) -> None:
        self._before = before
        self._after = after
        self._now = now
        self._origins = same_team_origins(before, after)
        self._changed_teams = {
            team
            for team in differing(before.teams, after.teams)
            if _team_people(before.teams.get(team)) != _team_people(after.teams.get(team))
        }
        self._changed_grants = set(self._differing_grants())
        self._team_ways: dict[tuple[bool, str, str], _TeamWays] = {}
        self._open_only = open_only
        self.hidden: set[str] = set()
        """The hidden profiles that were left out."""
        self._pairs = {
            new: old for new, old in self._origins.items() if not self._left_out(new) and not self._left_out(old)
        }

    def starts(self) -> list[StartChange]:
        """Compare who can start the profiles."""
        profiles_by_change: dict[tuple[str, AccessKind, tuple[str, ...], str], list[str]] = {}
        for old, new in self._profiles():
            team = (new or old).partition("/")[0]
            for delta in _deltas(self._way(self._before, old), self._way(self._after, new)):
                until = "" if delta.until == dt.date.max else delta.until.isoformat()
                profiles_by_change.setdefault((team, delta.kind, delta.who, until), []).append(new or old)
        return [
            StartChange(kind, team, tuple(sorted(profiles)), who, until)
            for (team, kind, who, until), profiles in sorted(profiles_by_change.items())
        ]

    def access(self) -> list[AccessChange]:
        """Compare who can reach the data."""
        profiles_by_change: dict[tuple[str, str, AccessKind, tuple[str, ...], str, str, bool], set[str]] = {}
        for role, team, profile, delta in self._access_deltas():
            until, was_until = delta.until.isoformat(), delta.was_until.isoformat() if delta.was_until else ""
            key = role, team, delta.kind, delta.who, until, was_until, self._also_via_other(role, team, delta)
            profiles_by_change.setdefault(key, set()).update([profile] if profile else [])
        return [
            AccessChange(kind, role, team, tuple(sorted(profiles)), who, until, was_until, also_via_other)
            for (role, team, kind, who, until, was_until, also_via_other), profiles in sorted(
                profiles_by_change.items(), key=lambda item: (*item[0], sorted(item[1]))
            )
        ]

    def _access_deltas(self) -> Iterator[tuple[str, str, str, _Delta]]:
        """Return data role, team, profile and delta; no profile where no profile uses the grant."""
        for old, new in self._profiles():
            was, now = self._way(self._before, old), self._way(self._after, new)
            old_roles, new_roles = _data_roles(self._before, old), _data_roles(self._after, new)
            by_way: dict[tuple[bool, bool], tuple[_Delta, ...]] = {}
            for role in sorted({*old_roles, *new_roles}):
                ways = role in old_roles, role in new_roles
                if ways not in by_way:
                    by_way[ways] = tuple(_deltas(was if ways[0] else None, now if ways[1] else None))
                for delta in by_way[ways]:
                    yield role, (new or old).partition("/")[0], new or old, delta
        for role, team in sorted(self._grants()):
            if not any(any(self._reaching(catalog, role, team)) for catalog in (self._before, self._after)):
                for delta in _deltas(self._grant(self._before, role, team), self._grant(self._after, role, team)):
                    yield role, team, "", delta

    def _profiles(self) -> list[tuple[str, str]]:
        """Return the profiles whose ways may differ, as old and new id; empty where it does not exist."""
        ids = set(differing(self._before.profiles, self._after.profiles))
        for team in self._changed_teams:
            ids.update(self._before.profiles_of(team), self._after.profiles_of(team))
        for role, team in self._changed_grants:
            ids.update(_reaching(self._before, role, team), _reaching(self._after, role, team))
        renamed = set(self._pairs.values())
        ids = {profile_id for profile_id in ids if not self._left_out(profile_id)}
        return [
            (
                self._pairs.get(profile_id, profile_id if profile_id in self._before.profiles else ""),
                profile_id if profile_id in self._after.profiles else "",
            )
            for profile_id in sorted(ids)
            if profile_id not in renamed
        ]

    def _differing_grants(self) -> Iterator[tuple[str, str]]:
        for role in differing(self._before.data_roles, self._after.data_roles):
            old, new = self._before.data_roles.get(role), self._after.data_roles.get(role)
            old_grants, new_grants = old.value.granted_to if old else {}, new.value.granted_to if new else {}
            for team in {*old_grants, *new_grants}:
                if old_grants.get(team) != new_grants.get(team):
                    yield role, team

    def _grants(self) -> set[tuple[str, str]]:
        grants = set(self._changed_grants)
        if self._changed_teams:
            for entry in (*self._before.data_roles.values(), *self._after.data_roles.values()):
                grants.update((entry.id, team) for team in self._changed_teams & entry.value.granted_to.keys())
        return grants

    def _also_via_other(self, role: str, team: str, delta: _Delta) -> bool:
        """Return whether the same access existed before a gain, or still exists after a loss, with no earlier end."""
        gains = delta.kind in ("gains", "longer")
        key = (gains, role, team)
        if key not in self._team_ways:
            catalog = self._before if gains else self._after
            self._team_ways[key] = _TeamWays(
                self._way(catalog, profile_id) for profile_id in self._reaching(catalog, role, team)
            )
        until = delta.until if gains or delta.was_until is None else delta.was_until
        return all(self._team_ways[key].serve(clause, until) for clause in delta.clauses)

    def _reaching(self, catalog: Catalog, role: str, team: str) -> Iterator[str]:
        return (each for each in _reaching(catalog, role, team) if not self._left_out(each))

    def _left_out(self, profile_id: str) -> bool:
        if not self._open_only:
            return False
        versions = [catalog.profiles.get(profile_id) for catalog in (self._before, self._after)]
        versions.append(self._before.profiles.get(self._origins.get(profile_id, "")))
        hidden = {entry.id for entry in versions if entry and entry.value.visibility == "draft"}
        self.hidden |= hidden
        return bool(hidden)

    def _way(self, catalog: Catalog, profile_id: str) -> _Way | None:
        """Return who can start a profile and until when; None where nobody can."""
        entry = catalog.profiles.get(profile_id)
        name = profile_id.partition("/")[0]
        team = catalog.teams.get(name)
        if entry is None or team is None:
            return None
        until = dt.date.max
        if entry.value.retired_from is not None:
            until = max(entry.value.retired_from, dt.date(1, 1, 2)) - _ONE_DAY
        for role in entry.value.data_roles:
            way = self._grant(catalog, role, name)
            if way is None:
                return None
            until = min(until, way.until)
        over = self._now is not None and (days_left(until, self._now) < 0 or _stopped(entry, self._now))
        return None if over else _Way(conditions_of(team.value, entry.value), until)

    def _grant(self, catalog: Catalog, role: str, name: str) -> _Way | None:
        """Return who a grant would let reach the data through a profile for the whole team; None if it has ended."""
        entry, team = catalog.data_roles.get(role), catalog.teams.get(name)
        grant = entry.value.granted_to.get(name) if entry else None
        if grant is None or team is None:
            return None
        if self._now is not None and days_left(grant.last_day, self._now) < 0:
            return None
        return _Way(conditions_of(team.value), grant.last_day)


class _TeamWays:
    """The different ways of a team to one data role, computed one by one as far as they are needed."""

    def __init__(self, ways: Iterator[_Way | None]) -> None:
        self._remaining = ways
        self._known: dict[_Way, None] = {}

    def serve(self, clause: Clause, until: dt.date) -> bool:
        """Return whether one of the ways is open to a clause at least until that day."""
        return any(way.until >= until and meets(clause, way.conditions) for way in self._ways())

    def _ways(self) -> Iterator[_Way]:
        yield from self._known
        for way in self._remaining:
            if way and way not in self._known:
                self._known[way] = None
                yield way


def _reaching(catalog: Catalog, role: str, team: str) -> tuple[str, ...]:
    """Return a team's profiles that name a data role: a contiguous range of the sorted index."""
    ids = catalog.profiles_reaching(role)
    return ids[bisect.bisect_left(ids, f"{team}/") : bisect.bisect_left(ids, f"{team}0")]


def _stopped(entry: Entry[Profile], now: dt.datetime) -> bool:
    """Return whether a review or an acceptance has ended: no end of a way, since such a day is usually moved."""
    if entry.value.review_by is not None and days_left(entry.value.review_by, now) < 0:
        return True
    codes = {problem.code for problem in entry.problems}
    return any(
        accepted.until is not None and days_left(accepted.until, now) < 0 and code in codes
        for code, accepted in entry.value.accepted.items()
    )


def _team_people(entry: Entry[Team] | None) -> tuple[object, ...] | None:
    """Return what decides the part that users have in a team."""
    if entry is None:
        return None
    return conditions_of(entry.value), entry.value.members.everyone, entry.value.leads, entry.value.deputies


def _data_roles(catalog: Catalog, profile_id: str) -> tuple[str, ...]:
    entry = catalog.profiles.get(profile_id)
    return entry.value.data_roles if entry else ()


def _deltas(was: _Way | None, now: _Way | None) -> Iterator[_Delta]:
    """Compare two ways clause by clause; one of the clauses covers each user who gains or loses."""
    if was == now:
        return
    old_clauses = clauses_of(was.conditions) if was else ()
    new_clauses = clauses_of(now.conditions) if now else ()
    gained, lost = _unmet(new_clauses, was), _unmet(old_clauses, now)
    if now and gained:
        yield _Delta("gains", gained, now.until, partial=was is not None)
    if was and lost:
        yield _Delta("loses", lost, was.until, partial=now is not None)
    if was and now and now.until > was.until:
        kept = _without(new_clauses, gained)
        if kept:
            yield _Delta("longer", kept, now.until, was.until)
    elif was and now and now.until < was.until:
        kept = _without(old_clauses, lost)
        if kept:
            yield _Delta("shorter", kept, now.until, was.until)


def _unmet(clauses: Iterable[Clause], way: _Way | None) -> tuple[Clause, ...]:
    return tuple(clause for clause in clauses if not (way and meets(clause, way.conditions)))


def _without(clauses: Iterable[Clause], excluded: Iterable[Clause]) -> tuple[Clause, ...]:
    left_out = set(excluded)
    return tuple(clause for clause in clauses if clause not in left_out)
