"""Proposing: turns changed files and a reason into a branch that others can review."""

import asyncio
import dataclasses
from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass
from functools import partial
from typing import ParamSpec, TypeVar

from allotment_hub.errors import ServiceError, refused
from allotment_hub.forges.plain_git import size_of
from allotment_hub.forges.record_log import RecordsLoadingError
from allotment_hub.forges.stored_proposal import MAXIMUM_FILES, StoredProposal
from allotment_hub.services.judging.advice import advice_on
from allotment_hub.services.judging.catching_up import Updated
from allotment_hub.services.judging.checking import ChangeChecker, Check, Files
from allotment_hub.services.proposals.naming import UNDO, new_id, title_of
from allotment_hub.services.proposals.proposals import Proposals, profiles_in
from allotment_hub.services.proposals.rights import (
    DAY,
    Actor,
    refusal_to_add,
    refusal_to_change,
    refusal_to_open,
    refusal_to_revert,
)
from allotment_hub.services.proposals.sights import Sights, shown, without_others
from allotment_profiles.access.people import ADMINISTRATORS
from allotment_profiles.access.visibility import Sight, decides_about, team_is_listed, visible
from allotment_profiles.catalog.catalog import Catalog
from allotment_profiles.git.repository import RefMovedError
from allotment_profiles.model import DailyLimits, Policy
from allotment_profiles.model.paths import file_ref
from allotment_profiles.model.problems import Problem, Refusal
from allotment_profiles.model.values.texts import harmful_character
from allotment_profiles.records.evidence import Evidence, SessionEvidence, TrialOutcome
from allotment_profiles.records.record import Source
from allotment_profiles.review.approvals import addressed

P = ParamSpec("P")
T = TypeVar("T")

MAXIMUM_REASON = 2000
_NOT_PROPOSED = "This cannot be proposed."
HAS_PROBLEMS = Refusal("problems", _NOT_PROPOSED, "The files have problems.", "Correct them.", status=422)


@dataclass(frozen=True, slots=True)
class Proposed:
    """The result of proposing."""

    proposal: StoredProposal
    created: bool
    """False where an open proposal of the same person was updated."""
    automatic: bool
    """Whether it needed nobody's approval when it was checked."""


