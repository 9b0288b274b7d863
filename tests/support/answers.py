"""What any bytes have to give: for the property tests and for the fuzzing."""

import json
from typing import Any

from allotment_profiles.documents.reading import read
from allotment_profiles.documents.writing import write
from allotment_profiles.model import Model
from allotment_profiles.model.limits import MAXIMUM_PROBLEMS
from allotment_profiles.model.paths import Kind


def assert_answered(kind: Kind, data: bytes) -> None:
    """Read a file: it gives a model, which survives being written, or problems with places that exist."""
    reading = read(kind, "a.yaml", data)
    assert (reading.value is None) == bool(reading.problems)
    assert len(reading.problems) <= MAXIMUM_PROBLEMS
    for problem in reading.problems:
        assert problem.code
        assert problem.message
        assert problem.line is None or 1 <= problem.line <= data.count(b"\n") + 2
        assert problem.column is None or problem.column >= 1
        assert str(problem).isprintable()
        json.dumps(problem.as_dict())
    if reading.value is not None:
        assert read(kind, "a.yaml", write(kind, as_json(reading.value))).value == reading.value


def as_json(value: Model) -> dict[str, Any]:
    """Return a model as plain data, without its defaults."""
    plain: dict[str, Any] = json.loads(value.model_dump_json(exclude_unset=True))
    return plain
