"""The routes of the API, and openapi.json, made from the same handlers."""

import re
from collections.abc import Mapping
from typing import Any

from pydantic import BaseModel
from pydantic.json_schema import JsonSchemaMode, models_json_schema

from allotment_hub.api import platform, profiles, proposals, sessions, trials, webhooks
from allotment_hub.api.handler import ApiHandler, Operation
from allotment_hub.http.problem import ProblemDetails

_PARAMETERS = {"id": r"([a-z0-9][a-z0-9-]{0,120})", "commit": r"([0-9a-f]{40,64})"}
_NAME = r"([^/]{1,100})"

HANDLERS: dict[str, type[ApiHandler]] = {
    "profiles": profiles.ProfilesHandler,
    "profiles/{team}/{name}": profiles.ProfileHandler,
    "explain": profiles.ExplainHandler,
    "data-roles/{name}/readers": profiles.ReadersHandler,
    "teams/{name}": profiles.TeamHandler,
    "schema": profiles.SchemaHandler,
    "session": sessions.SessionHandler,
    "checks": proposals.ChecksHandler,
    "drafts": proposals.DraftsHandler,
    "waiting": proposals.WaitingHandler,
    "proposals": proposals.ProposalsHandler,
    "proposals/{id}": proposals.ProposalHandler,
    "proposals/{id}/comments": proposals.CommentsHandler,
    "proposals/{id}/update": proposals.UpdateHandler,
    "proposals/{id}/withdrawal": proposals.WithdrawalHandler,
    "proposals/{id}/approvals": proposals.ApprovalsHandler,
    "proposals/{id}/rejection": proposals.RejectionHandler,
    "proposals/{id}/merge": proposals.MergeHandler,
    "proposals/{id}/revert": proposals.RevertHandler,
    "proposals/{id}/redactions": proposals.RedactionsHandler,
    "proposals/{id}/trial": trials.TrialHandler,
    "trials": trials.TrialsHandler,
    "holds": platform.QuarantineHandler,
    "holds/{commit}/confirmation": platform.ConfirmationHandler,
    "stops": sessions.StopsHandler,
    "webhooks/forge": webhooks.ForgeWebhookHandler,
    "health": platform.HealthHandler,
    "metrics": platform.MetricsHandler,
}
"""Paths below the API's root, their parameters in braces, and what answers them."""


def pattern(path: str) -> str:
    """Return a path as a regular expression."""
    return re.sub(r"\{(\w+)\}", lambda parameter: _PARAMETERS.get(parameter[1], _NAME), path)


def describe(version: str, server: str) -> dict[str, Any]:
    """Describe the API as OpenAPI 3.1."""
    schemas, components = _schemas()
    scheme = {
        "type": "apiKey",
        "in": "header",
        "name": "Authorization",
        "description": "`token TOKEN`, a token of the hub",
    }
    return {
        "openapi": "3.1.0",
        "info": {"title": "Allotment", "version": version, "summary": "Profiles, proposals and reviews"},
        "servers": [{"url": server}],
        "security": [{"token": []}],
        "paths": {
            f"/{path}": {
                method: _operation(path, handler, method, operation, schemas)
                for method, operation in handler.operations().items()
            }
            for path, handler in HANDLERS.items()
        },
        "components": {"schemas": components, "securitySchemes": {"token": scheme}},
    }


def _schemas() -> tuple[dict[type[BaseModel], Any], dict[str, Any]]:
    """Return a reference for each model that the operations name, and the schemas that the references lead to."""
    operations = [operation for handler in HANDLERS.values() for operation in handler.operations().values()]
    bodies = {operation.body for operation in operations if operation.body}
    models = bodies | {operation.answer for operation in operations if operation.answer} | {ProblemDetails}
    modes: list[tuple[type[BaseModel], JsonSchemaMode]] = [
        (model, "validation" if model in bodies else "serialization")
        for model in sorted(models, key=lambda model: model.__name__)
    ]
    references, definitions = models_json_schema(modes, ref_template="#/components/schemas/{model}")
    return {model: references[model, mode] for model, mode in modes}, definitions["$defs"]


def _operation(
    path: str, handler: type[ApiHandler], method: str, operation: Operation, schemas: Mapping[type[BaseModel], Any]
) -> dict[str, Any]:
    answer: dict[str, Any] = schemas[operation.answer] if operation.answer else {"type": "object"}
    if operation.listed:
        items = {"type": "array", "items": answer}
        answer = {"type": "object", "properties": {operation.listed: items, "revision": {"type": "string"}}}
    problem = schemas[ProblemDetails]
    described: dict[str, Any] = {
        "summary": operation.summary,
        "operationId": f"{method}_{_resource(path)}",
        "parameters": _parameters(path, operation),
        "responses": {
            str(operation.status): {"description": "Done", "content": {"application/json": {"schema": answer}}},
            "4XX": {
                "description": "Refused, with a code",
                "content": {"application/problem+json": {"schema": problem}},
            },
        },
    }
    if operation.body:
        content = {"application/json": {"schema": schemas[operation.body]}}
        described["requestBody"] = {"required": True, "content": content}
    if handler.open_to_all:
        described["security"] = []
    return described


def _resource(path: str) -> str:
    """Return the last word of a path, in the singular where a parameter follows: `proposals/{id}` is `proposal`."""
    word = next(part for part in reversed(path.split("/")) if not part.startswith("{"))
    return word.removesuffix("s") if path.endswith("}") else word


def _parameters(path: str, operation: Operation) -> list[dict[str, Any]]:
    text = {"type": "string"}
    return [
        *({"name": name, "in": "path", "required": True, "schema": text} for name in re.findall(r"\{(\w+)\}", path)),
        *(
            {"name": name, "in": "query", "description": description, "schema": text}
            for name, description in operation.query.items()
        ),
    ]


class OpenApiHandler(ApiHandler):
    """The description of the API."""

    open_to_all = True

    async def get(self) -> None:
        """Answer with openapi.json."""
        self.answer(describe(self.settings["version"], self.address("api/v1").removesuffix("/")), 200)
