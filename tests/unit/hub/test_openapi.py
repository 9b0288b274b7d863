"""Whether openapi.json describes what the handlers serve."""

import inspect
import re

import pytest
from openapi_spec_validator import validate

from allotment_hub.api.handler import METHODS, ApiHandler
from allotment_hub.api.openapi import HANDLERS, describe


@pytest.mark.parametrize(("path", "handler"), HANDLERS.items(), ids=HANDLERS)
def test_every_method_of_a_handler_is_described(path: str, handler: type[ApiHandler]) -> None:
    served = {method for method in METHODS if method in vars(handler)}
    assert served == set(handler.operations())
    for method, operation in handler.operations().items():
        assert operation.summary
        parameters = inspect.signature(getattr(handler, method)).parameters
        assert len(parameters) == 1 + len(re.findall(r"\{", path)) + bool(operation.body)
        assert bool(operation.body) is ("body" in parameters)


def test_the_description_is_valid_and_names_each_operation_once() -> None:
    description = describe("1", "https://hub.example.org/api/v1")
    validate(description)
    operations = [operation for path in description["paths"].values() for operation in path.values()]
    assert len({operation["operationId"] for operation in operations}) == len(operations)
    codes = {operation["operationId"]: next(iter(operation["responses"])) for operation in operations}
    assert {name for name, code in codes.items() if code == "201"} == {
        "post_proposals", "post_drafts", "post_comments", "post_approvals", "post_confirmation", "post_revert",
        "post_redactions",
    }  # fmt: skip
    assert description["paths"]["/holds"]["get"]["operationId"] == "get_holds"
