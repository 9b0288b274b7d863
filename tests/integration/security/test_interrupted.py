"""A decision that is killed at any moment, or meets a full disk, is done or not, and the next service goes on."""

import asyncio
import os
import resource
import shutil
import signal
import subprocess
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Literal, TypeVar

import pytest
from support.fakes.platform import NOTEBOOK, NOTEBOOK_PATH, Platform

from allotment_hub.forges.stored_proposal import StoredProposal
from allotment_profiles.git.process import GitError

_GIT = """\
#!/bin/sh
case "$*" in *update-ref*|*hash-object*|*write-tree*|*update-index*) ;; *) exec {git} "$@" ;; esac
number=$(($(cat {counter}) + 1))
echo "$number" > {counter}
[ "$number" = {before} ] && kill -9 $PPID && exit 1
{git} "$@"
code=$?
[ "$number" = {after} ] && kill -9 $PPID
exit $code
"""

_Answer = TypeVar("_Answer")
_FAILED = 3
When = Literal["before", "after"]


class Interrupted:
    """Runs decisions as services that are killed before or after their n-th git that writes, or have a full disk."""

    def __init__(self, folder: Path) -> None:
        self.platform = Platform(folder)
        self._folder = folder
        self._counter = folder / "counter"
        self._shim = folder / "bin" / "git"
        self._shim.parent.mkdir()
        self._git = shutil.which("git")
        self._path = f"{self._shim.parent}:{os.environ['PATH']}"

    def run(
        self, action: Callable[[Platform], Awaitable[_Answer]], once_started: Callable[[], object] = lambda: None
    ) -> _Answer:
        """Do something as a service that was just started."""

        async def started() -> _Answer:
            platform = self.platform.beside(self._folder)
            await platform.watcher.refresh()
            once_started()
            try:
                return await action(platform)
            finally:
                await platform.close()

        return asyncio.run(started())

    def killed_at(self, number: int, when: When, action: Callable[[Platform], Awaitable[object]]) -> bool:
        """Do the same in a process of its own; return whether it was killed."""
        self._counter.write_text("0")
        numbers = {"before": 0, "after": 0, when: number}
        self._shim.write_text(_GIT.format(counter=self._counter, git=self._git, **numbers))
        self._shim.chmod(0o755)
        ended = self._in_a_process(lambda: os.environ.update(PATH=self._path), action)
        assert ended in (0, -signal.SIGKILL)
        return ended != 0

    def with_full_disk(self, room: int, action: Callable[[Platform], Awaitable[object]]) -> bool:
        """Do the same where no file can have more bytes; return whether it was done."""

        def limited() -> None:
            signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
            resource.setrlimit(resource.RLIMIT_FSIZE, (room, room))

        ended = self._in_a_process(limited, action)
        assert ended in (0, _FAILED)
        return ended == 0

    def _in_a_process(self, once_started: Callable[[], object], action: Callable[[Platform], Awaitable[object]]) -> int:
        child = os.fork()
        if child == 0:
            try:
                self.run(action, once_started)
            except GitError:
                os._exit(_FAILED)
            except BaseException:  # noqa: BLE001  (the child must never go on as a second pytest)
                os._exit(70)
            os._exit(0)
        return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


@pytest.fixture
def interrupted(tmp_path: Path) -> Interrupted:
    return Interrupted(tmp_path)


@pytest.mark.parametrize("when", ["before", "after"])
def test_a_merge_that_is_killed_is_whole_or_is_made_again(interrupted: Interrupted, when: When) -> None:
    platform = interrupted.platform
    leo = platform.people.actor("leo")
    number, again = 0, True
    while again:
        number += 1
        content = NOTEBOOK.replace(b"Counting houses", b"Counting houses, %d" % number)
        stored = interrupted.run(lambda service, content=content: approved(service, content))  # type: ignore[misc]

        async def merge(service: Platform, stored: StoredProposal = stored) -> None:
            await service.reviews.merge(leo, stored.id, stored.head)

        async def went_on(
            service: Platform, stored: StoredProposal = stored, content: bytes = content, number: int = number
        ) -> None:
            found = await service.proposals.stored(stored.id)
            state = (await service.proposals.case(found, leo.user)).state
            whole = platform.main_file(NOTEBOOK_PATH) == content
            assert (state, found.open) == (("live", False) if whole else ("approved", True)), number
            if not whole:
                await merge(service, stored)

        again = interrupted.killed_at(number, when, merge)
        interrupted.run(went_on)
        assert platform.main_file(NOTEBOOK_PATH) == content
    subprocess.run(["git", "fsck", "--no-dangling", "--strict"], cwd=platform.repository.path, check=True)
    assert number > 4


def test_a_merge_on_a_full_disk_changes_nothing_and_is_made_once_there_is_room(interrupted: Interrupted) -> None:
    platform = interrupted.platform
    leo = platform.people.actor("leo")
    content = NOTEBOOK.replace(b"4 GiB", b"5 GiB")
    stored = interrupted.run(lambda service: approved(service, content))

    async def merge(service: Platform) -> None:
        await service.reviews.merge(leo, stored.id, stored.head)

    before = platform.repository.references("refs/")
    for room in (0, 30, 200):
        assert not interrupted.with_full_disk(room, merge), room
        assert platform.repository.references("refs/") == before
    interrupted.run(merge)
    assert platform.main_file(NOTEBOOK_PATH) == content
    subprocess.run(["git", "fsck", "--no-dangling", "--strict"], cwd=platform.repository.path, check=True)


async def approved(service: Platform, content: bytes) -> StoredProposal:
    stored = await service.proposed({NOTEBOOK_PATH: content})
    await service.approved(stored)
    return stored
