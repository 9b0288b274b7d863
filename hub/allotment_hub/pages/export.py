"""The table of profiles as a file."""

import asyncio
import csv
import io
import json
from collections.abc import Iterable, Iterator
from typing import Any

from allotment_hub.api.serializers import profile_answer
from allotment_hub.pages.page import Page
from allotment_hub.services.browse.profiles import ProfileRow

_COLUMNS = (
    "id", "title", "purpose", "team_title", "owners", "members", "app", "image", "cpu", "memory", "gpu", "gpu_kind",
    "node_pool", "home", "data_roles", "visibility", "successors", "retired_from", "only", "maintainers", "cost",
    "proposed_by", "approved_by", "reviewed", "revision", "startable", "outdated", "review_by", "url",
)  # fmt: skip


class ProfilesExport(Page):
    """All profiles, to be saved."""

    async def get(self, kind: str) -> None:
        """GET profiles.csv or profiles.json."""
        rows = await self.services.profiles.rows(self.actor.user)
        if kind == "json":
            content = await asyncio.to_thread(self._as_json, rows)
            self.download("profiles.json", "application/json", content)
        else:
            self.download("profiles.csv", "text/csv", await asyncio.to_thread(as_csv, self._answers(rows)))

    def _answers(self, rows: Iterable[ProfileRow]) -> Iterator[dict[str, Any]]:
        """Yield the answer for each row. Only to be used in a thread: many rows would stop the event loop."""
        for row in rows:
            yield profile_answer(row, self.address(f"profiles/{row.id}")).model_dump(mode="json")

    def _as_json(self, rows: Iterable[ProfileRow]) -> str:
        return json.dumps({"profiles": list(self._answers(rows))}, indent=2)


def as_csv(answers: Iterable[dict[str, Any]]) -> str:
    """Return a table for spreadsheets. No cell can be mistaken for a formula."""
    target = io.StringIO()
    writer = csv.writer(target)
    writer.writerow(_COLUMNS)
    for answer in answers:
        writer.writerow([_cell(answer.get(column)) for column in _COLUMNS])
    return target.getvalue()


def _cell(value: object) -> str:
    if isinstance(value, dict):
        value = value.get("text", "")
    text = ", ".join(map(str, value)) if isinstance(value, list) else "" if value is None else str(value)
    # Spreadsheets take text that begins like this for a formula, also after spaces. The apostrophe prevents it.
    return f"'{text}" if text.lstrip().startswith(("=", "+", "-", "@")) or text.startswith(("\t", "\r", "\n")) else text
