"""Waiting for a condition: `until` in a test that may block, `eventually` in an asynchronous one."""

import asyncio
import inspect
import time
from collections.abc import Callable
from typing import Any, TypeVar

_Answer = TypeVar("_Answer")


def until(condition: Callable[[], _Answer], *, within: float = 60, what: str = "", pause: float = 0.3) -> _Answer:
    """Return the first true answer of a condition; fail when there is none in time.

    The longer it takes, the less often it is asked, with at most `pause` between: to ask a hub takes processor time.
    """
    deadline, wait = time.monotonic() + within, min(0.02, pause)
    while not (answer := condition()):
        assert time.monotonic() < deadline, f"not within {within} s: {what or condition}"
        time.sleep(wait)
        wait = min(wait * 1.3, pause)
    return answer


async def eventually(condition: Callable[[], Any], what: str, *, within: float = 60) -> None:
    """Go on once the condition, which may be awaitable, is true; fail when it is not in time."""
    deadline = asyncio.get_running_loop().time() + within
    while True:
        answer = condition()
        if await answer if inspect.isawaitable(answer) else answer:
            return
        assert asyncio.get_running_loop().time() < deadline, f"not within {within} s: {what}"
        await asyncio.sleep(0.01)
