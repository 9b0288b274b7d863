"""The pull request of a proposal, on which everybody has an account."""

import pytest_asyncio
from support.fakes.platform import NOTEBOOK_PATH, Platform
from support.pull_request_acts import LARGER, Window, has_account


@pytest_asyncio.fixture
async def window(platform: Platform) -> Window:
    for name in platform.people.groups:
        has_account(platform, name)
    window = Window(platform, await platform.proposed({NOTEBOOK_PATH: LARGER}))
    await window.show()
    return window
