"""Fetching a profile's code into a home folder: git as a child that is told everything and finds out nothing.

The repository's content is data. No hook, filter, submodule, credential or configuration of anybody runs or is read;
what is there already is never touched; and the folder appears whole or not at all, however the fetching ends.
"""

import asyncio
import contextlib
import os
import secrets
import shutil
import signal
import time
from asyncio.subprocess import DEVNULL, PIPE, STDOUT
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from allotment_profiles.model import Checkout
from allotment_profiles.model.problems import AllotmentError

TIME_LIMIT = 60.0
# What is older than this cannot be in the making: it was left by a hub that was killed.
_STALE = 10 * TIME_LIMIT
_LEFT_OVER = ".fetching-"

_SETTINGS = {
    "advice.detachedHead": "false",
    "core.fsmonitor": "false",
    "core.hooksPath": os.devnull,
    "credential.helper": "",
    "filter.lfs.process": "",
    "filter.lfs.required": "false",
    "filter.lfs.smudge": "",
    "gc.auto": "0",
    # The policy allowed this address, and not where it may lead to.
    "http.followRedirects": "false",
    # Whoever watches the time may be killed; a server that falls silent ends git by itself.
    "http.lowSpeedLimit": "1",
    "http.lowSpeedTime": f"{TIME_LIMIT:.0f}",
    "http.sslVerify": "true",
    "init.templateDir": "",
    "maintenance.auto": "false",
    "submodule.recurse": "false",
}
_ENVIRONMENT = {
    "GIT_ALLOW_PROTOCOL": "https",
    "GIT_ASKPASS": "",
    "GIT_ATTR_NOSYSTEM": "1",
    "GIT_CONFIG_GLOBAL": os.devnull,
    "GIT_CONFIG_NOSYSTEM": "1",
    "GIT_LFS_SKIP_SMUDGE": "1",
    "GIT_TERMINAL_PROMPT": "0",
    "HOME": os.devnull,  # no .netrc, and nothing else that lies in a home
    "LC_ALL": "C",
    "SSH_ASKPASS": "",
}


class CheckoutError(AllotmentError):
    """The code is not there; says why in one sentence. The session starts without it."""


@dataclass(frozen=True, slots=True)
class Fetcher:
    """Fetches code with one set of surroundings."""

    surroundings: Mapping[str, str]
    """The variables that git needs here: its PATH, and a proxy where there is one."""
    ca_file: str = ""
    """The certificates that servers are checked against; empty: those of the system."""
    seconds: float = TIME_LIMIT
    """So long one fetching may take."""

    async def fetch(self, home: Path, checkout: Checkout) -> bool:
        """Put the code into its folder; False where something lies there. Raises CheckoutError."""
        folder = home / checkout.folder
        if await asyncio.to_thread(_is_there, home, checkout.folder):
            return False
        # Beside its place: a rename puts it there at once, and fails where something came to lie there meanwhile.
        new = home / f".{checkout.folder}{_LEFT_OVER}{secrets.token_hex(8)}"
        try:
            async with asyncio.timeout(self.seconds):
                await self._clone(new, checkout)
            new.rename(folder)
        except TimeoutError:
            raise CheckoutError(f"It took more than {self.seconds:g} seconds.") from None
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
        """Give the id of a commit; empty where there is none of that name. Whatever the name is, it is no option."""
        asked = ("rev-parse", "--verify", "--quiet", "--end-of-options", f"{name}^{{commit}}")
        try:
            return await self._git(repository, *asked)
        except CheckoutError:
            return ""

    async def _git(self, folder: Path, *arguments: str) -> str:
        """Run git and give what it says; whatever becomes of it, nothing of it goes on running."""
        if shutil.which("git", path=self.surroundings.get("PATH")) is None:
            raise CheckoutError("There is no git on this machine.")
        settings = [part for name, value in _SETTINGS.items() for part in ("-c", f"{name}={value}")]
        environment = {**self.surroundings, **_ENVIRONMENT}
        if self.ca_file:
            environment["GIT_SSL_CAINFO"] = self.ca_file
        process = await asyncio.create_subprocess_exec(
            "git", *settings, *arguments,
            cwd=folder, env=environment, stdin=DEVNULL, stdout=PIPE, stderr=STDOUT, start_new_session=True,
        )  # fmt: skip
        try:
            assert process.stdout is not None  # noqa: S101  it was asked for
            said = await _end_of(process.stdout)
            code = await process.wait()
        finally:
            if process.returncode is None:
                with contextlib.suppress(ProcessLookupError):
                    os.killpg(process.pid, signal.SIGKILL)
                await process.wait()
        if code:
            raise CheckoutError(_reason(said))
        return said.strip()


async def _end_of(stream: asyncio.StreamReader) -> str:
    """Read all and keep the end: a server may talk for as long as it likes."""
    kept = b""
    while chunk := await stream.read(8192):
        kept = (kept + chunk)[-4096:]
    return kept.decode(errors="replace")


def _reason(said: str) -> str:
    """Take out of what git says the line that counts, fit for a page and a file."""
    lines = [line for line in said.splitlines() if line.strip()]
    fatal = next(
        (line for line in lines if line.startswith(("fatal:", "error:"))), lines[-1] if lines else "git failed"
    )
    text = "".join(char for char in fatal.partition(": ")[2] or fatal if char.isprintable())[:300]
    return f"{text[:1].upper()}{text[1:].rstrip('.')}."


def _is_there(home: Path, folder: str) -> bool:
    """Tell whether something lies there already, and clear away what a hub that was killed left in the making."""
    for entry in home.glob(f".{folder}{_LEFT_OVER}*"):
        if time.time() - entry.lstat().st_mtime > _STALE:
            shutil.rmtree(entry, ignore_errors=True)
    return os.path.lexists(home / folder)


def note_of(home: Path, checkout: Checkout) -> Path:
    """Give the place of the note about code that is missing."""
    return home / f"{checkout.folder}-was-not-fetched.txt"


def leave_note(home: Path, checkout: Checkout, why: str) -> None:
    """Tell the person in the session what is missing, why, and what helps; a disk that is full costs the note."""
    note = note_of(home, checkout)
    unfinished = note.with_name(f".{note.name}.{secrets.token_hex(8)}")
    ref = f" --branch={checkout.ref}" if checkout.ref else ""
    text = (
        f"The profile's code was not fetched.\n\n{why}\n\nRepository: {checkout.repository}\n\n"
        "The session works without it, and the next one tries again. Or, in a terminal:\n\n"
        f"    git clone{ref} {checkout.repository} {checkout.folder}\n"
    )
    with contextlib.suppress(OSError):
        unfinished.write_text(text)
        unfinished.replace(note)


def drop_note(home: Path, checkout: Checkout) -> None:
    """Take the note of an earlier start away."""
    with contextlib.suppress(OSError):
        note_of(home, checkout).unlink(missing_ok=True)
