"""Who hears of which step of a proposal: those whom it concerns, and nobody of their own."""

from support.fakes.platform import HOUSING, NOTEBOOK, NOTEBOOK_PATH, POLICY, Platform
from support.notifications import LARGER, ROOT, Told


async def test_each_hears_of_the_steps_that_concern_them_and_nobody_of_their_own(
    platform: Platform, told: Told
) -> None:
    stored = await platform.proposed({NOTEBOOK_PATH: LARGER})
    heard = await told.look()
    assert heard.keys() == {"lena", "leo"}  # the leads, not the proposer, nor a member
    assert "It waits for your approval." in heard["lena"]
    assert f"{ROOT}proposals/{stored.id}" in heard["lena"]
    await platform.submissions.comment(platform.people.actor("ben"), stored.id, "Why so large?")
    heard = await told.look()
    assert heard.keys() == {"ana"}
    assert "Why so large?" in heard["ana"]
    await platform.approved(stored, "lena")
    assert (await told.look()).keys() == {"ana", "ben"}
    await platform.reviews.merge(platform.people.actor("leo"), stored.id, stored.head)
    heard = await told.look()
    assert heard.keys() == {"ana", "ben", "lena"}
    assert "leo merged" in heard["lena"]
    assert "is live at revision" in heard["ana"]
    assert "is live at revision" not in heard["lena"]
    platform.events.append("start", user="ben", profile="housing/notebook", revision=platform.forge.main())
    told.start()
    heard = await told.look()
    assert heard.keys() == {"ana"}
    assert "first started by ben" in heard["ana"]
    assert await told.look() == {}


async def test_a_rejection_is_told_with_its_reason(platform: Platform, told: Told) -> None:
    stored = await platform.proposed({NOTEBOOK_PATH: LARGER})
    await told.look()
    await platform.reviews.reject(platform.people.actor("lena"), stored.id, "Too dear")
    heard = await told.look()
    assert heard.keys() == {"ana"}
    assert "Too dear" in heard["ana"]


async def test_who_approved_hears_that_it_does_not_count_any_more(platform: Platform, told: Told) -> None:
    platform.push({"teams/housing/profiles/other.yaml": NOTEBOOK}, signed=True)
    await platform.watcher.refresh()
    stored = await platform.proposed({NOTEBOOK_PATH: LARGER})
    await platform.approved(stored, "lena")
    await told.look()
    await platform.proposed({NOTEBOOK_PATH: NOTEBOOK.replace(b"4 GiB", b"6 GiB")}, update=stored.id)
    heard = await told.look()
    assert "does not count any more" in heard["lena"]
    assert "ana updated" in heard["leo"]
    again = await platform.proposals.stored(stored.id)
    await platform.approved(again, "lena")
    await told.look()
    more = HOUSING.replace(b"groups: [/housing]}", b"groups: [/housing, /more]}", 1)
    platform.push(
        {NOTEBOOK_PATH: NOTEBOOK.replace(b"limit: 2", b"limit: 1"), "teams/housing/team.yaml": more}, signed=True
    )
    await platform.watcher.refresh()
    heard = await told.look()
    assert "does not count any more" in heard["lena"]
    assert await told.look() == {}


async def test_many_things_come_in_one_message(platform: Platform, told: Told) -> None:
    stored = await platform.proposed({NOTEBOOK_PATH: LARGER})
    for number in range(25):
        await platform.submissions.comment(platform.people.actor("ben"), stored.id, f"Question {number}.")
    told.receiver.received.clear()
    await told.notifier.look()
    to_ana = told.receiver.texts("user/ana")
    assert len(to_ana) == 1
    assert to_ana[0].count("ben commented on") == 20
    assert "And 5 more" in to_ana[0]


async def test_what_a_user_has_turned_off_is_not_sent(platform: Platform, told: Told) -> None:
    told.choices.choose("lena", ["comments"])
    stored = await platform.proposed({NOTEBOOK_PATH: LARGER})
    assert (await told.look()).keys() == {"leo"}
    told.choices.choose("lena", ["deciding"])
    await platform.proposed({NOTEBOOK_PATH: NOTEBOOK.replace(b"4 GiB", b"6 GiB")}, update=stored.id)
    assert (await told.look()).keys() == {"lena", "leo"}


async def test_who_may_not_see_it_any_more_is_told_nothing(platform: Platform, told: Told) -> None:
    platform.push({"policy.yaml": POLICY + b"listing: own\n"}, signed=True)
    await platform.watcher.refresh()
    stored = await platform.proposed({NOTEBOOK_PATH: LARGER})
    await platform.submissions.comment(platform.people.actor("ben"), stored.id, "A question")
    await told.look()
    platform.people.groups["ben"] = []
    await platform.submissions.comment(platform.people.actor("lena"), stored.id, "The answer")
    assert (await told.look()).keys() == {"ana"}
    del platform.people.groups["ana"]  # the hub does not know them any more
    await platform.submissions.comment(platform.people.actor("lena"), stored.id, "Again")
    assert await told.look() == {}
    assert told.outbox.waiting() == 0
