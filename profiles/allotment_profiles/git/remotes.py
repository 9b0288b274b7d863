"""The repository on a git server: what to fetch and to push, over HTTPS or SSH, with a time limit on every call.

Credentials are read from their files at each call, so that a renewed one counts at once. They reach git through its
environment: never a command line, an address, a log or a message. No redirect is followed, nothing is asked, and no
configuration of a user or of the machine counts.
"""

import base64
import contextlib
import os
import re
import shlex
import signal
import subprocess
import urllib.parse
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from allotment_profiles.git.repository import NO_OBJECT, GitError, RefMovedError, RefUpdate

FETCH_SECONDS = 60.0
"""So long one fetch may take."""
PUSH_SECONDS = 30.0
"""So long one push may take."""
_STALLED_SECONDS = 15
MAIN_ALONE = ("main",)
"""What sessions are decided by; whoever may propose has no hand in it."""
_BRANCHES = (*MAIN_ALONE, "propose/*", "reviews/*")
STAGED = "refs/allotment/fetched/"
"""Where fetched branches lie before they count."""
_HTTPS = re.compile(r"https?://[A-Za-z0-9.-]+(:[0-9]{1,5})?(/[A-Za-z0-9_.~-]+)+/?", re.ASCII)
_SSH = re.compile(
    r"ssh://[A-Za-z0-9_][A-Za-z0-9_.-]*@[A-Za-z0-9][A-Za-z0-9.-]*(:[0-9]{1,5})?(/[A-Za-z0-9_.~-]+)+/?", re.ASCII
)
# What git says where a branch is not where it was expected: by the lease, or by a push at the same moment.
_MOVED = ("stale info", "fetch first", "non-fast-forward", "cannot lock ref", "failed to lock", "already exists")


_OTHERWISE = "it does not work"
# What git says, and what it means to people; the first that fits counts. No address and no path is part of the words.
_WHY = tuple(
    (re.compile(said, re.IGNORECASE), why)
    for said, why in (
        (r"did not answer within|too slow|timed out|timeout", "it does not answer in time"),
        (
            r"certificate|host key verification|no matching host key",
            "it is not the server that it has to be, by its certificate or key",
        ),
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
        (r"error: 5\d\d", "it has an error of its own"),
        (
            r"failed to connect|couldn't connect|could not connect|connection refused|could not resolve|unreachable"
            r"|no route|empty reply|reset by peer|connection reset|unexpected disconnect|hung up|closed by remote"
            r"|connection closed by",
            "it cannot be reached",
        ),
        (r"token cannot be read", "the file with the token cannot be read"),
    )
)


class RemoteError(GitError):
    """The git server did not do what it was asked: it is away, hangs, or refuses."""

    def __init__(self, said: str, address: str = "") -> None:
        """Take what is said about it; nothing is concluded from words in the `address`."""
        super().__init__(said)
        host = urllib.parse.urlsplit(address).hostname or ""
        self._about = re.sub(rf"(?<![\w.-]){re.escape(host)}(?![\w-])", "", said) if host else said

    @property
    def why(self) -> str:
        """The reason in words that everyone may read: a part of a sentence about the server."""
        return next((why for said, why in _WHY if said.search(self._about)), _OTHERWISE)


