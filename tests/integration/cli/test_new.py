"""`allotment new`, and the checks of forges that a new repository begins with, run as they would run there."""

import os
import re
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest
import yaml
from support.command_line import allotment, answer
from support.folders import ROOT
from support.repositories import small, write_folder

from allotment_profiles.cli.scaffold import SHAPE, new_repository, starter_folder
from allotment_profiles.model.paths import is_stray

TEAM = ["--title", "Prisons", "--group", "/prison", "--lead-group", "/prison/leads", "--images", "quay.io/jupyter/*"]
PROFILE = ["--title", "Bulletin", "--purpose", "The bulletin", "--image", "quay.io/jupyter/scipy-notebook:1"]
WRONG = "title: Notebook\nresources: {cpu: two}\n"


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    code, said = allotment("new", "repository", tmp_path / "profiles")
    assert code == 0
    assert said.index("new team") < said.index("git commit") < said.index("push -u origin main")
    return tmp_path / "profiles"


def files_of(folder: Path) -> dict[str, bytes]:
    found = (path for path in folder.rglob("*") if path.is_file() and ".git" not in path.relative_to(folder).parts)
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in found}


def test_a_new_repository_passes_its_check_and_has_the_checks_of_every_forge(repository: Path) -> None:
    assert answer("check", repository) == {"problems": []}
    assert set(files_of(repository)) == {"README.md", *SHAPE}
    assert (repository / ".git" / "HEAD").read_text() == "ref: refs/heads/main\n"


def test_a_repository_is_made_in_an_empty_folder_only(repository: Path) -> None:
    before = files_of(repository)
    assert allotment("new", "repository", repository)[0] == 1
    assert files_of(repository) == before


def test_a_new_repository_takes_nothing_from_the_users_configuration(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "template" / "hooks").mkdir(parents=True)
    (tmp_path / "template" / "hooks" / "post-commit").write_text("#!/bin/sh\n")
    (tmp_path / ".gitconfig").write_text(f"[init]\n\ttemplateDir = {tmp_path / 'template'}\n")
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("GIT_DIR", str(tmp_path / "elsewhere"))
    assert allotment("new", "repository", tmp_path / "profiles")[0] == 0
    assert (tmp_path / "profiles" / ".git" / "HEAD").exists()
    assert not (tmp_path / "profiles" / ".git" / "hooks").exists()
    assert not (tmp_path / "elsewhere").exists()


def test_files_are_written_that_pass_their_check(repository: Path) -> None:
    at = ["--repository", repository]
    assert allotment("new", "team", "prison", *TEAM, *at)[0] == 0
    role = ["--title", "Tables", "--owner", "prison", "--purpose", "Reading", "--claim", "tables", "--folder", "main"]
    assert allotment("new", "data-role", "tables", *role, *at)[0] == 0
    assert allotment("new", "profile", "prison/bulletin", *PROFILE, "--cpu", "0.5", "--memory", "2 GiB", *at)[0] == 0
    assert allotment("new", "team", "everyone", *TEAM, *at)[0] == 0
    assert allotment("check", repository)[0] == 0
    written = files_of(repository)["teams/prison/profiles/bulletin.yaml"].decode()
    assert "cpu: {limit: 0.5}" in written
    assert "# options:" in written
    assert written.startswith("# ")


def test_what_the_comments_offer_is_right_when_it_is_taken(repository: Path) -> None:
    at = ["--repository", repository]
    allotment("new", "team", "prison", *TEAM, *at)
    allotment("new", "profile", "prison/bulletin", *PROFILE, *at)
    allotment("new", "data-role", "name", "--title", "T", "--owner", "prison", "--purpose", "x", "--secret", "s", *at)
    for path in ("teams/prison/team.yaml", "teams/prison/profiles/bulletin.yaml", "data-roles/name.yaml"):
        head, mark, hints = (repository / path).read_text().partition("# Other keys:\n")
        assert mark
        taken = (
            hints.replace("# ", "", 1).replace("\n# ", "\n").replace("/group", "/prison").replace("{team:", "{prison:")
        )
        (repository / path).write_text(head + taken)
    assert answer("check", repository) == {"problems": []}


@pytest.mark.parametrize(("arguments", "code"), [
    (["profile", "prison/bulletin", *PROFILE, "--memory", "4 GB"], 1),
    (["profile", "nobody/bulletin", *PROFILE], 1),
    (["profile", "prison/bulletin", *PROFILE, "--cpu", "many"], 1),
    (["profile", "bulletin", *PROFILE], 2),
    (["profile", "../x", *PROFILE], 2),
    (["profile", "prison/bulletin", *PROFILE[:-2]], 2),
    (["team", "Prison", *TEAM], 2),
    (["team", "prison", *TEAM], 1),
    (["data-role", "../../x", "--title", "x"], 2),
])  # fmt: skip
def test_what_would_not_pass_is_not_written(repository: Path, arguments: list[str], code: int) -> None:
    allotment("new", "team", "prison", *TEAM, "--repository", repository)
    before = files_of(repository)
    found, output = allotment("new", *arguments, "--repository", repository)
    assert (found, files_of(repository)) == (code, before), output


def test_a_folder_without_a_policy_is_no_place_for_files(tmp_path: Path) -> None:
    assert allotment("new", "profile", "prison/bulletin", *PROFILE, "--repository", tmp_path)[0] == 2
    assert list(tmp_path.iterdir()) == []