class Submissions:
    """Opens, updates and withdraws proposals, and adds comments. Nothing here approves."""

    def __init__(self, proposals: Proposals, checking: ChangeChecker) -> None:
        self._proposals = proposals
        self._checking = checking
        self._forge = proposals.forge
        self._lock = asyncio.Lock()

    async def check(self, actor: Actor, files: Files) -> Check:
        """Check files against main as it is now, and return what this actor may see of it. Nothing is written."""
        check_number(files)
        check = await self._checked(actor, files, await self._proposals.main())
        sights = self._sights(actor, files, check)
        check = await asyncio.to_thread(without_others, check, sights)
        required, automatic = await asyncio.to_thread(check.needed_by, actor.user)
        requirements = addressed(required, check.before, actor.user)
        seen = (await asyncio.to_thread(shown, check, sights, requirements)).brief()
        advice = await self._proposals.approvers.advice(requirements, check.before, actor.user, reader=actor.user)
        others = await self._proposals.others(files, actor.user)
        advised = await asyncio.to_thread(list, advice_on(check.after, files, self._proposals.channels, actor.user))
        problems, replaces = (*seen.problems, *advice, *advised), await self.replaced(actor, files)
        return dataclasses.replace(seen, problems=problems, automatic=automatic, others=others, replaces=replaces)

    async def propose(
        self,
        actor: Actor,
        files: Files,
        reason: str,
        *,
        update: str | None = None,
        on: str | None = None,
        replaces: str | None = None,
        made: bool = False,
        undoes: str = "",
        evidence: SessionEvidence | None = None,
        by_assistant: bool = False,
        decides: bool = False,
    ) -> Proposed:
        """Propose files, or update the person's open proposal: the one for the same profile, or the one named.

        With `on`, refuse when main is not at that commit any more; `made` says that the service made the files there.
        With `replaces`, refuse when the person's open proposal has another tip; empty where they have none.
        `undoes` is the merged proposal that these files undo; then the person's open proposal that undoes it is
        updated. `evidence` is what their session says of itself, and `by_assistant` says that an assistant drafted it:
        neither changes what is decided. `decides` says that the caller merges what needs nobody's approval.
        """
        check_number(files)
        if undoes:
            undone = await self.undoable(actor, undoes)
            touched = (await self._proposals.touched([undone]))[undone.id]
            undoes = undoes if set(files) <= set(touched) else ""  # what changes other files is something else
        reason, said = checked_text(reason, "reason"), Evidence(session=evidence).encoded() if evidence else b""
        main = await self._proposals.main()
        if on not in (None, main):
            raise moved_error()
        check = await self._checked(actor, files, main)
        if check.errors:
            sights = self._sights(actor, files, check, typed=not made)
            seen = await asyncio.to_thread(lambda: shown(without_others(check, sights), sights, ()))
            if seen.errors:  # what the actor is told nothing of, those who decide see in the proposal
                raise ServiceError(HAS_PROBLEMS, seen.brief().problems)
        policy = check.before.policy.value if check.before.policy else None
        required, automatic = await asyncio.to_thread(check.needed_by, actor.user)
        # Ending access is a decision, which is never too much, if it is merged at once.
        decided = decides and actor.may_review and check.only_ends and bool(automatic) and not required
        undone_by_earlier = (
            None if made or undoes else await self._undone_by_earlier(actor, files, update, policy, main)
        )
        async with self._lock:  # others wait for it, so nothing is judged meanwhile
            earlier = await self._earlier(actor, files, update, policy, undoes=undoes, limited=not decided)
            if replaces not in (None, earlier.tip if earlier else ""):
                raise moved_error()
            if not decided:
                await self._within_day(actor, policy, size_of(files) + len(said))
            if earlier and not undoes:
                undoes, made = _still_undoes(earlier, files, undone_by_earlier, made=made)
            send = partial(self._forge.update, earlier) if earlier else partial(self._forge.open, new_id())
            # What somebody has typed may be anything, whatever they say that it undoes.
            undo = made and bool(undoes) and (earlier is None or earlier.current.title.startswith(UNDO))
            title, by = title_of(files, check, undo=undo), actor.user.name
            send = partial(send, undoes=undoes, evidence=said)
            stored = await written(send, main, files, by=by, title=title, reason=reason, by_assistant=by_assistant)
        return Proposed(stored, earlier is None, bool(automatic) and not required)

    async def _undone_by_earlier(
        self, actor: Actor, files: Files, update: str | None, policy: Policy | None, main: str
    ) -> tuple[str, Updated] | None:
        """Return which proposal is undone by the actor's open one that files would update, and how main undoes it."""
        earlier = await self._earlier(actor, files, update, policy, undoes="", limited=False)
        if earlier is None or not earlier.undoes:
            return None
        undone = await self._proposals.stored(earlier.undoes)
        return earlier.undoes, await self._proposals.undone(undone, main, actor.user)

    async def take(
        self, actor: Actor, paths: Collection[str], size: int, record: Callable[[], T], *, is_new: bool
    ) -> T:
        """Record files that an actor has pushed, within the limits of proposing, or raise a refusal."""
        self.check_pushed(actor, paths, size)
        policy = self._proposals.catalog.policy.value if self._proposals.catalog.policy else None
        async with self._lock:
            if is_new:
                _raise_if(refusal_to_open(actor, await self._proposals.open_ones(), policy))
            await self._within_day(actor, policy, size)
            return await written(record)

    def check_pushed(self, actor: Actor, paths: Collection[str], size: int) -> None:
        """Raise a refusal where files that were pushed are more than anybody may propose, before they are read.

        Also where the actor may not know of one of them.
        """
        check_number(paths)
        policy = self._proposals.catalog.policy
        _raise_if(refusal_to_add(0, 0, actor, _daily_limits(policy.value if policy else None), size))
        _check_known(actor, paths, self._proposals.catalog)

    async def bring_up_to_date(self, actor: Actor, proposal: str) -> StoredProposal:
        """Carry one's own proposal over to the files that main has changed since, key by key. Its approvals end."""
        stored, main = await self.own(actor, proposal), await self._proposals.main()
        what = "It is not brought up to date."
        if not (await self._proposals.judgement(stored, main, actor.user)).conflicts:
            why = "Main has changed none of its files since."
            raise refused(409, "up-to-date", what, why, "It can be reviewed as it is.", link=f"proposals/{stored.id}")
        files = await self._proposals.files_for_main(stored, main, actor.user)
        if files.collisions:
            why = f"Main and the proposal have both changed {await self._keys(files, actor)}."
            remedy = "Choose the values yourself: change it, and send it again."
            raise refused(409, "keys-collide", what, why, remedy, actor.user.name, link=f"propose?proposal={stored.id}")
        done = await self.propose(actor, files.files, stored.current.text, update=stored.id, on=main, made=True)
        return done.proposal

    async def revert(self, actor: Actor, proposal: str, reason: str, *, decides: bool = False) -> Proposed:
        """Propose to undo a merged proposal, key by key. Where somebody has proposed that already, return theirs."""
        stored, reason = await self.undoable(actor, proposal), checked_text(reason, "reason")
        found = [each for each in await self._proposals.undoing(stored, actor.user) if each.open]
        if found:
            return Proposed(found[0], created=False, automatic=False)
        main = await self._proposals.main()
        undone = await self._proposals.undone(stored, main, actor.user)
        if undone.collisions:
            why = f"Main has changed {await self._keys(undone, actor)} since."
            remedy = "Choose the values yourself, in the editor that the link opens."
            link = f"propose?undo={stored.id}"
            raise refused(409, "keys-collide", "It is not undone.", why, remedy, actor.user.name, link=link)
        try:
            _check_known(actor, undone.files, self._proposals.catalog)
        except ServiceError as error:
            why = "It changes files that you may not know of."
            raise refused(
                403, "file-private", "You cannot undo it.", why, "Ask an administrator.", ADMINISTRATORS
            ) from error
        if not undone.files:
            why = "Main has nothing of it any more."
            raise refused(409, "nothing-to-undo", "There is nothing to undo.", why, link=f"proposals/{stored.id}")
        return await self.propose(actor, undone.files, reason, on=main, made=True, undoes=stored.id, decides=decides)

    async def undoable(self, actor: Actor, proposal: str) -> StoredProposal:
        """Return a merged proposal that an actor may know of. Raise a refusal for every other one."""
        stored = await self._proposals.visible(proposal, actor.user)
        _raise_if(refusal_to_revert(stored))
        return stored

    async def _keys(self, found: Updated, actor: Actor) -> str:
        """Name the keys that collide, where the actor may know of them."""
        named, catalog, user = found.collisions[:20], self._proposals.catalog, actor.user
        seen = await asyncio.to_thread(
            lambda: {each.path: found.sight(user, each.path, catalog) > Sight.NOTHING for each in named}
        )
        return ", ".join(f"{each.subject}: {each.label}" if seen[each.path] else each.subject for each in named)

    async def tried(self, proposal: str, head: str, by: str, outcome: TrialOutcome) -> StoredProposal:
        """Record how a trial of a head went that somebody has started. The service observed it: no user calls this."""
        stored = await self._proposals.stored(proposal)
        evidence = Evidence(trial=outcome).encoded()
        return await written(self._forge.record, stored, "tried", by=by, tried=head, evidence=evidence)

    async def withdraw(self, actor: Actor, proposal: str, source: Source | None = None) -> StoredProposal:
        """End one's own proposal."""
        stored = await self.own(actor, proposal)
        return await written(self._forge.record, stored, "withdrawn", by=actor.user.name, source=source)

    async def comment(self, actor: Actor, proposal: str, text: str) -> StoredProposal:
        """Add a comment."""
        stored = await self._proposals.visible(proposal, actor.user)
        return await self.comment_on(stored, actor, checked_text(text, "comment"))

    async def comment_on(
        self, stored: StoredProposal, actor: Actor, text: str, source: Source | None = None
    ) -> StoredProposal:
        """Add a comment of somebody who has the proposal before them, if only as a pull request."""
        _raise_if(await self._proposals.refusal_to_comment(stored, actor))
        async with self._lock:
            policy = self._proposals.catalog.policy
            await self._within_day(actor, policy.value if policy else None)
            by = actor.user.name
            return await written(self._forge.record, stored, "commented", by=by, text=text, source=source)

    async def own(self, actor: Actor, proposal: str) -> StoredProposal:
        """Return an open proposal that the actor made. Raise a refusal for every other one."""
        stored = await self._proposals.visible(proposal, actor.user)
        _raise_if(refusal_to_change(stored, actor))
        return stored

    async def _checked(self, actor: Actor, files: Files, main: str) -> Check:
        """Check files. Refuse those that the actor may not know of: a comparison would show what they contain."""
        check = await self._checking.files(main, files, actor.user.name)
        _check_known(actor, files, check.before)
        return check

    def _sights(self, actor: Actor, files: Files, check: Check, *, typed: bool = True) -> Sights:
        # What the service adds to a data role's file, and to files that main has changed, is not the actor's writing.
        refs = {path: file_ref(path) for path in files}
        wrote = {path for path, ref in refs.items() if typed and (ref is None or ref.kind != "data role")}
        wrote |= {path for path in files if self._proposals.is_new(path)}
        decides = all(decides_about(actor.user, path, check.before) for path in files)
        return Sights(actor.user, check.before, check, files, wrote, told_of_others=decides)

    async def _within_day(self, actor: Actor, policy: Policy | None, size: int = 0) -> None:
        """Raise a refusal where the actor has added as much today as one person may: git keeps all of it."""
        since = self._checking.now() - DAY
        records, sent = await asyncio.to_thread(self._forge.added, actor.user.name, since)
        _raise_if(refusal_to_add(records, sent, actor, _daily_limits(policy), size))

    async def replaced(self, actor: Actor, files: Files) -> StoredProposal | None:
        """Return the actor's own open proposal that proposing some files would replace, with its approvals."""
        try:
            return await self._earlier(actor, files, None, None, undoes="", limited=False)
        except RecordsLoadingError:
            return None

    async def _earlier(
        self,
        actor: Actor,
        files: Files,
        update: str | None,
        policy: Policy | None,
        *,
        undoes: str,
        limited: bool,
    ) -> StoredProposal | None:
        """Find the own open proposal that this one updates. Raise a refusal where too many are open for a new one.

        Other people's proposals for the same files are in nobody's way: the page links to them, and of two that change
        one file, the second is brought up to date after the merge of the first.
        """
        if update is not None:
            return await self.own(actor, update)
        wanted, still_open = set(profiles_in(files)), await self._proposals.open_ones()
        own = [stored for stored in still_open if stored.proposer == actor.user.name]
        alike = [stored for stored in own if stored.undoes == undoes]  # what undoes is not mixed with anything else
        touched = await self._proposals.touched(alike)
        for stored in alike:
            theirs = touched[stored.id]
            if undoes or (wanted & set(profiles_in(theirs)) if wanted else set(theirs) == set(files)):
                return stored
        _raise_if(refusal_to_open(actor, still_open, policy) if limited else None)
        return None


