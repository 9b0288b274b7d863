"""What a card says beyond its size: drafts, successors, budgets, tools, nodes, storage, code, who may choose what."""

from pathlib import Path
from typing import Any

import pytest
from bs4 import BeautifulSoup, Tag
from support.repositories import ProfilesRepository, policy, profile, small, team
from support.start_pages import RED, chosen, ids, page, words

from allotment_profiles.access.budgets import Usage
from allotment_profiles.access.people import User
from allotment_profiles.model.sizes import Size

GIB = 1024**3
POLICY = policy(
    gpu_kinds={"l4": {"title": "NVIDIA L4", "node_pool": "gpus"}},
    node_pools={
        "gpus": {"title": "Nodes with GPUs", "labels": {"pool": "gpus"}},
        "large": {"title": "Large memory", "labels": {"pool": "large"}},
    },
    tools={"desktop": {"title": "Remote desktop", "address": "/desktop/"}},
    repositories=["https://git.example.org/*"],
)
TEAM = team(
    "red",
    envelope={
        "cpu": 8, "memory": "32 GiB", "gpu": 2, "images": ["registry.example.org/*"], "node_pools": ["large", "gpus"],
    },
)  # fmt: skip
NEW = {"teams/red/profiles/new.yaml": profile(title="New notebook")}


@pytest.fixture
def profiles(tmp_path: Path) -> ProfilesRepository:
    repository = ProfilesRepository(tmp_path)
    repository.commit(small(**{"policy.yaml": POLICY, "teams/red/team.yaml": TEAM}))
    return repository


def card(html: BeautifulSoup, profile_id: str) -> Tag:
    button = html.select_one(f'button[value="{profile_id}"]')
    assert button, f"no card of {profile_id}"
    found = button.find_parent("article")
    assert isinstance(found, Tag)
    return found


def facts(tag: Tag) -> dict[str, str]:
    return {name.get_text(): words(name.find_next_sibling("dd")) for name in tag.select("dt")}  # type: ignore[arg-type]


def retired(successor: str | None = "red/new", **changes: Any) -> dict[str, Any]:
    after = {"successor": successor} if successor else {}
    return profile(title="Old notebook", retired_from="2026-05-01", **after, **changes)


def test_a_choice_that_is_for_others_is_not_shown_and_no_longer_kept(profiles: ProfilesRepository) -> None:
    option = {
        "title": "Size",
        "default": "normal",
        "choices": {
            "normal": {"title": "Normal"},
            "large": {"title": "Large", "only": ["/red/heavy"], "resources": {"memory": {"limit": "16 GiB"}}},
        },
    }
    profiles.commit({"teams/red/profiles/notebook.yaml": profile(options={"size": option})})
    choice = {"profile": "red/notebook", "options": {"size": "large"}}
    plain = card(page(profiles.catalog(), choice=choice), "red/notebook")
    assert [field["value"] for field in plain.select("input")] == ["normal"]
    assert plain.select("input[checked]")
    assert "16 GiB" not in words(plain)
    assert "4 GiB" in facts(plain)["Size"]
    heavy = User("ann", frozenset({"/red", "/red/heavy"}))
    shown = card(page(profiles.catalog(), heavy, choice=choice), "red/notebook")
    assert chosen(shown) == ["large"]


def test_a_draft_is_marked_for_those_who_work_on_it_and_is_not_there_for_others(profiles: ProfilesRepository) -> None:
    draft = profile(title="Secret plan", visibility="draft", maintainers={"users": ["max"]})
    profiles.commit({"teams/red/profiles/plan.yaml": draft})
    for name, groups in (("lena", {"/red/leads"}), ("max", {"/red"})):
        shown = card(page(profiles.catalog(), User(name, frozenset(groups))), "red/plan")
        assert words(shown.h3).startswith("Secret plan")  # type: ignore[arg-type]
        assert shown.select_one("h3 .badge")
    for other in (RED, User("adam", frozenset({"/red"}), admin=True)):
        assert "Secret plan" not in page(profiles.catalog(), other).get_text()


def test_a_deprecated_card_says_what_takes_its_place(profiles: ProfilesRepository) -> None:
    old = profile(title="Old notebook", visibility="deprecated", successor="red/new")
    profiles.commit({**NEW, "teams/red/profiles/old.yaml": old})
    shown = card(page(profiles.catalog()), "red/old")
    assert shown.select_one(".badge")
    assert "red/new" in words(shown)


def test_a_retired_profile_is_no_card_and_its_successor_says_in_place_of_what(profiles: ProfilesRepository) -> None:
    chain = {"teams/red/profiles/older.yaml": retired("red/old"), "teams/red/profiles/old.yaml": retired()}
    profiles.commit({**NEW, **chain})
    html = page(profiles.catalog(), choice={"profile": "red/older", "options": {}})
    assert ids(html) == ["red/new", "red/notebook"]
    last = html.select_one(".allotment-last")
    assert last
    assert words(last).count("Old notebook") == 1
    assert "Old notebook" in words(last.select_one(".allotment-place"))
    assert "profile-retired" not in html.get_text()


