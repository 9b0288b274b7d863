"""Fetch from and push to the repository on a git server, over HTTPS or SSH, with a time limit.

Credentials are read from their files at each call, so that a renewed one counts at once. They reach git through its
environment, never through a command line, an address, a log or a message. No redirect is followed.
"""

import base64
import os
import re
import shlex
import urllib.parse
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from allotment_profiles.git.locks import clear_leftovers
from allotment_profiles.git.process import GitCommandError, GitError, GitProcess, GitTimeoutError
from allotment_profiles.git.repository import NO_OBJECT, RefMovedError, RefUpdate

FETCH_SECONDS = 60.0
PUSH_SECONDS = 30.0
STALLED_SECONDS = 15
_LISTED = re.compile(r"([0-9a-f]{40}|[0-9a-f]{64})\t(refs/heads/\S+)")
_HTTPS = re.compile(r"https?://[A-Za-z0-9.-]+(:[0-9]{1,5})?(/[A-Za-z0-9_.~-]+)+/?", re.ASCII)
_SSH = re.compile(
    r"ssh://[A-Za-z0-9_][A-Za-z0-9_.-]*@[A-Za-z0-9][A-Za-z0-9.-]*(:[0-9]{1,5})?(/[A-Za-z0-9_.~-]+)+/?", re.ASCII
)
# Parts of git's messages when a branch is not where it was expected: by the lease, or by a push at the same moment.
_MOVED = ("stale info", "fetch first", "non-fast-forward", "cannot lock ref", "failed to lock", "already exists")

_UNKNOWN_ERROR = "it reports an error that is not known here; the log has the message of git"
# Patterns of git's messages with the reason that is shown to everyone: the first match counts. A reason contains no
# address and no path.
_REASONS = tuple(
    (re.compile(pattern, re.IGNORECASE), reason)
    for pattern, reason in (
        (r"did not answer within|too slow|timed out|timeout", "it does not answer in time"),
        (r"certificate|host key verification|no matching host key", "its certificate or key is not the expected one"),
        (
            r"error: 40[13]|authentication fail|could not read username|permission denied|access denied|denied to"
            r"|unauthori[sz]ed|not authori[sz]ed|marked as read only|not have write access|not allowed to push"
            r"|\bkey not found|\bSAML\b",
            "it refuses the credentials of this installation",
        ),
        (
            r"error: 404|not found|could not be found|cannot find repository|does not exist",
            "it has no such repository, or shows none with these credentials",
        ),
        (r"error: 5\d\d", "it reports an internal error"),
        (
            r"failed to connect|couldn't connect|could not connect|connection refused|could not resolve|unreachable"
            r"|no route|empty reply|reset by peer|connection reset|unexpected disconnect|hung up|closed by remote"
            r"|connection closed by",
            "it cannot be reached",
        ),
        (r"token cannot be read", "the file with the token cannot be read"),
        (r"couldn't find remote ref", "its repository lacks the branch"),
        (r"\.lock': File exists|unable to create", "the copy of its repository here is locked or cannot be written"),
    )
)


class RemoteError(GitError):
    """The git server is unreachable, does not answer, or refuses."""

    def __init__(self, message: str, address: str = "") -> None:
        """Words in the host name of `address` are not evaluated as part of the message."""
        super().__init__(message)
        host = urllib.parse.urlsplit(address).hostname or ""
        self._evaluated = re.sub(rf"(?<![\w.-]){re.escape(host)}(?![\w-])", "", message) if host else message

    @property
    def why(self) -> str:
        """The reason in words that everyone may read: a part of a sentence about the server."""
        return next((reason for pattern, reason in _REASONS if pattern.search(self._evaluated)), _UNKNOWN_ERROR)


