"""Connections of tests: plain ones, and how all are ended before the event loop ends."""

import asyncio
import ssl

PLAIN = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
"""For plain HTTP: without it, httpx reads the certificates of the system for each client, 20 ms of processor time."""


async def cut_connections() -> None:
    """Cut every connection of the running loop.

    An encrypted one ends in good order only when the other side has answered, and one that outlives its loop is a
    warning in some later test.
    """
    loop = asyncio.get_running_loop()
    for transport in list(loop._transports.values()):  # type: ignore[attr-defined]
        if transport.get_extra_info("peername"):
            transport.abort()
    for _ in range(3):  # rounds of the loop, in which it closes them
        await asyncio.sleep(0)
