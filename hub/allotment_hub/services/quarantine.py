"""Quarantined changes of main: who made them, why they do not apply, and how administrators confirm them.

Two people look at every change. The service knows who made a commit that it has signed, so one administrator who did
not make it confirms it. Who made another commit is unknown: anybody may write any name into it, and git does not say
who pushed it. So two administrators confirm what was pushed, and neither is named in it. The first confirmation is a
signed commit on main as well, which only this module reads. For a removal, which gives nothing to anybody and which
whoever pushes may confirm with git, one administrator is enough.
"""

import asyncio
import dataclasses
import datetime as dt
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Literal

from allotment_hub.errors import ServiceError, refused
from allotment_hub.forges.plain_git import PlainGitForge
from allotment_hub.forges.stored_proposal import Candidate
from allotment_hub.services.hub_api import Directory
from allotment_hub.services.identities import Identities
from allotment_hub.services.judging.checking import ChangeChecker, Check
from allotment_hub.services.proposals.digest import digest_of
from allotment_hub.services.proposals.proposing import checked_text, written
from allotment_hub.services.proposals.rights import Actor
from allotment_hub.services.sign_ins import SignIns
from allotment_profiles.access.people import ADMINISTRATORS, User
from allotment_profiles.access.visibility import decides_about
from allotment_profiles.catalog.catalog import Catalog, QuarantinedChange
from allotment_profiles.git.commits import Commit
from allotment_profiles.model.paths import POLICY
from allotment_profiles.model.problems import Refusal
from allotment_profiles.review.approvals import missing
from allotment_profiles.store.history import CONFIRMS_PUSH, CONFIRMS_REMOVAL
from allotment_profiles.store.provenance import MERGE, is_reviewed
from allotment_profiles.store.watcher import CatalogWatcher

Kind = Literal["removal", "direct-push"]
_TRAILERS: Mapping[Kind, str] = {"removal": CONFIRMS_REMOVAL, "direct-push": CONFIRMS_PUSH}

RELEASES = {
    "removal": "An administrator can confirm the removal, or somebody writes the files again.",
    "direct-push": "Administrators other than its author can confirm it, or a reviewed change replaces it.",
}
_DIGEST = "Confirms-digest"
"""The trailer of a first confirmation that says of what it is."""
_FIRST = f"{MERGE}the first confirmation of "
"""How the subject of a first confirmation begins; the id of the quarantined commit follows."""


@dataclass(frozen=True)
class QuarantinedCommit:
    """A commit of main with changes that are quarantined for one reason. One commit may have both."""

    commit: str
    reason: Kind
    since: dt.datetime
    authors: tuple[str, ...]
    """The names in the commit and its trailers, and the parts of the addresses before the @."""
    subject: str
    paths: tuple[str, ...]
    """The files whose changes do not apply until it is confirmed."""
    known_makers: bool = True
    """Whether nobody but `authors` can have made it, or it does not matter who did."""
    confirmed_by: tuple[User, ...] = ()
    """The administrators who have confirmed it already."""
    digests: Mapping[str, tuple[str, ...]] = dataclasses.field(default_factory=dict)
    """Of what each of them has confirmed it: by name, what it would have changed for whom."""
    digest: str = ""
    """The same as it is now, where that has been found."""

    @property
    def why(self) -> str:
        """Why it does not apply, in a sentence."""
        number = f"{len(self.paths)} file{'' if len(self.paths) == 1 else 's'}"
        if self.reason == "removal" and self.paths == (POLICY,):
            return "It removes the policy, without which nothing starts. The policy stays until somebody confirms it."
        if self.reason == "removal":
            return f"It removes {number} at once, which may be a mistake. They stay until somebody confirms it."
        return f"It changes {number} without a review. The earlier versions apply until somebody confirms it."

    @property
    def release(self) -> str:
        """How it comes to apply, in a sentence."""
        if self.known_makers:
            return RELEASES[self.reason]
        by = f" {' and '.join(user.name for user in self.confirmed_by)} has confirmed it." if self.confirmed_by else ""
        return f"{RELEASES[self.reason]} Who made it is not known, so two administrators have to confirm it.{by}"

    def made_by(self, user: User) -> bool:
        """Return whether a user is named as somebody who made it."""
        return user.name.casefold() in {name.casefold() for name in self.authors}

    def released_by(self, user: User) -> bool:
        """Return whether it applies once this user confirms it, too."""
        return self.known_makers or any(other.name != user.name for other in self.confirmed_by)

    def refusal(self, reader: Actor) -> Refusal | None:
        """Return why a reader may not confirm it, or None."""
        what = "Nothing was confirmed."
        if not reader.may_review:
            why = "A session can ask, but not decide: this token lacks the right to review."
            return Refusal("scope-missing", what, why, "Open the page in a browser.", ADMINISTRATORS)
        if not reader.user.admin:
            why = "Only administrators confirm quarantined changes."
            return Refusal("not-an-administrator", what, why, "Ask one.", ADMINISTRATORS)
        if self.made_by(reader.user):
            why = "You made this commit yourself, and two people look at every change."
            return Refusal("own-commit", what, why, "Ask another administrator.", ADMINISTRATORS)
        if any(reader.user.name == user.name for user in self.confirmed_by):
            why = "You have confirmed it already, and its makers are not known."
            remedy = "Ask another administrator. Without one, undo the commit in the repository and propose the change."
            return Refusal("already-confirmed", what, why, remedy, ADMINISTRATORS, 409)
        return None


