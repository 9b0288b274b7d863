"""A trial in the hub: only when the service has asked for it, once, within its time, counted and shown as one."""

import asyncio
import datetime as dt
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from support.fakes.small_hub import NOTEBOOK, SmallHub
from support.repositories import ProfilesRepository, data_role, policy, profile, small

from allotment_profiles.access.launch import Request, Trial
from allotment_profiles.documents.writing import write
from allotment_profiles.events import Events
from allotment_profiles.trials.request import SERVER, TrialRequest
from allotment_spawner.hub.mixin import ProfileSpawnerMixin
from allotment_spawner.hub.trials import RESERVED, TOKEN_SCOPES
from allotment_spawner.session.stop_order import StopOrder

CONTENT = write("profile", profile(title="Tried"))
TRIAL = Trial("red-notebook-1", "a" * 40)
OTHERS = {
    "title": "Red", "members": {"groups": ["/other"]}, "leads": {"groups": ["/red/leads"]},
    "envelope": {"cpu": 8, "memory": "32 GiB", "images": ["registry.example.org/analysis/*"]},
}  # fmt: skip
"""The team red, of which ann is no member any more."""


@pytest.fixture
async def hub(tmp_path: Path) -> AsyncIterator[SmallHub]:
    profiles = ProfilesRepository(tmp_path)
    rules = policy(user_budget={"sessions": 2}, trial="1 h")
    tables = data_role("blue", {"red": "2999-01-01"})
    profiles.commit(small(**{"policy.yaml": rules, "data-roles/tables.yaml": tables}))
    made = SmallHub(profiles, f"sqlite:///{tmp_path / 'events.sqlite'}")
    yield made
    await made.close()


def asked(roles: tuple[str, ...] = (), *, reviewing: bool = False, content: bytes = CONTENT) -> TrialRequest:
    return TrialRequest(TRIAL, Request("red/notebook", {}), content, roles, reviewing)


def ticket(hub: SmallHub, user: str = "ann", request: TrialRequest | None = None) -> ProfileSpawnerMixin:
    spawner: ProfileSpawnerMixin = hub.spawner(user, SERVER)
    spawner.ask_trial(request or asked())
    return spawner


async def tried(hub: SmallHub, user: str = "ann", request: TrialRequest | None = None) -> str:
    ticket(hub, user, request)
    return await hub.start(user, {}, SERVER)


async def test_the_reserved_server_starts_a_trial_once_for_each_request_and_nothing_else(hub: SmallHub) -> None:
    assert await hub.start("ann", NOTEBOOK, SERVER) == "trial-reserved"
    assert await tried(hub) == "started"
    spawner = hub.spawner("ann", SERVER)
    assert spawner.session.trial == TRIAL
    spawner.clear_state()
    assert await hub.start("ann", {}, SERVER) == "trial-reserved"
    assert await hub.start("ann", NOTEBOOK, SERVER) == "trial-reserved"
    ordinary = hub.spawner("ann", "other")
    ordinary.trial_request = asked()
    assert await hub.start("ann", NOTEBOOK, "other") == "started"
    assert ordinary.session.trial is None


async def test_its_token_reaches_nothing_whatever_the_deployment_gives_to_others(hub: SmallHub) -> None:
    hub.settings["config"].Spawner.update(
        {"server_token_scopes": ["users"], "oauth_client_allowed_scopes": ["users"], "environment": {
            "PLAIN": "yes", "KEY": lambda _spawner: "of ann"}}
    )  # fmt: skip
    spawner = ticket(hub)
    spawner.environment["TOKEN"] = "of a hook"
    assert await hub.start("ann", {}, SERVER) == "started"
    assert (spawner.server_token_scopes, spawner.oauth_client_allowed_scopes) == (TOKEN_SCOPES, [])
    assert await spawner._get_oauth_client_allowed_scopes() == ["access:servers!server=ann/trial"]
    assert spawner.environment == {"PLAIN": "yes"}
    assert spawner.session
    assert spawner.session.environment()["ALLOTMENT_TRIAL"] == TRIAL.proposal
    ordinary = hub.spawner("ann", "other")
    assert ordinary.server_token_scopes == ["users"]


