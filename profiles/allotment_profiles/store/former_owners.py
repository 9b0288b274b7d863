"""Fold main's history into whose the credentials were that data roles name no more.

A data role that is removed, or gets another binding, leaves its owner on record. The record ends when a data role of
that owner names the credential again: from then on that file says whose it is, and its owner can hand it over.
"""

import itertools
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from allotment_profiles.catalog.credentials import FormerRole, Reach, reach_of
from allotment_profiles.documents.reading import read
from allotment_profiles.git.process import GitDataError
from allotment_profiles.git.repository import Repository
from allotment_profiles.model import DataRole
from allotment_profiles.model.limits import MAXIMUM_BYTES
from allotment_profiles.model.paths import file_ref

FormerRoles = Mapping[tuple[str, Reach], FormerRole]
"""By owner, and what their data role reached."""
_AT_ONCE = 500
"""How many changes are read at once."""


@dataclass(frozen=True, slots=True)
class RoleChange:
    """A change of what applies of one data role."""

    commit: str
    name: str
    before: str | None
    """The blob; None where no regular file applies."""
    after: str | None

    @classmethod
    def of(cls, commit: str, path: str, before: str | None, after: str | None) -> "RoleChange | None":
        """Return the change of a file; None where it is no data role, or stays as it is."""
        ref = file_ref(path)
        return cls(commit, ref.id, before, after) if ref and ref.kind == "data role" and before != after else None


def fold_roles(repository: Repository, known: FormerRoles, changes: Sequence[RoleChange]) -> FormerRoles:
    """Return the records after some more changes, in the order of main. Raise GitError."""
    former = dict(known)
    for batch in _batches(changes):
        roles = _read(repository, {blob for each in batch for blob in (each.before, each.after) if blob})
        for _commit, together in itertools.groupby(batch, lambda change: change.commit):
            _fold_commit(former, together, roles)
    return former


def _fold_commit(
    former: dict[tuple[str, Reach], FormerRole], changes: Iterable[RoleChange], roles: Mapping[str, DataRole]
) -> None:
    named = []
    for change in changes:
        old, new = (roles.get(blob) if blob else None for blob in (change.before, change.after))
        olds, news = (reach_of(role.binding) if role else None for role in (old, new))
        if olds == news:
            continue  # also where it comes to another owner, who answers for it from then on
        if old and olds:
            former[old.owner, olds] = FormerRole(change.name, old.owner, old.binding)
        if new and news:
            named.append((new.owner, news))
    for key in named:  # last, as the commit may have moved the file
        former.pop(key, None)


def _batches(changes: Sequence[RoleChange]) -> Iterator[Sequence[RoleChange]]:
    """Yield the changes in parts; those of one commit together."""
    begin = 0
    for end in range(1, len(changes) + 1):
        last = end == len(changes)
        if last or (end - begin >= _AT_ONCE and changes[end].commit != changes[end - 1].commit):
            yield changes[begin:end]
            begin = end


def _read(repository: Repository, blobs: Iterable[str]) -> dict[str, DataRole]:
    wanted = set(blobs)
    sources = repository.objects(wanted, maximum=MAXIMUM_BYTES)
    left = wanted - sources.keys()
    if missing := left - repository.sizes(left).keys():
        raise GitDataError(f"the repository lacks the object {min(missing)}")
    values = {blob: read("data role", "", source).value for blob, source in sources.items()}
    return {blob: value for blob, value in values.items() if isinstance(value, DataRole)}
