"""Versions that a reader may not see: earlier ones of a proposal, and what main does not apply."""

from pathlib import Path

import pytest
from support.fakes.platform import NOTEBOOK, NOTEBOOK_PATH, POLICY, PRICES, PRICES_PATH, Platform
from support.fakes.web_service import WebService

from allotment_hub.api.serializers import proposal_answer

NEW_PATH = "teams/housing/profiles/new.yaml"
LARGER = NOTEBOOK.replace(b"4 GiB", b"8 GiB")
HIDDEN = b"environment: {PLACE: s3cr3t-place}\n"


@pytest.mark.platform({}, groups={"tom": ["/transport", "/transport/leads"]})
@pytest.mark.parametrize("restarted", [False, True])
async def test_words_about_a_hidden_version_stay_hidden_after_the_merge(
    platform: Platform, tmp_path: Path, restarted: bool
) -> None:
    stored = await platform.proposed({NEW_PATH: NOTEBOOK + b"visibility: draft\n"}, by="lena")
    await platform.submissions.comment(platform.people.actor("leo"), stored.id, "About the s3cr3t merger")
    stored = await platform.proposed({NEW_PATH: NOTEBOOK}, by="lena", update=stored.id)
    await platform.reviews.approve(platform.people.actor("leo"), stored.id, stored.head)
    stored = await platform.reviews.merge(platform.people.actor("leo"), stored.id, stored.head)
    service = platform.beside(tmp_path) if restarted else platform
    await service.watcher.refresh()
    for who, told in (("tom", False), ("ana", False), ("lena", True), ("adam", True)):
        view = await service.proposals.view(stored, service.people.actor(who))
        assert ("s3cr3t" in proposal_answer(view, "").model_dump_json()) == told, who


async def test_a_proposal_that_main_has_already_is_listed_to_nobody_new(platform: Platform, tmp_path: Path) -> None:
    """Somebody merged its branch with git: it touches nothing any more, and its words are about a hidden profile."""
    stored = await platform.proposed({NEW_PATH: NOTEBOOK + b"visibility: draft\n"}, by="lena")
    platform.push({NEW_PATH: NOTEBOOK + b"visibility: draft\n"}, "Merged with git", signed=True)
    service = platform.beside(tmp_path)
    await service.watcher.refresh()
    for who, listed in (("dora", []), ("lena", [stored.id])):
        readable = await service.proposals.readable(service.people.actor(who).user)
        assert [each.id for each in readable.proposals] == listed


async def pushed_beside(platform: Platform, kind: str, own: bytes) -> str:
    """Propose for a file, and let somebody push a version of it that the proposer may not see. Return the id."""
    if kind == "quarantined":
        platform.push({"policy.yaml": POLICY + b"direct_push: hold\n"}, "Set up", signed=True)
    await platform.watcher.refresh()
    stored = await platform.proposed({NOTEBOOK_PATH: own})
    hidden = {"invalid": b"nonsense: 1\n"}.get(kind, b"visibility: draft\n") + HIDDEN
    platform.push({NOTEBOOK_PATH: NOTEBOOK + hidden}, "Pushed", signed=kind == "applied")
    await platform.watcher.refresh()
    return stored.id


@pytest.mark.parametrize("kind", ["quarantined", "invalid", "applied"])
async def test_the_form_for_an_own_proposal_shows_nothing_of_mains_version(
    platform: Platform, tmp_path: Path, kind: str
) -> None:
    proposal = await pushed_beside(platform, kind, LARGER)
    async with WebService.opened(platform, tmp_path) as web:
        browser = web.browser("ana")
        for path in (f"proposals/{proposal}", f"propose?proposal={proposal}"):
            page = await browser.get(path)
            assert page.status_code in (200, 403)
            assert "s3cr3t" not in page.text


@pytest.mark.parametrize("kind", ["quarantined", "invalid", "applied"])
async def test_the_keys_that_collide_show_nothing_of_mains_version(platform: Platform, kind: str) -> None:
    proposal = await pushed_beside(platform, kind, NOTEBOOK + b"environment: {PLACE: mine}\n")
    ana = platform.people.actor("ana")
    view = await platform.proposals.view(await platform.proposals.stored(proposal), ana)
    assert "s3cr3t" not in proposal_answer(view, "").model_dump_json()


@pytest.mark.platform({}, groups={"tom": ["/transport"]})
async def test_the_history_of_a_file_tells_nothing_of_a_proposal_that_its_reader_may_not_know_of(
    platform: Platform, tmp_path: Path
) -> None:
    """Its reason and its title are about the hidden file, too."""
    files = {NEW_PATH: NOTEBOOK + b"visibility: draft\n", NOTEBOOK_PATH: LARGER, PRICES_PATH: PRICES + b"# more\n"}
    reason = "Room for the s3cr3t merger"
    done = await platform.submissions.propose(platform.people.actor("adam"), files, reason)
    for name in ("lena", "dora"):
        await platform.approved(done.proposal, name)
    merged = await platform.reviews.merge(platform.people.actor("leo"), done.proposal.id, done.proposal.head)
    await platform.watcher.refresh()
    async with WebService.opened(platform, tmp_path) as web:
        for name, told in (("tom", False), ("lena", True), ("adam", True)):
            visitor = web.program(name)
            calls = ["profiles", "profiles/housing/notebook", "data-roles", "data-roles/prices"]
            texts = [(await visitor.get(f"api/v1/{path}")).text for path in calls]
            texts += [(await web.browser(name).get(path)).text for path in calls]
            assert ("s3cr3t" in "".join(texts)) == told, name
            assert (merged.id in "".join(texts)) == told, name
            assert told or "housing/new" not in "".join(texts)
            assert all("adam" in text for text in texts[5:6]), "who and when is told to all"
