"""Who gains and who loses a way to data, and who can start what they could not: by profile, group and user. Pure.

A way is a profile that somebody can start: a member of its team, one of those that it is `only` for, for a draft one of
those who work on it, while every data role that it names is granted to the team. It ends with the first of its grants,
their reviews, or its retirement. Only what differs is looked at, never all profiles.
"""

import bisect
import datetime as dt
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Literal

from allotment_profiles.access.subjects import Audience, Clause, audience, clauses, in_words, meets
from allotment_profiles.catalog.catalog import Catalog, Entry
from allotment_profiles.model import Profile, Team
from allotment_profiles.model.dates import days_left
from allotment_profiles.review.renames import differing, same_team_origins

AccessKind = Literal["gains", "loses", "longer", "shorter"]
_ONE_DAY = dt.timedelta(days=1)


@dataclass(frozen=True, slots=True)
class AccessChange:
    """Somebody gains or loses a way to data, or has it for a longer or shorter time."""

    kind: AccessKind
    data_role: str
    team: str
    profiles: tuple[str, ...]
    """The profiles that are the way; empty where the team has the grant but no profile uses it."""
    who: tuple[str, ...]
    """The groups and users, in words; `/red with /red/special` are those who are in both."""
    until: str
    """The last day, as it is proposed; where the way is lost, as it was."""
    was_until: str = ""
    """With `longer` and `shorter` the last day as it was."""
    otherwise: bool = False
    """Whether they have reached the data before, or still do, at least as long through other profiles of the team."""

    @property
    def gains(self) -> bool:
        """Whether it is more than before."""
        return self.kind in ("gains", "longer")

    @property
    def people(self) -> str:
        """Name who it is about."""
        return ", ".join(self.who) or "nobody"

    @property
    def through(self) -> str:
        """Name the way; empty where no profile uses the grant."""
        return _listed(self.profiles)

    @property
    def text(self) -> str:
        """The change as a sentence."""
        start = f"{self.team} ({self.people}) can"
        way = f" through {self.through}" if self.through else ", but no profile uses it yet"
        if self.kind == "loses":
            still = " They still reach it in another way." if self.otherwise else ""
            return f"{start} no longer reach {self.data_role}{way if self.through else ''}.{still}"
        only, until_now = "only " if self.kind == "shorter" else "", f" (so far {self.was_until})"
        until = f"until {self.until}{until_now if self.was_until else ''}"
        already = " They reach it already in another way." if self.otherwise and self.gains else ""
        return f"{start} reach {self.data_role} {only}{until}{way}.{already}"

    def as_dict(self) -> dict[str, object]:
        """Give the form that JSON answers carry."""
        return {
            "kind": self.kind, "gains": self.gains, "data_role": self.data_role, "team": self.team,
            "people": self.people, "who": list(self.who), "through": self.through, "profiles": list(self.profiles),
            "until": self.until, "was_until": self.was_until or None, "otherwise": self.otherwise, "text": self.text,
        }  # fmt: skip


@dataclass(frozen=True, slots=True)
class StartChange:
    """Somebody can start a profile that they could not start before, or no longer can."""

    kind: AccessKind
    team: str
    profiles: tuple[str, ...]
    who: tuple[str, ...]
    """The groups and users, in words."""
    until: str
    """The last day, as it is proposed, or as it was where nothing is left; empty: without an end."""

    @property
    def gains(self) -> bool:
        """Whether it is more than before."""
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
        """Give the form that JSON answers carry."""
        return {
            "kind": self.kind, "gains": self.gains, "team": self.team, "profiles": list(self.profiles),
            "who": list(self.who), "until": self.until or None, "text": self.text,
        }  # fmt: skip


def _listed(profiles: tuple[str, ...]) -> str:
    more = f" and {len(profiles) - 10} more" if len(profiles) > 10 else ""
    return ", ".join(profiles[:10]) + more


@dataclass(frozen=True, slots=True)
class _Way:
    """Who can start something, and until when."""

    audience: Audience
    until: dt.date
    """The last day; the last of all days where there is no end."""


@dataclass(frozen=True, slots=True)
class _Delta:
    """What differs between two ways for some of their people."""

    kind: AccessKind
    clauses: tuple[Clause, ...]
    until: dt.date
    was_until: dt.date | None = None
    rest: bool = False
    """Whether some are left out: those who had it before, or keep it."""

    @property
    def who(self) -> tuple[str, ...]:
        return tuple(in_words(clause) if clause or not self.rest else "everybody else" for clause in self.clauses)


def compare_access(before: Catalog, after: Catalog, now: dt.datetime | None = None) -> list[AccessChange]:
    """Say who gains and who loses which data; with `now`, what has ended already is no way."""
    return _Comparison(before, after, now).access()


