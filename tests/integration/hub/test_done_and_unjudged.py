"""What was done is answered as done, also where the proposal cannot be judged again for the answer."""

import asyncio

import pytest
from support.fakes.platform import NOTEBOOK, Platform
from support.fakes.web_service import WebService

from allotment_hub.services.judging.turns import MAXIMUM_PAGES_WAITING

DEEDS = {
    "comments": ("ana", {"text": "Hello"}, 201, "unknown", "commented"),
    "withdrawal": ("ana", {}, 200, "withdrawn", "withdrawn"),
    "rejection": ("lena", {"reason": "No"}, 200, "rejected", "rejected"),
}


@pytest.mark.parametrize("deed", DEEDS)
async def test_what_was_done_is_not_answered_as_refused_while_others_of_ones_checks_wait(
    platform: Platform, service: WebService, deed: str
) -> None:
    who, body, status, state, kind = DEEDS[deed]
    await platform.watcher.refresh()
    stored = await platform.proposed({"teams/housing/profiles/n.yaml": NOTEBOOK})
    release = asyncio.Event()

    async def waits_long() -> None:
        async with platform.checking.turns.of(who, "page"):
            await release.wait()

    program, path = service.program(who), f"api/v1/proposals/{stored.id}"
    waiting = [asyncio.ensure_future(waits_long()) for _ in range(MAXIMUM_PAGES_WAITING + 1)]
    try:
        await asyncio.sleep(0)
        assert (await program.get(path)).json()["code"] == "checks-many"
        answer = await program.post(f"{path}/{deed}", json=body)
    finally:
        release.set()
        await asyncio.gather(*waiting)
    assert answer.status_code == status
    told = answer.json()
    assert (told["id"], told["state"], told["url"].endswith(f"proposals/{stored.id}")) == (stored.id, state, True)
    assert (told["digest"], told["files"], told["actions"]) == ("", [], {})
    assert [record.kind for record in (await platform.proposals.stored(stored.id)).records] == ["proposed", kind]
    assert (await program.get(path)).json()["state"] in ("open", state)