def _raise_if(refusal: Refusal | None) -> None:
    if refusal:
        raise ServiceError(refusal)


def _check_known(actor: Actor, paths: Iterable[str], catalog: Catalog) -> None:
    """Raise a refusal where the actor may not know of one of some files."""
    for path in paths:
        ref, entry = file_ref(path), catalog.entry_at(path)
        if ref and entry and visible(actor.user, path, catalog) == Sight.NOTHING:
            raise _taken(ref.id)
        new = ref is None or (ref.kind == "profile" and not entry)
        team = path.split("/")[1] if new and path.startswith("teams/") else ""
        if team in catalog.teams and not team_is_listed(catalog, actor.user, team):
            # The check would tell its limits, and who decides for it.
            raise refused(404, "team-unknown", "There is no such team.", "", "Choose a team of yours.")


def _taken(name: str) -> ServiceError:
    """Return the refusal for a file, or a proposal, that the actor may not know of."""
    return refused(409, "name-taken", "This cannot be proposed.", f"The name {name} is taken.", "Choose another name.")


def _daily_limits(policy: Policy | None) -> DailyLimits:
    return (policy.daily_limits if policy else None) or DailyLimits()


def check_number(files: Collection[str]) -> None:
    """Raise a refusal where there are no files, or more than one proposal may change."""
    if not files:
        raise refused(422, "no-files", "There is nothing to check.", "No files were sent.", "Send at least one file.")
    if len(files) > MAXIMUM_FILES:
        why = f"{len(files)} files were sent; {MAXIMUM_FILES} are allowed."
        raise refused(422, "many-files", "These are too many changes at once.", why, "Split them.")


