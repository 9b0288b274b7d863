"""Every pod passes Pod Security `restricted`: the cluster is asked, in a namespace that enforces it, and so are we.

Each start is the product's own up to the pod that is sent: service accounts are made, our own last check finds nothing,
and the cluster answers a dry run.
"""

import asyncio
import itertools
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from jupyterhub import orm
from kubernetes_asyncio.client import ApiException, V1Container, V1ObjectMeta, V1Pod, V1PodSpec
from support import many_profiles
from support.fakes.dry_run import DryRunSpawner, TakenError
from support.folders import STARTER
from support.servers.cluster import Cluster, needs_cluster
from support.servers.cluster_hub import ClusterHub

from allotment_profiles.access.deployments import cluster as cluster_can
from allotment_profiles.catalog.catalog import Catalog
from allotment_profiles.model import Binding

pytestmark = needs_cluster

GENERATED = 200
AT_ONCE = 8
Wanted = tuple[str, Mapping[str, str]]


def dry_hub(folder: Path, cluster: Cluster, files: Mapping[str, Any]) -> ClusterHub:
    """Give a hub with homes, team folders and code, and users who belong to every team of its repository."""
    config = {"home": "/home/jovyan", "team_claim": "team-folders", "preparing_image": "localhost/allotment-hub:test"}
    volume = {"name": "volume-{user_server}", "persistentVolumeClaim": {"claimName": "{pvc_name}"}}
    hub = ClusterHub(
        folder, cluster.namespace, DryRunSpawner,
        volumes=[volume], volume_mounts=[{"name": "volume-{user_server}", "mountPath": "/home/jovyan"}],
    )  # fmt: skip
    hub.settings["config"].KubernetesProfileSpawner.update(config)
    hub.profiles.commit(files)
    for team in hub.profiles.catalog().teams.values():
        for group in team.value.members.groups:
            if hub.db.query(orm.Group).filter_by(name=group).first() is None:
                hub.db.add(orm.Group(name=group))
    hub.db.commit()
    return hub


def every_choice(catalog: Catalog) -> Iterator[Wanted]:
    """Give every profile with every combination of the answers to its options."""
    for name, entry in catalog.profiles.items():
        options = entry.value.options
        for answers in itertools.product(*(option.choices for option in options.values())):
            yield name, dict(zip(options, answers, strict=True))


async def refused(hub: ClusterHub, wanted: list[Wanted]) -> list[str]:
    """Ask for all of them, some at once, each by a user of its own; give what was not taken, and why."""
    gate = asyncio.Semaphore(AT_ONCE)

    async def ask(number: int, profile: str, options: Mapping[str, str]) -> str | None:
        async with gate:
            user = f"somebody-{number}"
            try:
                await hub.start(user, profile, options)
            except TakenError:
                return None
            except Exception as error:  # noqa: BLE001  whatever it is, it is told with the profile
                return f"{profile} {dict(options)}: {error!r}"
            finally:
                hub.spawner(user).clear_state()
        return f"{profile}: nothing was asked"

    answers = await asyncio.gather(*(ask(number, *each) for number, each in enumerate(wanted)))
    return [answer for answer in answers if answer]


async def test_the_cluster_refuses_a_pod_that_is_not_restricted(tmp_path: Path, cluster: Cluster) -> None:
    hub = dry_hub(tmp_path, cluster, many_profiles.files(1))
    plain = V1Pod(
        metadata=V1ObjectMeta(name="plain"), spec=V1PodSpec(containers=[V1Container(name="plain", image="x")])
    )
    with pytest.raises(ApiException, match='PodSecurity \\\\"restricted'):
        await hub.spawner("ann").api.create_namespaced_pod(cluster.namespace, plain)
    await hub.close()


async def test_every_profile_of_the_starter_passes_with_every_answer_to_its_options(
    tmp_path: Path, cluster: Cluster
) -> None:
    texts = {str(path.relative_to(STARTER)): path.read_text() for path in STARTER.rglob("*.yaml")}
    hub = dry_hub(tmp_path, cluster, {path: text for path, text in texts.items() if not path.startswith(".")})
    catalog = hub.profiles.catalog()
    wanted = list(every_choice(catalog))
    assert {name for name, _ in wanted} == set(catalog.profiles)
    assert len(catalog.profiles) == sum("/profiles/" in path for path in texts)
    not_taken = await refused(hub, wanted)
    await hub.close()
    assert not_taken == [], f"{len(wanted) - len(not_taken)} of {len(wanted)} pass"


async def test_two_hundred_profiles_that_use_all_there_is_pass(tmp_path: Path, cluster: Cluster) -> None:
    hub = dry_hub(tmp_path, cluster, many_profiles.files(GENERATED))
    catalog = hub.profiles.catalog()
    assert (len(catalog.profiles), catalog.problems) == (GENERATED, ())
    profiles = [entry.value for entry in catalog.profiles.values()]
    used = {catalog.data_roles[role].value.binding.kind for profile in profiles for role in profile.data_roles}
    assert used == set(Binding.model_fields) == cluster_can().bindings
    assert {profile.storage.team for profile in profiles} == {"none", "read-only", "read-write"}
    assert {profile.app for profile in profiles} == {"jupyterlab", "rstudio", "vscode", "desktop", "dashboard"}
    assert all(
        any(getattr(profile, name) for profile in profiles) for name in ("checkout", "node_pool", "options")
    )  # fmt: skip
    assert {profile.resources.gpu_kind for profile in profiles} == {None, "a100", "slice"}
    wanted: dict[str, Mapping[str, str]] = dict(every_choice(catalog))  # one combination for each, not the default
    assert len(wanted) == GENERATED
    not_taken = await refused(hub, list(wanted.items()))
    assert not_taken == [], f"{GENERATED - len(not_taken)} of {GENERATED} pass"
    made = {account["metadata"]["name"] for account in cluster.items("serviceaccounts")}
    assert len({name for name in made if name.startswith("allotment-team-")}) > len(many_profiles.TEAMS)
    await hub.close()
