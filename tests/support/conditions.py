"""Waiting for a condition in an asynchronous test."""

import asyncio
import inspect
from collections.abc import Callable
from typing import Any


async def until(condition: Callable[[], Any], what: str, *, within: float = 60) -> None:
    """Go on once the condition, which may be awaitable, is true; fail when it is not in time."""
    deadline = asyncio.get_running_loop().time() + within
    while True:
        answer = condition()
        if await answer if inspect.isawaitable(answer) else answer:
            return
        assert asyncio.get_running_loop().time() < deadline, f"not within {within} s: {what}"
        await asyncio.sleep(0.05)
