"""Who hears of what outside the pages, over a real repository and a real server that receives the messages."""

import asyncio
import dataclasses
import datetime as dt
import logging
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest
from support.conditions import eventually
from support.fakes.platform import HOUSING, NOTEBOOK, NOTEBOOK_PATH, POLICY, PRICES, PRICES_PATH, Platform
from support.fakes.web_service import WebService
from support.servers.receiver import Receiver, receiving, receiving_mail

from allotment_hub.app import build_services
from allotment_hub.configuration import NotificationsConfiguration, ServiceConfiguration
from allotment_hub.forges.stored_proposal import StoredProposal
from allotment_hub.http.hub_auth import ServiceAuth
from allotment_hub.services.event_reader import EventReader
from allotment_hub.services.notifications.addresses import Addresses
from allotment_hub.services.notifications.choices import Choices
from allotment_hub.services.notifications.notices import KINDS
from allotment_hub.services.notifications.notifier import Notifier
from allotment_hub.services.notifications.outbox import Outbox
from allotment_hub.services.notifications.sending import MAXIMUM_ATTEMPTS, Sender

LARGER = NOTEBOOK.replace(b"4 GiB", b"8 GiB")
ROOT = "https://hub.example.org/services/allotment/"
PEOPLE = ("ana", "ben", "lena", "leo", "dora", "adam", "anne")


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


class Told:
    """The notifier of a platform, and what people have received."""

    def __init__(self, platform: Platform, receiver: Receiver, folder: Path) -> None:
        self.platform, self.receiver, self.folder = platform, receiver, folder
        self.file = folder / "addresses"
        self.file.write_text(
            f"# A comment\nusers = {receiver.address('user/{name}')}\nteam-channel = {receiver.address('team')}\n"
        )
        self.choices = Choices(folder / "choices.sqlite")
        self.time: dt.datetime | None = None
        self.start()

    def start(self, send_seconds: float = 20) -> None:
        """Start the notifier, as after a restart."""
        self.outbox = Outbox(self.folder / "notifications.sqlite")
        self.addresses = Addresses(self.file, "{name}@example.org")
        platform = self.platform
        self.sender = Sender(
            self.outbox, self.choices, self.addresses, platform.proposals, platform.directory, ROOT, self.now,
            gather_seconds=0, send_seconds=send_seconds, first_retry_seconds=60,
        )  # fmt: skip
        events = EventReader(platform.events)
        self.notifier = Notifier(platform.proposals, platform.checking, events, self.outbox, self.sender)

    def now(self) -> dt.datetime:
        """Return the time that the sender sees."""
        return self.time or dt.datetime.now(dt.UTC)

    def later(self, **time: float) -> None:
        """Let time pass for the sender."""
        self.time = self.now() + dt.timedelta(**time)

    async def look(self) -> dict[str, str]:
        """Let the notifier look once, and return what each has received since."""
        await self.notifier.look()
        people = {name: "\n".join(self.receiver.texts(f"user/{name}")) for name in PEOPLE}
        return {name: text for name, text in (*people.items(), ("#", "\n".join(self.receiver.texts("team")))) if text}

    def close(self) -> None:
        self.outbox.close()
        self.choices.close()


@pytest.fixture
async def told(platform: Platform, receiver: Receiver, tmp_path: Path) -> AsyncIterator[Told]:
    built = Told(platform, receiver, tmp_path)
    await built.look()  # what is there is known
    yield built
    built.close()


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


async def test_what_a_user_has_turned_off_is_not_sent(platform: Platform, told: Told) -> None:
    told.choices.choose("lena", ["comments"])
    stored = await platform.proposed({NOTEBOOK_PATH: LARGER})
    assert (await told.look()).keys() == {"leo"}
    told.choices.choose("lena", ["deciding"])
    await platform.proposed({NOTEBOOK_PATH: NOTEBOOK.replace(b"4 GiB", b"6 GiB")}, update=stored.id)
    assert (await told.look()).keys() == {"lena", "leo"}


async def test_hostile_text_stays_text(platform: Platform, told: Told) -> None:
    stored = await platform.proposed({NOTEBOOK_PATH: LARGER})
    hostile = "<!channel> @here <a href='https://evil.example'>x</a> [x](https://evil.example) *b* {by}"
    await platform.submissions.comment(platform.people.actor("ben"), stored.id, hostile)
    heard = await told.look()
    text = heard["ana"]
    for part in ("<!channel>", "@here", "<a", "](", "https://evil", "evil.example", "*b*"):
        assert part not in text, part
    assert "channel" in text
    assert "{by}" in text  # never a template