def compare_starts(before: Catalog, after: Catalog, now: dt.datetime | None = None) -> list[StartChange]:
    """Say who can start what they could not start before, and who no longer can."""
    return _Comparison(before, after, now).starts()


class _Comparison:
    """Two catalogs, and what has to be looked at to compare their ways."""

    def __init__(self, before: Catalog, after: Catalog, now: dt.datetime | None) -> None:
        self._before = before
        self._after = after
        self._now = now
        self._origins = same_team_origins(before, after)
        self._people = {
            name
            for name in differing(before.teams, after.teams)
            if _conditions(before.teams.get(name)) != _conditions(after.teams.get(name))
        }
        self._grants = set(self._differing_grants())
        self._others: dict[tuple[bool, str, str], _Others] = {}

    def starts(self) -> list[StartChange]:
        """Compare who can start the profiles."""
        found: dict[tuple[str, AccessKind, tuple[str, ...], str], list[str]] = {}
        for old, new in self._profiles():
            name = (new or old).partition("/")[0]
            for step in _steps(self._way(self._before, old), self._way(self._after, new)):
                until = "" if step.until == dt.date.max else step.until.isoformat()
                found.setdefault((name, step.kind, step.who, until), []).append(new or old)
        return [
            StartChange(kind, name, tuple(sorted(profiles)), who, until)
            for (name, kind, who, until), profiles in sorted(found.items())
        ]

    def access(self) -> list[AccessChange]:
        """Compare who can reach the data."""
        found: dict[tuple[str, str, AccessKind, tuple[str, ...], str, str, bool], set[str]] = {}
        for role, name, profile, step in self._steps():
            was_until = step.was_until.isoformat() if step.was_until else ""
            key = (
                role,
                name,
                step.kind,
                step.who,
                step.until.isoformat(),
                was_until,
                self._otherwise(role, name, step),
            )
            found.setdefault(key, set()).update([profile] if profile else [])
        return [
            AccessChange(kind, role, name, tuple(sorted(profiles)), who, until, was_until, otherwise)
            for (role, name, kind, who, until, was_until, otherwise), profiles in sorted(
                found.items(), key=lambda item: (*item[0], sorted(item[1]))
            )
        ]

    def _steps(self) -> Iterator[tuple[str, str, str, _Delta]]:
        for old, new in self._profiles():
            was, now = self._way(self._before, old), self._way(self._after, new)
            olds, news = _roles(self._before, old), _roles(self._after, new)
            for role in sorted({*olds, *news}):
                for step in _steps(was if role in olds else None, now if role in news else None):
                    yield role, (new or old).partition("/")[0], new or old, step
        for role, name in sorted(self._granted()):
            if not self._uses(self._before, role, name) and not self._uses(self._after, role, name):
                for step in _steps(self._grant(self._before, role, name), self._grant(self._after, role, name)):
                    yield role, name, "", step

    def _profiles(self) -> list[tuple[str, str]]:
        """Give the profiles whose ways may differ, as they were and as they are called; empty where there is none."""
        ids = set(differing(self._before.profiles, self._after.profiles))
        for name in self._people:
            ids.update(self._before.profiles_of(name), self._after.profiles_of(name))
        for role in {role for role, _ in self._grants}:
            reaching = {*self._before.profiles_reaching(role), *self._after.profiles_reaching(role)}
            ids.update(each for each in reaching if (role, each.partition("/")[0]) in self._grants)
        renamed = set(self._origins.values())
        return [
            (
                self._origins.get(each, each if each in self._before.profiles else ""),
                each if each in self._after.profiles else "",
            )
            for each in sorted(ids)
            if each not in renamed
        ]

    def _differing_grants(self) -> Iterator[tuple[str, str]]:
        for role in differing(self._before.data_roles, self._after.data_roles):
            old, new = self._before.data_roles.get(role), self._after.data_roles.get(role)
            olds, news = old.value.granted_to if old else {}, new.value.granted_to if new else {}
            yield from ((role, name) for name in {*olds, *news} if olds.get(name) != news.get(name))

    def _granted(self) -> set[tuple[str, str]]:
        """Give the grants that differ, and those of teams whose people differ."""
        found = set(self._grants)
        if self._people:
            entries = (*self._before.data_roles.values(), *self._after.data_roles.values())
            found.update((entry.id, name) for entry in entries for name in self._people & entry.value.granted_to.keys())
        return found

    def _uses(self, catalog: Catalog, role: str, name: str) -> bool:
        return bool(_reaching(catalog, role, name))

    def _otherwise(self, role: str, name: str, step: _Delta) -> bool:
        gains = step.kind in ("gains", "longer")
        key = (gains, role, name)
        if key not in self._others:
            catalog = self._before if gains else self._after
            self._others[key] = _Others(self._way(catalog, each) for each in _reaching(catalog, role, name))
        # What is gained had another way as long before; what is lost has one as long as it was.
        until = step.until if gains or step.was_until is None else step.was_until
        return all(self._others[key].offer(clause, until) for clause in step.clauses)

    def _way(self, catalog: Catalog, profile_id: str) -> _Way | None:
        """Give who can start a profile, and until when."""
        entry = catalog.profiles.get(profile_id)
        name = profile_id.partition("/")[0]
        team = catalog.teams.get(name)
        if entry is None or team is None:
            return None
        until = dt.date.max
        if entry.value.retired_from is not None:
            until = max(entry.value.retired_from, dt.date(1, 1, 2)) - _ONE_DAY
        for role in entry.value.data_roles:
            grant = self._grant(catalog, role, name)
            if grant is None:
                return None
            until = min(until, grant.until)
        over = self._now is not None and (days_left(until, self._now) < 0 or _stopped(entry, self._now))
        return None if over else _Way(audience(team.value, entry.value), until)

    def _grant(self, catalog: Catalog, role: str, name: str) -> _Way | None:
        """Give who could reach the data of a grant, were there a profile for it."""
        entry, team = catalog.data_roles.get(role), catalog.teams.get(name)
        grant = entry.value.granted_to.get(name) if entry else None
        if grant is None or team is None:
            return None
        until = min(grant.until, grant.review_by or grant.until)
        if self._now is not None and days_left(until, self._now) < 0:
            return None
        return _Way(audience(team.value), until)


