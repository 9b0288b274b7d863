"""Run work in threads without delaying the event loop or the end of the process."""

import asyncio
import concurrent.futures
import contextlib
import gc
import sys
import threading
from collections.abc import Callable, Iterator
from typing import TypeVar

_T = TypeVar("_T")
_MANY_OBJECTS = 20_000
_SWITCH_SECONDS = 0.001
"""How long other threads wait for the interpreter during `in_small_steps`."""


async def in_own_thread(name: str, call: Callable[[], _T]) -> _T:
    """Run a call in a thread of its own, and return its result or raise its exception.

    For calls to a git server or a database that may hang. A cancelled call leaves its thread behind, and the process
    ends without waiting for it. `asyncio.to_thread` would occupy one of few threads, and the process would wait.
    """
    result: concurrent.futures.Future[_T] = concurrent.futures.Future()
    result.set_running_or_notify_cancel()  # from here on it cannot be cancelled while the thread sets its result

    def run() -> None:
        try:
            result.set_result(call())
        except Exception as error:  # noqa: BLE001  (raised where the result is awaited)
            result.set_exception(error)

    threading.Thread(target=run, name=name, daemon=True).start()
    return await asyncio.wrap_future(result)


@contextlib.contextmanager
def in_small_steps() -> Iterator[None]:
    """Let other threads, above all an event loop, run often while much is loaded.

    A run of the garbage collector stops all threads, with a large catalog for 40 ms each. A catalog has no reference
    cycles, so collection is disabled meanwhile; afterwards, if much was created, all objects that exist are excluded
    from later collections.
    """
    enabled, interval = gc.isenabled(), sys.getswitchinterval()
    gc.disable()
    sys.setswitchinterval(min(interval, _SWITCH_SECONDS))
    try:
        yield
    finally:
        # Otherwise another thread has disabled garbage collection, and will restore it.
        if enabled:
            sys.setswitchinterval(interval)
            if gc.get_count()[0] > _MANY_OBJECTS:
                gc.freeze()
            gc.enable()
