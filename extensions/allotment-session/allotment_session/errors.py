"""What can go wrong, told as what, why and what helps, and the exit code for it."""

from __future__ import annotations

import enum


class Exit(enum.IntEnum):
    """The exit codes; README.md documents them."""

    DONE = 0
    PROBLEMS = 1
    USAGE = 2
    REFUSED = 3
    UNREACHABLE = 4
    INTERRUPTED = 130


class SessionError(Exception):
    """The command ends here; carries what to tell the user and the exit code."""

    def __init__(self, what: str, *, why: str = "", remedy: str = "", status: Exit) -> None:
        super().__init__(what)
        self.what = what
        self.why = why
        self.remedy = remedy
        self.status = status
        self.code = ""
        """The service's stable code, where it gave one."""
        self.address = ""
        """Where to look further, such as the proposal that is already open."""
        self.problems: list[object] = []
        """What is wrong with the files, as the service answered it."""

    def as_dict(self) -> dict[str, object]:
        """Give the form that `--json` prints."""
        return {
            "error": {
                "what": self.what,
                "why": self.why,
                "remedy": self.remedy,
                "code": self.code,
                "url": self.address,
                "problems": self.problems,
            }
        }


def usage(what: str, remedy: str = "") -> SessionError:
    """Build the error for a command that can't be carried out as it was typed."""
    return SessionError(what, remedy=remedy, status=Exit.USAGE)
