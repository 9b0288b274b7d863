"""Which images are pulled ahead, how the DaemonSet is written, and that trouble with the cluster harms nothing."""

import datetime as dt
import json
import logging
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import kubernetes_validate
import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st
from support.catalogs import catalog
from support.fakes.nodes import Nodes
from support.folders import DATA
from support.repositories import START, ProfilesRepository, policy, profile, small, team

from allotment_hub.api.metrics import CatalogCollector, PullCollector, exposition
from allotment_hub.api.platform import pulled_ahead
from allotment_hub.configuration import PullerConfiguration
from allotment_hub.nodes.daemonset import manifest
from allotment_hub.nodes.images import DesiredImages, ImageInventory
from allotment_hub.services.image_puller import ImagePuller
from allotment_profiles.store.watcher import CatalogWatcher

GOLDEN = DATA / "pulling" / "daemonset.yaml"
TEAMS = {"red": team("red")}
POOLS: dict[str, Any] = {
    "node_pools": {
        "large": {"title": "Large", "labels": {"pool": "large"}, "tolerations": [{"key": "large", "value": "yes"}]},
        "gpus": {
            "title": "GPUs",
            "labels": {"pool": "gpus"},
            "tolerations": [{"key": "gpu", "effect": "NoExecute"}, {"key": "large", "value": "yes"}],
        },
        "other": {"title": "Other", "labels": {"pool": "other"}, "tolerations": [{"key": "other"}]},
    },
    "gpu_kinds": {"a100": {"title": "A100", "node_pool": "gpus"}},
}
PLACE = PullerConfiguration(
    namespace="analysis",
    instance="allotment",
    owner="allotment-puller",
    image_pull_secrets=({"name": "registry"},),
    node_selector={"pool": "users"},
    tolerations=({"key": "hub.jupyter.org/dedicated", "operator": "Equal", "value": "user", "effect": "NoSchedule"},),
    priority_class="low",
    resources={"requests": {"cpu": "1m", "memory": "4Mi"}, "limits": {"cpu": "50m", "memory": "32Mi"}},
)


def image(name: str) -> str:
    return f"registry.example.org/analysis/{name}"


def choices(**which: dict[str, Any]) -> dict[str, Any]:
    first = next(iter(which))
    return {
        "which": {
            "title": "Which",
            "default": first,
            "choices": {name: {"title": name, **choice} for name, choice in which.items()},
        }
    }


def wanted(profiles: dict[str, Any], maximum: int = 50, now: dt.datetime = START, **rules: Any) -> DesiredImages:
    return ImageInventory(maximum).desired(catalog(TEAMS, {}, profiles, **rules), now)


def test_the_images_of_profiles_and_of_their_choices_are_wanted_once_each() -> None:
    found = wanted(
        {
            "red/one": profile(image=image("b:1"), options=choices(same={}, other={"image": image("a:1")})),
            "red/two": profile(image=image("a:1")),
        }
    )
    assert found == DesiredImages((image("a:1"), image("b:1")))


def test_drafts_and_retired_profiles_want_nothing_and_deprecated_ones_do_until_their_day() -> None:
    profiles = {
        "red/draft": profile(image=image("draft:1"), visibility="draft"),
        "red/gone": profile(image=image("gone:1"), retired_from="2026-01-01"),
        "red/going": profile(
            image=image("going:1"), visibility="deprecated", successor="red/stays", retired_from="2026-01-02"
        ),
        "red/stays": profile(image=image("stays:1")),
    }
    inventory = ImageInventory(50)
    made = catalog(TEAMS, {}, profiles)
    assert inventory.desired(made, START).images == (image("going:1"), image("stays:1"))
    assert inventory.desired(made, START + dt.timedelta(days=1)).images == (image("stays:1"),)


def test_where_there_are_too_many_those_of_the_most_profiles_are_pulled() -> None:
    profiles = {
        "red/one": profile(image=image("rare:1")),
        "red/two": profile(image=image("usual:1")),
        "red/three": profile(image=image("usual:1")),
        "red/four": profile(image=image("also-rare:1")),
    }
    assert wanted(profiles, 2) == DesiredImages((image("also-rare:1"), image("usual:1")), (image("rare:1"),))


def test_taints_of_the_node_pools_that_profiles_name_are_tolerated_and_no_others() -> None:
    resources = {"cpu": {"limit": 2}, "memory": {"limit": "4 GiB"}}
    profiles = {
        "red/one": profile(options=choices(here={}, there={"node_pool": "large"})),
        "red/two": profile(options=choices(here={}, there={"resources": {"gpu": 1, "gpu_kind": "a100"}})),
        "red/draft": profile(node_pool="other", visibility="draft"),
    }
    found = [(each.key, each.effect) for each in wanted(profiles, **POOLS).tolerations]
    assert found == [("gpu", "NoExecute"), ("large", "NoSchedule")]
    assert wanted({"red/one": profile(resources=resources, node_pool="no-more")}).tolerations == ()


IMAGES = st.lists(st.integers(0, 30).map(lambda number: image(f"i{number}:1")), max_size=40)