async def test_whoever_opens_it_gives_its_server_no_more_than_the_access_to_it(hub: SmallHub) -> None:
    hub.settings["config"].Spawner.oauth_roles = lambda _spawner: ["admin"]
    assert await ticket(hub)._get_oauth_client_allowed_scopes() == ["access:servers!server=ann/trial"]


async def test_what_the_identity_provider_gave_is_kept_from_it(hub: SmallHub) -> None:
    given: list[Any] = []
    hub.settings["config"].Spawner.auth_state_hook = lambda spawner, state: given.append((spawner.name, state))
    await hub.spawner("ann", SERVER).run_auth_state_hook({"access_token": "x"})
    await hub.spawner("ann", "other").run_auth_state_hook({"access_token": "x"})
    assert [name for name, _ in given] == ["other"]


async def test_it_counts_in_the_budget_and_ends_after_the_time_of_the_policy(hub: SmallHub) -> None:
    assert await tried(hub) == "started"
    spawner = hub.spawner("ann", SERVER)
    assert spawner.session.total == 3600
    assert spawner._reason_to_end(dt.datetime.now(dt.UTC)) is None
    assert spawner._reason_to_end(dt.datetime.now(dt.UTC) + dt.timedelta(hours=1)) == "total"
    assert await hub.start("ann", NOTEBOOK, "one") == "started"
    assert await hub.start("ann", NOTEBOOK, "two") == "budget-user"
    spawner.clear_state()
    assert await hub.start("ann", NOTEBOOK, "two") == "started"
    assert await tried(hub) == "budget-user"


async def test_twenty_at_once_are_within_the_budget_of_the_team(hub: SmallHub, tmp_path: Path) -> None:
    hub.profiles.commit({"teams/red/team.yaml": {
        "title": "Red", "members": {"groups": ["/red"]}, "leads": {"groups": ["/red/leads"]},
        "envelope": {"cpu": 8, "memory": "32 GiB", "images": ["registry.example.org/analysis/*"]},
        "budget": {"sessions": 3},
    }})  # fmt: skip
    results = await asyncio.gather(*(tried(hub, f"user-{number}") for number in range(20)))
    assert sorted(results) == ["budget-team"] * 17 + ["started"] * 3


async def test_a_restarted_hub_knows_of_what_it_is_a_trial_and_what_became_of_the_last_one(hub: SmallHub) -> None:
    assert await tried(hub) == "started"
    hub.restart()
    spawner = hub.spawner("ann", SERVER)
    assert spawner.session.trial == TRIAL
    assert (spawner.last_trial.trial, spawner.last_trial.ended) == (TRIAL, None)
    spawner.clear_state()
    spawner._store_state()
    hub.restart()
    last = hub.spawner("ann", SERVER).last_trial
    assert (last.why, last.code) == ("It was stopped.", "trial-stopped"), "it had not answered when the hub ended"


async def test_a_failed_start_is_remembered_with_its_reason(hub: SmallHub) -> None:
    for user, expected in {"unprepared": "not-here", "fails": "failed"}.items():
        assert await tried(hub, user) == expected
        spawner = hub.spawner(user, SERVER)
        assert spawner.last_trial.seconds is None
        assert spawner.session is None


async def test_a_trial_that_is_refused_at_once_changes_nothing_of_how_an_earlier_one_went(hub: SmallHub) -> None:
    assert await tried(hub, "fails") == "failed"
    spawner = ticket(hub, "fails")
    before = spawner.last_trial
    spawner.trial_failed(RESERVED)
    assert spawner.last_trial == before


async def test_why_somebody_has_stopped_all_sessions_is_told_to_their_users_alone(hub: SmallHub) -> None:
    for target, why in (("the user ann", "It was stopped."), ("", "Enough")):
        assert await tried(hub) == "started"
        spawner = hub.spawner("ann", SERVER)
        spawner.order_stop(StopOrder("1", "adam", "Enough", dt.datetime.now(dt.UTC), target))
        spawner.clear_state()
        assert spawner.last_trial.why == why