@dataclass(frozen=True, slots=True)
class Remote:
    """One repository on a git server."""

    url: str
    """`https://host/path` or `ssh://git@host/path`, without credentials."""
    user: str = "allotment"
    """The account's name for HTTPS. Most servers check the token alone."""
    token_file: Path | None = None
    ssh_key_file: Path | None = None
    known_hosts_file: Path | None = None
    """The file with the server's SSH keys. Without it, every SSH server is refused."""
    ca_file: Path | None = None
    """The CA certificates for an HTTPS server; None: those of the system."""
    plain_http: bool = False
    """Whether the address may be `http://`, where the token can be read on the way."""

    def __post_init__(self) -> None:
        """Check that git cannot take the address for a file or an option. Raise GitError otherwise."""
        if not (_HTTPS.fullmatch(self.url) or _SSH.fullmatch(self.url)):
            raise GitError("the address of the repository is not https://host/path or ssh://user@host/path")
        if self.url.startswith("http://") and not self.plain_http:
            raise GitError("the address of the repository is http://: its token could be read; say plain_http: true")

    def fetch(
        self,
        repository: Path,
        branches: Mapping[str, str],
        *,
        seconds: float | None = None,
        maximum_bytes: int | None = None,
    ) -> None:
        """Fetch branches, all or none: full name there → full name here. Raise RemoteError."""
        self._run(
            repository, seconds or FETCH_SECONDS, maximum_bytes,
            "fetch", "--quiet", "--no-tags", "--atomic", "--no-write-fetch-head", "--no-auto-maintenance",
            "--no-recurse-submodules", "--end-of-options", self.url,
            *(f"+{there}:{here}" for there, here in branches.items()),
        )  # fmt: skip

    def branches(self, repository: Path) -> dict[str, str]:
        """List the branches on the server: full name → commit. Raise RemoteError."""
        output = self._run(repository, FETCH_SECONDS, None, "ls-remote", "--heads", "--end-of-options", self.url)
        lines = (_LISTED.fullmatch(line) for line in output.decode(errors="replace").splitlines())
        return {line[2]: line[1] for line in lines if line}

    def push(self, repository: Path, updates: Sequence[RefUpdate]) -> None:
        """Move branches on the server, all or none. Raise RefMovedError where one has moved, RemoteError otherwise."""
        leases = [
            f"--force-with-lease={update.name}:{'' if update.old == NO_OBJECT else update.old}" for update in updates
        ]
        refs = [f"{'' if update.new == NO_OBJECT else update.new}:{update.name}" for update in updates]
        options = ("--porcelain", "--atomic", "--no-verify", *leases, "--end-of-options")
        try:
            self._run(repository, PUSH_SECONDS, None, "push", *options, self.url, *refs)
        except RemoteError as error:
            if any(text in str(error) for text in _MOVED):
                raise RefMovedError("a branch on the git server is not where it was") from error
            raise

    def _run(self, repository: Path, seconds: float, maximum_bytes: int | None, *arguments: str) -> bytes:
        settings = self._settings()
        if maximum_bytes:
            settings["fetch.unpackLimit"] = "1"  # one pack: many single objects could be larger together
        process = GitProcess(repository, settings, {"GIT_SSH_COMMAND": self._ssh()}, maximum_bytes)
        try:
            return process.run(*arguments, seconds=seconds, merge_errors=True).stdout
        except GitTimeoutError:
            raise RemoteError(f"the git server did not answer within {seconds:.0f} s") from None
        except GitCommandError as error:
            clear_leftovers(repository)  # the pack that it had begun
            raise RemoteError(f"the git server: {error.reason}", self.url) from None
        except GitError as error:
            raise RemoteError(str(error)) from error

    def _settings(self) -> dict[str, str]:
        settings = {
            f"protocol.{urllib.parse.urlsplit(self.url).scheme}.allow": "always",
            "http.lowSpeedLimit": "100",
            "http.lowSpeedTime": str(STALLED_SECONDS),
            "fetch.fsckObjects": "true",
        }
        if self.token_file:
            pair = f"{self.user}:{_secret(self.token_file)}".encode()
            settings["http.extraHeader"] = f"Authorization: Basic {base64.b64encode(pair).decode()}"
        if self.ca_file:
            settings["http.sslCAInfo"] = str(self.ca_file)
        return settings

    def _ssh(self) -> str:
        options: Mapping[str, object] = {
            "BatchMode": "yes",
            "IdentitiesOnly": "yes",
            "StrictHostKeyChecking": "yes",
            "UserKnownHostsFile": self.known_hosts_file or os.devnull,
            "GlobalKnownHostsFile": os.devnull,
            "ConnectTimeout": STALLED_SECONDS,
            "ServerAliveInterval": 5,
            "ServerAliveCountMax": 3,
        }
        words = ["ssh", "-F", os.devnull]
        for name, value in options.items():
            words += ["-o", f"{name}={value}"]
        if self.ssh_key_file:
            words += ["-i", str(self.ssh_key_file)]
        return shlex.join(words)


def _secret(path: Path) -> str:
    try:
        return path.read_text().strip()
    except OSError as error:
        raise RemoteError(f"the token cannot be read: {error.strerror}") from error
