"""A real PostgreSQL in a folder of its own, from the programs of Debian's package; it can be stopped and started."""

import contextlib
import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Self

import psutil
import pytest

from allotment_hub.laptop.processes import ports


def _programs() -> Path | None:
    installed = sorted(Path("/usr/lib/postgresql").glob("*/bin"))
    found = shutil.which("pg_ctl")
    return Path(found).parent if found else installed[-1] if installed else None


PROGRAMS = _programs()
needs_postgresql = pytest.mark.skipif(PROGRAMS is None, reason="no PostgreSQL: install Debian's package postgresql")


class PostgreSQL:
    """One server with one empty database."""

    def __init__(self, folder: Path) -> None:
        """Make it in an empty folder that its user can reach."""
        self._data = folder / "data"
        self._log = folder / "log"
        # It refuses to run as root; the package brings a user for it.
        self._user = "postgres" if os.geteuid() == 0 else None
        if self._user:
            shutil.chown(folder, self._user)
        self._port = ports.any_free()
        self._run("initdb", "--auth=trust", "--username=allotment", "--no-sync", "--encoding=UTF8", "--locale=C")
        with (self._data / "postgresql.conf").open("a") as settings:
            settings.write(f"port = {self._port}\nlisten_addresses = '127.0.0.1'\nunix_socket_directories = ''\n")

    @classmethod
    @contextmanager
    def opened(cls) -> Iterator[Self]:
        """Give one that does not run yet."""
        # Not below a test's own folder: that is closed to everybody but the user of the tests.
        with tempfile.TemporaryDirectory(prefix="allotment-postgresql-") as folder:
            server = cls(Path(folder))
            try:
                yield server
            finally:
                server._run("pg_ctl", "--wait", "--mode=immediate", "stop", check=False)

    @property
    def url(self) -> str:
        """SQLAlchemy's address of the database."""
        return f"postgresql+psycopg2://allotment@127.0.0.1:{self._port}/postgres"

    def start(self) -> None:
        """Start it, and wait until it answers."""
        self._run("pg_ctl", "--wait", f"--log={self._log}", "start")

    def stop(self) -> None:
        """End it and every connection to it."""
        self._run("pg_ctl", "--wait", "--mode=immediate", "stop")

    @contextmanager
    def hanging(self) -> Iterator[None]:
        """Have it keep its connections, and answer nothing."""
        main = psutil.Process(int((self._data / "postmaster.pid").read_text().split()[0]))
        processes = [main, *main.children(recursive=True)]
        for process in processes:
            with contextlib.suppress(psutil.NoSuchProcess):  # one that has just served a connection
                process.suspend()
        try:
            yield
        finally:
            for process in processes:
                with contextlib.suppress(psutil.NoSuchProcess):
                    process.resume()

    def _run(self, program: str, *arguments: str, check: bool = True) -> None:
        assert PROGRAMS
        command = [str(PROGRAMS / program), f"--pgdata={self._data}", *arguments]
        # Not to a pipe: the server has its output, too, and would hold it open.
        with self._log.with_name("commands").open("ab") as told:
            done = subprocess.run(
                command, user=self._user, cwd="/", stdin=subprocess.DEVNULL, stdout=told, stderr=told, check=False
            )
        said = self._log.with_name("commands").read_text()
        assert done.returncode == 0 or not check, f"{program}: {said[-1000:]}"
