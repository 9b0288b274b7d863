"""Code is fetched from a real git server over TLS into a home folder: whole or not at all, and as nothing but data."""

import asyncio
import os
import shutil
import sys
import time
from pathlib import Path
from typing import Any

import psutil
import pytest
from support.servers.git_server import GitServer, git

from allotment_profiles.model import Checkout
from allotment_spawner.checkout.fetcher import CheckoutError, Fetcher, drop_note, leave_note, note_of

FILES = {"main.py": "print()\n", "data/tables.csv": "a,b\n"}
NAME = "red/bulletin"


@pytest.fixture
def server(git_server: GitServer) -> GitServer:
    git_server.create(NAME, FILES)
    return git_server


@pytest.fixture
def home(tmp_path: Path) -> Path:
    folder = tmp_path / "home"
    folder.mkdir()
    return folder


def code(server: GitServer, name: str = NAME, ref: str | None = None) -> Checkout:
    return Checkout(repository=server.url(name), ref=ref, folder="bulletin")


def fetcher(server: GitServer, **changes: Any) -> Fetcher:
    return Fetcher(**{"ca_file": str(server.ca_file), **changes})


async def failure(home: Path, made: Fetcher, checkout: Checkout) -> str:
    """Give why it fails, having seen that nothing is left."""
    before = names(home)
    with pytest.raises(CheckoutError) as caught:
        await made.fetch(home, checkout)
    assert names(home) == before
    return str(caught.value)


def names(folder: Path) -> set[str]:
    return {entry.name for entry in folder.iterdir()}


def processes(server: GitServer) -> list[str]:
    """Name every git that talks to the server."""
    address = server.url("").rstrip("/")
    found = []
    for process in psutil.process_iter():
        try:
            command = process.cmdline()
        except psutil.Error:
            continue
        if command and "git" in command[0] and any(address in part for part in command):
            found.append(" ".join(command))
    return found


async def test_the_default_branch_lies_in_the_folder_ready_to_work_on(server: GitServer, home: Path) -> None:
    assert await fetcher(server).fetch(home, code(server))
    assert names(home) == {"bulletin"}
    folder = home / "bulletin"
    assert (folder / "data" / "tables.csv").read_text() == "a,b\n"
    assert git(folder, "status", "--porcelain", "--branch") == "## main...origin/main"
    assert git(folder, "remote", "get-url", "origin") == server.url(NAME)
    # What kept the repository's content from acting here is not left behind in the user's copy.
    assert "hooksPath" not in (folder / ".git" / "config").read_text()


async def test_a_branch_a_tag_and_a_commit_can_be_named(server: GitServer, home: Path) -> None:
    work = server.folder / "work" / NAME
    first = git(work, "rev-parse", "HEAD")
    git(work, "tag", "v1.0")
    git(work, "push", "--quiet", "origin", "v1.0")
    server.commit(NAME, {"main.py": "print(2)\n"}, branch="next/step")
    for ref, text, branch in (
        ("next/step", "print(2)\n", "next/step"), ("v1.0", "print()\n", ""), (first, "print()\n", ""),
        (first[:10], "print()\n", ""),
    ):  # fmt: skip
        assert await fetcher(server).fetch(home, code(server, ref=ref)), ref
        assert (home / "bulletin" / "main.py").read_text() == text
        assert git(home / "bulletin", "branch", "--show-current") == branch
        shutil.rmtree(home / "bulletin")


async def test_a_ref_is_data_whatever_it_looks_like(server: GitServer, home: Path) -> None:
    for ref in ("gone", "--upload-pack=touch owned", "-b", "HEAD^{/x}", "@{-1}", "main:main.py"):
        asked = Checkout.model_construct(repository=server.url(NAME), ref=ref, folder="bulletin")
        assert (await failure(home, fetcher(server), asked)).endswith(f" {ref}.")
    assert not {"owned", "bulletin"} & names(home)


@pytest.mark.parametrize("what", ["a file", "a folder", "a link to nowhere"])
async def test_what_lies_there_already_stays_as_it_is(server: GitServer, home: Path, what: str) -> None:
    place = home / "bulletin"
    if what == "a file":
        place.write_text("mine")
    elif what == "a folder":
        place.mkdir()
    else:
        place.symlink_to("/nowhere/at/all")
    before = place.lstat()
    assert not await fetcher(server).fetch(home, code(server))
    assert place.lstat() == before
    assert server.requests == []


async def test_what_comes_to_lie_there_meanwhile_stays_too(server: GitServer, home: Path) -> None:
    fetching = asyncio.create_task(fetcher(server).fetch(home, code(server)))
    await asyncio.to_thread(server.asked.wait, 10)
    (home / "bulletin").write_text("mine")
    with pytest.raises(CheckoutError):
        await fetching
    assert names(home) == {"bulletin"}
    assert (home / "bulletin").read_text() == "mine"


async def test_an_empty_repository_is_an_empty_folder(server: GitServer, home: Path) -> None:
    server.create("red/empty", {})
    assert await fetcher(server).fetch(home, code(server, "red/empty"))
    assert names(home / "bulletin") == {".git"}


