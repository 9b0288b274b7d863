"""Calls of the service that do not block the server: few at a time, each with a time-out."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from typing import TYPE_CHECKING, Any, Callable

from allotment_session.client import ServiceClient
from allotment_session.errors import Exit, SessionError
from allotment_session.terminal import Terminal

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

SECONDS = 20.0
"""How long the panel waits for an answer."""
AT_ONCE = 8
"""How many calls may run; more are refused at once."""


class _Quiet(Terminal):
    """Prints no progress: the panel shows its own."""

    def __init__(self) -> None:
        """Leave the streams of the server as they are."""
        self.as_json = True

    @contextlib.contextmanager
    def waiting(self, what: str) -> Iterator[None]:
        """Print nothing."""
        yield


class Service:
    """The service as one session may call it, with the session's own token, which stays here."""

    def __init__(self, environment: Mapping[str, str], seconds: float = SECONDS) -> None:
        self._environment = environment
        self._seconds = seconds
        self._slots = threading.BoundedSemaphore(AT_ONCE)

    async def get(self, *parts: str, **query: str) -> Any:
        """Send GET to the path with these parts. Raise `SessionError`."""
        return await self.call(lambda client: client.get(*parts, **query))

    async def post(self, *parts: str, body: dict[str, Any]) -> Any:
        """Send POST with a JSON body to the path with these parts. Raise `SessionError`."""
        return await self.call(lambda client: client.post(*parts, body=body))

    async def call(self, call: Callable[[ServiceClient], Any]) -> Any:
        """Return what a function returns that calls the service, or is run beside the server. Raise `SessionError`."""
        url, token = (self._environment.get(name, "") for name in ("ALLOTMENT_URL", "JUPYTERHUB_API_TOKEN"))
        client = ServiceClient(url, token, _Quiet())
        if not self._slots.acquire(blocking=False):
            raise _busy("Too many calls wait for it already.")
        loop = asyncio.get_running_loop()
        result: asyncio.Future[Any] = loop.create_future()

        def run() -> None:
            try:
                done, value = result.set_result, call(client)
            except Exception as error:  # noqa: BLE001 - raised again where the call is awaited
                done, value = result.set_exception, error
            finally:
                self._slots.release()
            with contextlib.suppress(RuntimeError):  # the server has ended
                loop.call_soon_threadsafe(lambda: None if result.done() else done(value))

        # A daemon: a server that ends waits for no answer.
        threading.Thread(target=run, name="allotment", daemon=True).start()
        try:
            return await asyncio.wait_for(result, self._seconds)
        except asyncio.TimeoutError:
            raise _busy(f"It has not answered for {self._seconds:.0f} s.") from None


def _busy(why: str) -> SessionError:
    remedy = "Try again in a moment; sessions keep running while the service is away."
    return SessionError("The service does not answer.", why=why, remedy=remedy, status=Exit.UNREACHABLE)
