"""Evidence is closed and bounded: a session cannot write anything else into the log of records."""

from typing import Any

import pytest
from pydantic import ValidationError

from allotment_profiles.records.evidence import MAXIMUM_PACKAGES, Evidence, SessionEvidence, TrialOutcome

SAID: dict[str, Any] = {
    "profile": "housing/notebook",
    "revision": "a" * 40,
    "options": {"size": "large"},
    "image": "quay.io/jupyter/scipy-notebook:1",
    "digest": "sha256:" + "b" * 64,
    "use": {"seconds": 3600, "memory_peak": 4 * 1024**3, "memory_limit": 4 * 1024**3, "out_of_memory": 2},
    "packages": [{"manager": "pip", "name": "polars", "version": "1.2.3"}],
    "data_roles": ["prices"],
}


def test_what_a_session_says_is_read_as_it_was_written() -> None:
    evidence = Evidence(session=SessionEvidence.model_validate(SAID))
    assert Evidence.model_validate_json(evidence.encoded()) == evidence


@pytest.mark.parametrize(
    ("manager", "name", "version"),
    [
        ("pip", "zope.interface", "1!2.0.post1+local.1"),
        ("uv", "Flask_SQLAlchemy", "3.0"),
        ("conda", "_libgcc_mutex", "0.1"),
        ("r", "data.table", "1.15-2"),
    ],
)
def test_names_and_versions_are_those_of_the_ecosystems(manager: str, name: str, version: str) -> None:
    said = SAID | {"packages": [{"manager": manager, "name": name, "version": version}]}
    assert SessionEvidence.model_validate(said).packages[0].name == name


@pytest.mark.parametrize(
    "changed",
    [
        {"packages": [{"manager": "pip", "name": "<script>", "version": "1"}]},
        {"packages": [{"manager": "r", "name": "data-table", "version": "1"}]},
        {"packages": [{"manager": "conda", "name": "Numpy", "version": "1"}]},
        {"packages": [{"manager": "pip", "name": "a\n", "version": "1"}]},
        {"packages": [{"manager": "pip", "name": "a", "version": "1\n"}]},
        {"packages": [{"manager": "pip", "name": "a", "version": "<b>1</b>"}]},
        {"packages": [{"manager": "npm", "name": "a", "version": "1"}]},
        {"packages": [{"manager": "pip", "name": "a", "version": "1"}] * (MAXIMUM_PACKAGES + 1)},
        {"environment": {"TOKEN": "secret"}},
        {"use": {"seconds": -1}},
        {"use": {"seconds": 1, "memory_peak": 2**60}},
        {"use": {"seconds": 1, "cpu_typical": float("nan")}},
        {"use": {"seconds": 1, "note": "trust me"}},
        {"profile": "../../policy"},
        {"revision": "main"},
        {"digest": "latest"},
        {"data_roles": ["<b>"]},
        {"options": {"size": "large\u202e"}},
    ],
    ids=lambda changed: repr(changed)[:60],
)
def test_everything_else_is_refused(changed: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        SessionEvidence.model_validate(SAID | changed)


@pytest.mark.parametrize("outcome", [{}, {"started_in": 3.0, "code": "image-pull"}, {"code": "<b>"}])
def test_a_trial_has_one_outcome(outcome: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        TrialOutcome.model_validate(outcome)


def test_evidence_is_of_a_session_or_of_a_trial() -> None:
    session, trial = SessionEvidence.model_validate(SAID), TrialOutcome(started_in=41.0)
    for wrong in ({}, {"session": session, "trial": trial}):
        with pytest.raises(ValidationError):
            Evidence.model_validate(wrong)