async def test_hooks_filters_submodules_and_the_users_own_configuration_do_nothing(
    server: GitServer, home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    owned = tmp_path / "owned"
    server.create("red/hostile", {
        "main.py": "print()\n",
        ".gitattributes": "*.py filter=lfs\n*.csv filter=evil\n",
        "t.csv": "a\n",
        ".gitmodules": f'[submodule "x"]\n\tpath = x\n\turl = {server.url(NAME)}\n',
    })  # fmt: skip
    (home / ".gitconfig").write_text(
        f'[filter "evil"]\n\tsmudge = touch {owned}\n[filter "lfs"]\n\tsmudge = touch {owned}\n\trequired = true\n'
        f'[core]\n\thooksPath = {tmp_path / "hooks"}\n[url "ext::touch {owned} "]\n\tinsteadOf = https://\n'
        f'[credential]\n\thelper = "!touch {owned}"\n'
    )
    (tmp_path / "hooks").mkdir()
    (tmp_path / "hooks" / "post-checkout").write_text(f"#!/bin/sh\ntouch {owned}\n")
    (tmp_path / "hooks" / "post-checkout").chmod(0o755)
    hostile = {"HOME": str(home), "GIT_CONFIG_GLOBAL": str(home / ".gitconfig"), "GIT_ASKPASS": f"touch {owned}"}
    for name, value in hostile.items():
        monkeypatch.setenv(name, value)
    assert await fetcher(server).fetch(home, code(server, "red/hostile"))
    assert (home / "bulletin" / "t.csv").read_text() == "a\n"
    assert not (home / "bulletin" / "x").exists()
    assert not owned.exists()


async def test_a_server_is_believed_only_with_the_organisations_certificates(server: GitServer, home: Path) -> None:
    assert "ertificate" in await failure(home, fetcher(server, ca_file=""), code(server))


async def test_only_https_is_spoken_and_nobody_is_asked_for_a_password(server: GitServer, home: Path) -> None:
    git(server.folder, "clone", "--quiet", "--bare", str(server.folder / "repositories" / NAME), "local")
    for address in (
        f"file://{server.folder}/local",
        str(server.folder / "local"),
        "ext::sh -c id",
        "git://127.0.0.1/x",
    ):
        asked = Checkout.model_construct(repository=address, ref=None, folder="bulletin")
        assert "not allowed" in await failure(home, fetcher(server), asked), address


async def test_a_machine_without_git_says_so(server: GitServer, home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(home))
    assert "git" in await failure(home, fetcher(server), code(server))


async def test_a_server_that_sends_elsewhere_is_not_followed(server: GitServer, home: Path) -> None:
    await failure(home, fetcher(server), code(server, f"moved/{NAME}"))
    assert all(path.startswith("/moved/") for path in server.requests)


async def test_a_repository_that_is_not_there_is_said(server: GitServer, home: Path) -> None:
    said = await failure(home, fetcher(server), code(server, "red/gone"))
    assert "not found" in said
    assert server.url("red/gone") in said


async def test_a_server_that_does_not_answer_costs_the_time_limit_and_leaves_nothing(
    server: GitServer, home: Path
) -> None:
    server.answering.clear()
    assert "0.5 seconds" in await failure(home, fetcher(server, seconds=0.5), code(server))
    assert processes(server) == []


async def test_a_start_that_is_called_off_ends_git_and_leaves_nothing(server: GitServer, home: Path) -> None:
    server.answering.clear()
    fetching = asyncio.create_task(fetcher(server).fetch(home, code(server)))
    await asyncio.to_thread(server.asked.wait, 10)
    assert processes(server)
    fetching.cancel()
    await asyncio.gather(fetching, return_exceptions=True)
    assert names(home) == set()
    assert processes(server) == []


async def test_a_hub_that_is_killed_leaves_no_half_folder_and_the_next_start_fetches_it(
    server: GitServer, home: Path
) -> None:
    server.answering.clear()
    program = (
        "import asyncio, os, sys; from pathlib import Path; from allotment_profiles.model import Checkout;"
        "from allotment_spawner.checkout.fetcher import Fetcher; home, url, ca = sys.argv[1:];"
        "code = Checkout(repository=url, folder='bulletin');"
        "asyncio.run(Fetcher(ca).fetch(Path(home), code))"
    )
    command = (sys.executable, "-c", program, str(home), server.url(NAME), str(server.ca_file))
    hub = await asyncio.create_subprocess_exec(*command)
    assert await asyncio.to_thread(server.asked.wait, 30)
    hub.kill()
    await hub.wait()
    assert "bulletin" not in names(home)
    server.answering.set()
    assert await fetcher(server).fetch(home, code(server))
    assert "bulletin" in names(home)


async def test_what_a_killed_hub_left_is_cleared_away_and_what_another_start_makes_is_not(
    server: GitServer, home: Path
) -> None:
    old, new = home / ".bulletin.fetching-0a", home / ".bulletin.fetching-0b"
    for folder in (old, new):
        folder.mkdir()
    os.utime(old, (time.time() - 3600, time.time() - 3600))
    assert await fetcher(server).fetch(home, code(server))
    assert names(home) == {new.name, "bulletin"}


async def test_a_home_that_takes_nothing_is_a_reason_like_another(server: GitServer, home: Path) -> None:
    asked = code(server)
    assert await fetcher(server).fetch(home, asked)
    with pytest.raises(CheckoutError):
        await fetcher(server).fetch(home / "gone", asked)


def test_the_note_says_why_and_how_and_follows_no_link(server: GitServer, home: Path, tmp_path: Path) -> None:
    asked = code(server, ref="main")
    (tmp_path / "precious").write_text("mine")
    note_of(home, asked).symlink_to(tmp_path / "precious")
    leave_note(home, asked, "For a reason.")
    text = note_of(home, asked).read_text()
    assert "For a reason." in text
    assert f"git clone --branch=main {server.url(NAME)} bulletin" in text
    assert (tmp_path / "precious").read_text() == "mine"
    drop_note(home, asked)
    drop_note(home, asked)
    assert names(home) == set()