@given(IMAGES, st.integers(1, 20), st.randoms())
def test_every_image_is_either_wanted_or_left_out_and_the_order_of_files_means_nothing(
    images: list[str], maximum: int, random: Any
) -> None:
    profiles = {f"red/p{number}": profile(image=name) for number, name in enumerate(images)}
    shuffled = list(profiles.items())
    random.shuffle(shuffled)
    found = wanted(profiles, maximum)
    assert found == wanted(dict(shuffled), maximum)
    assert sorted([*found.images, *found.left_out]) == sorted(set(images))
    assert len(found.images) == min(maximum, len(set(images)))
    names = [each["name"] for each in manifest(found, PLACE, "uid")["spec"]["template"]["spec"]["containers"]]
    assert len(set(names)) == len(found.images)
    assert all(len(name) <= 63 for name in names)


def test_the_daemonset_is_written_as_in_the_file_and_one_that_kubernetes_takes() -> None:
    digest = image("b@sha256:" + 64 * "0")
    profiles = {"red/one": profile(image=image("a:1"), node_pool="large"), "red/two": profile(image=digest)}
    found = wanted(profiles, **POOLS)
    made = manifest(found, PLACE, "9d1f6c3e-0000-4000-8000-000000000000")
    if os.environ.get("UPDATE_DOCUMENTS"):
        GOLDEN.write_text(yaml.safe_dump(json.loads(json.dumps(made)), sort_keys=False, width=120))
    assert made == yaml.safe_load(GOLDEN.read_text()), "run the test with UPDATE_DOCUMENTS=1 after a change"
    for version in ("1.28", "1.32", "1.36"):
        kubernetes_validate.validate(made, version, strict=True)


@asynccontextmanager
async def following(
    profiles: ProfilesRepository, nodes: Nodes, **settings: Any
) -> AsyncIterator[tuple[CatalogWatcher, ImagePuller]]:
    """Follow a repository as the service does."""
    pulling = ImagePuller(nodes, settings.pop("maximum", 50), **settings)
    watcher = CatalogWatcher(profiles.repository, on_change=[pulling.follow])
    pulling.start()
    try:
        yield watcher, pulling
    finally:
        await pulling.stop()


@pytest.fixture
def nodes() -> Nodes:
    return Nodes()


NOTEBOOK = "teams/red/profiles/notebook.yaml"


async def test_what_is_pulled_follows_main_and_a_commit_that_changes_no_image_asks_the_cluster_nothing(
    profiles: ProfilesRepository, nodes: Nodes
) -> None:
    profiles.commit(small())
    async with following(profiles, nodes) as (watcher, _):
        await watcher.refresh()
        assert (await nodes.until_told(1)).images == (image("notebook:1"),)
        profiles.commit({NOTEBOOK: profile(title="Other words", data_roles=["tables"])})
        await watcher.refresh()
        profiles.commit({NOTEBOOK: profile(image=image("notebook:2"))})
        await watcher.refresh()
        assert (await nodes.until_told(2)).images == (image("notebook:2"),)
        profiles.commit({NOTEBOOK: None})
        await watcher.refresh()
        assert (await nodes.until_told(3)).images == ()
    assert nodes.asked == 3


async def test_trouble_is_said_once_tried_again_and_over_when_the_cluster_answers(
    profiles: ProfilesRepository, nodes: Nodes, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.WARNING)
    profiles.commit(small())
    nodes.last_error = OSError("the API server is away")
    async with following(profiles, nodes) as (watcher, pulling):
        await watcher.refresh()
        await nodes.until_asked(2)
        assert watcher.last_error is None, "who follows the repository notices nothing"
        assert (await watcher.refresh()).profiles
        brief = pulled_ahead(pulling)
        assert brief is not None
        assert (brief["failed"], brief["images"]) == (True, 1)
        assert brief["failing_since"]
        assert b"allotment_puller_failed 1.0" in exposition(PullCollector(pulling))
        nodes.last_error = None
        await nodes.until_told(1)
    assert pulling.last is not None
    assert (pulling.last.error, pulling.last.since) == (None, None)
    assert b"allotment_puller_failed 0.0" in exposition(PullCollector(pulling))
    lost, found = (record.getMessage() for record in caplog.records if "ahead" in record.getMessage())
    assert "OSError: the API server is away" in lost
    assert "OSError" not in found


async def test_the_cluster_is_told_again_from_time_to_time_what_somebody_may_have_changed(
    profiles: ProfilesRepository, nodes: Nodes
) -> None:
    profiles.commit(small())
    async with following(profiles, nodes, look_seconds=0.01) as (watcher, _):
        await watcher.refresh()
        await nodes.until_told(3)
    assert len(set(nodes.told)) == 1


async def test_what_is_left_out_is_named_and_counted(
    profiles: ProfilesRepository, nodes: Nodes, caplog: pytest.LogCaptureFixture
) -> None:
    files = {f"teams/red/profiles/p{number}.yaml": profile(image=image(f"i{number}:1")) for number in range(3)}
    profiles.commit({"policy.yaml": policy(), "teams/red/team.yaml": team("red"), **files})
    async with following(profiles, nodes, maximum=2) as (watcher, pulling):
        await watcher.refresh()
        await nodes.until_told(1)
    assert image("i2:1") in caplog.text
    assert b"allotment_puller_left_out 1.0" in exposition(PullCollector(pulling))
    assert manifest(nodes.told[0], PLACE, "uid")["metadata"]["annotations"] == {"allotment/left-out": "1"}


async def test_where_nothing_is_pulled_ahead_health_and_metrics_say_nothing_of_it(profiles: ProfilesRepository) -> None:
    assert pulled_ahead(None) is None
    assert b"allotment_puller" not in exposition(CatalogCollector(CatalogWatcher(profiles.repository)))
