"""Run git as a child process with a sealed environment and a time limit, and read its error messages.

No configuration of the user or the machine counts, no hook or credential helper runs, and nothing is asked on a
terminal. Git's own check of ownership stays in force: it refuses a repository that belongs to another user.

Each git is a process group of its own, so that it is ended with its helpers, but no session of its own: Linux shares
the processors among sessions first, and niceness counts only within one.
"""

import asyncio
import contextlib
import os
import re
import signal
import subprocess
import tempfile
import time
from asyncio.subprocess import DEVNULL, PIPE, STDOUT
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO

from allotment_profiles.git.locks import clear_leftovers
from allotment_profiles.model.problems import AllotmentError

MINIMUM_VERSION = (2, 38)
TIME_LIMIT = 60.0
GRACE_SECONDS = 10.0
"""How long git has after SIGTERM to remove its lock files, before SIGKILL."""
_LOOK_SECONDS = 0.02
_EXISTS = "File exists"
"""What git says, in `LC_ALL=C`, where it cannot create a lock file."""
_TAIL_BYTES = 4096
_INHERITED = ("PATH", "https_proxy", "HTTPS_PROXY", "no_proxy", "NO_PROXY")
_ENVIRONMENT = {
    "GIT_ASKPASS": "",
    "GIT_ATTR_NOSYSTEM": "1",
    "GIT_CONFIG_GLOBAL": os.devnull,
    "GIT_CONFIG_NOSYSTEM": "1",
    "GIT_NO_REPLACE_OBJECTS": "1",
    "GIT_TERMINAL_PROMPT": "0",
    "HOME": "/nonexistent",  # no .netrc
    "LC_ALL": "C",
    "SSH_ASKPASS": "",
}
_SETTINGS = {
    "core.bigFileThreshold": "4m",  # what is larger is never compared, and is not read into memory as a whole
    "core.fsmonitor": "false",
    "core.fsync": "committed,reference",
    "core.hooksPath": os.devnull,
    "credential.helper": "",
    "gc.auto": "0",
    "http.followRedirects": "false",
    "init.templateDir": "",
    "maintenance.auto": "false",
    "protocol.allow": "never",
}
_ERROR_PREFIXES = ("!", "fatal:", "error:", "remote:", "ssh:")
# What git adds after each failure of SSH. The reason stands before it, mostly without a prefix.
_SSH_ADVICE = (
    "fatal: Could not read from remote repository.",
    "Please make sure you have the correct access rights",
    "and the repository exists.",
)


class GitError(AllotmentError):
    """A git command failed."""


class GitUnavailableError(GitError):
    """A git command did not run to its end, so it has told nothing about the repository."""


class GitMissingError(GitUnavailableError):
    """There is no git on the PATH."""


class GitTimeoutError(GitUnavailableError):
    """A git command was ended because it exceeded its time limit."""


class GitDataError(GitError):
    """Git did its work, and what it was asked for is not there, or not as it has to be."""


class GitCommandError(GitDataError):
    """A git command ended with an error code; `reason` is what it wrote."""

    def __init__(self, command: str, reason: str) -> None:
        super().__init__(command, reason)  # both, so that the error can be sent to another process
        self.reason = reason

    def __str__(self) -> str:
        return "git {}: {}".format(*self.args)


