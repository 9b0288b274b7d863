"""One-time tokens: proof that somebody pressed a button on the page that was made for them."""

import hashlib
import hmac
import json
import secrets
import time
from collections.abc import Iterator
from contextlib import contextmanager

from allotment_hub.errors import refused

VALID_HOURS = 12


class OneTimeTokens:
    """Makes and accepts the tokens. The key is in memory: a restart makes all of them invalid."""

    def __init__(self) -> None:
        self._key = secrets.token_bytes(32)
        self._used: dict[str, int] = {}
        """Used tokens, with the time at which they expire anyway."""

    def make(self, *bound_to: str) -> str:
        """Return a token for a user and an action on something."""
        begin = f"{int(time.time()) + VALID_HOURS * 3600}.{secrets.token_urlsafe(12)}"
        return f"{begin}.{self._signature(begin, bound_to)}"

    def is_valid(self, token: str, *bound_to: str) -> bool:
        """Return whether a token can be used now."""
        begin, _, signature = token.rpartition(".")
        own = hmac.compare_digest(signature.encode(), self._signature(begin, bound_to).encode())
        return own and int(begin.partition(".")[0]) >= int(time.time()) and token not in self._used

    @contextmanager
    def used(self, token: str, *bound_to: str) -> Iterator[None]:
        """Use up a token around an action. If the action is refused, the token can be used again."""
        begin, _, signature = token.rpartition(".")
        if not hmac.compare_digest(signature.encode(), self._signature(begin, bound_to).encode()):
            raise _outdated()
        now, expires = int(time.time()), int(begin.partition(".")[0])
        if expires < now:
            raise _outdated()
        if token in self._used:
            what, why = "This was sent already.", "Every button of a page counts once, and this one was pressed before."
            raise refused(409, "page-used", what, why, "Open the page again: it shows what became of it.")
        self._used = {each: until for each, until in self._used.items() if until >= now} | {token: expires}
        try:
            yield
        except BaseException:
            del self._used[token]
            raise

    def _signature(self, begin: str, bound_to: tuple[str, ...]) -> str:
        content = json.dumps([begin, *bound_to]).encode()
        return hmac.new(self._key, content, hashlib.sha256).hexdigest()


def _outdated() -> Exception:
    why = f"It was opened for another version, by somebody else, over {VALID_HOURS} hours ago, or before a restart."
    return refused(403, "page-outdated", "This page is out of date.", why, "Open the page again, and decide there.")
