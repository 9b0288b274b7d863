"""Calls that take as long as the world likes, in threads that hold up neither other calls nor the process's end."""

import asyncio
import concurrent.futures
import threading
from collections.abc import Callable
from typing import TypeVar

_T = TypeVar("_T")


async def in_own_thread(name: str, call: Callable[[], _T]) -> _T:
    """Run a call in a thread of its own; gives what it gives and raises what it raises.

    For a git server or a database that may hang: being cancelled leaves the thread behind, and the process ends
    without it. `asyncio.to_thread` would keep one of few threads for ever, and be waited for at the end.
    """
    done: concurrent.futures.Future[_T] = concurrent.futures.Future()

    done.set_running_or_notify_cancel()  # from here on it is not cancelled under the thread's hands

    def run() -> None:
        try:
            done.set_result(call())
        except Exception as error:  # noqa: BLE001  whoever waits for it has it
            done.set_exception(error)

    threading.Thread(target=run, name=name, daemon=True).start()
    return await asyncio.wrap_future(done)
