"""The error of the command, and the exit codes."""

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
    """Ends the command. Carries the message for the user and the exit code."""

    def __init__(self, what: str, *, why: str = "", remedy: str = "", status: Exit) -> None:
        super().__init__(what)
        self.what = what
        self.why = why
        self.remedy = remedy
        self.status = status
        self.code = ""
        """The stable code from the service, if there is one."""
        self.address = ""
        """The page that helps, such as the proposal that is already open."""
        self.problems: list[object] = []
        """The problems of files, as in the service's answer."""

    def as_dict(self) -> dict[str, object]:
        """Return the document that `--json` prints."""
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
    """Build the error for wrong arguments."""
    return SessionError(what, remedy=remedy, status=Exit.USAGE)
