"""What a message says, where it goes, and who chooses that."""

import dataclasses
from pathlib import Path

import pytest
from support.conditions import eventually
from support.fakes.platform import HOUSING, NOTEBOOK_PATH, Platform
from support.fakes.web_service import WebService
from support.notifications import LARGER, ROOT, Told
from support.servers.receiver import receiving_mail

from allotment_hub.app import build_services
from allotment_hub.configuration import NotificationsConfiguration, ServiceConfiguration
from allotment_hub.http.hub_auth import ServiceAuth
from allotment_hub.services.notifications.addresses import Addresses
from allotment_hub.services.notifications.choices import Choices
from allotment_hub.services.notifications.notices import KINDS


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
    # No session keeps from its user what they want to hear of.
    muted = await service.program("lena", session=True).post("notifications", data={"on": ""})
    assert (muted.status_code, "page-needed" in muted.text) == (403, True)
    assert told.choices.off("lena") == KINDS.keys() - {"comments"}


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
