"""How much one person may add to the repository in 24 hours, by what the signed records say."""

import datetime as dt
from pathlib import Path

import pytest
from support.fakes.platform import NOTEBOOK, NOTEBOOK_PATH, POLICY, PRICES_PATH, Platform, code_of, refusal_of
from support.fakes.web_service import WebService

from allotment_hub.forges.plain_git import size_of
from allotment_hub.forges.stored_proposal import StoredProposal
from allotment_hub.services.drafts.grants import ending_grant
from allotment_hub.services.proposals import rights

Files = dict[str, bytes | None]


async def limited(platform: Platform, limits: str) -> None:
    platform.push({"policy.yaml": POLICY + f"daily_limits: {limits}\n".encode()})
    await platform.watcher.refresh()


def profile(number: int) -> Files:
    return {f"teams/housing/profiles/p{number}.yaml": NOTEBOOK}


async def proposed_and_withdrawn(platform: Platform, files: Files, by: str = "ana") -> StoredProposal:
    stored = await platform.proposed(files, by=by)
    return await platform.submissions.withdraw(platform.people.actor(by), stored.id)


async def test_proposals_that_have_ended_updates_and_comments_count(platform: Platform, tmp_path: Path) -> None:
    await limited(platform, "{records: 4}")
    await proposed_and_withdrawn(platform, profile(1))
    stored = await platform.proposed(profile(2))
    await platform.proposed({**profile(2), **profile(3)}, update=stored.id)
    ana = platform.people.actor("ana")
    await platform.submissions.comment(ana, stored.id, "Please")
    before = platform.repository.references("refs/")
    for more in (
        platform.proposed(profile(4)),
        platform.proposed(profile(2), update=stored.id),
        platform.submissions.comment(ana, stored.id, "Please!"),
        platform.beside(tmp_path).proposed(profile(5)),
    ):
        refused = (await refusal_of(more)).refusal
        assert (refused.status, refused.code) == (409, "daily-limit")
    assert platform.repository.references("refs/") == before
    await platform.proposed(profile(6), by="ben")
    await platform.submissions.withdraw(ana, stored.id)
    platform.now = dt.datetime.now(dt.UTC) + dt.timedelta(hours=25)
    await platform.proposed(profile(7))


async def test_what_the_files_weigh_counts_again_with_every_update(platform: Platform) -> None:
    await limited(platform, "{size: 1 MiB}")

    def heavy(number: int) -> Files:
        return {NOTEBOOK_PATH: NOTEBOOK + b"# %d %s\n" % (number, b"x" * 60_000)}

    times = 1024**2 // size_of(heavy(0))
    for number in range(times):
        stored = await platform.proposed(heavy(number))
    assert len(stored.records) == times
    assert await code_of(platform.proposed(heavy(99))) == "daily-limit"
    await platform.submissions.comment(platform.people.actor("ana"), stored.id, "It is finished")
    platform.now = dt.datetime.now(dt.UTC) + dt.timedelta(hours=25)
    await platform.proposed(heavy(99))


async def test_whoever_decides_is_never_kept_from_it(platform: Platform) -> None:
    await limited(platform, "{records: 1}")
    stored, other = (
        await platform.proposed({NOTEBOOK_PATH: NOTEBOOK + b"# x\n"}),
        await platform.proposed(profile(1), "ben"),
    )
    lena, leo = platform.people.actor("lena"), platform.people.actor("leo")
    for actor in (lena, leo):
        await platform.submissions.comment(actor, stored.id, "Seen")
        assert await code_of(platform.submissions.comment(actor, stored.id, "Seen")) == "daily-limit"
    await platform.merged(stored)
    await platform.reviews.reject(lena, other.id, "No")


@pytest.mark.parametrize("on_page", [True, False])
async def test_the_end_of_a_grant_is_limited_unless_it_is_merged_at_once(
    platform: Platform, tmp_path: Path, on_page: bool
) -> None:
    await limited(platform, "{records: 1}")
    ended = ending_grant(platform.watcher.catalog, "prices", "housing", "")
    async with WebService.opened(platform, tmp_path) as web:
        body = {"reason": "It ends", "files": [{"path": PRICES_PATH, "content": ended.decode()}]}
        window = web.browser("dora")
        page = await window.get("data-roles/prices/end?team=housing")
        xsrf = next(str(each.value) for each in window.cookies.jar if each.name == "_xsrf")
        answers = [await window.post("api/v1/proposals", json=body, headers={"X-XSRFToken": xsrf}) for _ in range(2)]
        assert [answer.status_code for answer in answers] == [201, 409], "a cookie alone merges nothing"
        assert answers[1].json()["code"] == "daily-limit"
        form = {"do": "propose", "team": "housing", "until": "", "reason": "It ends", "_xsrf": xsrf}
        for one_time in ("", "1.x", f"{page.text.count('one_time')}.x.y"):
            answer = await window.post("data-roles/prices/end", data={**form, "one_time": one_time})
            assert answer.status_code == 409
        if on_page:
            form = {"do": "propose", "team": "housing", "until": "", "reason": "It ends"}
            assert (await window.press(page, "prices/end", **form)).status_code == 303
        else:
            assert (await web.program("dora").post("api/v1/proposals", json=body)).json()["state"] == "live"
    assert platform.main_file(PRICES_PATH) == ended


async def test_administrators_may_add_more(platform: Platform, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rights, "ADMINISTRATORS_TIMES", 3)
    await limited(platform, "{records: 1}")
    for number in range(3):
        await proposed_and_withdrawn(platform, profile(number), by="adam")
    assert await code_of(platform.proposed(profile(9), by="adam")) == "daily-limit"