class _Others:
    """The different ways of a team to some data, taken up one after the other as they are asked for."""

    def __init__(self, ways: Iterator[_Way | None]) -> None:
        self._coming = ways
        self._known: dict[_Way, None] = {}

    def offer(self, clause: Clause, until: dt.date) -> bool:
        """Tell whether one of the ways is for these people, at least until that day."""
        return any(way.until >= until and meets(clause, way.audience) for way in self._each())

    def _each(self) -> Iterator[_Way]:
        yield from self._known
        for way in self._coming:
            if way and way not in self._known:
                self._known[way] = None
                yield way


def _reaching(catalog: Catalog, role: str, name: str) -> tuple[str, ...]:
    """Give a team's profiles that name a data role; their ids stand together in the index."""
    ids = catalog.profiles_reaching(role)
    return ids[bisect.bisect_left(ids, f"{name}/") : bisect.bisect_left(ids, f"{name}0")]


def _stopped(entry: Entry[Profile], now: dt.datetime) -> bool:
    """Tell whether a review or an acceptance has ended: such days are moved every now and then, so they end no way."""
    if entry.value.review_by is not None and days_left(entry.value.review_by, now) < 0:
        return True
    codes = {problem.code for problem in entry.problems}
    return any(
        accepted.until is not None and days_left(accepted.until, now) < 0 and code in codes
        for code, accepted in entry.value.accepted.items()
    )


def _conditions(entry: Entry[Team] | None) -> tuple[object, ...] | None:
    """Give what decides who somebody is in a team."""
    if entry is None:
        return None
    return audience(entry.value), entry.value.members.everyone, entry.value.leads, entry.value.deputies


def _roles(catalog: Catalog, profile_id: str) -> tuple[str, ...]:
    entry = catalog.profiles.get(profile_id)
    return entry.value.data_roles if entry else ()


def _steps(was: _Way | None, now: _Way | None) -> Iterator[_Delta]:
    """Compare two ways clause by clause: each user who gains or loses is meant by one of the clauses."""
    if was == now:
        return
    olds, news = clauses(was.audience) if was else (), clauses(now.audience) if now else ()
    gained = [each for each in news if not (was and meets(each, was.audience))]
    lost = [each for each in olds if not (now and meets(each, now.audience))]
    if now and gained:
        yield _Delta("gains", tuple(gained), now.until, rest=was is not None)
    if was and lost:
        yield _Delta("loses", tuple(lost), was.until, rest=now is not None)
    if was and now and now.until != was.until:
        kind: AccessKind = "longer" if now.until > was.until else "shorter"
        stay = _without(news, gained) if kind == "longer" else _without(olds, lost)
        if stay:
            yield _Delta(kind, stay, now.until, was.until)


def _without(these: Iterable[Clause], those: Iterable[Clause]) -> tuple[Clause, ...]:
    left_out = set(those)
    return tuple(each for each in these if each not in left_out)
