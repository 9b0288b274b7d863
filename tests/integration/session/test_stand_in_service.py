"""The stand-in for the service answers what the service could: every field and every code is one of the API's."""

import json
from typing import Any

from pydantic import BaseModel, TypeAdapter
from support.fakes.session_service import PREFIX, SessionService

from allotment_hub.api.responses import (
    CheckAnswer,
    ProfileAnswer,
    ProfileDetails,
    ProposalAnswer,
    ProposalLine,
    TrialAnswer,
)
from allotment_hub.http.problem import ProblemAnswer, ProblemDetails

NOTEBOOK = {"team": "housing-statistics", "name": "notebook", "reason": "For a test"}


def answered(service: SessionService, method: str, path: str, body: dict[str, Any] | None = None) -> Any:
    return json.loads(service.reply(method, f"{PREFIX}/{path}", body or {})[2])


def hold(model: type[BaseModel], document: dict[str, Any]) -> None:
    """Check that each field of an answer is one of the model's, with a value that it may have."""
    for name, value in document.items():
        assert name in model.model_fields, f"{model.__name__} has no {name}"
        TypeAdapter(model.model_fields[name].annotation).validate_python(value)


def test_what_the_stand_in_answers_is_what_the_service_could(service: SessionService) -> None:
    settings = service.profiles["housing-statistics/notebook"]["settings"]
    larger = {**NOTEBOOK, "profile": {**settings, "title": "Larger"}}
    wrong = {**NOTEBOOK, "content": "16 GB"}
    calls: list[tuple[type[BaseModel], str, str, dict[str, Any] | None]] = [
        (ProfileDetails, "GET", "profiles/housing-statistics/notebook", None),
        (CheckAnswer, "POST", "checks", larger),
        (CheckAnswer, "POST", "checks", wrong),
        (ProposalAnswer, "POST", "proposals", larger),
        (ProblemDetails, "GET", "profiles/housing-statistics/none", None),
    ]
    for model, method, path, body in calls:
        hold(model, answered(service, method, path, body))
    for found in answered(service, "POST", "checks", wrong)["problems"]:
        hold(ProblemAnswer, found)
    for line, path, key in ((ProfileAnswer, "profiles", "profiles"), (ProposalLine, "proposals", "proposals")):
        for each in answered(service, "GET", path)[key]:
            hold(line, each)
    for method in ("GET", "POST", "GET", "DELETE"):
        hold(TrialAnswer, answered(service, method, "proposals/notebook/trial", {}))
    hold(ProposalAnswer, answered(service, "POST", "proposals/notebook/withdrawal"))
    service.proposals["notebook"]["proposer"] = "somebody-else"
    hold(ProblemDetails, answered(service, "POST", "proposals", larger))