async def test_a_channel_hears_what_everybody_may_see(platform: Platform, told: Told) -> None:
    platform.push({"teams/housing/team.yaml": HOUSING + b"channel: team-channel\n"}, signed=True)
    await platform.watcher.refresh()
    await told.look()
    stored = await platform.proposed({NOTEBOOK_PATH: LARGER})
    heard = await told.look()
    assert "ana proposed" in heard["#"]
    assert "It waits for your approval" not in heard["#"]
    await platform.submissions.comment(platform.people.actor("ben"), stored.id, "A question")
    assert "#" not in await told.look()
    hidden = NOTEBOOK + b"visibility: draft\n"
    await platform.proposed({"teams/housing/profiles/secret.yaml": hidden}, by="lena")
    assert (await told.look()).keys() == {"leo"}  # not the administrators, who may stand in
    platform.push({"policy.yaml": POLICY + b"listing: own\n"}, signed=True)
    await platform.watcher.refresh()
    await told.look()
    await platform.submissions.withdraw(platform.people.actor("ana"), stored.id)
    assert "#" not in await told.look()


async def test_an_e_mail_is_plain_text_to_one_person(platform: Platform, told: Told) -> None:
    with receiving_mail() as (port, mails):
        told.file.write_text(f"users = mailto://127.0.0.1:{port}/?from=allotment@example.org&to={{email}}\n")
        stored = await platform.proposed({NOTEBOOK_PATH: LARGER})
        hostile = "<b>bold</b> & <img src=x> Bcc: evil@evil.example"
        await platform.submissions.comment(platform.people.actor("ben"), stored.id, hostile)
        await told.look()
        assert told.outbox.waiting() == 0
    assert sorted(recipients for recipients, _ in mails) == [[f"{name}@example.org"] for name in ("ana", "lena", "leo")]
    to_ana = next(message for recipients, message in mails if recipients == ["ana@example.org"])
    parts = [part for part in to_ana.walk() if not part.is_multipart()]
    assert {part.get_content_type() for part in parts} == {"text/plain"}
    text = parts[0].get_payload(decode=True).decode()  # type: ignore[union-attr]
    assert "ben commented on" in text
    assert f"{ROOT}proposals/{stored.id}" in text
    assert "&lt;" not in text
    assert to_ana["Bcc"] is None


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


async def test_a_team_names_a_channel_and_never_an_address(platform: Platform, told: Told) -> None:
    for channel in ("users", "unknown"):
        platform.push({"teams/housing/team.yaml": HOUSING + f"channel: {channel}\n".encode()}, signed=True)
        await platform.watcher.refresh()
        await told.look()
        await platform.proposed({f"teams/housing/profiles/{channel}.yaml": NOTEBOOK})
        assert (await told.look()).keys() == {"lena", "leo"}, channel
    for channel in ("json://127.0.0.1/x", "a b", "../x", "{name}"):
        platform.push({"teams/housing/team.yaml": HOUSING + f"channel: '{channel}'\n".encode()}, signed=True)
        await platform.watcher.refresh()
        assert "teams/housing/team.yaml" in {problem.path for problem in platform.watcher.catalog.problems}, channel


async def test_the_page_says_what_is_sent_and_where_and_each_turns_off_what_they_like(
    platform: Platform, told: Told, service: WebService
) -> None:
    lena = service.browser("lena")
    nothing = await lena.get("notifications")
    assert "Nothing is sent" in nothing.text
    platform.push({"teams/housing/team.yaml": HOUSING + b"channel: unknown\n"}, signed=True)
    await platform.watcher.refresh()
    service.services = dataclasses.replace(service.services, notifier=told.notifier, choices=told.choices)
    for rule in service.application.default_router.rules[0].target.rules:  # type: ignore[attr-defined]
        rule.target_kwargs |= {"services": service.services} if "services" in rule.target_kwargs else {}
    page = await lena.get("notifications")
    assert "lena@example.org" in page.text
    assert "127.0.0.1" not in page.text
    assert "not set up" in page.text
    saved = await lena.press(page, "/notifications", on="comments")
    assert saved.status_code == 303
    assert told.choices.off("lena") == KINDS.keys() - {"comments"}
    assert told.choices.off("leo") == frozenset()
    await platform.proposed({NOTEBOOK_PATH: LARGER})
    assert (await told.look()).keys() == {"leo"}
    metrics = (await lena.get("api/v1/metrics")).text
    assert 'allotment_notifications_total{result="sent"} 1.0' in metrics
    assert (await lena.post("notifications", data={"on": "deciding"})).status_code == 403  # without the page's token


