"""A git server that speaks SSH, as a host of repositories does: one account, keys that may read or write.

with SshServer(tmp_path) as server:
    key = server.key("hub")                    # a private key's file; write=True: it may push, too
    git clone server.url("red/bulletin")       # with server.known_hosts
"""

import asyncio
import json
import os
import shlex
import subprocess
import sys
from pathlib import Path
from typing import Self

import asyncssh

_PROGRAMS = {"git-upload-pack": False, "git-receive-pack": True}
"""What may be run → whether it writes."""
_ISOLATED = {"GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_NOSYSTEM": "1"}


class SshServer:
    """Serves the repositories of a folder, in a process of its own."""

    def __init__(self, folder: Path, host: str = "127.0.0.1") -> None:
        self.folder = folder
        self.host = host
        self.port = 0
        self.known_hosts = folder / "known-hosts"
        self._hanging = folder / "hanging"
        self._writers: dict[str, bool] = {}
        (folder / "repositories").mkdir(parents=True)
        self.forget_keys()

    def __enter__(self) -> Self:
        command = [sys.executable, __file__, str(self.folder), self.host]
        self._process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        assert self._process.stdout
        told = json.loads(self._process.stdout.readline())
        self.port = told["port"]
        self.known_hosts.write_text(f"[{self.host}]:{self.port} {told['key']}")
        return self

    def __exit__(self, *_: object) -> None:
        with self._process:
            self._process.kill()

    def url(self, name: str) -> str:
        """Give the address of a repository."""
        return f"ssh://git@{self.host}:{self.port}/{name}"

    def key(self, name: str, *, write: bool = False) -> Path:
        """Make a key that may read, or push, too; gives the file with its private part."""
        key = asyncssh.generate_private_key("ssh-ed25519")
        file = self.folder / name
        key.write_private_key(file)
        key.write_public_key(file.with_suffix(".pub"))
        file.chmod(0o600)
        self._writers[key.get_fingerprint()] = write
        self._tell()
        return file

    def forget_keys(self) -> None:
        """Take every key's access away."""
        self._writers.clear()
        self._tell()

    def hang(self, hanging: bool) -> None:
        """Take connections and answer nothing, from now on; or answer again."""
        self._hanging.touch() if hanging else self._hanging.unlink()

    def _tell(self) -> None:
        (self.folder / "keys.json").write_text(json.dumps(self._writers))


class _Account(asyncssh.SSHServer):
    """The account of all, told apart by keys."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def connection_made(self, conn: asyncssh.SSHServerConnection) -> None:
        self._connection = conn

    def begin_auth(self, username: str) -> bool:
        return True

    def public_key_auth_supported(self) -> bool:
        return True

    def validate_public_key(self, username: str, key: asyncssh.SSHKey) -> bool:
        writes = json.loads((self._folder / "keys.json").read_text()).get(key.get_fingerprint())
        self._connection.set_extra_info(may_write=bool(writes))
        return username == "git" and writes is not None


async def _serve(folder: Path, host: str) -> None:
    async def run(process: "asyncssh.SSHServerProcess[bytes]") -> None:
        program, _, rest = (process.command or "").partition(" ")
        repository = folder / "repositories" / "".join(shlex.split(rest)).strip("/")
        if program not in _PROGRAMS or not repository.is_dir():
            process.stderr.write(b"fatal: repository not found\n")
            process.exit(128)
            return
        if _PROGRAMS[program] and not process.get_extra_info("may_write"):
            process.stderr.write(b"fatal: access denied\n")
            process.exit(128)
            return
        if (folder / "hanging").exists():
            await asyncio.Event().wait()
        git = await asyncio.create_subprocess_exec(
            "git", program.removeprefix("git-"), str(repository), env={"PATH": os.environ["PATH"], **_ISOLATED},
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        )  # fmt: skip
        await process.redirect(stdin=git.stdin, stdout=git.stdout, stderr=git.stderr)
        code = await git.wait()
        await process.stdout.drain()
        process.exit(code)

    key = asyncssh.generate_private_key("ssh-ed25519")
    listener = await asyncssh.listen(
        host, 0, server_factory=lambda: _Account(folder), server_host_keys=[key], process_factory=run, encoding=None
    )
    print(json.dumps({"port": listener.get_port(), "key": key.export_public_key().decode()}), flush=True)  # noqa: T201
    await listener.wait_closed()


if __name__ == "__main__":
    asyncio.run(_serve(Path(sys.argv[1]), sys.argv[2]))
