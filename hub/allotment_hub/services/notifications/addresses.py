"""Where messages go: the addresses that the administrator has written into a file, and sending by apprise.

They contain secrets, so no page, answer, metric or line of the log has one. Teams and users name a channel of the
file, never an address. All calls block.
"""

import logging
import re
import urllib.parse
from collections.abc import Mapping
from pathlib import Path

import apprise

from allotment_hub.services.notifications.notices import Receiver
from allotment_hub.services.notifications.texts import Message

log = logging.getLogger(__name__)

USERS = "users"
"""The name of the address of single users. In it, `{email}` and `{name}` stand for those of the user."""
_NAME = re.compile(r"[a-z0-9][a-z0-9-]{0,62}")
_LARGEST = 256 * 1024
# What stands in an address is read as several receivers if it has a comma or a space.
_USER = re.compile(r"[A-Za-z0-9][A-Za-z0-9._+-]{0,63}(@[A-Za-z0-9-]{1,63}(\.[A-Za-z0-9-]{1,63}){0,8})?")
_EMAIL = re.compile(r"[A-Za-z0-9][A-Za-z0-9._+-]{0,63}@[A-Za-z0-9-]{1,63}(\.[A-Za-z0-9-]{1,63}){0,8}")


class Addresses:
    """Reads the file anew for each message, so that secrets are replaced without a restart."""

    def __init__(self, path: Path, email: str = "") -> None:
        """`email` makes a user's e-mail address of their name: `{name}@example.org`."""
        self._path = path
        self._email = email
        self._warned = ""
        # They would log addresses, or parts of them.
        logging.getLogger("apprise").disabled = True
        logging.getLogger("urllib3").setLevel(logging.CRITICAL)

    def read_channels(self) -> frozenset[str]:
        """Return the names of the channels that teams may point at."""
        return frozenset(self._read()) - {USERS}

    def email_of(self, user: str) -> str:
        """Return the e-mail address of a user; empty where they have none."""
        address = self._email.replace("{name}", user)
        return address if _USER.fullmatch(user) and _EMAIL.fullmatch(address) else ""

    def reaches(self, receiver: Receiver) -> bool:
        """Return whether there is an address for a receiver."""
        return bool(self._address(receiver))

    def send(self, receiver: Receiver, message: Message) -> bool:
        """Send a message as plain text. Return whether it was taken."""
        address = self._address(receiver)
        # Nothing of the text is markup: apprise escapes it where a service knows only markup.
        asset = apprise.AppriseAsset(
            app_id="Allotment", app_desc="Allotment", app_url="", image_url_mask="", image_url_logo="",
            secure_logging=True, interpret_escapes=False, interpret_emojis=False, async_mode=False,
        )  # fmt: skip
        sender = apprise.Apprise(asset=asset)
        if not address or not sender.add(address):
            return False
        text = apprise.NotifyFormat.TEXT
        return bool(sender.notify(title=message.subject, body=message.body, body_format=text))

    def _address(self, receiver: Receiver) -> str:
        place, name = receiver
        known = self._read()
        if place == "channel":
            return "" if name == USERS else known.get(name, "")
        address, email = known.get(USERS, ""), self.email_of(name)
        if not _USER.fullmatch(name) or ("{email}" in address and not email):
            return ""
        for place_holder, value in (("{email}", email), ("{name}", name)):
            address = address.replace(place_holder, urllib.parse.quote(value, safe=""))
        return address

    def _read(self) -> Mapping[str, str]:
        """Return the addresses by name. Blank lines and lines with a # first are comments."""
        try:
            with self._path.open(encoding="utf-8") as file:
                lines = file.read(_LARGEST).splitlines()
        except (OSError, ValueError) as error:
            self._warn(f"the file of addresses cannot be read: {type(error).__name__}")
            return {}
        found: dict[str, str] = {}
        for number, line in enumerate(lines, 1):
            name, equals, address = (part.strip() for part in line.partition("="))
            if not line.strip() or line.lstrip().startswith("#"):
                continue
            if not equals or not _NAME.fullmatch(name) or "://" not in address or name in found:
                self._warn(f"line {number} of the file of addresses is not used: it is not `name = address`, or again")
                continue
            found[name] = address
        return found

    def _warn(self, what: str) -> None:
        if what != self._warned:
            log.warning("%s", what)
            self._warned = what