def test_a_retired_profile_whose_successor_is_not_for_the_user_says_why_it_does_not_start(
    profiles: ProfilesRepository,
) -> None:
    other = {"teams/blue/profiles/new.yaml": profile(title="New notebook")}
    files = {"teams/red/profiles/old.yaml": retired("blue/new"), "teams/red/profiles/gone.yaml": retired(None)}
    profiles.commit({**other, **files})
    html = page(profiles.catalog(), choice={"profile": "red/old", "options": {}})
    assert ids(html) == ["red/notebook"]
    rows = [words(row) for row in html.select(".allotment-refused li")]
    links = [str(link["href"]) for link in html.select(".allotment-refused a")]
    assert [link.rpartition("profiles/")[2] for link in links] == ["red/gone", "blue/new"]
    assert all("2026-05-01" in row for row in rows)


def test_kinds_of_gpu_nodes_and_tools_are_named_by_their_titles(profiles: ProfilesRepository) -> None:
    sized = {"cpu": {"limit": 2}, "memory": {"limit": "4 GiB"}}
    files = {
        "teams/red/profiles/gpu.yaml": profile(resources={**sized, "gpu": 1, "gpu_kind": "l4"}),
        "teams/red/profiles/wide.yaml": profile(node_pool="large", app="desktop"),
    }
    profiles.commit(files)
    html = page(profiles.catalog())
    gpu, wide = facts(card(html, "red/gpu")), facts(card(html, "red/wide"))
    assert "1 GPU (NVIDIA L4)" in gpu["Size"]
    assert gpu["Nodes"] == "Nodes with GPUs"
    assert (wide["Nodes"], wide["Opens"]) == ("Large memory", "Remote desktop")
    assert "Nodes" not in facts(card(html, "red/notebook"))


def test_choices_that_open_another_app_say_which_and_the_size_stays(profiles: ProfilesRepository) -> None:
    choices = {"lab": {"title": "Lab"}, "desktop": {"title": "Desktop", "app": "desktop"}}
    option = {"title": "Program", "default": "lab", "choices": choices}
    profiles.commit({"teams/red/profiles/notebook.yaml": profile(options={"program": option})})
    choice = {"profile": "red/notebook", "options": {"program": "desktop"}}
    shown = card(page(profiles.catalog(), choice=choice), "red/notebook")
    assert facts(shown)["Opens"] == "Remote desktop"
    assert "CPU" in facts(shown)["Size"]
    assert [words(size) for size in shown.select(".allotment-size")] == ["JupyterLab", "Remote desktop"]


def test_home_team_folder_and_code_are_said_shortly(profiles: ProfilesRepository) -> None:
    code = {"repository": "https://git.example.org/red/bulletin", "ref": "v1", "folder": "bulletin"}
    full = profile(storage={"home": "10 GiB", "team": "read-only"}, checkout=code)
    profiles.commit({"teams/red/profiles/full.yaml": full})
    said = facts(card(page(profiles.catalog()), "red/full"))
    assert (said["Home"], said["Team folder"]) == ("10 GiB", "read only")
    assert {code["repository"], "(v1)", "bulletin"} <= {*said["Code"].split()}


def test_a_card_without_room_in_a_budget_says_what_runs_and_can_still_be_tried(profiles: ProfilesRepository) -> None:
    profiles.commit({"teams/red/team.yaml": {**TEAM, "budget": {"memory": "10 GiB"}}})
    size = Size(1000, 1000, GIB, 8 * GIB, 0)
    other_team = Usage("bob", "blue", size)
    full = card(page(profiles.catalog(), running=[Usage("bob", "red", size)]), "red/notebook")
    assert "8 GiB" in words(full.select_one(".allotment-full"))
    assert full.select_one("button")
    assert "No room" not in words(card(page(profiles.catalog(), running=[other_team]), "red/notebook"))


def test_the_page_of_a_user_of_a_large_platform_stays_small(tmp_path: Path) -> None:
    """KubeSpawner's form of 1,000 profiles has about a megabyte; `make bench` measures both."""
    profiles = ProfilesRepository(tmp_path)
    own = {f"teams/red/profiles/n{number}.yaml": profile(title=f"Notebook {number}") for number in range(20)}
    others = {f"teams/blue/profiles/n{number}.yaml": profile() for number in range(30)}
    base = {"policy.yaml": policy(), "teams/red/team.yaml": team("red"), "teams/blue/team.yaml": team("blue")}
    profiles.commit({**base, **own, **others})
    html = page(profiles.catalog())
    assert len(html.select("article")) == 20
    assert len(str(html).encode()) < 40_000
