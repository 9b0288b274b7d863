"""The account of an import: every key is carried over, or is a finding that says why not."""

import dataclasses
from dataclasses import dataclass
from typing import Literal

from allotment_profiles.importer.values import Node, Path

Outcome = Literal["lost", "changed", "stays", "note"]
"""`lost`: not carried over; `changed`: carried over, but not as it was; `stays`: nothing that a profile says; `note`:
something to know about what stands below, whose keys are accounted for one by one."""


@dataclass(frozen=True, slots=True)
class Finding:
    """What became of one key, with everything below it."""

    path: str
    """Where it stands: `singleuser.profileList[0].kubespawner_override.cmd`."""
    line: int
    column: int
    outcome: Outcome
    why: str

    def as_dict(self) -> dict[str, str | int]:
        """Give the form that JSON answers carry."""
        return dataclasses.asdict(self)


class Ledger:
    """What is carried, and what is not; what nobody looked at is found at the end."""

    def __init__(self) -> None:
        self._findings: dict[tuple[Path, str], Finding] = {}
        self._settled: set[Path] = set()

    @property
    def findings(self) -> tuple[Finding, ...]:
        """All findings, in the order of the file."""
        return tuple(sorted(self._findings.values(), key=lambda each: (each.line, each.column, each.path)))

    def carried(self, node: Node) -> None:
        """Note that a key, with all below it, is in the files."""
        self._settled.add(node.path)

    def lost(self, node: Node, why: str) -> None:
        """Note that a key, with all below it, is not in the files."""
        self._note(node, "lost", why)

    def changed(self, node: Node, why: str) -> None:
        """Note that a key is in the files, but not as it was."""
        self._note(node, "changed", why)

    def stays(self, node: Node, why: str) -> None:
        """Note that a key, with all below it, belongs where it is."""
        self._note(node, "stays", why)

    def remark(self, node: Node, why: str) -> None:
        """Note something about a key whose parts are accounted for one by one."""
        self._findings[node.path, why] = Finding(node.where, node.line, node.column, "note", why)

    def _note(self, node: Node, outcome: Outcome, why: str) -> None:
        self._settled.add(node.path)
        self._findings[node.path, why] = Finding(node.where, node.line, node.column, outcome, why)

    def sweep(self, node: Node) -> None:
        """Find what nobody has looked at; a key that says nothing is no loss."""
        if node.path in self._settled or node.says_nothing:
            return
        children = node.children
        if not children:
            self.lost(node, "Profiles know nothing of this kind.")
        for child in children:
            self.sweep(child)