@dataclass(frozen=True, slots=True)
class GitProcess:
    """How to run git in one folder."""

    folder: Path
    settings: Mapping[str, str] = field(default_factory=dict)
    """Git settings besides the sealed ones. They reach git through its environment, so they may be secret."""
    environment: Mapping[str, str] = field(default_factory=dict)
    maximum_bytes: int | None = None
    """The size that no file may exceed that git writes, such as a pack; None: any."""
    in_background: bool = False
    """Whether git gives way to all other programs."""

    def run(
        self,
        *arguments: str,
        stdin: bytes = b"",
        environment: Mapping[str, str] | None = None,
        accept: Collection[int] = (0,),
        seconds: float = TIME_LIMIT,
        merge_errors: bool = False,
    ) -> "subprocess.CompletedProcess[bytes]":
        """Run a command and return its output, with `merge_errors` including what it writes to stderr.

        What a git that was ended left behind is removed, and a command that only a lock of such a git stopped is run
        again. Raise GitCommandError for an exit code that is not in `accept`, GitTimeoutError after `seconds`, and
        GitUnavailableError where git cannot be started, or its input not be stored.
        """
        with _input(arguments[0], stdin) as file:
            for last in (False, True):
                file.seek(0)
                code, output, errors = self._run_once(arguments, file, environment or {}, seconds, merge_errors)
                if code in accept:
                    break
                reason = _reason(output if merge_errors else errors, code)
                if last or _EXISTS not in reason or not clear_leftovers(self.folder):
                    raise GitCommandError(arguments[0], reason)
        return subprocess.CompletedProcess(arguments, code, output)

    def _run_once(
        self,
        arguments: Sequence[str],
        stdin: IO[bytes],
        environment: Mapping[str, str],
        seconds: float,
        merge_errors: bool,
    ) -> tuple[int, bytes, bytes]:
        """Run a command and return its exit code, its output and its errors."""
        with _start_errors(arguments[0]):
            process = subprocess.Popen(
                [*self._words(), *arguments],
                cwd=self.folder,
                env=self._environment() | dict(environment),
                stdin=stdin,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT if merge_errors else subprocess.PIPE,
                process_group=0,
            )
        try:
            output, errors = process.communicate(timeout=seconds)
        except subprocess.TimeoutExpired:
            raise GitTimeoutError(f"git {arguments[0]} took more than {seconds:g} s") from None
        finally:
            finished = process.returncode is not None
            _end(process)
            if not finished or process.returncode < 0:
                clear_leftovers(self.folder)
        return process.returncode, output, errors or b""

    async def run_async(self, *arguments: str) -> str:
        """Run a command in an event loop and return the end of its output, stderr included.

        There is no time limit: cancel the call, and git and its helpers are ended. Raise GitCommandError for any exit
        code but 0, and GitUnavailableError where git cannot be started.
        """
        with _start_errors(arguments[0]):
            process = await asyncio.create_subprocess_exec(
                "git",
                "--no-pager",
                *arguments,
                cwd=self.folder,
                env=self._environment(),
                stdin=DEVNULL,
                stdout=PIPE,
                stderr=STDOUT,
                process_group=0,
            )
        assert process.stdout is not None  # noqa: S101  (PIPE was requested)
        try:
            tail = b""
            while chunk := await process.stdout.read(8192):
                tail = (tail + chunk)[-_TAIL_BYTES:]
            code = await process.wait()
        finally:
            await _end_async(process, process.stdout)
        if code:
            raise GitCommandError(arguments[0], _reason(tail, code))
        return tail.decode(errors="replace").strip()

    def _words(self) -> tuple[str, ...]:
        if self.in_background:
            return ("nice", "-n", "19", "git", "--no-pager")
        if self.maximum_bytes is None:
            return ("git", "--no-pager")
        # Git itself limits only what is pushed to it. A shell counts in blocks of 512 bytes.
        limited = 'trap \'\' XFSZ; ulimit -f "$0" && exec git --no-pager "$@"'
        return ("sh", "-c", limited, str(self.maximum_bytes // 512))

    def _environment(self) -> dict[str, str]:
        inherited = {"PATH": os.defpath} | {name: os.environ[name] for name in _INHERITED if name in os.environ}
        settings = {**_SETTINGS, **self.settings}
        environment = {
            **inherited,
            **_ENVIRONMENT,
            **self.environment,
            # A folder that is no repository is an error: git must not search the folders above it.
            "GIT_CEILING_DIRECTORIES": str(self.folder.resolve().parent),
            "GIT_CONFIG_COUNT": str(len(settings)),
        }
        for number, (name, value) in enumerate(settings.items()):
            environment[f"GIT_CONFIG_KEY_{number}"] = name
            environment[f"GIT_CONFIG_VALUE_{number}"] = value
        return environment


def git_version() -> tuple[int, int]:
    """Return git's version as two numbers. Raise GitError where git cannot be run."""
    output = GitProcess(Path("/")).run("version").stdout.decode(errors="replace")
    match = re.search(r"(\d+)\.(\d+)", output)
    return (int(match[1]), int(match[2])) if match else (0, 0)


@contextlib.contextmanager
def input_errors(command: str) -> Iterator[None]:
    """Raise GitUnavailableError where the input of a command cannot be stored."""
    try:
        yield
    except OSError as error:
        raise GitUnavailableError(f"git {command} could not be given its input: {error}") from error


@contextlib.contextmanager
def _input(command: str, data: bytes) -> Iterator[IO[bytes]]:
    """Store the input of a command in a file: git would read a pipe in hundreds of small pieces."""
    with input_errors(command):
        file = tempfile.TemporaryFile(buffering=0) if data else open(os.devnull, "rb")  # noqa: PTH123, SIM115  (no path)
    with file:
        with input_errors(command):
            written = file.write(data) if data else 0
            while written < len(data):
                written += file.write(data[written:])
        yield file


@contextlib.contextmanager
def _start_errors(command: str) -> Iterator[None]:
    try:
        yield
    except FileNotFoundError as error:
        if error.filename == "git":
            raise GitMissingError("git is not installed") from error
        raise GitUnavailableError(f"git {command} could not be started: {error}") from error
    except OSError as error:
        raise GitUnavailableError(f"git {command} could not be started: {error}") from error


def _end(process: "subprocess.Popen[bytes]") -> None:
    """End git and its helpers, which are processes of its group, unless they have ended."""
    streams = [stream for stream in (process.stdout, process.stderr) if stream]
    if process.returncode is None or not all(stream.closed for stream in streams):
        _signal(process.pid, signal.SIGTERM)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.communicate(timeout=GRACE_SECONDS)  # returns when all have closed their output
    if _signal(process.pid, signal.SIGTERM):  # a helper has closed its output and goes on
        deadline = time.monotonic() + GRACE_SECONDS
        while (process.poll() is None or _signal(process.pid, 0)) and time.monotonic() < deadline:
            time.sleep(_LOOK_SECONDS)
        _signal(process.pid, signal.SIGKILL)
    process.wait()
    for stream in streams:
        stream.close()


async def _end_async(process: asyncio.subprocess.Process, output: asyncio.StreamReader) -> None:
    try:
        if process.returncode is None:
            _signal(process.pid, signal.SIGTERM)
            await _drain(output)
    finally:
        _signal(process.pid, signal.SIGKILL)
        await _drain(output)
        await process.wait()


async def _drain(output: asyncio.StreamReader) -> None:
    """Wait until git and its helpers have closed their output."""
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(GRACE_SECONDS):
            while await output.read(8192):
                pass


def _signal(group: int, number: int) -> bool:
    """Send a signal to a group of processes. Return whether there is one."""
    try:
        os.killpg(group, number)
    except (ProcessLookupError, PermissionError):  # macOS answers EPERM where all its processes have ended
        return False
    return True


def _reason(output: bytes, code: int) -> str:
    """Return the lines of git's output that say what went wrong; git writes credentials in none of them."""
    lines = [line.strip() for line in output.decode(errors="replace").splitlines() if line.strip()]
    errors = [line for line in lines if line.startswith(_ERROR_PREFIXES)]
    if _SSH_ADVICE[0] in errors:
        lines, errors = [line for line in lines if line not in _SSH_ADVICE], []
    text = " ".join(errors or lines[-2:]) or f"exit code {code} without a message"
    return "".join(char if char.isprintable() else " " for char in text)[:500]
