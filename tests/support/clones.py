"""Somebody's clone of the profiles repository of a deployment, to push past the review."""

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from support.servers.deployment import Person, until


class Clone:
    """A clone, and somebody who sees in the service what was pushed."""

    def __init__(self, folder: Path, person: Person) -> None:
        self.folder = folder
        self._person = person
        self.git("clone", "--quiet", str(person.deployment.repository), str(folder), cwd=folder.parent)
        self.git("config", "user.name", "Somebody")
        self.git("config", "user.email", "somebody@example.org")

    def git(self, *arguments: str, cwd: Path | None = None) -> str:
        """Run git in the clone, and return what it prints."""
        done = subprocess.run(["git", *arguments], cwd=cwd or self.folder, check=True, capture_output=True, text=True)
        return done.stdout.strip()

    def text(self, path: str) -> str:
        """Return a file of the clone."""
        return (self.folder / path).read_text()

    def push(self, files: dict[str, str | None]) -> str:
        """Push files, and wait until the service has applied the commit."""
        self.git("pull", "--quiet", "--rebase")
        for path, text in files.items():
            file = self.folder / path
            if text is None:
                file.unlink()
            else:
                file.parent.mkdir(parents=True, exist_ok=True)
                file.write_text(text)
        self.git("add", "--all")
        self.git("commit", "--quiet", "--message", "Edited by hand")
        self.git("push", "--quiet", "origin", "HEAD:main")
        revision = self.git("rev-parse", "HEAD")
        until(lambda: self._applied() == revision, what=f"the commit {revision}")
        return revision

    @contextmanager
    def restored(self) -> Iterator[None]:
        """Let main hold afterwards what it holds now."""
        self.git("pull", "--quiet", "--rebase")
        before = self.git("rev-parse", "HEAD")
        yield
        self.git("pull", "--quiet", "--rebase")
        self.git("read-tree", "-u", "--reset", before)
        if self.git("status", "--porcelain"):
            self.git("commit", "--quiet", "--message", "As before")
            self.git("push", "--quiet", "origin", "HEAD:main")

    def _applied(self) -> str:
        return str(self._person.service("GET", "health").json()["applied"]["revision"])
