"""Whose value a session's environment variable has: the hub's, then the profile's, then the deployment's."""

from pathlib import Path

from jupyterhub.objects import Hub
from support.fakes.small_hub import SmallHub
from support.repositories import ProfilesRepository, profile, small


async def test_a_profile_sets_what_the_deployment_sets_but_not_what_the_hub_sets(tmp_path: Path) -> None:
    profiles = ProfilesRepository(tmp_path)
    own = {"REPORT_MONTH": "may", "TZ": "Europe/London"}
    profiles.commit(small() | {"teams/red/profiles/notebook.yaml": profile(environment=own)})
    hub = SmallHub(profiles)
    assert await hub.start("ann") == "started"
    spawner = hub.spawner("ann")
    spawner.hub, spawner.api_token = Hub(), "token"
    spawner.environment = {"REPORT_MONTH": "june", "TZ": "UTC", "REGION": "north"}
    variables = spawner.get_env()
    assert own.items() <= variables.items()
    assert variables["REGION"] == "north"
    assert variables["JUPYTERHUB_API_TOKEN"] == "token"
    await hub.close()
