"""The number in the bar: what waits for whom, on every page of the service and for those of the hub."""

import contextlib
import re
from pathlib import Path

from support.conditions import eventually
from support.fakes.platform import NOTEBOOK, NOTEBOOK_PATH, POLICY, TRANSPORT, Platform
from support.fakes.web_service import WebService
from support.held_judges import HeldJudges

from allotment_hub.services.proposals.overview import overview
from allotment_hub.services.waiting import Waiting, WaitingNumbers

LARGER = NOTEBOOK.replace(b"4 GiB", b"8 GiB")


async def count(platform: Platform, name: str, *, session: bool = False) -> int:
    """Return the number of somebody, found anew."""
    numbers = WaitingNumbers(platform.proposals, platform.quarantine, wait_seconds=60)
    found = await numbers.of(platform.people.actor(name, session=session))
    assert found
    assert found.checking == 0
    return found.count


async def test_it_counts_what_the_reader_can_bring_forward_as_the_page_does(platform: Platform) -> None:
    stored = await platform.proposed({NOTEBOOK_PATH: LARGER})
    await platform.proposed({"teams/transport/profiles/rail.yaml": NOTEBOOK}, by="dora")
    expected = {"ana": 0, "ben": 0, "lena": 1, "leo": 1, "dora": 0}
    assert {name: await count(platform, name) for name in expected} == expected
    assert await count(platform, "lena", session=True) == 0  # a session can ask, not decide
    await platform.approved(stored, "lena")
    assert await count(platform, "leo") == 1  # it can be merged
    for name in ("lena", "leo", "adam"):
        assert await count(platform, name) == len(
            (await overview(platform.proposals, platform.people.actor(name))).for_me
        )


async def test_own_proposals_count_where_only_their_proposer_can_bring_them_forward(platform: Platform) -> None:
    await platform.proposed({NOTEBOOK_PATH: LARGER})
    assert await count(platform, "ana") == 0
    platform.push({NOTEBOOK_PATH: NOTEBOOK.replace(b"4 GiB", b"6 GiB")}, signed=True)
    await platform.watcher.refresh()
    assert await count(platform, "ana") == 1  # a conflict: she brings it up to date
    assert await count(platform, "lena") == 0


async def test_a_merge_without_approvals_waits_for_its_proposer(platform: Platform) -> None:
    platform.push({
        "policy.yaml": POLICY + b"automatic: {enabled: true, changes: [smaller]}\n",
        NOTEBOOK_PATH: NOTEBOOK + b"maintainers: {users: [ana]}\n",
    }, signed=True)  # fmt: skip
    await platform.watcher.refresh()
    await platform.proposed({NOTEBOOK_PATH: NOTEBOOK.replace(b"4 GiB", b"2 GiB") + b"maintainers: {users: [ana]}\n"})
    assert await count(platform, "ana") == 1


async def test_quarantined_commits_count_for_administrators_who_may_confirm_them(platform: Platform) -> None:
    platform.push({"policy.yaml": POLICY + b"direct_push: hold\n"}, signed=True)
    platform.push({"teams/transport/team.yaml": TRANSPORT.replace(b"cpu: 4", b"cpu: 8")}, by="adam")
    await platform.watcher.refresh()
    assert (await count(platform, "adam"), await count(platform, "anne"), await count(platform, "lena")) == (0, 1, 0)


async def test_the_number_is_found_once_while_nothing_changes(platform: Platform) -> None:
    now = [0.0]
    numbers = WaitingNumbers(platform.proposals, platform.quarantine, lambda: now[0], 60)
    lena = platform.people.actor("lena")
    first = await numbers.of(lena)
    assert await numbers.of(lena) is first  # the same value: nothing was asked
    stored = await platform.proposed({NOTEBOOK_PATH: LARGER})
    assert await numbers.of(lena) == Waiting(1)  # the records have changed
    await platform.reviews.reject(lena, stored.id, "No")
    kept = await numbers.of(lena)
    assert kept == Waiting(0)
    now[0] += 60
    again = await numbers.of(lena)
    assert again == kept
    assert again is not kept  # groups may have changed


async def test_no_page_waits_for_a_judgement(platform: Platform, tmp_path: Path) -> None:
    await platform.proposed({NOTEBOOK_PATH: LARGER})
    with contextlib.closing(HeldJudges()) as judges:
        platform.judges, platform.list_seconds = judges, 0
        other = platform.beside(tmp_path)
        await other.watcher.refresh()
        async with WebService.opened(other, tmp_path) as service:
            lena = service.program("lena")

            async def answer() -> dict[str, object]:
                return dict((await lena.get("api/v1/waiting")).json())

            async def is_checking() -> bool:
                return await answer() == {"count": 0, "checking": 1}

            await eventually(is_checking, what="the number while it is being checked")
            judges.may_answer.set()

            async def is_known() -> bool:
                return await answer() == {"count": 1, "checking": 0}

            await eventually(is_known, what="the number")


async def test_pages_and_the_api_show_it_to_whom_they_know(platform: Platform, service: WebService) -> None:
    await platform.proposed({NOTEBOOK_PATH: LARGER})
    lena, ana = service.browser("lena"), service.browser("ana")
    for path in ("profiles", "proposals", "data-roles", "teams/housing"):
        assert shown((await lena.get(path)).text) == ("1", "waits for you", False), path
        assert shown((await ana.get(path)).text)[2], path
    answer = await lena.get("api/v1/waiting")
    assert answer.json() == {"count": 1, "checking": 0}
    assert answer.headers["Cache-Control"].startswith("private")
    stranger = await service.stranger().get("api/v1/waiting")
    assert stranger.status_code == 403  # no redirect, which would sign somebody in for a number


def shown(page: str) -> tuple[str, str, bool]:
    """Return the number of a page, its words for a screen reader, and whether it is hidden."""
    found = re.search(
        r'<span class="badge[^>]*data-waiting="[^"]*"([^>]*)><span>(\d+)</span><span[^>]*> ([^<]+)<', page
    )
    assert found
    return found[2], found[3], "hidden" in found[1]


async def test_there_is_no_number_while_the_hub_does_not_answer(platform: Platform) -> None:
    await platform.proposed({NOTEBOOK_PATH: LARGER})
    numbers = WaitingNumbers(platform.proposals, platform.quarantine, wait_seconds=60)
    platform.people.away = True
    assert await numbers.of(platform.people.actor("lena")) is None
    platform.people.away = False
    assert await numbers.of(platform.people.actor("lena")) == Waiting(1)
