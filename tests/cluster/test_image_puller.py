"""Images pulled ahead on a real cluster, by the service's own account with the rights that the chart gives it."""

import asyncio
import base64
import contextlib
import ssl
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml
from support.conditions import until
from support.rendering import Chart, needs_helm
from support.repositories import ProfilesRepository, policy, profile, team
from support.servers.cluster import SLEEPER, Cluster, configuration, needs_cluster

from allotment_hub.configuration import PullerConfiguration, ServiceConfiguration
from allotment_hub.nodes.daemonset import NAME
from allotment_hub.nodes.images import DesiredImages
from allotment_hub.nodes.kubernetes import ClusterError, ImageDaemonSet
from allotment_hub.services.image_puller import ImagePuller
from allotment_profiles.store.watcher import CatalogWatcher

pytestmark = [needs_cluster, needs_helm]

MISSING = "localhost/not-there:1"
NO_SHELL = "localhost/pause:1"
"""What every pod of the cluster for tests has; another cluster does not have it at all."""
RIGHTS = (("ServiceAccount", "allotment"), ("Role", "allotment-puller"), ("RoleBinding", "allotment-puller"))


async def seen(condition: Callable[[], Any], what: str) -> Any:
    """Give the first true answer of something that asks the cluster, while the service goes on."""
    return await asyncio.to_thread(until, condition, within=90, what=what)


class Place:
    """A namespace with the rights that the chart gives, and the service's way to the cluster."""

    def __init__(self, folder: Path, cluster: Cluster, chart: Chart) -> None:
        objects = chart.own()
        self.cluster = cluster
        cluster.apply(*(moved(objects[right], cluster.namespace) for right in RIGHTS))
        self.token = cluster.kubectl("create", "token", "allotment")
        self.token_file = folder / "token"
        self.token_file.write_text(self.token)
        server = yaml.safe_load(configuration().read_text())["clusters"][0]["cluster"]
        certificates = folder / "ca.crt"
        if "certificate-authority" in server:
            certificates = Path(server["certificate-authority"])
        else:
            certificates.write_bytes(base64.b64decode(server["certificate-authority-data"]))
        said = ServiceConfiguration.model_validate_json(
            objects["Secret", "allotment-service"]["stringData"]["service.json"]
        ).puller
        assert said is not None
        self.configuration: PullerConfiguration = said.model_copy(
            update={
                "namespace": cluster.namespace, "api": server["server"], "token_file": self.token_file,
                "ca_file": certificates,
            }
        )  # fmt: skip
        self.profiles = ProfilesRepository(folder)

    def commit(self, **images: str | None) -> None:
        """Let main offer these images, each in a profile of its own; None takes the profile away."""
        self.profiles.commit(
            {
                "policy.yaml": policy(registries=["localhost/*"]),
                "teams/red/team.yaml": team("red", envelope={"cpu": 8, "memory": "32 GiB", "images": ["localhost/*"]}),
                **{f"teams/red/profiles/{name}.yaml": image and profile(image=image) for name, image in images.items()},
            }
        )

    @asynccontextmanager
    async def service(self) -> AsyncIterator[tuple[CatalogWatcher, ImagePuller]]:
        """Run what the service runs: the follower of the repository, and the puller behind it."""
        pulling = ImagePuller(ImageDaemonSet(self.configuration), self.configuration.maximum)
        watcher = CatalogWatcher(self.profiles.repository, 0.1, on_change=[pulling.follow])
        pulling.start()
        watcher.start()
        try:
            yield watcher, pulling
        finally:
            await watcher.stop()
            await pulling.stop()

    @property
    def daemonset(self) -> dict[str, Any] | None:
        """The DaemonSet as it is."""
        return next((each for each in self.cluster.items("daemonsets") if each["metadata"]["name"] == NAME), None)

    def images(self) -> list[str]:
        """Give the images that the DaemonSet names."""
        found = self.daemonset
        return [each["image"] for each in found["spec"]["template"]["spec"]["containers"]] if found else []

    def pods(self) -> list[dict[str, Any]]:
        """Give its pods that nobody has told to end."""
        return [pod for pod in self.cluster.items("pods") if "deletionTimestamp" not in pod["metadata"]]

    def states(self) -> dict[str, dict[str, Any]]:
        """Give how each image's container is in the one pod: image → status."""
        pods = self.pods()
        statuses = pods[0]["status"].get("containerStatuses", []) if len(pods) == 1 else []
        names = {each["name"]: each["image"] for pod in pods for each in pod["spec"]["containers"]}
        return {names[each["name"]]: each for each in statuses}

    def runs(self, image: str) -> bool:
        """Tell whether an image's container runs."""
        return "running" in self.states().get(image, {}).get("state", {})

    def waits(self, image: str) -> bool:
        """Tell whether an image's container waits because it cannot be pulled or run."""
        waiting = self.states().get(image, {}).get("state", {}).get("waiting", {})
        return waiting.get("reason") in ("ErrImagePull", "ImagePullBackOff", "CrashLoopBackOff")


