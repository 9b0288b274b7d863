"""What a reader is told of the commits that changed a file: of proposals that they may not know of, who and when."""

import dataclasses
from collections.abc import Iterable, Mapping

from allotment_hub.forges.heads import drop_oldest
from allotment_hub.forges.plain_git import PlainGitForge
from allotment_hub.services.proposals.sights import all_known
from allotment_profiles.access.people import User
from allotment_profiles.access.visibility import Audience, audience_of
from allotment_profiles.git.process import GitUnavailableError
from allotment_profiles.records.record import Record
from allotment_profiles.store.provenance import MERGE, HistoryEntry
from allotment_profiles.store.watcher import CatalogWatcher

_MAXIMUM_KEPT = 2000
_Audiences = Mapping[str, tuple[Audience | None, ...]]


class ToldEntries:
    """Leaves out title, reason and link of proposals that a reader may not know of. Blocks."""

    def __init__(self, watcher: CatalogWatcher, forge: PlainGitForge) -> None:
        self._watcher = watcher
        self._forge = forge
        self._kept: dict[str, _Audiences] = {}
        """By commit, for whom the versions of its files are, before and after."""

    def told(self, reader: User, entries: Iterable[HistoryEntry | None]) -> dict[str, HistoryEntry]:
        """Return what the reader is told of each commit, by its id."""
        # The page of a file is for those who may see it, and so is what was written about it alone.
        found = self._without_redacted({entry.commit: entry for entry in entries if entry})
        mixed = [commit for commit, entry in found.items() if entry.proposal and len(entry.paths) > 1]
        if mixed and not reader.admin:
            catalog = self._watcher.catalog
            for commit, files in self._files(mixed).items():
                entry = found[commit]
                if reader.name != entry.proposed_by and not all_known(reader, catalog, files):
                    found[commit] = dataclasses.replace(entry, subject="", reason="", proposal="", paths=())
        return found

    def _without_redacted(self, found: dict[str, HistoryEntry]) -> dict[str, HistoryEntry]:
        """Leave out the words that are redacted: main has them in its messages. While nobody knows, leave out all."""
        proposals = {entry.proposal for entry in found.values() if entry.proposal}
        try:
            redacted = self._forge.redacted(proposals) if proposals else {}
        except GitUnavailableError:  # the records are being read
            return {
                commit: dataclasses.replace(entry, subject="", reason="") if entry.proposal else entry
                for commit, entry in found.items()
            }
        return {
            commit: _without_words(entry, redacted[entry.proposal]) if entry.proposal in redacted else entry
            for commit, entry in found.items()
        }

    def _files(self, commits: list[str]) -> dict[str, _Audiences]:
        missing = [commit for commit in commits if commit not in self._kept]
        if missing:
            repository = self._watcher.repository
            read = {commit.id: commit.parents[0] for commit in repository.commits(missing) if commit.parents}
            pairs = [(read[commit], commit) for commit in missing if commit in read]
            changes = dict(zip((commit for _, commit in pairs), repository.changes_of(pairs), strict=True))
            blobs = {blob for each in changes.values() for change in each for blob in (change.old_blob, change.blob)}
            contents = repository.objects(blob for blob in blobs if blob.strip("0"))
            for commit in missing:
                self._kept[commit] = {
                    change.path: tuple(
                        audience_of(change.path, contents.get(blob, b""))
                        for blob in (change.old_blob, change.blob)
                        if blob.strip("0")
                    )
                    for change in changes.get(commit, ())
                }
        files = {commit: self._kept[commit] for commit in commits}
        drop_oldest(self._kept, _MAXIMUM_KEPT)
        return files


def _without_words(entry: HistoryEntry, redacted: Record) -> HistoryEntry:
    """Return an entry with what stands in the place of its reason, and of a title that somebody wrote."""
    subject = f"{MERGE}{redacted.title}" if redacted.own_title else entry.subject
    return dataclasses.replace(entry, subject=subject, reason=redacted.text)
