"""Waiting for a condition: `until` in a test that may block, `eventually` in an asynchronous one."""

import asyncio
import inspect
import time
from collections.abc import Callable
from typing import Any, TypeVar

_Answer = TypeVar("_Answer")


def until(condition: Callable[[], _Answer], *, within: float = 60, what: str = "") -> _Answer:
    """Return the first true answer of a condition; fail when there is none in time."""
    deadline = time.monotonic() + within
    while not (answer := condition()):
        assert time.monotonic() < deadline, f"not within {within} s: {what or condition}"
        time.sleep(0.05)
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
