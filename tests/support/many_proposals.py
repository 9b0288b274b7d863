"""A profiles repository with many proposals: open, rejected, withdrawn and merged ones, written as one pack."""

import dataclasses
import datetime as dt
import functools
import hashlib
import struct
import zlib
from collections.abc import Mapping, Sequence

from support.fakes.platform import FILES, NOTEBOOK, NOTEBOOK_PATH, Platform

from allotment_profiles.git.commits import Person, commit_bytes
from allotment_profiles.git.process import GitProcess
from allotment_profiles.git.repository import MAIN, NO_OBJECT, PROPOSE, RECORDS, RefUpdate
from allotment_profiles.records.chain import ROOT, SERVICE
from allotment_profiles.records.record import Record, RecordKind
from allotment_profiles.store.provenance import MERGE

ENDED_EACH_DAY = 20
_KINDS = {"commit": 1, "tree": 2, "blob": 3}


class ManyProposals:
    """Adds proposals to the repository of a platform without running git for each.

    An ended proposal has four records: proposed, commented, approved and the end. Every third is merged and changes the
    same profile of main; the others, and the open ones, propose a profile of their own.
    """

    def __init__(self, platform: Platform) -> None:
        self._platform = platform
        self._objects: dict[str, tuple[str, bytes]] = {}
        self._references: dict[str, str] = {}
        self._start = self._main = platform.forge.main()
        self._files = dict(FILES)
        self._time = dt.datetime.now(dt.UTC) - dt.timedelta(days=3000)
        self._nothing = self._tree({})
        self._before = platform.repository.resolve(RECORDS) or ""
        self._tip = self._before or self._commit(self._nothing, [], f"{ROOT}{self._start}\n", "Allotment")

    def add(self, still_open: int, ended: int) -> list[str]:
        """Write the proposals. Return the ids of the open ones, which thirty people have made."""
        for number in range(ended):
            self._time += dt.timedelta(days=1) / ENDED_EACH_DAY
            self._ended(f"ended-{number}", number, ("merged", "rejected", "withdrawn")[number % 3])
        opened = [f"open-{number}" for number in range(still_open)]
        for number, name in enumerate(opened):
            self._time += dt.timedelta(minutes=1)
            self._references[PROPOSE + name] = self._proposed(name, f"user-{number % 30}", number)
        self._write()
        return opened

    def _ended(self, name: str, number: int, end: RecordKind) -> None:
        by, main = f"user-{number % 30}", self._main
        head = self._proposed(name, by, number, merged=end == "merged")
        self._record(name, Record("commented", "lena", self._time, head, "Is it needed for long?"))
        self._record(name, Record("approved", "lena", self._time, head, digest="0" * 64, main=main))
        merge = ""
        if end == "merged":
            tree, message = self._tree(self._files), f"{MERGE}{name}\n\nProposal: {name}\nProposed-by: {by}\n"
            self._main = merge = self._commit(tree, [main, head], message, by)
        self._record(name, Record(end, "leo", self._time, head, "It was decided", merge=merge))

    def _proposed(self, name: str, by: str, number: int, *, merged: bool = False) -> str:
        path, text = f"teams/housing/profiles/{name}.yaml", NOTEBOOK
        if merged:
            path, text = NOTEBOOK_PATH, NOTEBOOK.replace(b"Counting", b"For the %dth time counting" % number)
            self._files[path] = text
        head = self._commit(self._tree({**self._files, path: text}), [self._main], f"Propose: {name}\n", by)
        base, touches = self._main, {path: [{}, {}] if merged else [{}]}
        self._record(
            name, Record("proposed", by, self._time, head, "It is needed", f"Add {name}", base=base, touches=touches)
        )
        return head

    def _record(self, name: str, record: Record) -> None:
        message = dataclasses.replace(record, proposal=name).message()
        self._tip = self._commit(self._nothing, [self._tip, record.head], message, record.by)

    def _commit(self, tree: str, parents: Sequence[str], message: str, by: str) -> str:
        signer = self._platform.signer
        data = commit_bytes(tree, parents, message, Person(by, ""), SERVICE, self._time, signer)
        return self._object("commit", data)

    def _tree(self, files: Mapping[str, bytes]) -> str:
        folders: dict[str, dict[str, bytes]] = {}
        entries = []
        for path, data in files.items():
            first, slash, rest = path.partition("/")
            if slash:
                folders.setdefault(first, {})[rest] = data
            else:
                entries.append((first, f"100644 {first}\0".encode(), self._object("blob", data)))
        entries += [(f"{name}/", f"40000 {name}\0".encode(), self._tree(inner)) for name, inner in folders.items()]
        content = b"".join(head + bytes.fromhex(id_) for _, head, id_ in sorted(entries))
        return self._object("tree", content)

    def _object(self, kind: str, data: bytes) -> str:
        id_ = hashlib.sha1(b"%s %d\0" % (kind.encode(), len(data)) + data, usedforsecurity=False).hexdigest()
        self._objects.setdefault(id_, (kind, data))
        return id_

    def _write(self) -> None:
        repository = self._platform.repository
        body = b"PACK" + struct.pack(">II", 2, len(self._objects))
        body += b"".join(
            _header(_KINDS[kind], len(data)) + zlib.compress(data, 1) for kind, data in self._objects.values()
        )
        pack = body + hashlib.sha1(body, usedforsecurity=False).digest()
        GitProcess(repository.path).run("index-pack", "--stdin", stdin=pack)
        updates = [RefUpdate(name, commit, NO_OBJECT) for name, commit in self._references.items()]
        records = RefUpdate(RECORDS, self._tip, self._before or NO_OBJECT)
        repository.update_references([RefUpdate(MAIN, self._main, self._start), records, *updates])


@functools.lru_cache
def _header(kind: int, size: int) -> bytes:
    """Return the header of an object in a pack: its kind and size, seven bits a byte."""
    first, size = kind << 4 | size & 15, size >> 4
    header = bytearray()
    while size:
        header.append(first | 0x80)
        first, size = size & 0x7F, size >> 7
    header.append(first)
    return bytes(header)
