"""Repositories as pipelines and people have them: cut off, of another user, with another branch."""

import os
import subprocess
from pathlib import Path

import pytest
from support.command_line import allotment
from support.repositories import small, write_folder
from support.servers.git_server import git


def committed(folder: Path, branch: str = "main", times: int = 1) -> Path:
    write_folder(folder, small())
    git(folder, "init", "--quiet", f"--initial-branch={branch}")
    for number in range(times):
        (folder / "README.md").write_text(f"{number}\n")
        git(folder, "add", "--all")
        git(folder, "commit", "--quiet", "--message=Change")
    return folder


def test_a_shallow_clone_says_what_to_fetch(tmp_path: Path) -> None:
    committed(tmp_path / "whole", times=2)
    git(tmp_path, "clone", "--quiet", "--depth=1", (tmp_path / "whole").as_uri(), "cut")
    code, output = allotment("compare", "HEAD~1", "--repository", tmp_path / "cut")
    assert code == 2
    assert "only the end of the history" in output
    assert "fetch-depth: 0" in output
    assert allotment("check", tmp_path / "cut", "--revision", "HEAD")[0] == 0


def test_another_branch_than_main_is_named(tmp_path: Path) -> None:
    folder = committed(tmp_path / "work", branch="master")
    git(tmp_path, "clone", "--quiet", "--bare", folder, "bare.git")
    for path, more in ((folder, ("--revision", "main")), (tmp_path / "bare.git", ())):
        code, output = allotment("check", path, *more)
        assert (code, "its branches are master" in output) == (2, True)
    git(tmp_path, "init", "--quiet", "--bare", "empty.git")
    assert "it has no branch" in allotment("check", tmp_path / "empty.git")[1]
    assert "its branches" not in allotment("check", folder, "--revision", "none")[1]


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a repository to somebody else: run as root")
def test_a_repository_of_somebody_else_is_read_where_the_user_trusts_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = committed(tmp_path / "work")
    for path in [folder, *folder.rglob("*")]:
        os.chown(path, 65534, 65534)
    home = tmp_path / "home"
    home.mkdir()
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.delenv("GIT_CONFIG_GLOBAL", raising=False)
    monkeypatch.delenv("XDG_CONFIG_HOME", raising=False)
    for command in (("check", folder, "--revision", "main"), ("compare", "main", "--repository", folder)):
        code, output = allotment(*command)
        assert (code, "dubious ownership" in output, "safe.directory" in output) == (2, True, True), "git's own words"
    subprocess.run(["git", "config", "--global", "--add", "safe.directory", folder], check=True)
    assert allotment("check", folder, "--revision", "main")[0] == 0
    assert allotment("compare", "main", "--repository", folder)[0] == 0