@dataclass(frozen=True, slots=True)
class Remote:
    """One repository on a git server."""

    url: str
    """`https://host/path` or `ssh://git@host/path`, without credentials."""
    user: str = "allotment"
    """The account's name for HTTPS; most servers look at the token alone."""
    token_file: Path | None = None
    """The file with the token or password for HTTPS."""
    ssh_key_file: Path | None = None
    """The file with the private key for SSH."""
    known_hosts_file: Path | None = None
    """The file with the server's SSH keys; without it no SSH server is believed."""
    ca_file: Path | None = None
    """The certificates that an HTTPS server is checked against; None: those of the system."""
    plain_http: bool = False
    """Whether the address may be `http://`, where everyone on the way can read the token."""

    def __post_init__(self) -> None:
        """Refuse an address that git could take for something else; raises GitError."""
        if not (_HTTPS.fullmatch(self.url) or _SSH.fullmatch(self.url)):
            raise GitError("the address of the repository is not https://host/path or ssh://user@host/path")
        if self.url.startswith("http://") and not self.plain_http:
            raise GitError("the address of the repository is http://: its token could be read; say plain_http: true")

    def fetch(self, repository: Path, branches: Sequence[str] = _BRANCHES) -> None:
        """Bring all branches that count into `refs/allotment/fetched/`; raises RemoteError."""
        self._git(
            repository, FETCH_SECONDS,
            "fetch", "--quiet", "--no-tags", "--prune", "--atomic", "--no-write-fetch-head", "--no-auto-maintenance",
            "--no-recurse-submodules", "--end-of-options", self.url,
            *(f"+refs/heads/{branch}:{STAGED}{branch}" for branch in branches),
        )  # fmt: skip

    def push(self, repository: Path, updates: Sequence[RefUpdate]) -> None:
        """Move branches there, all or none; raises RefMovedError where one is elsewhere, RemoteError otherwise."""
        leases = [f"--force-with-lease={each.name}:{'' if each.old == NO_OBJECT else each.old}" for each in updates]
        refs = [f"{'' if each.new == NO_OBJECT else each.new}:{each.name}" for each in updates]
        try:
            self._git(
                repository, PUSH_SECONDS,
                "push", "--porcelain", "--atomic", "--no-verify", *leases, "--end-of-options", self.url, *refs,
            )  # fmt: skip
        except RemoteError as error:
            if any(word in str(error) for word in _MOVED):
                raise RefMovedError("a branch on the git server is not where it was") from error
            raise

    def _git(self, repository: Path, seconds: float, *arguments: str) -> None:
        command = ["git", "--no-pager", "-c", "core.fsync=committed,reference", "-c", "gc.auto=0", *arguments]
        try:
            process = subprocess.Popen(
                command, cwd=repository, env=self._environment(repository), stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE, stderr=subprocess.STDOUT, start_new_session=True,
            )  # fmt: skip
        except OSError as error:
            raise RemoteError(f"git could not be started: {error.strerror}") from error
        try:
            said, _ = process.communicate(timeout=seconds)
        except subprocess.TimeoutExpired:
            raise RemoteError(f"the git server did not answer within {seconds:.0f} s") from None
        finally:
            # Git's helpers for the network are processes of their own; none outlives the call.
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()
            if process.stdout:
                process.stdout.close()
        if process.returncode:
            raise RemoteError(f"the git server: {_reason(said.decode(errors='replace'))}", self.url)

    def _environment(self, repository: Path) -> dict[str, str]:
        settings = {
            "protocol.allow": "never",
            f"protocol.{urllib.parse.urlsplit(self.url).scheme}.allow": "always",
            "http.followRedirects": "false",
            "http.lowSpeedLimit": "100",
            "http.lowSpeedTime": str(_STALLED_SECONDS),
            "credential.helper": "",
            "core.hooksPath": os.devnull,
            "fetch.fsckObjects": "true",
        }
        if self.token_file:
            pair = f"{self.user}:{_secret(self.token_file)}".encode()
            settings["http.extraHeader"] = f"Authorization: Basic {base64.b64encode(pair).decode()}"
        if self.ca_file:
            settings["http.sslCAInfo"] = str(self.ca_file)
        environment = {
            "PATH": os.environ.get("PATH", os.defpath),
            "LC_ALL": "C",
            "HOME": "/nonexistent",
            "GIT_CONFIG_NOSYSTEM": "1",
            "GIT_CONFIG_GLOBAL": os.devnull,
            "GIT_TERMINAL_PROMPT": "0",
            "GIT_ASKPASS": "",
            "SSH_ASKPASS": "",
            "GIT_NO_REPLACE_OBJECTS": "1",
            "GIT_CEILING_DIRECTORIES": str(repository.resolve().parent),
            "GIT_SSH_COMMAND": self._ssh(),
            **{name: os.environ[name] for name in _PROXIES if name in os.environ},
        }
        environment["GIT_CONFIG_COUNT"] = str(len(settings))
        for number, (name, value) in enumerate(settings.items()):
            environment[f"GIT_CONFIG_KEY_{number}"] = name
            environment[f"GIT_CONFIG_VALUE_{number}"] = value
        return environment

    def _ssh(self) -> str:
        options: Mapping[str, object] = {
            "BatchMode": "yes",
            "IdentitiesOnly": "yes",
            "StrictHostKeyChecking": "yes",
            "UserKnownHostsFile": self.known_hosts_file or os.devnull,
            "GlobalKnownHostsFile": os.devnull,
            "ConnectTimeout": _STALLED_SECONDS,
            "ServerAliveInterval": 5,
            "ServerAliveCountMax": 3,
        }
        words = [
            "ssh",
            "-F",
            os.devnull,
            *(part for name, value in options.items() for part in ("-o", f"{name}={value}")),
        ]
        if self.ssh_key_file:
            words += ["-i", str(self.ssh_key_file)]
        return shlex.join(words)


_TELLING = ("!", "fatal:", "error:", "remote:", "ssh:")
# What git says after each failure of SSH; the reason stands before it, mostly with no such word in front.
_BY_SSH = (
    "fatal: Could not read from remote repository.",
    "Please make sure you have the correct access rights",
    "and the repository exists.",
)
_PROXIES = ("https_proxy", "HTTPS_PROXY", "no_proxy", "NO_PROXY")


def _secret(path: Path) -> str:
    try:
        return path.read_text().strip()
    except OSError as error:
        raise RemoteError(f"the token cannot be read: {error.strerror}") from error


def _reason(said: str) -> str:
    """Take out of what git says the lines that count; credentials are in none of them."""
    lines = [line.strip() for line in said.splitlines() if line.strip()]
    telling = [line for line in lines if line.startswith(_TELLING)]
    if _BY_SSH[0] in telling:
        lines, telling = [line for line in lines if line not in _BY_SSH], []
    lines = telling or lines[-2:]
    text = " ".join(lines) or "it failed without a word"
    return "".join(char if char.isprintable() else " " for char in text)[:500]
