"""A notifier, and a real server that receives its messages."""

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
from support.fakes.platform import Platform
from support.notifications import Told
from support.servers.receiver import Receiver, receiving


@pytest.fixture(scope="module")
def server() -> Iterator[Receiver]:
    with receiving() as server:
        yield server


@pytest.fixture
def receiver(server: Receiver) -> Receiver:
    server.received.clear()
    server.asked.clear()
    server.status = 200
    server.may_answer.set()
    return server


@pytest.fixture
async def told(platform: Platform, receiver: Receiver, tmp_path: Path) -> AsyncIterator[Told]:
    built = Told(platform, receiver, tmp_path)
    await built.look()  # what is there is known
    yield built
    built.close()
