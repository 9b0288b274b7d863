"""`fresh_sign_in`: whoever gives people data has signed in not long ago."""

import pytest
from bs4 import BeautifulSoup
from support.conditions import eventually
from support.fakes.platform import (
    DATA,
    HOUSING,
    NOTEBOOK,
    NOTEBOOK_PATH,
    POLICY,
    PRICES,
    PRICES_PATH,
    Platform,
    code_of,
    refusal_of,
)
from support.fakes.web_service import Visitor, WebService

from allotment_hub.errors import UnavailableError
from allotment_hub.forges.stored_proposal import StoredProposal

pytestmark = pytest.mark.platform({"policy.yaml": POLICY + b"fresh_sign_in: 15 min\n"})
GRANTED = {PRICES_PATH: PRICES.replace(b"  housing:", b"  transport: {until: 2999-12-31}\n  housing:")}
LONGER_WAY = {NOTEBOOK_PATH: NOTEBOOK + b"data_roles: [prices]\n"}
REBOUND = {PRICES_PATH: PRICES.replace(b"sub_path: housing", b"sub_path: people")}
ENDED = {PRICES_PATH: PRICES.replace(b"2999", b"2998")}
LARGER = {NOTEBOOK_PATH: NOTEBOOK.replace(b"4 GiB", b"5 GiB")}
NARROWER = {"teams/housing/team.yaml": HOUSING.replace(b"cpu: 4", b"cpu: 2")}


async def tried(
    platform: Platform, stored: StoredProposal, name: str, seconds: float | None, sign_in: str = "x"
) -> str:
    """Let somebody approve whose sign-in was this long ago; give the code of the refusal, empty if there is none."""
    people = platform.people
    people.sign_ins = {} if seconds is None else {(name, sign_in): seconds}
    approving = platform.reviews.approve(people.actor(name, sign_in="x"), stored.id, stored.head)
    if seconds is not None and 0 <= seconds <= 900 and sign_in == "x":
        await approving
        return ""
    return await code_of(approving)


@pytest.mark.parametrize(("files", "by"), [(GRANTED, "dora"), (LONGER_WAY, "lena"), (REBOUND, "dora")])
async def test_data_is_given_only_soon_after_a_sign_in(
    platform: Platform, files: dict[str, bytes | None], by: str
) -> None:
    stored = await platform.proposed(files)
    assert await tried(platform, stored, by, 901) == "sign-in-too-old"
    assert await tried(platform, stored, by, None) == "sign-in-too-old"
    assert await tried(platform, stored, by, -60) == "sign-in-too-old"
    assert await tried(platform, stored, by, 60, "another sign-in of the same person") == "sign-in-too-old"
    assert await platform.approvers(stored) == []
    assert await tried(platform, stored, by, 900) == ""
    assert await platform.approvers(stored) == [by]


@pytest.mark.parametrize("files", [ENDED, LARGER, NARROWER])
async def test_what_gives_no_data_asks_for_no_fresh_sign_in(platform: Platform, files: dict[str, bytes | None]) -> None:
    stored = await platform.proposed(files)
    by = "dora" if PRICES_PATH in files else "lena"
    await platform.approved(stored, by)
    assert await platform.approvers(stored) == [by]


async def test_a_token_is_no_sign_in_and_a_refusal_says_what_helps(platform: Platform) -> None:
    stored, people = await platform.proposed(GRANTED), platform.people
    token = await refusal_of(platform.reviews.approve(people.actor("dora"), stored.id, stored.head))
    assert (token.refusal.code, token.refusal.status) == ("sign-in-unknown", 403)
    assert token.link == f"proposals/{stored.id}"
    old = await refusal_of(platform.reviews.approve(people.actor("dora", sign_in="x"), stored.id, stored.head))
    assert (old.refusal.code, old.refusal.status) == ("sign-in-too-old", 403)
    assert old.link == f"/hub/allotment/sign-in?page=proposals/{stored.id}"
    await platform.reviews.reject(people.actor("dora"), stored.id, "Rejecting gives nothing")


async def test_a_merge_is_a_decision_of_its_own(platform: Platform) -> None:
    stored, people = await platform.proposed(LONGER_WAY), platform.people
    assert await tried(platform, stored, "lena", 10) == ""
    leo = people.actor("leo", sign_in="y")
    assert await code_of(platform.reviews.merge(leo, stored.id, stored.head)) == "sign-in-too-old"
    people.sign_ins["leo", "y"] = 10.0
    await platform.reviews.merge(leo, stored.id, stored.head)


