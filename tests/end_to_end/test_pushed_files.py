"""Commits that come past the page, straight into the repository: what is bad harms only itself, and all is flagged."""

from collections.abc import Callable, Iterator

import pytest
from support.clones import Clone
from support.servers.deployment import Person

NOTEBOOK = "teams/housing-statistics/profiles/notebook.yaml"
HOSTILE = "<img src=x onerror=alert(1)>{username.__class__}{{ 7*7 }}"


@pytest.fixture(autouse=True)
def restored(clone: Clone) -> Iterator[None]:
    with clone.restored():
        yield


@pytest.mark.parametrize(
    ("found", "instead", "code"),
    [
        ("title:", "title: [", "syntax"),
        ("limit: 4 GiB", "limit: 4000 GiB", "memory-envelope"),
        ("[housing-open]", "[housing-shut]", "data-role-unknown"),
    ],
)
def test_a_profile_that_does_not_read_keeps_its_last_good_version_and_others_move_on(
    clone: Clone, analyst: Person, found: str, instead: str, code: str
) -> None:
    text = clone.text(NOTEBOOK)
    assert found in text
    other = NOTEBOOK.replace("notebook", "notebook-r")
    moved_on = clone.text(other).replace("title: ", "title: New ", 1)
    clone.push({NOTEBOOK: text.replace(found, instead, 1), other: moved_on})
    kept = analyst.service("GET", "profiles/housing-statistics/notebook").json()
    assert kept["startable"]
    assert kept["outdated"]
    assert kept["memory"] == "1 GiB-4 GiB"
    problem = next(problem for problem in kept["problems"] if problem["code"] == code)
    assert problem["path"] == NOTEBOOK
    assert problem["line"]
    assert problem["remedy"]
    assert analyst.service("GET", "profiles/housing-statistics/notebook-r").json()["title"].startswith("New ")
    assert "allotment-notes" in analyst.page("hub/spawn").text


def test_a_commit_past_the_page_is_live_and_shown_as_not_reviewed(clone: Clone, analyst: Person) -> None:
    path, address = "teams/transport-analysis/profiles/scratch.yaml", "profiles/transport-analysis/scratch"
    assert analyst.service("GET", address).json()["reviewed"]
    clone.push({path: clone.text(path).replace("limit: 1 GiB", "limit: 3 GiB")})
    profile = analyst.service("GET", address).json()
    assert profile["memory"].endswith("-3 GiB")
    assert not profile["reviewed"]
    assert profile["approved_by"] == []
    assert "3 GiB" in analyst.page("hub/spawn").text
    assert 'id="not-reviewed"' in analyst.page(f"services/allotment/{address}").text


def test_markup_and_templates_in_a_profile_are_text_on_every_page(clone: Clone, analyst: Person) -> None:
    text = clone.text(NOTEBOOK)
    lines = [
        f"title: '{HOSTILE}'" if line.startswith("title:") else line
        for line in text.splitlines()
        if not line.startswith(("description:", "purpose:"))
    ]
    hostile = "\n".join([f"description: '{HOSTILE}'", f"purpose: '{HOSTILE}'", *lines]) + "\n"
    clone.push({NOTEBOOK: hostile})
    assert analyst.service("GET", "profiles/housing-statistics/notebook").json()["title"] == HOSTILE
    for path in (
        "hub/spawn",
        "services/allotment/profiles",
        "services/allotment/profiles/housing-statistics/notebook",
        "services/allotment/propose?from=housing-statistics/notebook",
        "services/allotment/data-roles/housing-open",
        "services/allotment/proposals",
    ):
        answer = analyst.page(path)
        assert answer.status_code == 200, path
        assert "<img src=x" not in answer.text, path
        assert "49" not in answer.text.partition("{{ 7*")[2][:8], path
        if "proposals" not in path:
            assert "&lt;img src=x onerror=alert(1)&gt;{username.__class__}{{ 7*7 }}" in answer.text, path


def without_its_grant(text: str) -> str:
    kept = [line for line in text.splitlines() if not line.strip().startswith("housing-statistics:")]
    assert len(kept) < len(text.splitlines())
    return "\n".join(kept) + "\n"


@pytest.mark.parametrize(
    ("path", "change", "status", "code"),
    [
        ("data-roles/housing-open.yaml", without_its_grant, 403, "grant-missing"),
        ("data-roles/housing-open.yaml", lambda _: "owner: [\n", 409, "data-role-broken"),
    ],
)
def test_what_is_taken_away_refuses_the_next_start_at_once(
    clone: Clone, analyst: Person, path: str, change: Callable[[str], str], status: int, code: str
) -> None:
    clone.push({path: change(clone.text(path))})
    answer = analyst.hub("POST", "users/analyst/server", json={"profile": "housing-statistics/notebook"})
    assert answer.status_code == status
    assert f"[{code}]" in answer.json()["message"]
    assert analyst.service("GET", "profiles/transport-analysis/notebook").json()["startable"]


def test_a_policy_that_is_deleted_past_the_review_goes_on_to_apply(clone: Clone, analyst: Person) -> None:
    clone.push({"policy.yaml": None})
    assert analyst.service("GET", "profiles/housing-statistics/notebook").json()["startable"]
