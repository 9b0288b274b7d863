"""Saying no in the hub: a refusal as the one exception that the hub takes as a user's mistake."""

import logging
from html import escape

from jupyterhub.spawner import SpawnException

from allotment_profiles.model.problems import Refusal


def spawn_exception(refusal: Refusal) -> SpawnException:
    """Turn a refusal into what `start()` raises: a 4xx with the code in its message, and no failed spawn."""
    parts = [refusal.what, refusal.why, refusal.remedy, refusal.decides and f"Who decides: {refusal.decides}."]
    what, *rest = (escape(part) for part in parts if part)
    html = f"<strong>{what}</strong> {' '.join(rest)} <small>[{escape(refusal.code)}]</small>"
    exception = SpawnException(refusal.sentence, reason=refusal.code, message_html=html, status_code=refusal.status)
    # The start page and the page of a pending start ask for these two; without them they show str(exception), which
    # is made for logs.
    exception.jupyterhub_message = refusal.sentence
    exception.jupyterhub_html_message = html
    return exception


class WithoutTraceback(logging.Filter):
    """Takes the traceback of a refusal out of the hub's log: its page handler adds one to every start that fails."""

    def filter(self, record: logging.LogRecord) -> bool:
        """Let every record through."""
        if record.exc_info and isinstance(record.exc_info[1], SpawnException):
            record.msg, record.args = f"{record.getMessage()}: %s", (record.exc_info[1],)
            record.exc_info = None
        return True


NOTHING_CHOSEN = Refusal(
    "nothing-chosen",
    "No session was started.",
    "Nothing was chosen, and there is no earlier choice.",
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
