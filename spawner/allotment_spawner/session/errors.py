"""Refusals as the exception that JupyterHub treats as a user's mistake."""

import logging
from html import escape

from jupyterhub.spawner import SpawnException

from allotment_profiles.access.people import ADMINISTRATORS
from allotment_profiles.model.problems import Refusal, RefusedError


def not_started(code: str, why: str, remedy: str, decides: str = ADMINISTRATORS, status: int = 409) -> RefusedError:
    """Return the error for a session that this deployment cannot start."""
    return RefusedError(Refusal(code, "The session was not started.", why, remedy, decides, status))


def spawn_exception(refusal: Refusal) -> SpawnException:
    """Convert a refusal into the exception for `start()`: a 4xx with the code in its message, not a failed spawn."""
    parts = [refusal.what, refusal.why, refusal.remedy, refusal.decides and f"Who decides: {refusal.decides}."]
    what, *rest = (escape(part) for part in parts if part)
    html = f"<strong>{what}</strong> {' '.join(rest)} <small>[{escape(refusal.code)}]</small>"
    exception = SpawnException(refusal.sentence, reason=refusal.code, message_html=html, status_code=refusal.status)
    # The start page and the page of a pending start show these two. Without them they show str(exception), which is
    # meant for logs.
    exception.jupyterhub_message = refusal.sentence
    exception.jupyterhub_html_message = html
    exception.refusal = refusal
    return exception


class LinkedChoiceError(Exception):
    """A link has chosen a profile. The hub shows the start page after any exception, and would start it without one."""

    jupyterhub_message = ""
    """The page shows no error."""


class WithoutTraceback(logging.Filter):
    """Removes the traceback of a refusal from the hub's log. The hub's page handler logs one for every failed start."""

    def filter(self, record: logging.LogRecord) -> bool:
        """Replace a refusal's traceback by its message, and drop the record of a link."""
        if record.exc_info and isinstance(record.exc_info[1], LinkedChoiceError):
            return False
        if record.exc_info and isinstance(record.exc_info[1], SpawnException):
            record.msg, record.args = f"{record.getMessage()}: %s", (record.exc_info[1],)
            record.exc_info = None
        return True


NOTHING_CHOSEN = Refusal(
    "nothing-chosen",
    "No session was started.",
    "No profile was chosen, and there is no earlier choice.",
    'Choose a profile on the start page, or send {"profile": "team/name", "options": {"option": "choice"}}.',
    status=400,
)


NO_CATALOG = Refusal(
    "catalog-unavailable",
    "No session was started.",
    "The repository of profiles could not be read.",
    "Try again; if that does not help, tell an administrator of the platform.",
    status=503,
)