def moved(found: dict[str, Any], namespace: str) -> dict[str, Any]:
    """Put an object into a namespace, and whom it names."""
    metadata = {**found["metadata"], "namespace": namespace}
    subjects = [{**each, "namespace": namespace} for each in found.get("subjects", [])]
    return {**found, "metadata": metadata, **({"subjects": subjects} if subjects else {})}


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Place]:
    with Cluster.opened("pulling") as cluster:
        yield Place(tmp_path, cluster, Chart(tmp_path))


async def test_nodes_follow_main_from_commit_to_commit(place: Place) -> None:
    place.commit(one=SLEEPER)
    async with place.service() as (_, pulling):
        await seen(lambda: place.runs(SLEEPER), "the image of the first commit")
        place.commit(two=MISSING)
        await seen(lambda: place.images() == [MISSING, SLEEPER], "the image of the second commit")
        place.commit(two=None)
        await seen(lambda: place.images() == [SLEEPER], "the end of a profile")
        await seen(lambda: place.states().keys() == {SLEEPER} and place.runs(SLEEPER), "its container's end")
        place.commit(one=None)
        await seen(lambda: place.daemonset is None, "the end of the last profile")
        place.commit(one=SLEEPER)
        await seen(lambda: place.runs(SLEEPER), "an image after there was none")
    assert pulling.last is not None
    assert pulling.last.error is None


async def test_images_that_cannot_be_pulled_or_have_no_shell_keep_none_of_the_others_away(place: Place) -> None:
    first, last = "localhost/a-image-that-is-not-there:1", "localhost/z-image-that-is-not-there:1"
    place.commit(one=first, two=NO_SHELL, three=SLEEPER, four=last)
    async with place.service():
        await seen(lambda: place.runs(SLEEPER), "the image that is there")
        await seen(lambda: all(map(place.waits, (first, NO_SHELL, last))), "trouble with the others")
        assert place.runs(SLEEPER)


async def test_a_restart_of_the_service_changes_nothing_and_makes_again_what_somebody_deleted(place: Place) -> None:
    place.commit(one=SLEEPER)
    async with place.service():
        await seen(lambda: place.runs(SLEEPER), "the image")
    before, pods = place.daemonset, place.pods()
    assert before is not None
    async with place.service() as (_, pulling):
        await seen(lambda: pulling.last, "a look at the cluster")
    assert pulling.last is not None
    assert pulling.last.error is None
    after = place.daemonset
    assert after is not None
    assert after["metadata"]["generation"] == before["metadata"]["generation"]
    assert after["spec"] == before["spec"]
    assert [pod["metadata"]["uid"] for pod in place.pods()] == [pod["metadata"]["uid"] for pod in pods]

    place.cluster.kubectl("delete", "daemonset", NAME)
    async with place.service():
        await seen(lambda: place.runs(SLEEPER), "the image again")


