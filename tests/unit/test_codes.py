"""`docs/codes.md` has every code of the service and of the spawner that the format does not have."""

import ast
import re
from collections.abc import Iterator

from support.folders import ROOT

from allotment_profiles.access.rules import REFUSALS
from allotment_profiles.reference.document import PROBLEMS

# What makes problems and refusals → which argument is the code.
MAKERS = {
    "refused": 1, "Refusal": 0, "unavailable": 0, "Problem": 1, "not_started": 0, "_refusal": 0, "_Waiting": 0,
    "_occupied": 0, "_link": 4,
}  # fmt: skip
# `checked_text` makes these of the field's name; the last one comes from Tornado.
MADE = {"reason", "comment", "reason-missing", "comment-missing", "xsrf"}


def codes_of(folder: str) -> Iterator[str]:
    for path in (ROOT / folder).rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call):
                name = getattr(node.func, "id", "") or getattr(node.func, "attr", "")
                place = MAKERS.get(name, len(node.args))
                given = [*node.args[place : place + 1], *(each.value for each in node.keywords if each.arg == "code")]
                yield from (str(code.value) for code in given if isinstance(code, ast.Constant))


def test_every_code_of_the_service_and_the_spawner_is_documented() -> None:
    documented = re.findall(r"^\| `([a-z-]+)`", (ROOT / "docs/codes.md").read_text(), re.MULTILINE)
    used = {*codes_of("hub/allotment_hub"), *codes_of("spawner/allotment_spawner"), *MADE}
    assert set(documented) == used - {*REFUSALS, *PROBLEMS}
    assert len(documented) == len(set(documented))
