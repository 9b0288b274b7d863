"""What one reader may see of each side of a proposed change, and of its check. Pure."""

import dataclasses
import functools
from collections.abc import Callable, Container, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from allotment_hub.forges.stored_proposal import StoredProposal
from allotment_hub.forges.touched import Touched
from allotment_hub.services.judging.checking import Check
from allotment_hub.services.proposals.case import Case
from allotment_hub.services.visibility import UNSEEN, redacted, told, told_of_newest
from allotment_profiles.access.people import User
from allotment_profiles.access.visibility import Audience, Sight, decides_about, visible
from allotment_profiles.catalog.catalog import Catalog
from allotment_profiles.model.paths import file_ref, profile_path, team_path
from allotment_profiles.model.problems import Problem
from allotment_profiles.records.record import Record
from allotment_profiles.review.access_diff import AccessChange, StartChange
from allotment_profiles.review.approvals import Requirement
from allotment_profiles.store.provenance import Provenance


@dataclass(frozen=True)
class Sights:
    """How much one reader may see of each side of a change."""

    reader: User
    catalog: Catalog
    """What applies now."""
    check: Check
    files: Mapping[str, bytes | None]
    """What is proposed."""
    wrote: Container[str]
    """The paths whose proposed bytes are all of the reader's own writing."""
    base: Mapping[str, bytes] = dataclasses.field(default_factory=dict)
    """The files at the commit that the difference is shown against."""
    shown_by: "Sights | None" = None
    """What the proposer may see, and so shows to a reader who has to approve it."""
    told_of_others: bool = True
    """Whether the reader is told that files have problems that are not proposed and that they may not see."""

    def before(self, path: str) -> Sight:
        """Return how much of the version before the reader may see."""
        return self._most(_source(self.check.before, path), path, lambda other: other.before(path))

    def after(self, path: str) -> Sight:
        """Return how much of the proposed version the reader may see."""
        source = None if path in self.wrote else _source(self.check.after, path)
        return self._most(source, path, lambda other: other.after(path))

    def of(self, path: str) -> Sight:
        """Return how much of both versions the reader may see."""
        return min(self.before(path), self.after(path))

    def of_main(self, path: str) -> Sight:
        """Return how much the reader may see of both versions, and of what main has now."""
        return min(self.of(path), self._most(_source(self.catalog, path), path, lambda other: other.of_main(path)))

    def of_check(self, check: Check) -> "Sights":
        """Return what the reader may see of another check of the proposal."""
        shown_by = self.shown_by.of_check(check) if self.shown_by else None
        return dataclasses.replace(self, check=check, shown_by=shown_by)

    def text_before(self, path: str) -> bool:
        """Return whether the reader may see the text at the commit that the difference is shown against."""
        return self._most(self.base.get(path), path, lambda other: other._text_before(path)) == Sight.ALL

    def text_after(self, path: str) -> bool:
        """Return whether the reader may see the proposed text."""
        return self.written(path) == Sight.ALL

    def written(self, path: str) -> Sight:
        """Return how much of the proposed bytes the reader may see, whether they read or not."""
        data = None if path in self.wrote else self.files.get(path)
        return self._most(data, path, lambda other: other.written(path))

    def _text_before(self, path: str) -> Sight:
        return Sight.ALL if self.text_before(path) else Sight.NOTHING

    def _most(self, data: bytes | None, path: str, shown: Callable[["Sights"], Sight]) -> Sight:
        if data is None:
            return Sight.ALL  # there is nothing to see
        own = visible(self.reader, path, self.catalog, data)
        return max(own, shown(self.shown_by)) if self.shown_by and own < Sight.ALL else own


@dataclass(frozen=True)
class MainNow:
    """What applies now, and the history that led to it."""

    catalog: Catalog
    provenance: Provenance

    def never_had(self, path: str) -> bool:
        """Return whether main never had a file, so that its content comes from a proposal alone."""
        known = file_ref(path) is None or self.catalog.entry_at(path) or path in self.catalog.broken
        return not known and self.provenance.last(path) is None


