"""The obvious ways to do the same: what the measures compare with."""

import json
import subprocess
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import jsonschema
import yaml

from allotment_profiles.model import MODELS
from allotment_profiles.model.paths import Kind, file_ref
from allotment_profiles.reference.schema import KINDS, schema_of


def batch_documents(path: Path) -> dict[str, Any]:
    """Read every file of main with two processes of git, and parse it with PyYAML's parser in C."""
    listing = subprocess.run(
        ["git", "ls-tree", "-r", "-z", "refs/heads/main"], cwd=path, capture_output=True, check=True
    ).stdout
    named = {}
    for record in listing.split(b"\0"):
        if record:
            head, _, name = record.partition(b"\t")
            named[name.decode()] = head.split()[2]
    output = subprocess.run(
        ["git", "cat-file", "--batch"], cwd=path, input=b"\n".join(named.values()) + b"\n", capture_output=True,
        check=True,
    ).stdout  # fmt: skip
    documents, position = {}, 0
    for name in named:
        end = output.index(b"\n", position)
        size = int(output[position:end].split()[2])
        documents[name] = yaml.load(output[end + 1 : end + 1 + size], Loader=yaml.CSafeLoader)
        position = end + 2 + size
    return documents


def kind_of(path: str) -> Kind:
    """Say what a path of the measured repositories holds."""
    where = file_ref(path)
    assert where is not None
    return where.kind


def plain(document: Any) -> Any:
    """Write days as text, as the schema has them: this parser makes dates of them."""
    if isinstance(document, Mapping):
        return {key: plain(value) for key, value in document.items()}
    if isinstance(document, list):
        return [plain(value) for value in document]
    return document.isoformat() if hasattr(document, "isoformat") else document


def load_batch(path: Path) -> int:
    """Read, parse and validate every file; one file is never asked together with another."""
    return len([MODELS[kind_of(name)].model_validate(value) for name, value in batch_documents(path).items()])


def load_worktree(path: Path, sample: int | None) -> tuple[int, int]:
    """Check main out, and read `sample` of its files the way most pipelines do; gives how many of how many."""
    validators = {
        kind: jsonschema.Draft202012Validator(json.loads(json.dumps(schema_of(kind)))) for kind in KINDS.values()
    }
    with tempfile.TemporaryDirectory() as folder:
        tree = Path(folder) / "tree"
        subprocess.run(
            ["git", "worktree", "add", "--quiet", "--detach", str(tree), "refs/heads/main"], cwd=path, check=True
        )
        try:
            names = sorted(each for each in tree.rglob("*.yaml"))
            # Every n-th file, so that the sample has teams, data roles and profiles as the whole has.
            chosen = names[:: max(1, len(names) // sample)] if sample else names
            for name in chosen:
                value = plain(yaml.safe_load(name.read_text(encoding="utf-8")))
                validators[kind_of(name.relative_to(tree).as_posix())].validate(value)
        finally:
            subprocess.run(["git", "worktree", "remove", "--force", str(tree)], cwd=path, check=True)
    return len(chosen), len(names)