async def test_a_pushed_change_of_data_is_confirmed_soon_after_a_sign_in(platform: Platform) -> None:
    platform.push({"policy.yaml": POLICY + b"fresh_sign_in: 15 min\ndirect_push: hold\n"}, "Set up more", signed=True)
    platform.people.groups["adam"] = ["/data/leads"]
    commit = platform.push(dict(GRANTED))
    adam = platform.people.actor("adam", sign_in="x")
    assert await code_of(platform.quarantine.confirm(adam, commit, "It is right")) == "sign-in-too-old"
    platform.people.sign_ins["adam", "x"] = 10.0
    assert await platform.quarantine.confirm(adam, commit, "It is right") is False, "the first of two"


async def test_nothing_is_decided_while_the_hub_does_not_say(platform: Platform) -> None:
    stored = await platform.proposed(GRANTED)
    dora = platform.people.actor("dora", sign_in="x")
    case = await platform.proposals.case(stored, platform.people.actor("lena").user)
    platform.people.away = True
    with pytest.raises(UnavailableError) as caught:
        await platform.sign_ins.check_fresh("dora", "x", case.main, "proposals")
    assert caught.value.refusal.code == "hub-unavailable"
    platform.people.away = False
    assert await code_of(platform.reviews.approve(dora, stored.id, stored.head)) == "sign-in-too-old"


LEADS = {"teams/open-data/team.yaml": DATA.replace(b"/data/leads]", b"/data/leads, /more]")}
LOOSER = {"policy.yaml": POLICY + b"fresh_sign_in: 700 h\n"}
OWNED = {PRICES_PATH: PRICES.replace(b"owner: open-data", b"owner: housing")}


@pytest.mark.parametrize(
    ("files", "by"), [({"policy.yaml": POLICY}, "adam"), (LOOSER, "adam"), (LEADS, "adam"), (OWNED, "dora")]
)
async def test_a_say_in_who_gets_data_is_given_only_soon_after_a_sign_in(
    platform: Platform, files: dict[str, bytes | None], by: str
) -> None:
    """Otherwise an old cookie gives the data in two steps."""
    stored = await platform.proposed(files)
    assert await tried(platform, stored, by, 901) == "sign-in-too-old"
    assert await tried(platform, stored, by, 10) == ""


async def test_the_page_says_before_its_buttons_that_a_new_sign_in_is_needed(
    platform: Platform, service: WebService
) -> None:
    giving, other = await platform.proposed(GRANTED), await platform.proposed(LARGER)
    dora = service.browser("dora")

    async def announced(proposal: str, browser: Visitor = dora) -> list[str]:
        """Return what stands among the actions, in order."""
        page = BeautifulSoup((await browser.get(f"proposals/{proposal}")).text, "html.parser")
        section = page.select_one(".allotment-do")
        assert section
        return [str(each.get("id") or each["action"]).rpartition("/")[2] for each in section.select("#sign-in, form")]

    platform.people.sign_ins["dora", "browser-of-dora"] = 901.0
    assert (await announced(giving.id))[:2] == ["sign-in", "approve"]
    page = await dora.get(f"proposals/{giving.id}")
    assert f'href="/hub/allotment/sign-in?page=proposals/{giving.id}"' in page.text
    assert (await announced(other.id, service.browser("lena")))[0] == "approve"
    assert "sign-in" not in await announced(giving.id, service.browser("adam")), "who does not decide is not asked"
    platform.people.sign_ins["dora", "browser-of-dora"] = 10.0
    assert (await announced(giving.id))[0] == "approve"
    assert (await dora.press(page, "approve")).status_code == 303


async def test_a_hub_that_writes_no_sign_ins_down_is_told(
    platform: Platform, service: WebService, caplog: pytest.LogCaptureFixture
) -> None:
    """Where a deployment's own hook has taken the place of ours, nobody can decide, and signing in does not help."""
    await platform.watcher.refresh()
    platform.people.records_sign_ins = False
    stored = await platform.proposed(GRANTED)
    refusal = await refusal_of(
        platform.reviews.approve(platform.people.actor("dora", sign_in="x"), stored.id, stored.head)
    )
    assert (refusal.refusal.code, refusal.refusal.decides) == ("sign-in-unknown", "an administrator of the platform")
    assert "post_auth_hook" in caplog.text
    health = (await service.program("ana").get("api/v1/health")).json()
    assert (health["sign_ins_recorded"], health["ok"]) == (False, False)
    page = await service.browser("dora").get(f"proposals/{stored.id}")
    assert "cannot be approved or merged here now" in page.text


async def test_health_asks_the_hub_by_itself(platform: Platform, service: WebService) -> None:
    await platform.watcher.refresh()
    visitor = service.program("ana")

    async def said() -> bool:
        health = (await visitor.get("api/v1/health")).json()
        assert health["ok"]
        return health["sign_ins_recorded"] is True

    await eventually(said, what="the hub's answer whether sign-ins are written down")


@pytest.mark.platform
async def test_without_the_rule_any_sign_in_will_do(platform: Platform) -> None:
    await platform.approved(await platform.proposed(GRANTED), "dora")
