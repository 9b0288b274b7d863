"""What a file is asked together with others: kinds, pools, tools, storage, successors, acceptances."""

from pathlib import Path
from typing import Any

import pytest
from support.repositories import policy, profile, small, team, write_folder

from allotment_profiles.catalog.catalog import Catalog
from allotment_profiles.store.loading import load
from allotment_profiles.store.snapshot import in_folder

NOTEBOOK = "teams/red/profiles/notebook.yaml"
RICH = policy(
    ceilings={"cpu": 16, "memory": "64 GiB", "gpu": 4, "lifetime": "2 d", "home": "50 GiB"},
    gpu_kinds={"l4": {"title": "L4", "node_pool": "gpus", "ceiling": 2}, "a100": {"title": "A100"}},
    node_pools={"gpus": {"title": "GPUs", "labels": {"pool": "gpus"}},
                "large": {"title": "Large", "labels": {"pool": "large"}}},
    tools={"desktop": {"title": "Remote desktop", "address": "/desktop/", "program": "xpra"}},
    repositories=["https://git.example.org/red/*"],
    rules={"image_digest": "advice"},
)  # fmt: skip
ENVELOPE = {
    "cpu": 8, "memory": "32 GiB", "gpu": 4, "images": ["registry.example.org/analysis/*"], "gpu_kinds": ["l4"],
    "home": "20 GiB",
}  # fmt: skip


def loaded(folder: Path, **files: Any) -> Catalog:
    base = small(**{"policy.yaml": RICH, "teams/red/team.yaml": team("red", envelope=ENVELOPE)})
    return load(in_folder(write_folder(folder, {**base, **files})))


def sized(**resources: Any) -> dict[str, Any]:
    return {"resources": {"cpu": {"limit": 2}, "memory": {"limit": "4 GiB"}, **resources}}


@pytest.mark.parametrize(
    ("changes", "code", "level", "field"),
    [
        (sized(gpu=1), "gpu-kind-missing", "hard", "resources.gpu"),
        (sized(gpu=1, gpu_kind="h100"), "gpu-kind-unknown", "hard", "resources.gpu_kind"),
        (sized(gpu=3, gpu_kind="l4"), "gpu-ceiling", "hard", "resources.gpu"),
        (sized(gpu=1, gpu_kind="a100"), "gpu-kind-envelope", "soft", "resources.gpu_kind"),
        ({**sized(gpu=1, gpu_kind="l4"), "node_pool": "large"}, "node-pool-conflict", "hard", "node_pool"),
        ({"node_pool": "larg"}, "node-pool-unknown", "hard", "node_pool"),
        ({"node_pool": "large"}, "node-pool-envelope", "soft", "node_pool"),
        ({"app": "emacs"}, "app-unknown", "hard", "app"),
        ({"storage": {"home": "60 GiB"}}, "home-ceiling", "hard", "storage.home"),
        ({"storage": {"home": "30 GiB"}}, "home-envelope", "soft", "storage.home"),
        ({"checkout": {"repository": "https://evil.example.org/x", "folder": "x"}}, "checkout-forbidden", "hard",
         "checkout.repository"),
        ({"checkout": {"repository": "https://git.example.org/redder", "folder": "x"}}, "checkout-forbidden", "hard",
         "checkout.repository"),
        ({"only": ["/blue"]}, "only-unknown", "hard", "only.0"),
        ({"only": ["/redder"]}, "only-unknown", "hard", "only.0"),
        ({"successor": "red/none"}, "successor-unknown", "hard", "successor"),
        ({"successor": "red/notebook"}, "successor-cycle", "hard", "successor"),
        ({"accepted": {"cpu-envelope": {"reason": "Once"}}}, "acceptance-unused", "advice", "accepted.cpu-envelope"),
        ({}, "image-undigested", "advice", "image"),
        (sized(cpu={"limit": 9}), "cpu-envelope", "soft", "resources.cpu.limit"),
        (sized(cpu={"limit": 17}), "cpu-ceiling", "hard", "resources.cpu.limit"),
    ],
    ids=lambda value: value if isinstance(value, str) else None,
)  # fmt: skip
def test_a_profile_is_asked_together_with_the_policy_and_its_team(
    tmp_path: Path, changes: dict[str, Any], code: str, level: str, field: str
) -> None:
    catalog = loaded(tmp_path, **{NOTEBOOK: profile(**changes)})
    found = {problem.code: problem for problem in catalog.problems_of(NOTEBOOK)}
    assert code in found, found
    assert (found[code].level, found[code].field) == (level, field)
    assert found[code].line
    assert found[code].remedy
    blocked = any(problem.blocks for problem in found.values())
    assert ("red/notebook" in catalog.profiles) != blocked


