"""Fetch a profile's code into a home folder.

The repository's content is data: no hook, filter, submodule, credential or configuration of anybody is used. What is
in the home folder already is never changed, and the new folder appears whole or not at all.
"""

import asyncio
import contextlib
import os
import secrets
import shutil
import time
from dataclasses import dataclass
from pathlib import Path

from allotment_profiles.git.process import GitCommandError, GitError, GitMissingError, GitProcess
from allotment_profiles.model import Checkout
from allotment_profiles.model.problems import AllotmentError

TIME_LIMIT = 60.0
# An unfinished folder that is older than this was left by a process that was killed.
_STALE_SECONDS = 10 * TIME_LIMIT
_UNFINISHED = ".fetching-"

_SETTINGS = {
    "advice.detachedHead": "false",
    "filter.lfs.process": "",
    "filter.lfs.required": "false",
    "filter.lfs.smudge": "",
    # The process that watches the time limit may be killed; git then gives up a silent server by itself.
    "http.lowSpeedLimit": "1",
    "http.lowSpeedTime": f"{TIME_LIMIT:.0f}",
    "http.sslVerify": "true",
    "protocol.https.allow": "always",
    "submodule.recurse": "false",
}
_ENVIRONMENT = {"GIT_LFS_SKIP_SMUDGE": "1"}


class CheckoutError(AllotmentError):
    """The code was not fetched; the message is one sentence. The session starts without it."""


@dataclass(frozen=True, slots=True)
class Fetcher:
    """Fetch code from git servers."""

    ca_file: str = ""
    """The CA certificates for servers; empty: those of the system."""
    seconds: float = TIME_LIMIT

    async def fetch(self, home: Path, checkout: Checkout) -> bool:
        """Fetch the code into its folder. Return False where the folder exists already. Raise CheckoutError."""
        folder = home / checkout.folder
        if await asyncio.to_thread(_is_there, home, checkout.folder):
            return False
        # A rename at the end makes the folder appear at once; it fails where the name was taken meanwhile.
        new = home / f".{checkout.folder}{_UNFINISHED}{secrets.token_hex(8)}"
        try:
            async with asyncio.timeout(self.seconds):
                await self._clone(new, checkout)
            new.rename(folder)
        except TimeoutError:
            raise CheckoutError(f"It took more than {self.seconds:g} seconds.") from None
        except GitMissingError:
            raise CheckoutError("There is no git on this machine.") from None
        except GitError as error:
            raise CheckoutError(_sentence(error)) from None
        except OSError as error:
            raise CheckoutError(f"{error.strerror or error}.") from None
        finally:
            await asyncio.to_thread(shutil.rmtree, new, ignore_errors=True)
        return True

    async def _clone(self, new: Path, checkout: Checkout) -> None:
        address = ("--no-checkout", "--no-recurse-submodules", "--quiet", "--", checkout.repository, str(new))
        await self._git(new.parent, "clone", *address)
        if checkout.ref is None:
            if await self._commit(new, "HEAD"):  # an empty repository has none
                await self._git(new, "checkout", "--quiet")
            return
        branch = f"refs/remotes/origin/{checkout.ref}"
        if await self._commit(new, branch):
            await self._git(new, "checkout", "--quiet", "-B", checkout.ref, "--track", branch)
            return
        commit = await self._commit(new, f"refs/tags/{checkout.ref}") or await self._commit(new, checkout.ref)
        if not commit:
            raise CheckoutError(f"It has no branch, tag or commit {checkout.ref}.")
        await self._git(new, "checkout", "--quiet", "--detach", commit)

    async def _commit(self, repository: Path, name: str) -> str:
        """Return the id of the commit that a name stands for; empty where there is none. The name may be anything."""
        try:
            return await self._git(
                repository, "rev-parse", "--verify", "--quiet", "--end-of-options", f"{name}^{{commit}}"
            )
        except GitCommandError:
            return ""

    async def _git(self, folder: Path, *arguments: str) -> str:
        settings = _SETTINGS | ({"http.sslCAInfo": self.ca_file} if self.ca_file else {})
        return await GitProcess(folder, settings, _ENVIRONMENT).run_async(*arguments)


def _sentence(error: GitError) -> str:
    """Format the error for the progress page and the note."""
    reason = error.reason if isinstance(error, GitCommandError) else str(error)
    text = reason.removeprefix("fatal: ").removeprefix("error: ")[:300]
    return f"{text[:1].upper()}{text[1:].rstrip('.')}."


def _is_there(home: Path, folder: str) -> bool:
    """Whether the folder exists already. Unfinished folders of processes that were killed are removed."""
    for entry in home.glob(f".{folder}{_UNFINISHED}*"):
        if time.time() - entry.lstat().st_mtime > _STALE_SECONDS:
            shutil.rmtree(entry, ignore_errors=True)
    return os.path.lexists(home / folder)


def note_of(home: Path, checkout: Checkout) -> Path:
    """Return the path of the note about code that is missing."""
    return home / f"{checkout.folder}-was-not-fetched.txt"


def leave_note(home: Path, checkout: Checkout, why: str) -> None:
    """Write a note for the user: what is missing, why, and what helps. On a full disk there is no note."""
    note = note_of(home, checkout)
    unfinished = note.with_name(f".{note.name}.{secrets.token_hex(8)}")
    ref = f" --branch={checkout.ref}" if checkout.ref else ""
    text = (
        f"The profile's code was not fetched.\n\n{why}\n\nRepository: {checkout.repository}\n\n"
        "The session works without it, and the next session tries again. To fetch it now, in a terminal:\n\n"
        f"    git clone{ref} {checkout.repository} {checkout.folder}\n"
    )
    with contextlib.suppress(OSError):
        unfinished.write_text(text)
        unfinished.replace(note)


def drop_note(home: Path, checkout: Checkout) -> None:
    """Remove the note of an earlier start."""
    with contextlib.suppress(OSError):
        note_of(home, checkout).unlink(missing_ok=True)