async def written(write: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    """Write with the forge, in a thread. Raise a refusal where another change was faster."""
    try:
        return await asyncio.to_thread(write, *args, **kwargs)
    except RefMovedError as error:
        raise moved_error() from error


def moved_error() -> ServiceError:
    """Return the refusal for a change that another one overtook."""
    why = "The proposal or main has changed meanwhile."
    return refused(409, "moved", "Nothing was changed.", why, "Look at it as it is now, then decide again.")


def checked_text(text: str, name: str) -> str:
    """Return a reason or a comment, stripped. Raise a refusal that names the field where it is not acceptable."""
    text = text.replace("\r\n", "\n").strip()
    long = len(text) > MAXIMUM_REASON
    harmful = "" if long else harmful_character(text, allowed="\n\t")
    if text and not long and not harmful:
        return text
    why = f"A {name} has between 1 and {MAXIMUM_REASON} characters; this one has {len(text)}."
    if harmful:
        why = f"It contains the character {harmful}."
    problem = Problem("", name if text else f"{name}-missing", why, f"Write the {name} in a sentence.", field=name)
    raise ServiceError(Refusal(problem.code, f"A {name} is needed.", why, problem.remedy, status=422), [problem])


def _still_undoes(
    earlier: StoredProposal, files: Files, undone: tuple[str, Updated] | None, *, made: bool
) -> tuple[str, bool]:
    """Return which proposal an update still undoes, and whether it is what the service makes to undo that one.

    What the service has `made` of an earlier version undoes what that one did. Otherwise `undone` says what would.
    """
    if made or not earlier.undoes:
        return earlier.undoes, made
    if undone is None or undone[0] != earlier.undoes:
        raise moved_error()
    exact = not undone[1].collisions and dict(undone[1].files) == dict(files)
    return (earlier.undoes, True) if exact else ("", False)
