"""Which failures of the Kubernetes API are temporary, and how long to wait before the next attempt."""

import asyncio
from collections.abc import Mapping

import aiohttp
from kubernetes_asyncio.client import ApiException

CONNECTION_ERRORS = (aiohttp.ClientError, OSError)
"""What a request raises when nothing answers. A timeout is an OSError."""
_LONGEST_WAIT = 10.0
"""The most seconds of a Retry-After header that are respected: a user waits for the session."""


def is_temporary(error: Exception) -> bool:
    """Check whether a retry may help soon. It does not if nothing listens or the answer would be the same."""
    if isinstance(error, ApiException):
        return error.status in (409, 429) or error.status >= 500
    return isinstance(error, CONNECTION_ERRORS) and not isinstance(error, aiohttp.ClientConnectorError)


def retry_after(error: Exception) -> float:
    """Return the seconds of the API's Retry-After header, up to a maximum."""
    headers: Mapping[str, str] = (isinstance(error, ApiException) and error.headers) or {}
    try:
        return min(max(float(headers.get("Retry-After", 0)), 0), _LONGEST_WAIT)
    except ValueError:
        return 0  # a date, which the API never sends


async def wait_retry_after(error: Exception) -> None:
    """Wait as long as the API's Retry-After header asks."""
    await asyncio.sleep(retry_after(error))