@pytest.mark.parametrize(
    "changes",
    [
        sized(gpu=2, gpu_kind="l4"),
        {**sized(gpu=2, gpu_kind="l4"), "node_pool": "gpus", "accepted": {"node-pool-envelope": {"reason": "Its own"}}},
        {"app": "desktop"},
        {"storage": {"home": "20 GiB", "team": "read-write"}},
        {"checkout": {"repository": "https://git.example.org/red/tools", "ref": "v1.2", "folder": "tools"}},
        {"only": ["/red", "/red/leads", "/red/leads/deep"]},
        {"successor": "blue/other", "visibility": "deprecated", "retired_from": "2027-01-01"},
        {"maintainers": {"users": ["ann"]}, "visibility": "draft"},
    ],
)
def test_what_policy_and_envelope_have_is_fine(tmp_path: Path, changes: dict[str, Any]) -> None:
    other = profile(image="registry.example.org/analysis/notebook:1")
    catalog = loaded(tmp_path, **{NOTEBOOK: profile(**changes), "teams/blue/profiles/other.yaml": other})
    assert not [problem for problem in catalog.problems if problem.blocks]


NORMAL, LARGE = {"title": "Normal"}, {"title": "Large", "resources": {"memory": {"limit": "16 GiB"}}}


@pytest.mark.parametrize(
    ("choices", "fields"),
    [
        ({"normal": NORMAL, "large": LARGE}, ["memory.limit"]),
        ({"normal": NORMAL, "large": {**LARGE, "resources": {"cpu": {"limit": 1}, "memory": {"limit": "64 GiB"}}}},
         ["cpu.limit"]),
        ({"normal": {**NORMAL, "resources": {"memory": {"limit": "8 GiB"}}}, "large": LARGE}, []),
        ({"small": LARGE, "normal": NORMAL}, []),
        ({"normal": NORMAL, "large": {**LARGE, "resources": {"memory": {"limit": "32 GiB"}}}}, []),
        ({"normal": NORMAL, "other": {"title": "Other", "environment": {"TZ": "Europe/London"}}}, []),
        ({"normal": NORMAL, "gpu": {**LARGE, "resources": {"memory": {"limit": "8 GiB"}, "gpu": 1}}}, []),
    ],
)  # fmt: skip
def test_a_choice_that_is_smaller_than_the_default_before_it_is_an_advice(
    tmp_path: Path, choices: dict[str, Any], fields: list[str]
) -> None:
    options = {"size": {"title": "Size", "default": "normal", "choices": choices}}
    raised = sized(memory={"limit": "32 GiB"})
    catalog = loaded(tmp_path, **{NOTEBOOK: profile(**raised, options=options)})
    found = [problem for problem in catalog.problems_of(NOTEBOOK) if problem.code == "choice-smaller"]
    assert [each.field for each in found] == [f"options.size.choices.large.resources.{field}" for field in fields]
    for problem in found:
        assert problem.level == "advice"
        assert problem.line
        assert "Large has" in problem.message


def test_what_an_administrator_accepted_applies_and_says_so(tmp_path: Path) -> None:
    accepted = {"cpu-envelope": {"reason": "The census is\ncounted once", "until": "2027-01-31"}}
    catalog = loaded(tmp_path, **{NOTEBOOK: profile(**sized(cpu={"limit": 9}), accepted=accepted)})
    (problem,) = [each for each in catalog.problems_of(NOTEBOOK) if each.code == "cpu-envelope"]
    assert problem.level == "advice"
    assert problem.remedy.endswith(" 2027-01-31: The census is counted once")
    assert "red/notebook" in catalog.profiles