class Quarantine:
    """Lists the quarantined changes of main, and confirms them."""

    def __init__(
        self,
        forge: PlainGitForge,
        checking: ChangeChecker,
        watcher: CatalogWatcher,
        directory: Directory,
        sign_ins: SignIns,
        identities: Identities,
    ) -> None:
        self._identities = identities
        self._forge = forge
        self._directory = directory
        self._sign_ins = sign_ins
        self._checking = checking
        self._watcher = watcher
        self._known: dict[str, Commit | None] = {}
        self._keys = ""
        self._lock = asyncio.Lock()

    async def seen_by(self, user: User) -> list[QuarantinedCommit]:
        """List what a user may see, oldest first: administrators all, others the files of a team they decide for."""
        catalog = self._watcher.catalog
        known = (
            dataclasses.replace(
                commit, paths=tuple(path for path in commit.paths if decides_about(user, path, catalog))
            )
            for commit in await self._all(catalog)
        )
        return [
            (await self._counting(commit, user))[0] if user.admin and commit.confirmed_by else commit
            for commit in known
            if commit.paths
        ]

    async def confirm(self, actor: Actor, commit: str, reason: str, kind: str = "") -> bool:
        """Confirm a quarantined commit with an empty signed commit on main that says who did and why.

        `kind` is why its changes are quarantined; a commit with both kinds is confirmed for each of them.
        Return whether it applies now: where its makers are not known, the first of two confirmations is only recorded.
        """
        reason = checked_text(reason, "reason")
        if actor.may_review:
            user = await self._identities.confirmed(actor.user, "proposals")
            actor = dataclasses.replace(actor, user=user)
        before = [each for each in await self._all(self._watcher.catalog) if each.commit == commit]
        first = {user.name for each in before for user in each.confirmed_by}
        without = await self._identities.unconfirmed(first)
        async with self._lock:
            quarantined = _named(await self._all(await self._watcher.refresh(), without), commit, kind)
            check: Check | None = None
            if quarantined.reason != "removal" and actor.may_review and actor.user.admin:
                quarantined, check = await self._counting(quarantined, actor.user)
            refusal = quarantined.refusal(actor)
            if refusal:
                raise ServiceError(refusal)
            if check:
                await self._check_data(actor, quarantined, check)
            message, by = _message(quarantined, actor, reason), actor.user.name
            main = await asyncio.to_thread(self._forge.main)
            await written(self._forge.confirm, main, commit, message, by=by, reason=reason)
        await self._watcher.refresh()
        return quarantined.released_by(actor.user)

    async def _all(self, catalog: Catalog, without: frozenset[str] = frozenset()) -> list[QuarantinedCommit]:
        together = by_commit_and_kind(catalog.quarantined)
        by_commit = {commit for commit, _ in together}
        keys = self._forge.repository.keys
        if keys != self._keys:
            self._known, self._keys = {}, keys
        unknown = [commit for commit in by_commit if commit not in self._known]
        if unknown:
            read = await asyncio.to_thread(self._forge.repository.commits, unknown)
            self._known = {id_: self._known.get(id_) for id_ in by_commit} | {commit.id: commit for commit in read}
        known = self._known
        return [await self._quarantined(each, known.get(commit), without) for (commit, _), each in together.items()]

    async def _quarantined(
        self, changes: list[QuarantinedChange], commit: Commit | None, without: frozenset[str]
    ) -> QuarantinedCommit:
        quarantined = _quarantined(changes, commit)
        entries = [
            entry.commit
            for entry in self._watcher.provenance.entries
            if entry.reviewed and entry.subject == _FIRST + quarantined.commit
        ]
        read = await asyncio.to_thread(self._forge.repository.commits, entries) if entries else []
        digests: dict[str, tuple[str, ...]] = {}
        for confirmation in read:
            trailers = confirmation.trailers()
            if not is_reviewed(confirmation) or "Proposal" in trailers:
                continue  # somebody has called a proposal, or the commit of one, like that
            for name in trailers.get("Approved-by", ()):
                digests[name] = (*digests.get(name, ()), *trailers.get(_DIGEST, ()))
        first = list(digests)
        # Somebody who is no administrator any more has confirmed nothing.
        users = await self._directory.users(name for name in first if name not in without)
        counting = tuple(user for user in users if user.admin and not quarantined.made_by(user))
        return dataclasses.replace(quarantined, confirmed_by=counting, digests=digests)

    async def _counting(self, quarantined: QuarantinedCommit, by: User) -> tuple[QuarantinedCommit, Check]:
        """Return a commit with the confirmations that count: those of what it would change now; and its check.

        Main goes on while it waits: other people may gain what was confirmed for others.
        """
        repository = self._forge.repository
        files = {path: await asyncio.to_thread(repository.file, quarantined.commit, path) for path in quarantined.paths}
        check = await self._checking.files(await asyncio.to_thread(self._forge.main), files, by.name)
        digest = await asyncio.to_thread(digest_of, Candidate("", quarantined.commit, ()), check)
        counting = tuple(user for user in quarantined.confirmed_by if digest in quarantined.digests.get(user.name, ()))
        return dataclasses.replace(quarantined, confirmed_by=counting, digest=digest), check

    async def _check_data(self, actor: Actor, quarantined: QuarantinedCommit, check: Check) -> None:
        """Check that a change of data is confirmed by its owner, freshly signed in. Raise ServiceError."""
        nobody, people = User("", frozenset()), (actor.user, *quarantined.confirmed_by)
        for requirement in missing(check.requirements, people, check.before, nobody):
            if requirement.kind == "owner":
                what = "Nothing was confirmed."
                remedy = "Undo the commit in the repository and propose the change, so that they can approve it."
                raise ServiceError(
                    Refusal("owner-needed", what, f"It needs {requirement.text}", remedy, requirement.who)
                )
        if check.needs_sign_in:
            await self._sign_ins.check_fresh(actor.user.name, actor.sign_in, check.before, "proposals")


