"""Read a reference from its own file, without git. Where that is not certain, git has to be asked."""

import re
from pathlib import Path

from allotment_profiles.git.objects import is_object_id

# Stricter than git: a name cannot be mistaken for an option or a pattern, and cannot break a line of `update-ref`.
_REFERENCE = re.compile(r"refs/[A-Za-z0-9][A-Za-z0-9._/@+-]{0,250}", re.ASCII)
# Names whose file git replaces in one step, and that no lock of git has.
_READ_AS_FILE = re.compile(r"refs(/[A-Za-z0-9_@+-]+)+", re.ASCII)


def is_reference(name: str) -> bool:
    """Whether a text may name a reference here. Git allows more."""
    return _REFERENCE.fullmatch(name) is not None


def read_reference(repository: Path, name: str) -> str | None:
    """Return the object that a reference names; empty where it does not exist. None: unknown, ask git."""
    if not _READ_AS_FILE.fullmatch(name):
        return None
    try:
        content = (repository / name).read_bytes()  # it outranks packed references
    except (FileNotFoundError, NotADirectoryError):
        # Git writes the packed references before it removes the files.
        alone = (repository / "refs" / "heads").is_dir() and not (repository / "packed-refs").exists()
        return "" if alone else None
    except OSError:
        return None
    text = content.decode(errors="replace").removesuffix("\n")
    return text if is_object_id(text) else None
