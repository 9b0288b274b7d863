"""What can be wrong with a forge. Each error has a refusal in plain words, with a stable code."""

import datetime as dt

from allotment_profiles.model.problems import AllotmentError, Refusal

_NOW = "The forge could not be asked."
_LATER = "Nothing is lost: everything is in git, and the forge is asked again."


class ForgeError(AllotmentError):
    """A call of the forge failed. Whether it happened is not known."""

    def __init__(self, refusal: Refusal) -> None:
        super().__init__(refusal.sentence)
        self.refusal = refusal


def _sentence(text: str) -> str:
    """Return a text, which may end in the forge's own words, with a full stop."""
    return text if text.endswith((".", "?", "…")) else f"{text}."


class ForgeUnavailableError(ForgeError):
    """The forge does not answer, or answers what cannot be understood. It may do so later."""

    def __init__(self, why: str) -> None:
        super().__init__(Refusal("forge-unavailable", _NOW, _sentence(why), _LATER, status=503))


class ForgeTooLargeError(ForgeUnavailableError):
    """An answer is longer than anything that is read: of a pull request, that is its own fault."""


class ForgeLimitedError(ForgeError):
    """The forge takes no more calls before a time."""

    def __init__(self, until: dt.datetime) -> None:
        why = f"It takes no more calls before {until:%Y-%m-%d %H:%M:%S} UTC."
        super().__init__(Refusal("forge-limited", _NOW, why, _LATER, status=503))
        self.until = until


class ForgeCredentialError(ForgeError):
    """The forge does not take the service's credential, or it has too few rights."""

    def __init__(self, why: str) -> None:
        remedy = "Write a new credential to its file; it is read at every call."
        super().__init__(Refusal("forge-credential", _NOW, _sentence(why), remedy, "An administrator", status=503))


class ForgeMovedError(ForgeError):
    """The repository, or the forge, has another address now."""

    def __init__(self, address: str) -> None:
        why = f"It says that the repository has moved to {address}, and the service follows nobody with its credential."
        remedy = "Write the new address to the configuration."
        super().__init__(Refusal("forge-moved", _NOW, why, remedy, "An administrator", status=503))


class ForgeMissingError(ForgeError):
    """The forge has no such thing, or does not show it to the service."""

    def __init__(self, what: str) -> None:
        why = f"It has no {what}, or does not show it to the service's account."
        super().__init__(Refusal("forge-missing", _NOW, why, "", status=404))


class ForgeRefusedError(ForgeError):
    """The forge understood a call and refuses it."""

    def __init__(self, status: int, message: str) -> None:
        why = f"It refused the call with {status}: {message}"
        super().__init__(Refusal("forge-refused", "The forge did not do it.", _sentence(why), "", status=502))
        self.status = status
        self.message = message