def by_commit_and_kind(changes: Iterable[QuarantinedChange]) -> dict[tuple[str, Kind], list[QuarantinedChange]]:
    """Return quarantined changes that are confirmed together, oldest first: of one commit, for one reason."""
    together: dict[tuple[str, Kind], list[QuarantinedChange]] = {}
    for change in sorted(changes, key=lambda change: change.since):
        together.setdefault((change.commit, change.reason), []).append(change)
    return together


def _named(commits: Iterable[QuarantinedCommit], commit: str, kind: str) -> QuarantinedCommit:
    """Return the quarantined commit to be confirmed. Raise ServiceError."""
    of_commit = [each for each in commits if each.commit == commit and kind in ("", each.reason)]
    if not of_commit:
        what = "There is nothing to confirm."
        remedy = "Look at the list of proposals, which shows what is quarantined."
        raise refused(404, "hold-unknown", what, "No change of this commit is quarantined.", remedy)
    if len(of_commit) > 1:
        why = "It removes files, and writes others: each is confirmed for itself."
        remedy = "Say which: `kind` is `removal` or `direct-push`."
        raise refused(400, "hold-kind-missing", "Nothing was confirmed.", why, remedy)
    return of_commit[0]


def _quarantined(changes: list[QuarantinedChange], commit: Commit | None) -> QuarantinedCommit:
    first = changes[0]
    authors: Iterable[str] = ()
    if commit:
        proposed = commit.trailers().get("Proposed-by", []) if commit.signed_by else []
        people = (commit.author,) if commit.signed_by else (commit.author, commit.committer)
        names = (name for person in people for name in (person.name, person.email.partition("@")[0]))
        authors = (*proposed, *names)
    return QuarantinedCommit(
        commit=first.commit,
        reason=first.reason,
        since=first.since,
        authors=tuple(dict.fromkeys(filter(None, authors))),
        subject=commit.subject if commit else "",
        paths=tuple(sorted(change.path for change in changes)),
        known_makers=first.reason == "removal" or bool(commit and commit.signed_by),
    )


def _message(quarantined: QuarantinedCommit, actor: Actor, reason: str) -> str:
    what = "removal" if quarantined.reason == "removal" else "commit"
    released = quarantined.released_by(actor.user)
    people = (*quarantined.confirmed_by, actor.user) if released else (actor.user,)
    trailers = [
        *(
            [f"{_TRAILERS[quarantined.reason]}: {quarantined.commit}"]
            if released
            else [f"{_DIGEST}: {quarantined.digest}"]
        ),
        *(f"Approved-by: {' '.join(user.name.split())}" for user in people),
        f"Merged-by: {' '.join(actor.user.name.split())}",
        f"Reason: {' '.join(reason.split())}",
    ]
    if not released:
        return f"{_FIRST}{quarantined.commit}\n\n{reason}\n\n" + "\n".join(trailers) + "\n"
    subject = f"{MERGE}the {what} {quarantined.commit[:10]}, which was quarantined ({len(quarantined.paths)} files)"
    return f"{subject}\n\n{reason}\n\n" + "\n".join(trailers) + "\n"
