"""Problems as SARIF 2.1.0, which code hosts show beside the lines of a change."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from importlib.metadata import version
from typing import Any

from allotment_profiles.model.problems import Level, Problem

_LEVELS: Mapping[Level, str] = {"hard": "error", "soft": "warning", "advice": "note"}
_SCHEMA = "https://json.schemastore.org/sarif-2.1.0.json"


def sarif(problems: Sequence[Problem]) -> str:
    """Return problems as a SARIF log with one run."""
    codes = sorted({problem.code for problem in problems})
    driver = {
        "name": "allotment",
        "version": version("allotment"),
        "rules": [{"id": code, "shortDescription": {"text": code.replace("-", " ")}} for code in codes],
    }
    results = [_result(problem, codes.index(problem.code)) for problem in problems]
    log = {"$schema": _SCHEMA, "version": "2.1.0", "runs": [{"tool": {"driver": driver}, "results": results}]}
    return json.dumps(log, indent=2) + "\n"


def _result(problem: Problem, rule: int) -> dict[str, Any]:
    location: dict[str, Any] = {"artifactLocation": {"uri": problem.path or "policy.yaml"}}
    if problem.line is not None:
        location["region"] = {
            "startLine": problem.line,
            **({"startColumn": problem.column} if problem.column is not None else {}),
        }
    # The fingerprint has no line number, so that a problem keeps its identity when its line moves.
    identity = f"{problem.path}\0{problem.code}\0{problem.field}"
    return {
        "ruleId": problem.code,
        "ruleIndex": rule,
        "level": _LEVELS[problem.level],
        "message": {"text": f"{problem.message} {problem.remedy}".strip()},
        "locations": [{"physicalLocation": location}],
        "partialFingerprints": {"allotment/v1": hashlib.sha256(identity.encode(errors="replace")).hexdigest()[:32]},
    }
