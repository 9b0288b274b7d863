"""What those see who do not belong to a profile: no values of variables, and who removed it."""

import asyncio

import pytest
from support.fakes.platform import NOTEBOOK, NOTEBOOK_PATH, Platform, refusal_of

from allotment_hub.api.serializers import profile_details
from allotment_hub.errors import UNKNOWN_SECONDS
from allotment_hub.services.browse.profiles import Profiles
from allotment_profiles.access.deployments import Capabilities


@pytest.fixture
def profiles(platform: Platform) -> Profiles:
    capabilities = Capabilities("this laptop", frozenset({"volume"}), {})
    return Profiles(platform.watcher, platform.directory, platform.forge, lambda: capabilities)


WITH_VALUES = (
    NOTEBOOK
    + b"""\
environment: {BUCKET: outer-value}
options:
  size:
    title: Size
    default: normal
    choices:
      normal: {title: Normal}
      large: {title: Large, environment: {BUCKET: inner-value}}
"""
)


async def test_a_stranger_sees_the_names_of_variables_and_no_value_not_even_of_a_choice(
    platform: Platform, profiles: Profiles
) -> None:
    platform.push({NOTEBOOK_PATH: WITH_VALUES})
    await platform.watcher.refresh()
    for name, knows in (("ana", True), ("lena", True), ("adam", True), ("dora", False)):
        row = await profiles.row(platform.people.actor(name).user, "housing/notebook")
        details = profile_details(row, "")
        told = details.model_dump_json()
        assert ("outer-value" in told, "inner-value" in told) == (knows, knows), name
        assert details.settings["environment"].keys() == {"BUCKET"}
        assert details.settings["options"]["size"]["choices"]["large"]["environment"].keys() == {"BUCKET"}


async def test_of_a_removed_profile_it_is_said_who_removed_it_and_where(platform: Platform, profiles: Profiles) -> None:
    stored = await platform.proposed({NOTEBOOK_PATH: None})
    ana = platform.people.actor("ana")
    waiting = await platform.proposals.view(stored, ana)
    done = await platform.merged(stored)
    view = await platform.proposals.view(done, ana)
    assert view.case.state == "live"
    assert [step.name for step in view.steps] == ["proposed", "checked", "approved", "merged", "live"]
    assert [step.name for step in waiting.steps] == [step.name for step in view.steps]
    gone = await refusal_of(profiles.row(ana.user, "housing/notebook"))
    assert (gone.refusal.status, gone.refusal.code, gone.link) == (404, "profile-removed", f"proposals/{stored.id}")
    assert "by ana" in gone.refusal.why
    never = await refusal_of(profiles.row(ana.user, "housing/never"))
    assert (never.refusal.code, never.link) == ("profile-unknown", "")


async def test_the_time_of_an_answer_does_not_tell_what_was_there(platform: Platform, profiles: Profiles) -> None:
    hidden = "teams/housing/profiles/secret.yaml"
    stored = await platform.proposed({hidden: NOTEBOOK + b"visibility: draft\n"})
    await platform.merged(stored)
    platform.push({hidden: None})
    await platform.watcher.refresh()
    dora, loop = platform.people.actor("dora").user, asyncio.get_running_loop()
    for question in (
        lambda: profiles.row(dora, "housing/secret"),
        lambda: profiles.row(dora, "housing/never"),
        lambda: platform.proposals.visible(stored.id, dora),
        lambda: platform.proposals.visible("never-1", dora),
    ):
        began = loop.time()
        assert (await refusal_of(question())).refusal.code in ("profile-unknown", "proposal-unknown")
        assert loop.time() - began > 0.9 * UNKNOWN_SECONDS