async def test_a_channel_that_is_not_set_up_is_an_advice(platform: Platform, told: Told) -> None:
    platform.proposals.channels = told.addresses.read_channels
    for channel, expected in (("team-channel", []), ("other", ["channel-unknown"]), ("users", ["channel-unknown"])):
        files = {"teams/housing/team.yaml": HOUSING + f"channel: {channel}\n".encode()}
        check = await platform.submissions.check(platform.people.actor("lena"), files)
        assert [problem.code for problem in check.problems if problem.field == "channel"] == expected
        assert [each.key for each in check.requirements] == ["lead:housing"]
    stored = await platform.proposed({"teams/housing/team.yaml": HOUSING + b"channel: other\n"}, by="lena")
    view = await platform.proposals.view(stored, platform.people.actor("leo"))
    assert "channel-unknown" in [problem.code for problem in view.check.problems]
    assert not view.check.errors


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


async def test_the_service_begins_to_send_where_its_configuration_says_so(platform: Platform, tmp_path: Path) -> None:
    (tmp_path / "addresses").write_text("team-channel = json://127.0.0.1\n")
    configuration = ServiceConfiguration(
        repository=tmp_path / "profiles.git", signing_key=tmp_path / "key", allowed_signers=tmp_path / "signers",
        events=f"sqlite:///{tmp_path}/events.sqlite", port=1, public_url="https://hub.example.org/",
        notifications=NotificationsConfiguration(addresses_file=tmp_path / "addresses", gather_seconds=0),
    )  # fmt: skip
    services = build_services(configuration, ServiceAuth(api_url="http://127.0.0.1:1/hub/api", api_token="x"))
    assert services.notifier
    services.notifier.start()
    try:
        state = services.notifier.outbox.state
        await eventually(lambda: "record" in state(), what="the first look")
        assert services.proposals.channels() == {"team-channel"}
    finally:
        await services.notifier.stop()
        services.choices.close()
        services.judges.close()
        services.proposals.forge.close()
        await services.directory.close()
    assert (tmp_path / "notifications.sqlite").exists()


async def test_the_hub_being_away_only_delays(platform: Platform, told: Told) -> None:
    await platform.proposed({NOTEBOOK_PATH: LARGER})
    platform.people.away = True
    assert await told.look() == {}
    platform.people.away = False
    assert (await told.look()).keys() == {"lena", "leo"}


@pytest.mark.parametrize("name", ["a,b@evil.example", "x y", "../x", "a?to=b", "a\nb", "é", "@x", "{email}", "x" * 100])
def test_no_user_name_becomes_another_address(tmp_path: Path, name: str) -> None:
    (tmp_path / "addresses").write_text("users = mailto://smtp.example.org?to={email}&name={name}\n")
    addresses = Addresses(tmp_path / "addresses", "{name}@example.org")
    assert not addresses.reaches(("user", name))
    assert addresses.email_of(name) == ""


def test_lines_that_are_no_address_are_named_by_their_number_alone(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "addresses").write_text("\n# x\nsecret-without-a-name\nBad Name = json://secret\nteam = json://x\n")
    addresses = Addresses(tmp_path / "addresses")
    assert addresses.read_channels() == {"team"}
    assert "line 3" in caplog.text
    assert "secret" not in caplog.text
    assert Addresses(tmp_path / "missing").read_channels() == frozenset()


def test_choices_survive_a_restart(tmp_path: Path) -> None:
    choices = Choices(tmp_path / "choices.sqlite")
    choices.choose("lena", ["comments", "no-such-kind"])
    choices.close()
    again = Choices(tmp_path / "choices.sqlite")
    assert "comments" not in again.off("lena")
    assert "deciding" in again.off("lena")
    assert again.off("leo") == frozenset()
    again.close()
