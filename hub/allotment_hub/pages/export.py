"""The table of profiles as a file."""

import csv
import io
import json
from collections.abc import Iterable
from typing import Any

from allotment_hub.api.serializers import profile_answer
from allotment_hub.pages.page import Page

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
        answers = [profile_answer(row, self.address(f"profiles/{row.id}")).model_dump(mode="json") for row in rows]
        if kind == "json":
            self.download("profiles.json", "application/json", json.dumps({"profiles": answers}, indent=2))
        else:
            self.download("profiles.csv", "text/csv", as_csv(answers))


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
