"""Keep a repository small: pack its objects, and remove those of no branch."""

from pathlib import Path

from allotment_profiles.git.process import GitProcess

_SECONDS = 120.0
# Objects that a request has just written belong to no branch yet, so they stay for a day. References stay files of
# their own: main is looked at twice a second, and its file is read without git.
_SETTINGS = {
    "gc.auto": "2000", "gc.autoDetach": "false", "gc.autoPackLimit": "50", "gc.cruftPacks": "true",
    "gc.packRefs": "false", "gc.pruneExpire": "1.day.ago", "gc.reflogExpire": "now",
    "pack.threads": "1", "pack.windowMemory": "64m",
}  # fmt: skip


def pack(repository: Path) -> None:
    """Pack the objects and remove those of no branch, if they have become many. Raise GitError."""
    process = GitProcess(repository, _SETTINGS, in_background=True)
    process.run("gc", "--auto", "--quiet", seconds=_SECONDS)
