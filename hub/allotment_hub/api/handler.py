"""The base of the API's handlers, and the decorator from which both the routes and openapi.json are made."""

import asyncio
import functools
import inspect
import json
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, TypeVar, cast

from pydantic import BaseModel

from allotment_hub.errors import refused
from allotment_hub.http.handler import Handler

METHODS = ("get", "post", "delete")
ItemT = TypeVar("ItemT")


@dataclass(frozen=True, slots=True)
class Operation:
    """One method of one path, as openapi.json describes it."""

    summary: str
    body: type[BaseModel] | None
    answer: type[BaseModel] | None
    """The model of the answer, or of one item of a list; None for an answer without a model."""
    status: int
    listed: str
    """The key of the list in the answer; empty where the answer is no list."""
    query: Mapping[str, str]


def operation(
    answer: type[BaseModel] | None = None,
    *,
    status: int = 200,
    listed: str = "",
    query: Mapping[str, str] | None = None,
) -> Callable[[Callable[..., Awaitable[None]]], Callable[..., Awaitable[None]]]:
    """Describe a handler's method. Its docstring is the summary.

    A parameter `body` receives the request's body, validated as the model that annotates it.
    """

    def decorate(method: Callable[..., Awaitable[None]]) -> Callable[..., Awaitable[None]]:
        parameter = inspect.signature(method).parameters.get("body")
        body = parameter.annotation if parameter else None

        @functools.wraps(method)
        async def handle(self: ApiHandler, *path: str) -> None:
            await method(self, *path, **({"body": await self.body(body)} if body else {}))

        summary = inspect.getdoc(method) or ""
        cast("Any", handle).operation = Operation(summary, body, answer, status, listed, query or {})
        return handle

    return decorate


class ApiHandler(Handler):
    """A handler that answers JSON."""

    SUPPORTED_METHODS = (*Handler.SUPPORTED_METHODS, "DELETE")
    decides: ClassVar[bool] = False
    """Whether it decides something. Cookies, which browsers send by themselves, are not enough for that."""

    async def prepare(self) -> None:
        """Identify the user. Refuse a decision without a token of its own."""
        await super().prepare()
        reading = self.request.method in ("GET", "HEAD")
        if self.decides and not reading and not self.hub_auth.get_token(self, in_cookie=False):
            what, why = "A call with a cookie cannot decide this.", "A browser sends cookies by itself."
            remedy = "Decide on the page, or send a token of the hub: `Authorization: token …`."
            raise refused(403, "token-needed", what, why, remedy)

    @classmethod
    def operations(cls) -> dict[str, Operation]:
        """Return the described methods."""
        described = {method: getattr(getattr(cls, method), "operation", None) for method in METHODS}
        return {method: operation for method, operation in described.items() if operation}

    @property
    def operation(self) -> Operation:
        """The operation of this request."""
        return self.operations()[str(self.request.method).lower()]

    def answer(self, content: BaseModel | Mapping[str, object], status: int | None = None) -> None:
        """Answer with a small value as JSON, by default with the operation's status."""
        self._finish(_text(content), status)

    async def answer_made(
        self, make: Callable[[], BaseModel | Mapping[str, object]], status: int | None = None
    ) -> None:
        """Answer with what a function makes. It runs in a thread: a large answer would stop the event loop."""
        self._finish(await asyncio.to_thread(lambda: _text(make())), status)

    async def answer_list(self, make: Callable[[ItemT], BaseModel], items: Sequence[ItemT]) -> None:
        """Answer with a list of what a function makes of items, and the revision that the list was made from."""
        key, revision = self.operation.listed, self.services.watcher.catalog.revision

        def text() -> str:
            # One after the other: what is written in one call, as of ten thousand, lets no other thread run meanwhile.
            listed = ", ".join(make(item).model_dump_json() for item in items)
            return f'{{"{key}": [{listed}], "revision": {json.dumps(revision)}}}'

        self._finish(await asyncio.to_thread(text))

    def _finish(self, text: str, status: int | None = None) -> None:
        self.set_status(status or self.operation.status)
        self.set_header("Content-Type", "application/json")
        self.finish(text)


def _text(content: BaseModel | Mapping[str, object]) -> str:
    return content.model_dump_json() if isinstance(content, BaseModel) else json.dumps(content)