def sights_of(
    case: Case, user: User, files: Mapping[str, bytes | None], base: Mapping[str, bytes], main: MainNow
) -> Sights:
    """Return what a user may see of a proposal: its reviewers also what its proposer may see."""
    # An existing file may have more in it than the proposer knows: the service adds grants and what main has changed.
    wrote = frozenset(path for path in files if path not in base and main.never_had(path))
    told = all(decides_about(case.proposer, path, main.catalog) for path in files)
    by_proposer = Sights(case.proposer, main.catalog, case.check, files, wrote, base, told_of_others=told)
    if user.name == case.proposer.name:
        current = case.stored.current
        # What they pushed themselves is theirs to the letter, also where it does not read.
        pushed = current.source is not None and current.by == user.name
        return dataclasses.replace(by_proposer, wrote=frozenset(files)) if pushed else by_proposer
    # Who reviewed an ended proposal may see it for as long as they would still review it.
    now = dataclasses.replace(case, main=main.catalog) if case.stored.ending else case
    reviews = case.reviewed_by(user) and now.reviewed_by(user)
    shown_by = by_proposer if reviews else None
    told = all(decides_about(user, path, main.catalog) for path in files)
    return Sights(user, main.catalog, case.check, files, frozenset(), base, shown_by, told)


def all_known(user: User, catalog: Catalog, files: Mapping[str, Sequence[Audience | None]]) -> bool:
    """Return whether a user may know of a proposal: they decide about a file of it, or may know of all of them.

    `files` is for whom the versions of each file are. With `listing: own`, one of the files has to concern the user.
    Where there are none, as main has all of it by another way, nothing says whom its words are for.
    """
    if not files:
        return False
    if any(decides_about(user, path, catalog) for path in files):
        return True
    sights = [visible(user, path, catalog, *audiences) for path, audiences in files.items()]
    listing = catalog.policy.value.listing if catalog.policy else "own"
    return min(sights) > Sight.NOTHING and (listing == "all" or Sight.ALL in sights)


def records_of(
    stored: StoredProposal,
    user: User,
    catalog: Catalog,
    touched: Callable[[Sequence[StoredProposal]], Mapping[str, Touched]],
) -> tuple[Record, ...]:
    """Return the records without the words that were written about an earlier version that a user may not know of.

    Blocks, where `touched` reads what that version touches.
    """

    def known(head: str) -> bool:
        earlier = stored.at(head)
        own = user.admin or user.name == stored.proposer
        return own or all_known(user, catalog, touched([earlier])[stored.id].files)

    def silent(record: Record) -> Record:
        source, words = record.source, "Written about a version that you may not see."
        if source and source.uncounted:
            source = dataclasses.replace(source, uncounted="It does not count.")
        text = words if record.text else ""
        return dataclasses.replace(record, text=text, source=source, has_evidence=False)

    written = (record for record in stored.records if record.text or record.source or record.has_evidence)
    heads = {record.head for record in written} - {stored.head}
    unknown = {head for head in heads if not known(head)}
    return tuple(silent(record) if record.head in unknown else record for record in stored.records)


