"""Errors as `application/problem+json` (RFC 9457)."""

import errno
from collections.abc import Callable
from typing import Literal

import httpx
from pydantic import BaseModel, ConfigDict
from tornado.web import HTTPError

from allotment_hub.errors import ServiceError, UnavailableError, unavailable
from allotment_hub.forges.record_log import RecordsBrokenError, RecordsLoadingError
from allotment_profiles.access.people import ADMINISTRATORS
from allotment_profiles.git.mirror import ObstructedError
from allotment_profiles.git.process import GitError
from allotment_profiles.git.remotes import RemoteError
from allotment_profiles.git.signatures import SignerError
from allotment_profiles.model.problems import Refusal, RefusedError, quoted


class ProblemAnswer(BaseModel):
    """One thing that is wrong with a file."""

    model_config = ConfigDict(from_attributes=True)

    path: str
    line: int | None
    column: int | None
    field: str
    code: str
    level: Literal["hard", "soft", "advice"]
    message: str
    remedy: str


class ProblemDetails(BaseModel):
    """An error as RFC 9457 has it, `application/problem+json`."""

    type: str = "about:blank"
    title: str
    """What was refused."""
    status: int
    detail: str
    """Why."""
    code: str
    """Stable, for machines."""
    remedy: str
    """What would help."""
    decides: str
    """Who can change the answer."""
    problems: list[ProblemAnswer] = []
    link: str | None = None
    """The page that helps."""


def details_of(status: int, error: BaseException | None, address: Callable[[str], str]) -> ProblemDetails:
    """Return the answer for an error, with a full `address` as its link. An unexpected error is not described."""
    refusal = _refusal_of(error)
    if refusal:
        link = error.link if isinstance(error, ServiceError) else ""
        return ProblemDetails(
            title=refusal.what,
            status=refusal.status,
            detail=refusal.why,
            code=refusal.code,
            remedy=refusal.remedy,
            decides=refusal.decides,
            problems=[ProblemAnswer.model_validate(problem) for problem in getattr(error, "problems", ())],
            link=address(link) if link else None,
        )
    if isinstance(error, HTTPError) or error is None:
        return _http_details(status, str(getattr(error, "log_message", None) or ""))
    return ProblemDetails(
        title="Something went wrong on our side.",
        status=500,
        detail="The service's log has the details.",
        code="internal",
        remedy="Try again. If it happens again, tell an administrator.",
        decides="",
    )


_NO_ROOM = (errno.ENOSPC, errno.EDQUOT)


def status_of(error: BaseException | None, default: int) -> int:
    """Return the HTTP status of an error."""
    refusal = _refusal_of(error)
    return refusal.status if refusal else default


def _refusal_of(error: BaseException | None) -> Refusal | None:
    if isinstance(error, RefusedError | UnavailableError):
        return error.refusal
    if isinstance(error, OSError) and error.errno in _NO_ROOM:
        why, remedy = "The disk of the repository is full.", "Tell an administrator, who makes room."
        return unavailable("repository-unavailable", why, remedy, ADMINISTRATORS).refusal
    if isinstance(error, GitError):
        return _unavailable(error).refusal
    return None


def _unavailable(error: GitError) -> UnavailableError:
    """Return the error in words that everyone may read."""
    match error:
        case ObstructedError():
            named = quoted(error.branches[0])
            why = f"A branch {named} on the git server is in the way: git has none of the service's beside it."
            remedy = "Somebody who may push to the repository has to rename or delete it. Nothing is proposed before."
            return unavailable("branch-in-the-way", why, remedy, "Who may push to the repository of profiles")
        case RemoteError():
            why = f"The git server with the repository of profiles cannot be used: {error.why}."
            return unavailable("repository-away", why)
        case SignerError():
            why = "The key with which this service signs was revoked or is not known."
            remedy = "Tell an administrator, who makes a new one. Until then nothing is proposed, reviewed or merged."
            return unavailable("signing-key", why, remedy, ADMINISTRATORS)
        case RecordsLoadingError():
            why = f"The service is reading what people did with proposals: {error}. It takes a minute at most."
            return unavailable("records-loading", why)
        case RecordsBrokenError():
            why = f"What people did with proposals cannot be trusted: {error}."
            remedy = "Tell an administrator, who puts the log back. Until then nothing is proposed, reviewed or merged."
            return unavailable("records-broken", why, remedy, ADMINISTRATORS)
    return unavailable("repository-unavailable", "The repository of profiles cannot be used.")


def _http_details(status: int, reason: str) -> ProblemDetails:
    phrase = httpx.codes.get_reason_phrase(status) or "Error"
    code = "xsrf" if "xsrf" in reason.lower() else phrase.lower().replace(" ", "-")
    detail = reason if 400 <= status < 500 else ""
    return ProblemDetails(title=phrase, status=status, detail=detail, code=code, remedy="", decides="")
