"""What would run in place of a session is decided before it is stopped, as if its share were free."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from support.fakes.small_hub import NOTEBOOK, SmallHub
from support.repositories import ProfilesRepository, policy, small

from allotment_profiles.model.problems import RefusedError
from allotment_spawner.pages.restart import would_run


@pytest.fixture
async def hub(tmp_path: Path) -> AsyncIterator[SmallHub]:
    profiles = ProfilesRepository(tmp_path)
    profiles.commit(small(**{"policy.yaml": policy(user_budget={"sessions": 1})}))
    made = SmallHub(profiles)
    yield made
    await made.close()


async def test_a_session_that_fills_the_budget_can_be_restarted(hub: SmallHub) -> None:
    assert await hub.start("ann") == "started"
    spawner = hub.spawner("ann")
    assert (await would_run(spawner, NOTEBOOK)).profile_id == "red/notebook"
    assert await hub.start("ann", NOTEBOOK, "second") == "budget-user"
    assert spawner.session  # judging has stopped nothing


async def test_the_sessions_beside_it_count(hub: SmallHub) -> None:
    assert await hub.start("ann") == "started"
    beside = hub.spawner("ann", "second")
    beside._session = hub.spawner("ann").session
    assert [each.user for each in (hub.spawner("ann").budget_usage, beside.budget_usage) if each] == ["ann", "ann"]
    with pytest.raises(RefusedError) as refused:
        await would_run(beside, NOTEBOOK)
    assert refused.value.refusal.code == "budget-user"


@pytest.mark.parametrize("choice", [{}, {"profile": "red/gone"}, {"profile": "red/notebook", "options": {"x": "y"}}])
async def test_what_cannot_be_started_is_refused(hub: SmallHub, choice: dict[str, object]) -> None:
    assert await hub.start("ann") == "started"
    with pytest.raises(RefusedError):
        await would_run(hub.spawner("ann"), choice)