def texts_seen(sights: Sights) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Return the paths whose text is shown, and those of them whose text before is not."""
    olds = {path for path in sights.files if sights.text_before(path)}
    seen = tuple(
        path for path, data in sights.files.items() if sights.text_after(path) and (data is not None or path in olds)
    )
    return seen, tuple(path for path in seen if path not in olds)


def shown(check: Check, sights: Sights, requirements: Iterable[Requirement]) -> Check:
    """Return a check with what a reader may see of it."""
    paths = {*sights.files, *(path for change in check.changes for path in (change.path, change.moved_from) if path)}
    sight = functools.cache(sights.of)  # there are many changes of a file
    unseen = any(sight(path) == Sight.NOTHING for path in paths)
    return dataclasses.replace(
        check,
        problems=tuple(_problems_of(check, sights)),
        changes=redacted(check.changes, sight, known=sights.files),
        access=tuple(_known_access(check, sights)),
        starts=tuple(_known_starts(check, sights)),
        costs=tuple(cost for cost in check.costs if sights.of(profile_path(cost.profile_id)) > Sight.NOTHING),
        requirements=tuple(_vague(requirement) if unseen else requirement for requirement in requirements),
    )


def without_others(check: Check, sights: Sights) -> Check:
    """Return a check without what it does to files of others, where the reader is told nothing of it.

    Otherwise anybody could find amounts in a file that they may not see, with one policy after the other.
    """
    if sights.told_of_others:
        return check

    def known(*paths: str) -> bool:
        return any(path in sights.files for path in paths) or all(_knows(path, sights) for path in paths if path)

    return dataclasses.replace(
        check,
        problems=tuple(problem for problem in check.problems if not _is_of_others(problem, sights)),
        changes=tuple(change for change in check.changes if known(change.path, change.moved_from)),
    )


def _problems_of(check: Check, sights: Sights) -> Iterator[Problem]:
    others = False
    for problem in check.problems:
        if _is_of_others(problem, sights):
            others = others or problem.blocks
        elif problem.path in sights.files:
            yield told(problem, sights.written(problem.path))
        elif file_ref(problem.path) is None:
            yield problem  # about a path, or about the request as a whole
        else:
            yield from told_of_newest([problem], sights.reader, problem.path, sights.catalog)
    if others and sights.told_of_others:
        message = "Files that you may not see would have problems."
        yield Problem("", "unseen-problems", message, "Ask an administrator which ones.")


def _is_of_others(problem: Problem, sights: Sights) -> bool:
    proposed = problem.path in sights.files or file_ref(problem.path) is None
    return not proposed and not _knows(problem.path, sights)


def _knows(path: str, sights: Sights) -> bool:
    return sights.of(path) > Sight.NOTHING and visible(sights.reader, path, sights.catalog) > Sight.NOTHING


def _known_access(check: Check, sights: Sights) -> Iterator[AccessChange]:
    """Yield who gains and loses data; in a team with hidden profiles that the reader may not see, as without them."""
    known = frozenset(_known_profiles(check.hidden, check, sights))
    unseen = {each.partition("/")[0] for each in check.hidden - known}
    teams = {change.team for change in (*check.access, *check.open_access)}
    listed = {team for team in teams if sights.of(team_path(team)) > Sight.NOTHING}
    for change in check.access:
        if change.team in listed - unseen:
            yield change
        elif change.team in listed and not known.isdisjoint(change.profiles):
            profiles = tuple(each for each in change.profiles if each in known)
            yield dataclasses.replace(change, profiles=profiles, also_via_other_profile=False)
    yield from (change for change in check.open_access if change.team in listed & unseen)


def _known_starts(check: Check, sights: Sights) -> Iterator[StartChange]:
    for change in check.starts:
        profiles = _known_profiles(change.profiles, check, sights)
        if profiles and sights.of(team_path(change.team)) > Sight.NOTHING:
            yield dataclasses.replace(change, profiles=profiles)


def _known_profiles(profiles: Iterable[str], check: Check, sights: Sights) -> tuple[str, ...]:
    """Return the profiles that a reader may know of, and of what they were renamed from."""
    origins = {change.path: change.moved_from for change in check.changes if change.moved_from}
    paths = {each: profile_path(each) for each in profiles}
    return tuple(
        each for each, path in paths.items() if min(sights.of(path), sights.of(origins.get(path, path))) > Sight.NOTHING
    )


def _vague(requirement: Requirement) -> Requirement:
    return dataclasses.replace(requirement, reasons=(f"It changes {UNSEEN}.",))


def _source(catalog: Catalog, path: str) -> bytes | None:
    entry = catalog.entry_at(path)
    return entry.source if entry else None
