"""The home of a trial on a laptop is removed with the trial, whatever was killed."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from support.fakes.hub_side import HubSide
from support.repositories import ProfilesRepository, small

from allotment_profiles.trials.request import SERVER
from allotment_spawner.local import LocalProfileSpawner


@pytest.fixture
async def hub(tmp_path: Path) -> AsyncIterator[HubSide]:
    profiles = ProfilesRepository(tmp_path)
    profiles.commit(small())
    mixin = {"repository": str(profiles.path), "service_url": "/service/"}
    folders = {name: str(tmp_path / name) for name in ("homes", "volumes")}
    config = {"ProfileSpawnerMixin": mixin, "LocalProfileSpawner": folders}
    made = HubSide(profiles, "sqlite:///:memory:", LocalProfileSpawner, config)
    yield made
    await made.close()


def with_home(hub: HubSide, server: str) -> Any:
    spawner = hub.spawner("ann", server)
    spawner.home.mkdir(parents=True)
    (spawner.home / "notes.txt").write_text("mine")
    return spawner


async def test_it_is_removed_by_a_hub_that_was_killed_before_it_knew_the_process(hub: HubSide) -> None:
    trial, other = with_home(hub, SERVER), with_home(hub, "")
    trial._spawn_pending = True
    assert await trial.poll() == 0
    assert trial.home.exists(), "while it starts, its home is being made"
    trial._spawn_pending = False
    for spawner in (trial, other):
        assert await spawner.poll() == 0
    assert not trial.home.exists()
    assert (other.home / "notes.txt").exists()
