"""The errors of the service. Each has a refusal: what, why, what helps, who decides, a code and an HTTP status."""

import asyncio
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

from allotment_profiles.model.problems import AllotmentError, Problem, Refusal, RefusedError


class ServiceError(RefusedError):
    """The service refuses a request."""

    def __init__(self, refusal: Refusal, problems: Sequence[Problem] = (), link: str = "") -> None:
        super().__init__(refusal)
        self.problems = tuple(problems)
        """The problems of files, if they are the reason."""
        self.link = link
        """The page that helps, below the service's prefix; one of the hub begins with `/hub/`."""


class UnavailableError(AllotmentError):
    """A service that is needed does not answer."""

    def __init__(self, refusal: Refusal) -> None:
        super().__init__(refusal.sentence)
        self.refusal = refusal


def refused(
    status: int, code: str, what: str, why: str, remedy: str = "", decides: str = "", *, link: str = ""
) -> ServiceError:
    """Build the error for a refused request."""
    return ServiceError(Refusal(code, what, why, remedy, decides, status), link=link)


UNKNOWN_SECONDS = 0.1
"""The least time of an answer that something is not known: more than it takes to find out."""


@asynccontextmanager
async def unknown_evenly() -> AsyncIterator[None]:
    """Answer what a reader may not know of no sooner or later than what never was, so that the time tells nothing."""
    began = time.monotonic()
    try:
        yield
    except ServiceError as error:
        if error.refusal.status == 404:
            await asyncio.sleep(began + UNKNOWN_SECONDS - time.monotonic())
        raise


_AGAIN = "Try again in a moment. If it happens again, tell an administrator."


def unavailable(code: str, why: str, remedy: str = _AGAIN, decides: str = "", *, status: int = 503) -> UnavailableError:
    """Build the error for a service that does not answer. Where trying again does not help, say what does."""
    return UnavailableError(Refusal(code, "This cannot be done now.", why, remedy, decides, status))
