"""Real profiles repositories for tests: files in, signed or pushed commits on a bare repository out.

profiles = ProfilesRepository(tmp_path)
profiles.commit({"policy.yaml": policy(), "teams/red/team.yaml": team("red")})
profiles.push({"teams/red/profiles/notebook.yaml": "title: [oops"})
profiles.catalog().problems
"""

import datetime as dt
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from allotment_profiles.catalog.catalog import Catalog, ModelCache
from allotment_profiles.documents.writing import write
from allotment_profiles.git.commits import Person
from allotment_profiles.git.repository import NO_OBJECT, RefUpdate, Repository
from allotment_profiles.git.signatures import Signer, Verifier, generate_key
from allotment_profiles.model.paths import file_ref
from allotment_profiles.store.loading import Loaded, renew
from allotment_profiles.store.snapshot import applied

START = dt.datetime(2026, 1, 1, 12, tzinfo=dt.UTC)
"""When the first commit is made; each later one comes a minute after."""
SERVICE = Person("Allotment", "allotment@localhost")
SOMEBODY = Person("Somebody", "somebody@example.org")
MAIN = "refs/heads/main"

Content = str | bytes | Mapping[str, Any] | None
"""Text or bytes as they are, data to be written as the file's kind, None to remove the file."""


def policy(**changes: Any) -> dict[str, Any]:
    """Give a policy, with some keys replaced."""
    return {
        "format": 1,
        "ceilings": {"cpu": 16, "memory": "64 GiB", "gpu": 2, "lifetime": "2 d"},
        "registries": ["registry.example.org/*"],
        **changes,
    }


def team(name: str, **changes: Any) -> dict[str, Any]:
    """Give a team whose members are the group `/NAME` and whose leads are the group `/NAME/leads`."""
    return {
        "title": f"Team {name}",
        "members": {"groups": [f"/{name}"]},
        "leads": {"groups": [f"/{name}/leads"]},
        "envelope": {"cpu": 8, "memory": "32 GiB", "images": ["registry.example.org/analysis/*"]},
        **changes,
    }


def profile(**changes: Any) -> dict[str, Any]:
    """Give a profile without data, with some keys replaced."""
    return {
        "title": "Notebook",
        "purpose": "Producing the monthly bulletin",
        "app": "jupyterlab",
        "image": "registry.example.org/analysis/notebook:1",
        "resources": {"cpu": {"limit": 2}, "memory": {"limit": "4 GiB"}},
        **changes,
    }


def data_role(owner: str, granted_to: Mapping[str, str] | None = None, **changes: Any) -> dict[str, Any]:
    """Give a data role on a volume; `granted_to` is team → last day."""
    return {
        "title": "Tables",
        "owner": owner,
        "purpose": "Reading the tables",
        "sensitivity": "public",
        "granted_to": {name: {"until": until} for name, until in (granted_to or {}).items()},
        "binding": {"volume": {"claim": "tables", "sub_path": "main"}},
        **changes,
    }


def small(**extra: Content) -> dict[str, Content]:
    """Give a repository of two teams, `red` with the profile `notebook` and `blue`, which owns the data `tables`."""
    return {
        "policy.yaml": policy(),
        "teams/red/team.yaml": team("red"),
        "teams/blue/team.yaml": team("blue"),
        "teams/red/profiles/notebook.yaml": profile(data_roles=["tables"]),
        "data-roles/tables.yaml": data_role("blue", {"red": "2027-03-31"}),
        **extra,
    }


def size_option(limit: str) -> dict[str, Any]:
    """Return an option with the choice `normal` and the choice `large`, which has this limit of memory."""
    choices = {"normal": {"title": "Normal"}, "large": {"title": "Large", "resources": {"memory": {"limit": limit}}}}
    return {"title": "Size", "default": "normal", "choices": choices}


def as_bytes(path: str, content: Content) -> bytes | None:
    """Give what a file holds."""
    if content is None or isinstance(content, bytes):
        return content
    if isinstance(content, str):
        return content.encode()
    where = file_ref(path)
    assert where is not None, f"{path} is no place for data"
    return write(where.kind, content)


def write_folder(folder: Path, files: Mapping[str, Content]) -> Path:
    """Write files below a folder."""
    for path, content in files.items():
        data = as_bytes(path, content)
        assert data is not None
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_bytes(data)
    return folder


class ProfilesRepository:
    """A bare repository below a folder, with the service's key beside it."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / "profiles.git"
        self.signing_key = folder / "service-key"
        self.allowed_signers = folder / "allowed-signers"
        self.allowed_signers.write_text(generate_key(self.signing_key, SERVICE.email))
        self.signer = Signer(self.signing_key)
        self.repository = Repository.create(self.path, Verifier(self.allowed_signers.read_text()))
        self.time = START
        self._loaded: Loaded | None = None
        self._models = ModelCache()

    @property
    def head(self) -> str:
        """The commit of main."""
        found = self.repository.resolve(MAIN)
        assert found is not None
        return found

    def commit(
        self,
        files: Mapping[str, Content] | None = None,
        message: str = "Change profiles",
        *,
        branch: str = MAIN,
        parents: Sequence[str] | None = None,
        base: str | None = None,
        author: Person = SERVICE,
        time: dt.datetime | None = None,
        signer: Signer | None = None,
        signed: bool = True,
    ) -> str:
        """Put files into a commit, signed by the service, and move a branch to it; give its id.

        The tree is that of `base`, else of the first parent, else of the branch, with the files on top.
        """
        self.time = time or self.time + dt.timedelta(minutes=1)
        now = self.repository.resolve(branch)
        parents = [now] if parents is None and now else list(parents or ())
        tree = self.repository.write_tree(
            base or (parents[0] if parents else None),
            {path: as_bytes(path, content) for path, content in (files or {}).items()},
        )
        commit = self.repository.write_commit(
            tree, parents, message, author=author, committer=author, time=self.time,
            signer=(signer or self.signer) if signed else None,
        )  # fmt: skip
        self.repository.update_references([RefUpdate(branch, commit, now or NO_OBJECT)])
        return commit

    def push(self, files: Mapping[str, Content] | None = None, message: str = "Pushed", **how: Any) -> str:
        """Commit past the page: not signed, by somebody."""
        return self.commit(files, message, author=SOMEBODY, signed=False, **how)

    def catalog(self, revision: str | None = None, *, fresh: bool = False) -> Catalog:
        """Load what applies at a commit, or at main; with `fresh`, without what was read before."""
        snapshot = applied(self.repository, revision or self.head)
        if fresh:
            return renew(snapshot, None, ModelCache()).catalog
        self._loaded = renew(snapshot, self._loaded, self._models)
        return self._loaded.catalog