def test_nobody_accepts_what_is_hard(tmp_path: Path) -> None:
    accepted = {"cpu-ceiling": {"reason": "Please"}, "image-registries": {"reason": "Please"}}
    wanted = profile(**sized(cpu={"limit": 17}), image="docker.io/evil/miner:1", accepted=accepted)
    catalog = loaded(tmp_path, **{NOTEBOOK: wanted})
    assert {"cpu-ceiling", "image-registries"} <= {each.code for each in catalog.problems if each.level == "hard"}


@pytest.mark.parametrize(("level", "applies"), [("off", True), ("advice", True), ("soft", False), ("hard", False)])
def test_the_policy_says_how_strict_the_envelope_is(tmp_path: Path, level: str, applies: bool) -> None:
    files = {NOTEBOOK: profile(**sized(cpu={"limit": 9})), "policy.yaml": {**RICH, "rules": {"envelope": level}}}
    catalog = loaded(tmp_path, **files)
    assert ("red/notebook" in catalog.profiles) == applies
    found = [each.level for each in catalog.problems if each.code == "cpu-envelope"]
    assert found == ([] if level == "off" else [level])


def test_a_cycle_of_successors_is_told_of_each_of_its_members(tmp_path: Path) -> None:
    def chain(to: str) -> dict[str, Any]:
        return profile(successor=to, visibility="deprecated")

    catalog = loaded(tmp_path, **{
        "teams/red/profiles/a.yaml": chain("red/b"), "teams/red/profiles/b.yaml": chain("blue/c"),
        "teams/blue/profiles/c.yaml": chain("red/a"), "teams/red/profiles/leads-in.yaml": chain("red/a"),
    })  # fmt: skip
    assert {each.path for each in catalog.problems if each.code == "successor-cycle"} == {
        "teams/red/profiles/a.yaml", "teams/red/profiles/b.yaml", "teams/blue/profiles/c.yaml",
    }  # fmt: skip


def test_only_the_team_everyone_is_for_everybody(tmp_path: Path) -> None:
    everyone = team("everyone", members={"everyone": True})
    catalog = loaded(tmp_path, **{
        "teams/everyone/team.yaml": everyone, "teams/blue/team.yaml": team("blue", members={"everyone": True}),
    })  # fmt: skip
    assert "everyone" in catalog.teams
    assert "blue" not in catalog.teams
    assert [each.path for each in catalog.problems if each.code == "everyone-elsewhere"] == ["teams/blue/team.yaml"]


def test_the_team_everyone_says_that_it_is_for_everybody(tmp_path: Path) -> None:
    catalog = loaded(tmp_path, **{"teams/everyone/team.yaml": team("everyone")})
    assert "everyone-missing" in {each.code for each in catalog.problems}


def test_an_envelope_beyond_the_ceilings_breaks_no_team(tmp_path: Path) -> None:
    wide = {**ENVELOPE, "cpu": 99, "node_pools": ["gone"], "gpu_kinds": ["gone"]}
    catalog = loaded(tmp_path, **{"teams/red/team.yaml": team("red", envelope=wide)})
    found = {each.code for each in catalog.problems_of("teams/red/team.yaml")}
    assert found == {"cpu-ceiling", "gpu-kind-unknown", "node-pool-unknown"}
    assert "red/notebook" in catalog.profiles


def test_two_choices_that_look_alike_are_refused(tmp_path: Path) -> None:
    choices = {"normal": {"title": "Normal"}, "nomal": {"title": "No"}, "no-0": {"title": "A"}, "no-o": {"title": "B"}}
    options = {"size": {"title": "Size", "default": "normal", "choices": choices}}
    catalog = loaded(tmp_path, **{NOTEBOOK: profile(options=options)})
    assert "name-collision" in {each.code for each in catalog.problems}
