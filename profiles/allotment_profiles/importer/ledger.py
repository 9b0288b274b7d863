"""Record what happens to each key of a values file: it is imported, or a finding says why not."""

import dataclasses
from dataclasses import dataclass
from typing import Literal

from allotment_profiles.importer.values import Node, Path

Outcome = Literal["lost", "changed", "stays", "note"]
"""`lost`: not imported. `changed`: imported with a difference. `stays`: remains in the values, as it is not
about profiles. `note`: a remark on a mapping or list, whose keys are recorded one by one."""
HIDDEN = "it is a hidden profile, which only the leads see."
"""How a remark ends on a profile that somebody has to look at."""


@dataclass(frozen=True, slots=True)
class Finding:
    """The result for one key and everything below it."""

    path: str
    line: int
    column: int
    outcome: Outcome
    why: str

    def as_dict(self) -> dict[str, str | int]:
        """Return the finding for JSON output."""
        return dataclasses.asdict(self)


class Ledger:
    """Collects the findings. At the end, `sweep` adds one for each key that was not recorded."""

    def __init__(self) -> None:
        self._findings: dict[tuple[Path, str], Finding] = {}
        self._recorded: set[Path] = set()

    @property
    def findings(self) -> tuple[Finding, ...]:
        """All findings, ordered by line."""
        return tuple(sorted(self._findings.values(), key=lambda finding: (finding.line, finding.column, finding.path)))

    @property
    def lost_paths(self) -> frozenset[Path]:
        """The paths of what is not imported."""
        return frozenset(path for (path, _), finding in self._findings.items() if finding.outcome == "lost")

    def carried(self, node: Node) -> None:
        """Record that a key, with all keys below it, is imported."""
        self._recorded.add(node.path)

    def lost(self, node: Node, why: str) -> None:
        """Record that a key, with all keys below it, is not imported."""
        self._record(node, "lost", why)

    def changed(self, node: Node, why: str) -> None:
        """Record that a key is imported with a difference."""
        self._record(node, "changed", why)

    def stays(self, node: Node, why: str) -> None:
        """Record that a key, with all keys below it, remains in the values."""
        self._record(node, "stays", why)

    def remark(self, node: Node, why: str) -> None:
        """Add a remark on a key, without recording the keys below it."""
        self._findings[node.path, why] = Finding(node.where, node.line, node.column, "note", why)

    def _record(self, node: Node, outcome: Outcome, why: str) -> None:
        self._recorded.add(node.path)
        self._findings[node.path, why] = Finding(node.where, node.line, node.column, outcome, why)

    def sweep(self, node: Node) -> None:
        """Record every key that has not been recorded yet as lost, unless it is empty."""
        if node.path in self._recorded or node.is_empty:
            return
        children = node.children
        if not children:
            self.lost(node, "Profiles have no such setting.")
        for child in children:
            self.sweep(child)
