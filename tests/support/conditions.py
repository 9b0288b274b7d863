"""Waiting for a condition in an asynchronous test."""

import asyncio
from collections.abc import Callable
from typing import Any


async def until(condition: Callable[[], Any], what: str, *, within: float = 30) -> None:
    """Go on once the condition is true; fail when it is not in time."""
    deadline = asyncio.get_running_loop().time() + within
    while not condition():
        assert asyncio.get_running_loop().time() < deadline, f"not within {within} s: {what}"
        await asyncio.sleep(0.05)
