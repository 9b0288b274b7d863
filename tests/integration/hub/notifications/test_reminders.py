"""Who is reminded of a review that waits, and of what ends."""

import datetime as dt

from support.fakes.platform import HOUSING, NOTEBOOK, NOTEBOOK_PATH, POLICY, PRICES, PRICES_PATH, Platform
from support.notifications import LARGER, ROOT, Told

REMINDING = POLICY + b"reminders: {after: 3 d}\n"


async def test_reviews_that_wait_are_told_to_leads_then_deputies_then_administrators_each_once(
    platform: Platform, told: Told
) -> None:
    deputies = HOUSING + b"deputies: {users: [ben]}\nchannel: team-channel\n"
    platform.push({"policy.yaml": REMINDING, "teams/housing/team.yaml": deputies}, signed=True)
    await platform.watcher.refresh()
    await told.look()
    stored = await platform.proposed({NOTEBOOK_PATH: LARGER})
    assert (await told.look()).keys() == {"lena", "leo", "#"}
    began = dt.datetime.now(dt.UTC)
    reminded = {2: "", 4: "lena leo #", 5: "", 7: "ben", 10: "adam anne", 40: ""}
    for days, expected in reminded.items():
        platform.now = told.time = began + dt.timedelta(days=days)
        heard = await told.look()
        assert heard.keys() == set(expected.split()), days
        for text in heard.values():
            assert f"waits for an approval since {began.date().isoformat()}" in text
            assert stored.id in text


async def test_an_approval_ends_the_reminders_and_no_policy_sends_none(platform: Platform, told: Told) -> None:
    stored = await platform.proposed({NOTEBOOK_PATH: LARGER})
    await told.look()
    platform.now = told.time = dt.datetime.now(dt.UTC) + dt.timedelta(days=10)
    assert await told.look() == {}
    platform.now = None
    platform.push({"policy.yaml": REMINDING}, signed=True)
    await platform.watcher.refresh()
    await platform.approved(await platform.proposals.stored(stored.id))
    await told.look()
    platform.now = told.time = dt.datetime.now(dt.UTC) + dt.timedelta(days=10)
    assert await told.look() == {}


def grant(days: int) -> bytes:
    """Return a data role with a grant that ends in some days."""
    day = dt.datetime.now(dt.UTC).date() + dt.timedelta(days=days)
    return PRICES.replace(b"2999-12-31", day.isoformat().encode())


async def test_what_ends_is_told_on_three_days_to_those_who_can_renew_it(platform: Platform, told: Told) -> None:
    began = dt.datetime.now(dt.UTC)
    day = (began.date() + dt.timedelta(days=38)).isoformat()
    reviewed = NOTEBOOK + f"maintainers: {{users: [ben]}}\nreview_by: {day}\n".encode()
    platform.push({PRICES_PATH: grant(40), NOTEBOOK_PATH: reviewed}, signed=True)
    await platform.watcher.refresh()
    assert await told.look() == {}
    heard_on = {}
    for days in range(42):
        platform.now = told.time = began + dt.timedelta(days=days)
        if heard := await told.look():
            heard_on[days] = heard
    assert {days: set(heard) for days, heard in heard_on.items()} == {
        8: {"lena", "leo", "ben"}, 10: {"lena", "leo"}, 31: {"lena", "leo", "ben"}, 33: {"lena", "leo"},
        37: {"lena", "leo", "ben"}, 39: {"lena", "leo"},
    }  # fmt: skip
    assert f"{ROOT}propose?from=housing/notebook" in heard_on[8]["ben"]
    assert f"{ROOT}data-roles/prices/ask?team=housing" in heard_on[10]["lena"]
    assert "in 30 days" in heard_on[10]["lena"]
    assert "tomorrow" in heard_on[39]["lena"]


async def test_a_day_that_was_missed_is_told_late_and_a_renewal_begins_anew(platform: Platform, told: Told) -> None:
    began = dt.datetime.now(dt.UTC)
    platform.push({PRICES_PATH: grant(40)}, signed=True)
    await platform.watcher.refresh()
    await told.look()
    platform.now = told.time = began + dt.timedelta(days=35)  # the service was stopped meanwhile
    assert "in 5 days" in (await told.look())["lena"]
    platform.push({PRICES_PATH: grant(45)}, signed=True)
    await platform.watcher.refresh()
    assert await told.look() == {}  # ten days are left: who renewed it knows
    platform.now = told.time = began + dt.timedelta(days=38)
    assert "in 7 days" in (await told.look())["leo"]


async def test_after_the_state_is_lost_nothing_is_reminded_of_again(platform: Platform, told: Told) -> None:
    platform.push({"policy.yaml": REMINDING, PRICES_PATH: grant(11)}, signed=True)
    await platform.watcher.refresh()
    await platform.proposed({NOTEBOOK_PATH: LARGER})
    await told.look()
    began = dt.datetime.now(dt.UTC)
    platform.now = told.time = began + dt.timedelta(days=4)
    assert (await told.look()).keys() == {"lena", "leo"}
    told.outbox.close()
    for path in told.folder.glob("notifications.sqlite*"):
        path.unlink()
    told.start()
    assert await told.look() == {}
    platform.now = told.time = began + dt.timedelta(days=10)
    heard = await told.look()
    assert heard.keys() == {"lena", "leo", "adam", "anne"}
    assert "ends tomorrow" in heard["lena"]
    assert "approval" in heard["adam"]