async def test_who_reviews_keeps_a_trial_without_being_in_the_team_and_loses_data_with_its_grant(hub: SmallHub) -> None:
    hub.profiles.commit({"teams/red/team.yaml": OTHERS})
    await hub.spawner("ann")._shared.watcher.refresh()
    assert await tried(hub) == "not-a-member"
    assert await tried(hub, "ann", asked(reviewing=True)) == "started"
    spawner = hub.spawner("ann", SERVER)
    hub.restart()
    spawner = hub.spawner("ann", SERVER)
    assert spawner.session.reviewing
    spawner.add_poll_callback(lambda: None)
    assert spawner.access_ended(dt.datetime.now(dt.UTC) + dt.timedelta(days=1)) is None
    assert spawner.access_expiries == ()


@pytest.mark.parametrize("of", ["red/notebook", "red/new"])
async def test_who_leaves_the_team_loses_a_trial_without_data_also_of_what_main_does_not_have(
    hub: SmallHub, of: str
) -> None:
    only_few = write("profile", profile(title="Tried", only=["/red"]))
    assert await tried(hub, "ann", TrialRequest(TRIAL, Request(of, {}), only_few)) == "started"
    spawner = hub.spawner("ann", SERVER)
    now = dt.datetime.now(dt.UTC)
    assert spawner.access_ended(now) is None
    hub.profiles.commit({"teams/red/team.yaml": OTHERS})
    await hub.refresh()
    assert [(each.data_role, each.refusal.code) for each in spawner.access_expiries] == [("", "not-a-member")]
    assert spawner.access_ended(now) is None
    assert spawner.access_ended(now + dt.timedelta(hours=2)) == "access-ended"
    spawner._end_reason = "access-ended"
    spawner.clear_state()
    assert spawner.last_trial.why == "Its user has left the team, or has lost the access to its data."


async def test_a_trial_of_a_profile_for_others_on_main_goes_on_for_members_of_the_team(hub: SmallHub) -> None:
    hub.profiles.commit({"teams/red/profiles/notebook.yaml": profile(only=["/red/few"])})
    await hub.refresh()
    assert await tried(hub) == "started", "what is tried is for the whole team"
    assert hub.spawner("ann", SERVER).access_expiries == ()


async def test_data_that_was_asked_for_is_lost_as_in_other_sessions(hub: SmallHub) -> None:
    content = write("profile", profile(data_roles=["tables"]))
    assert await tried(hub, "ann", asked(("tables",), content=content)) == "started"
    spawner = hub.spawner("ann", SERVER)
    assert spawner.data_roles == ("tables",)
    hub.profiles.commit({"data-roles/tables.yaml": data_role("blue")})
    await hub.refresh()
    assert [each.data_role for each in spawner.access_expiries] == ["tables"]


async def test_events_of_trials_have_kinds_of_their_own(hub: SmallHub, tmp_path: Path) -> None:
    assert await tried(hub) == "started"
    hub.spawner("ann", SERVER).clear_state()
    hub.write_events()
    table = Events(f"sqlite:///{tmp_path / 'events.sqlite'}")
    found = table.of("red/notebook")
    assert table.first("start", "red/notebook", dt.datetime(2020, 1, 1, tzinfo=dt.UTC)) is None
    table.close()
    assert [event.kind for event in found] == ["trial-end", "trial-ready", "trial-start"]
    assert {event.details["trial"] for event in found} == {TRIAL.proposal}


async def test_a_refusal_that_comes_after_the_answer_is_remembered_too(hub: SmallHub) -> None:
    spawner = ticket(hub)
    spawner.trial_failed(RESERVED)
    assert spawner.last_trial is None, "who asked was told, and nothing has changed"
    spawner.trial_failed(RESERVED, asked())
    assert spawner.last_trial
    assert (spawner.last_trial.trial, spawner.last_trial.code) == (TRIAL, RESERVED.code)
    assert spawner.last_trial.ended
    assert await tried(hub) == "started", "and another one can be tried"
