"""Connections that somebody opens and leaves: the others are answered."""

import asyncio
import resource
from collections.abc import Iterator

import pytest
from support.fakes.web_service import PREFIX, WebService

HALF_OPEN = 1500
BEGINNINGS = (
    b"",
    b"GET ",
    f"GET {PREFIX}api/v1/profiles HTTP/1.1\r\nHost: x\r\n".encode(),
    f"POST {PREFIX}api/v1/checks HTTP/1.1\r\nHost: x\r\nContent-Length: 1000000\r\n\r\n{{".encode(),
)


@pytest.fixture
def many_files() -> Iterator[None]:
    """Allow this process both ends of the connections."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    needed = 2 * HALF_OPEN + 500
    if hard != resource.RLIM_INFINITY and hard < needed:
        pytest.skip(f"needs {needed} open files: raise the limit (ulimit -n)")
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, needed), hard))
    yield
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


@pytest.mark.usefixtures("many_files")
async def test_half_open_connections_keep_nobody_waiting(service: WebService) -> None:
    port = int(service.url.rpartition(":")[2])
    program = service.program("ana")
    opened = []
    for number in range(HALF_OPEN):
        _, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(BEGINNINGS[number % len(BEGINNINGS)])
        opened.append(writer)
    assert (await program.get("api/v1/profiles")).status_code == 200
    assert (await service.browser("ben").get("profiles")).status_code == 200
    for writer in opened:
        writer.transport.abort()
    assert (await program.get("api/v1/profiles")).status_code == 200
