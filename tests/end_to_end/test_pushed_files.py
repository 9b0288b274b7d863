"""Commits that come past the page, straight into the repository: what is bad harms only itself, and all is flagged."""

import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from support.servers.deployment import Deployment, Person, until

NOTEBOOK = "teams/housing-statistics/profiles/notebook.yaml"
HOSTILE = "<img src=x onerror=alert(1)>{username.__class__}{{ 7*7 }}"


class Checkout:
    """Somebody's clone of the profiles repository."""

    def __init__(self, folder: Path, origin: Path) -> None:
        self.folder = folder
        self.git("clone", "--quiet", str(origin), str(folder), cwd=folder.parent)
        self.git("config", "user.name", "Somebody")
        self.git("config", "user.email", "somebody@example.org")

    def git(self, *arguments: str, cwd: Path | None = None) -> str:
        done = subprocess.run(["git", *arguments], cwd=cwd or self.folder, check=True, capture_output=True, text=True)
        return done.stdout.strip()

    def text(self, path: str) -> str:
        return (self.folder / path).read_text()

    def push(self, files: dict[str, str | None]) -> str:
        self.git("pull", "--quiet", "--rebase")
        for path, text in files.items():
            file = self.folder / path
            if text is None:
                file.unlink()
            else:
                file.parent.mkdir(parents=True, exist_ok=True)
                file.write_text(text)
        self.git("add", "--all")
        self.git("commit", "--quiet", "--message", "Edited by hand")
        self.git("push", "--quiet", "origin", "HEAD:main")
        return self.git("rev-parse", "HEAD")


@pytest.fixture(scope="module")
def checkout(allotment: Deployment, tmp_path_factory: pytest.TempPathFactory) -> Checkout:
    return Checkout(tmp_path_factory.mktemp("clone") / "profiles", allotment.repository)


@pytest.fixture
def analyst(allotment: Deployment, checkout: Checkout) -> Iterator[Person]:
    """The analyst; afterwards main holds what it held before."""
    checkout.git("pull", "--quiet", "--rebase")
    before = checkout.git("rev-parse", "HEAD")
    person = allotment.sign_in("analyst")
    yield person
    checkout.git("pull", "--quiet", "--rebase")
    checkout.git("read-tree", "-u", "--reset", before)
    if checkout.git("status", "--porcelain"):
        checkout.git("commit", "--quiet", "--message", "As before")
        checkout.git("push", "--quiet", "origin", "HEAD:main")


def applied(analyst: Person, revision: str) -> None:
    """Wait until the service has taken a commit up; the issue allows two seconds."""
    until(
        lambda: analyst.service("GET", "health").json()["applied"]["revision"] == revision,
        within=2,
        what=f"the commit {revision}",
    )


@pytest.mark.parametrize(
    ("found", "instead", "code"),
    [
        ("title:", "title: [", "syntax"),
        ("purpose:", "purpsoe:", "unknown-key"),
        ("limit: 4 GiB", "limit: 4 Gb", "memory-unit"),
        ("limit: 4 GiB", "limit: 128 MiB", "memory-order"),
        ("limit: 4 GiB", "limit: 4000 GiB", "memory-envelope"),
        ("[housing-open]", "[housing-shut]", "data-role-unknown"),
    ],
)
def test_a_profile_that_does_not_read_keeps_its_last_good_version_and_others_move_on(
    checkout: Checkout, analyst: Person, found: str, instead: str, code: str
) -> None:
    text = checkout.text(NOTEBOOK)
    assert found in text
    other = NOTEBOOK.replace("notebook", "notebook-r")
    moved_on = checkout.text(other).replace("title: ", "title: New ", 1)
    applied(analyst, checkout.push({NOTEBOOK: text.replace(found, instead, 1), other: moved_on}))
    kept = analyst.service("GET", "profiles/housing-statistics/notebook").json()
    assert kept["startable"]
    assert kept["outdated"]
    assert kept["memory"] == "1 GiB-4 GiB"
    problem = next(problem for problem in kept["problems"] if problem["code"] == code)
    assert problem["path"] == NOTEBOOK
    assert problem["line"]
    assert problem["remedy"]
    assert analyst.service("GET", "profiles/housing-statistics/notebook-r").json()["title"].startswith("New ")
    assert "an earlier version applies" in analyst.page("hub/spawn").text


def test_a_commit_past_the_page_is_live_and_shown_as_not_reviewed(checkout: Checkout, analyst: Person) -> None:
    path, address = "teams/transport-analysis/profiles/scratch.yaml", "profiles/transport-analysis/scratch"
    assert analyst.service("GET", address).json()["reviewed"]
    applied(analyst, checkout.push({path: checkout.text(path).replace("limit: 1 GiB", "limit: 3 GiB")}))
    profile = analyst.service("GET", address).json()
    assert profile["memory"].endswith("-3 GiB")
    assert not profile["reviewed"]
    assert profile["approved_by"] == []
    assert "3 GiB" in analyst.page("hub/spawn").text
    assert "not reviewed here" in analyst.page(f"services/allotment/{address}").text.lower()


def test_markup_and_templates_in_a_profile_are_text_on_every_page(checkout: Checkout, analyst: Person) -> None:
    text = checkout.text(NOTEBOOK)
    lines = [
        f"title: '{HOSTILE}'" if line.startswith("title:") else line
        for line in text.splitlines()
        if not line.startswith(("description:", "purpose:"))
    ]
    hostile = "\n".join([f"description: '{HOSTILE}'", f"purpose: '{HOSTILE}'", *lines]) + "\n"
    applied(analyst, checkout.push({NOTEBOOK: hostile}))
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


def test_a_grant_that_is_taken_away_refuses_the_next_start_at_once(checkout: Checkout, analyst: Person) -> None:
    path = "data-roles/housing-open.yaml"
    text = checkout.text(path)
    kept = [line for line in text.splitlines() if not line.strip().startswith("housing-statistics:")]
    assert len(kept) < len(text.splitlines())
    applied(analyst, checkout.push({path: "\n".join(kept) + "\n"}))
    answer = analyst.hub("POST", "users/analyst/server", json={"profile": "housing-statistics/notebook"})
    assert answer.status_code == 403
    assert "[grant-missing]" in answer.json()["message"]


def test_a_data_role_that_does_not_read_gives_no_access(checkout: Checkout, analyst: Person) -> None:
    applied(analyst, checkout.push({"data-roles/housing-open.yaml": "owner: [\n"}))
    answer = analyst.hub("POST", "users/analyst/server", json={"profile": "housing-statistics/notebook"})
    assert answer.status_code == 409
    assert "[data-role-broken]" in answer.json()["message"]
    assert analyst.service("GET", "profiles/transport-analysis/notebook").json()["startable"]


def test_without_a_policy_that_ever_read_nothing_starts(checkout: Checkout, analyst: Person) -> None:
    applied(analyst, checkout.push({"policy.yaml": None}))
    answer = analyst.hub("POST", "users/analyst/server", json={"profile": "transport-analysis/notebook"})
    assert answer.status_code == 403
    assert "[policy-missing]" in answer.json()["message"]
