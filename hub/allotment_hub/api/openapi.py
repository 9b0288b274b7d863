"""openapi.json, made from the same routes and models that serve."""

import re
from collections.abc import Mapping
from typing import Any

from pydantic import BaseModel
from pydantic.json_schema import models_json_schema

from allotment_hub.api.handlers import ANSWERS, API, BODIES, CREATES, LISTS, QUERIES, ApiHandler
from allotment_hub.http.handler import Handler
from allotment_hub.http.problem import ProblemDetails

_PARAMETERS = {"profiles": ("team", "name"), "data-roles": ("name",), "proposals": ("id",), "teams": ("name",),
               "holds": ("commit",)}  # fmt: skip


def describe(version: str, server: str) -> dict[str, Any]:
    """Describe the API as OpenAPI 3.1."""
    models: set[type[BaseModel]] = {model for answers in ANSWERS.values() for model in answers.values() if model}
    models |= set(BODIES.values()) | {ProblemDetails}
    ordered = sorted(models, key=lambda model: model.__name__)
    references, definitions = models_json_schema(
        [(model, "serialization" if model not in BODIES.values() else "validation") for model in ordered],
        ref_template="#/components/schemas/{model}",
    )
    schemas = {model: schema for (model, _), schema in references.items()}
    return {
        "openapi": "3.1.0",
        "info": {"title": "Allotment", "version": version, "summary": "Profiles, proposals and reviews"},
        "servers": [{"url": server}],
        "security": [{"token": []}],
        "paths": {_path(pattern): _operations(handler, pattern, schemas) for pattern, handler in API},
        "components": {
            "schemas": definitions["$defs"],
            "securitySchemes": {
                "token": {"type": "apiKey", "in": "header", "name": "Authorization",
                          "description": "`token TOKEN`, a token of the hub"}
            },
        },
    }  # fmt: skip


def _names(pattern: str) -> tuple[str, ...]:
    return _PARAMETERS.get(pattern.split("/", maxsplit=1)[0], ())[: len(re.findall(r"\(", pattern))]


def _path(pattern: str) -> str:
    path = "/" + pattern
    for name in _names(pattern):
        path = re.sub(r"\([^)]*\)", f"{{{name}}}", path, count=1)
    return path


def _operations(handler: type[Handler], pattern: str, schemas: Mapping[Any, Any]) -> dict[str, Any]:
    operations: dict[str, Any] = {}
    for method, model in ANSWERS[handler].items():
        answer: dict[str, Any] = schemas[model] if model else {"type": "object"}
        if method == "get" and handler in LISTS:
            items = {"type": "array", "items": answer}
            answer = {"type": "object", "properties": {LISTS[handler]: items, "revision": {"type": "string"}}}
        status = "201" if method == "post" and handler in CREATES else "200"
        parameters = [
            {"name": name, "in": "path", "required": True, "schema": {"type": "string"}} for name in _names(pattern)
        ]
        if method == "get":
            parameters += [
                {"name": name, "in": "query", "schema": {"type": "string"}} for name in QUERIES.get(handler, ())
            ]
        operation: dict[str, Any] = {
            "summary": (getattr(handler, method).__doc__ or "").strip(),
            "operationId": f"{method}_{handler.__name__.removesuffix('Handler').lower()}",
            "parameters": parameters,
            "responses": {
                status: {"description": "Done", "content": {"application/json": {"schema": answer}}},
                "4XX": {
                    "description": "Refused, with a code",
                    "content": {"application/problem+json": {"schema": schemas[ProblemDetails]}},
                },
            },
        }
        if method == "post" and handler in BODIES:
            schema = schemas[BODIES[handler]]
            operation["requestBody"] = {"required": True, "content": {"application/json": {"schema": schema}}}
        if handler.open_to_all:
            operation["security"] = []
        operations[method] = operation
    return operations


class OpenApiHandler(ApiHandler):
    """The description of the API, for everyone."""

    open_to_all = True

    async def get(self) -> None:
        """GET openapi.json."""
        self.answer(describe(self.settings["version"], self.address("api/v1").removesuffix("/")))