def test_on_a_terminal_it_asks_for_what_is_missing(repository: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("allotment_profiles.cli.commands.new.is_interactive", lambda: True)
    allotment("new", "team", "prison", *TEAM, "--cpu", "4", "--memory", "8 GiB", "--repository", repository)
    answers = "Bulletin\nThe work\nquay.io/jupyter/scipy-notebook:1\n1\n\n"
    code, output = allotment("new", "profile", "prison/bulletin", "--repository", repository, answers=answers)
    assert code == 0, output
    assert "memory: {limit: 4 GiB}" in (repository / "teams/prison/profiles/bulletin.yaml").read_text()


# -- hooks and pipelines


def test_the_files_for_forges_are_nobodys_mistake() -> None:
    assert not any(is_stray(path) for path in (*new_repository(), "IMPORT.md"))
    assert all((starter_folder() / path).is_file() for path in SHAPE)


def run(*words: str, folder: Path) -> subprocess.CompletedProcess[str]:
    """Run a command of a pipeline with the `allotment` of this installation."""
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    environment = {**os.environ, "PATH": path, "GIT_CONFIG_GLOBAL": os.devnull}
    return subprocess.run(words, cwd=folder, env=environment, capture_output=True, text=True, check=False)


def git(*words: str, folder: Path) -> str:
    identity = ["-c", "user.name=Somebody", "-c", "user.email=somebody@example.org"]
    done = run("git", *identity, *words, folder=folder)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture
def clone(tmp_path: Path) -> Path:
    """Clone a repository of profiles, and begin a branch in it that breaks one file."""
    origin = tmp_path / "origin"
    write_folder(origin, small())
    for path in SHAPE[1:]:
        (origin / path).parent.mkdir(parents=True, exist_ok=True)
        (origin / path).write_bytes((starter_folder() / path).read_bytes())
    git("init", "--quiet", "--initial-branch=main", ".", folder=origin)
    git("add", ".", folder=origin)
    git("commit", "--quiet", "-m", "Profiles", folder=origin)
    git("clone", "--quiet", str(origin), "clone", folder=tmp_path)
    git("switch", "--quiet", "-c", "propose/x", folder=tmp_path / "clone")
    return tmp_path / "clone"


def break_one(clone: Path) -> None:
    (clone / "teams/red/profiles/broken.yaml").write_text(WRONG)
    git("add", ".", folder=clone)


def steps(path: str) -> list[str]:
    """Give the commands of a pipeline's file, in order."""
    content = yaml.safe_load((starter_folder() / path).read_text())
    job: dict[str, Any] = content.get("profiles") or content["jobs"]["check"]
    if "script" in job:
        return [*job["script"], *job["after_script"]]
    return [step["run"] for step in job["steps"] if "run" in step]


@pytest.mark.parametrize("path", [path for path in SHAPE if "workflows" in path or "gitlab" in path])
def test_a_pipeline_passes_what_is_right_and_stops_what_is_not(clone: Path, path: str) -> None:
    commands = [command for command in steps(path) if command.startswith("allotment ")]
    assert commands
    summary = clone.parent / "summary.md"
    for broken in (False, True):
        if broken:
            break_one(clone)
            git("commit", "--quiet", "-m", "Break it", folder=clone)
        for command in commands:
            ready = command.replace("$GITHUB_BASE_REF", "main").replace("$GITHUB_STEP_SUMMARY", str(summary))
            done = run("sh", "-c", ready, folder=clone)
            assert done.returncode == (1 if broken else 0), (command, done.stdout, done.stderr)
            assert done.stderr == ""
            if broken and command == "allotment check --format github":
                assert "::error file=teams/red/profiles/broken.yaml,line=2" in done.stdout


def hooks() -> dict[str, dict[str, Any]]:
    return {hook["id"]: hook for hook in yaml.safe_load((ROOT / ".pre-commit-hooks.yaml").read_text())}


def as_pre_commit_does(hook: dict[str, Any], staged: Iterable[str], folder: Path) -> int | None:
    """Run a hook as pre-commit does: its words, then the staged files that it is for; None where there are none."""
    matching = [path for path in staged if re.search(hook["files"], path)]
    if not matching:
        return None
    names = matching if hook.get("pass_filenames", True) else []
    return run(*hook["entry"].split(), *names, folder=folder).returncode


def test_the_hooks_stop_a_commit_that_breaks_a_file(clone: Path) -> None:
    def staged() -> list[str]:
        return git("diff", "--cached", "--name-only", folder=clone).splitlines()

    (clone / "README.md").write_text("hello")
    git("add", ".", folder=clone)
    assert [as_pre_commit_does(hook, staged(), clone) for hook in hooks().values()] == [None, None]
    (clone / "teams/red/team.yaml").write_text((clone / "teams/red/team.yaml").read_text() + "# a remark\n")
    git("add", ".", folder=clone)
    assert [as_pre_commit_does(hook, staged(), clone) for hook in hooks().values()] == [0, 0]
    break_one(clone)
    assert [as_pre_commit_does(hook, staged(), clone) for hook in hooks().values()] == [1, 1]
    # The one that looks at the committed files alone says nothing of the others.
    assert as_pre_commit_does(hooks()["allotment-check-files"], ["teams/red/team.yaml"], clone) == 0
    assert as_pre_commit_does(hooks()["allotment-check"], ["teams/red/team.yaml"], clone) == 1


def test_the_starter_names_a_hook_that_there_is() -> None:
    configured = yaml.safe_load((starter_folder() / ".pre-commit-config.yaml").read_text())
    named = [hook["id"] for repository in configured["repos"] for hook in repository["hooks"]]
    assert set(named) <= set(hooks())
