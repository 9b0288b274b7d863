"""Asking the cluster's API again: which of its failures pass, and after how many seconds."""

import asyncio
from collections.abc import Mapping

import aiohttp
from kubernetes_asyncio.client import ApiException

AWAY = (aiohttp.ClientError, OSError)
"""What a request raises when nothing answers; a timeout is an OSError."""
_LONGEST_WAIT = 10.0
"""A server that asks for more is asked again all the same: somebody waits for the session."""


def passes(error: Exception) -> bool:
    """Say whether asking again at once may help; not so where nobody listens or the answer will stay the same."""
    if isinstance(error, ApiException):
        return error.status in (409, 429) or error.status >= 500
    return isinstance(error, AWAY) and not isinstance(error, aiohttp.ClientConnectorError)


def retry_after(error: Exception) -> float:
    """Give the seconds that the API wants to be left alone."""
    headers: Mapping[str, str] = (isinstance(error, ApiException) and error.headers) or {}
    try:
        return min(max(float(headers.get("Retry-After", 0)), 0), _LONGEST_WAIT)
    except ValueError:
        return 0  # a date, which the API never sends


async def pause(error: Exception) -> None:
    """Wait as long as the API wants to be left alone."""
    await asyncio.sleep(retry_after(error))
