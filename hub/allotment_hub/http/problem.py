"""Errors as RFC 9457 has them, and a body that is no JSON."""

import json
from typing import Any, Literal

from pydantic import BaseModel

from allotment_profiles.model.problems import Problem


class ProblemAnswer(BaseModel):
    """One thing that is wrong with a file."""

    path: str
    line: int | None
    column: int | None
    field: str
    code: str
    level: Literal["hard", "soft", "advice"]
    message: str
    remedy: str


class ProblemDetails(BaseModel):
    """An error as RFC 9457 has it, `application/problem+json`."""

    type: str = "about:blank"
    title: str
    """What was refused."""
    status: int
    detail: str
    """Why."""
    code: str
    """Stable, for machines."""
    remedy: str
    """What would help."""
    decides: str
    """Who can change the answer."""
    problems: list[ProblemAnswer] = []
    link: str | None = None
    """The page that helps."""


def problems(found: list[Problem] | tuple[Problem, ...]) -> list[ProblemAnswer]:
    """Put problems into the form of the wire."""
    return [ProblemAnswer.model_validate(problem.as_dict()) for problem in found]


def parsed(body: bytes) -> Any:
    """Read a JSON body; raises ValueError for anything else."""
    try:
        return json.loads(body)
    except RecursionError as error:
        raise ValueError("nested too deeply") from error