async def test_without_the_role_that_allows_it_nothing_of_it_is_left(place: Place) -> None:
    place.commit(one=SLEEPER)
    async with place.service():
        await seen(lambda: place.runs(SLEEPER), "the image")
    place.cluster.kubectl("delete", "role", "allotment-puller")
    await seen(lambda: place.daemonset is None and not place.cluster.items("pods"), "the end of the DaemonSet")


async def test_a_container_sleeps_without_a_token_and_ends_when_it_is_told_to(place: Place) -> None:
    place.commit(one=SLEEPER)
    async with place.service():
        await seen(lambda: place.runs(SLEEPER), "the image")
    (pod,) = place.pods()
    assert pod["spec"]["automountServiceAccountToken"] is False
    assert not pod["spec"].get("volumes")
    name, container = pod["metadata"]["name"], pod["spec"]["containers"][0]["name"]
    with contextlib.suppress(AssertionError):  # it may end before it says so
        place.cluster.kubectl("exec", name, "-c", container, "--", "sh", "-c", "kill -TERM 1")
    ended = await seen(lambda: place.states()[SLEEPER]["lastState"].get("terminated"), "its end")
    assert ended["exitCode"] == 0, "it was not killed"


async def test_the_services_account_may_do_this_and_nothing_else(place: Place) -> None:
    place.commit(one=SLEEPER)
    async with place.service():
        await seen(lambda: place.images() == [SLEEPER], "the DaemonSet")
    namespace = place.cluster.namespace
    other = {**(place.daemonset or {}), "metadata": {"name": "other", "namespace": namespace}}
    headers = {"Authorization": f"Bearer {place.token}"}
    asked = [
        ("PATCH", f"/apis/apps/v1/namespaces/{namespace}/daemonsets/other", other),
        ("POST", f"/apis/apps/v1/namespaces/{namespace}/daemonsets", other),
        ("GET", f"/apis/apps/v1/namespaces/{namespace}/daemonsets", None),
        ("GET", f"/api/v1/namespaces/{namespace}/secrets", None),
        ("GET", f"/api/v1/namespaces/{namespace}/pods", None),
        ("DELETE", f"/apis/rbac.authorization.k8s.io/v1/namespaces/{namespace}/roles/allotment-puller", None),
        ("PATCH", f"/apis/rbac.authorization.k8s.io/v1/namespaces/{namespace}/roles/allotment-puller", {"rules": []}),
    ]
    authority = ssl.create_default_context(cafile=place.configuration.ca_file)
    async with httpx.AsyncClient(base_url=place.configuration.api, verify=authority, headers=headers) as client:
        for method, path, body in asked:
            more = {"Content-Type": "application/apply-patch+yaml"} if method == "PATCH" else {}
            answer = await client.request(
                method, path, json=body, headers=more, params={"fieldManager": "test"} if body else {}
            )
            assert answer.status_code == httpx.codes.FORBIDDEN, (method, path, answer.text)


async def test_a_cluster_that_refuses_is_asked_again_until_it_does_not(place: Place) -> None:
    place.token_file.write_text("no token of this cluster")
    place.commit(one=SLEEPER)
    async with place.service() as (watcher, pulling):
        await seen(lambda: pulling.last and pulling.last.error, "a refusal")
        assert pulling.last is not None
        assert "401" in str(pulling.last.error)
        assert "red/one" in watcher.catalog.profiles
        place.token_file.write_text(place.token)
        await seen(lambda: place.runs(SLEEPER), "the image")
        assert pulling.last.error is None


async def test_an_answer_that_is_no_success_says_what_the_cluster_said(place: Place) -> None:
    nowhere = ImageDaemonSet(place.configuration.model_copy(update={"owner": "allotment-other"}))
    with pytest.raises(ClusterError, match=r"GET .*/roles/allotment-other: 403 .*forbidden"):
        await nowhere.apply(DesiredImages((SLEEPER,)))
    assert place.daemonset is None
