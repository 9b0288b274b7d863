"""Nothing is sent twice and nothing is forgotten, whatever ends, hangs or is lost."""

import asyncio
import logging
from typing import Any

import pytest
from support.conditions import eventually
from support.fakes.platform import HOUSING, NOTEBOOK, NOTEBOOK_PATH, Platform
from support.notifications import LARGER, Told

from allotment_hub.forges.stored_proposal import StoredProposal
from allotment_hub.services.notifications.sending import MAXIMUM_ATTEMPTS


async def test_a_lost_state_sends_nothing_old(platform: Platform, told: Told) -> None:
    stored = await platform.proposed({NOTEBOOK_PATH: LARGER})
    await told.look()
    told.outbox.close()
    for path in told.folder.glob("notifications.sqlite*"):
        path.unlink()
    told.start()
    assert await told.look() == {}
    await platform.submissions.comment(platform.people.actor("ben"), stored.id, "New")
    assert (await told.look()).keys() == {"ana"}
    told.outbox.close()
    for path in told.folder.glob("notifications.sqlite*"):
        path.write_bytes(b"no database" * 1000)
    told.start()
    assert await told.look() == {}


async def test_a_restart_sends_nothing_twice_and_forgets_nothing(platform: Platform, told: Told) -> None:
    await platform.proposed({NOTEBOOK_PATH: LARGER})
    assert (await told.look()).keys() == {"lena", "leo"}
    told.outbox.close()
    await platform.proposed({"teams/housing/profiles/second.yaml": NOTEBOOK})
    told.start()
    heard = await told.look()
    assert heard.keys() == {"lena", "leo"}
    assert heard["lena"].count("It waits for your approval.") == 2  # the subject, and the line


async def test_a_crash_between_marking_and_sending_sends_it_once_more_at_most(platform: Platform, told: Told) -> None:
    await platform.proposed({NOTEBOOK_PATH: LARGER})
    told.receiver.status = 500
    await told.notifier.look()  # marked; the answer never came
    told.outbox.close()
    told.receiver.status = 200
    told.start()
    assert await told.look() == {}  # not at once
    told.later(minutes=2)
    assert (await told.look()).keys() == {"lena", "leo"}
    told.later(days=1)
    assert await told.look() == {}


async def test_a_service_that_ends_while_it_sends_repeats_that_message_alone(platform: Platform, told: Told) -> None:
    await platform.proposed({NOTEBOOK_PATH: LARGER})
    told.receiver.may_answer.clear()
    looking = asyncio.create_task(told.notifier.look())
    await eventually(lambda: told.receiver.asked, what="the first message")
    looking.cancel()
    await asyncio.gather(looking, return_exceptions=True)
    told.outbox.close()
    told.receiver.may_answer.set()  # it was taken, and the service never learns of it
    await eventually(lambda: told.receiver.received, what="the message that was taken")
    told.start()
    told.later(minutes=2)
    await told.notifier.look()
    told.later(days=1)
    await told.notifier.look()
    assert sorted(path for path, _ in told.receiver.received) == ["/user/lena", "/user/lena", "/user/leo"]


async def test_a_receiver_that_refuses_is_asked_again_less_and_less_and_then_given_up(
    platform: Platform, told: Told, caplog: pytest.LogCaptureFixture
) -> None:
    told.file.write_text(f"users = json://secret-user:secret-word@127.0.0.1:{told.receiver.port}/user/{{name}}\n")
    told.receiver.status = 500
    await platform.proposed({NOTEBOOK_PATH: LARGER})
    with caplog.at_level(logging.DEBUG):
        await told.look()
        assert (told.sender.result.failed, told.outbox.waiting()) == (2, 2)
        await told.look()
        assert told.sender.result.failed == 2
        for _ in range(MAXIMUM_ATTEMPTS):
            told.later(hours=1)
            await told.look()
    assert told.outbox.waiting() == 0
    assert told.sender.result.given_up == 2
    assert told.sender.result.failed == 2 * MAXIMUM_ATTEMPTS
    assert "to send a message to a user failed" in caplog.text
    said = "\n".join(record.getMessage() for record in caplog.records if record.name != "httpx")
    for secret in ("secret", "127.0.0.1", "json:", "lena@"):
        assert secret not in said


async def test_a_receiver_that_hangs_delays_no_decision_and_no_other_receiver(platform: Platform, told: Told) -> None:
    platform.push({"teams/housing/team.yaml": HOUSING + b"channel: team-channel\n"}, signed=True)
    await platform.watcher.refresh()
    await told.look()
    told.start(send_seconds=0.2)
    told.receiver.may_answer.clear()
    stored = await platform.proposed({NOTEBOOK_PATH: LARGER})
    await told.notifier.look()
    assert told.sender.result.failed >= 2  # one of the users, and the channel: the other user waits
    told.later(minutes=10)
    asked = len(told.receiver.asked)
    await told.notifier.look()
    assert len(told.receiver.asked) == asked  # it still hangs: no second thread
    await platform.reviews.reject(platform.people.actor("lena"), stored.id, "No")
    assert not (await platform.proposals.stored(stored.id)).open
    told.receiver.may_answer.set()

    async def caught_up() -> bool:
        told.later(minutes=10)
        await told.notifier.look()
        return told.outbox.waiting() == 0

    await eventually(caught_up, what="the messages")


async def test_secrets_are_replaced_without_a_restart(platform: Platform, told: Told) -> None:
    told.file.write_text("users = json://127.0.0.1:1/away/{name}\n")
    await platform.proposed({NOTEBOOK_PATH: LARGER})
    assert await told.look() == {}
    told.file.write_text(f"users = {told.receiver.address('user/{name}')}\n")
    told.later(minutes=2)
    assert (await told.look()).keys() == {"lena", "leo"}


async def test_a_record_that_cannot_be_told_of_holds_up_no_other(
    platform: Platform, told: Told, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = await platform.proposed({NOTEBOOK_PATH: LARGER})
    case = platform.proposals.case

    async def failing(stored: StoredProposal, *more: Any, **options: Any) -> Any:
        if stored.id == first.id:
            raise LookupError(first.id)
        return await case(stored, *more, **options)

    monkeypatch.setattr(platform.proposals, "case", failing)
    await platform.proposed({"teams/housing/profiles/second.yaml": NOTEBOOK})
    heard = [await told.look() for _ in range(5)]
    assert heard[:4] == [{}] * 4
    assert heard[4].keys() == {"lena", "leo"}


async def test_the_hub_being_away_only_delays(platform: Platform, told: Told) -> None:
    await platform.proposed({NOTEBOOK_PATH: LARGER})
    platform.people.away = True
    assert await told.look() == {}
    platform.people.away = False
    assert (await told.look()).keys() == {"lena", "leo"}
