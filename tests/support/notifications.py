"""The notifier of a platform, and what people have received from it."""

import datetime as dt
from pathlib import Path

from support.fakes.platform import NOTEBOOK, Platform
from support.servers.receiver import Receiver

from allotment_hub.services.event_reader import EventReader
from allotment_hub.services.notifications.addresses import Addresses
from allotment_hub.services.notifications.choices import Choices
from allotment_hub.services.notifications.notifier import Notifier
from allotment_hub.services.notifications.outbox import Outbox
from allotment_hub.services.notifications.sending import Sender

LARGER = NOTEBOOK.replace(b"4 GiB", b"8 GiB")
ROOT = "https://hub.example.org/services/allotment/"
PEOPLE = ("ana", "ben", "lena", "leo", "dora", "adam", "anne")


class Told:
    """The notifier of a platform, and what people have received."""

    def __init__(self, platform: Platform, receiver: Receiver, folder: Path) -> None:
        self.platform, self.receiver, self.folder = platform, receiver, folder
        self.file = folder / "addresses"
        self.file.write_text(
            f"# A comment\nusers = {receiver.address('user/{name}')}\nteam-channel = {receiver.address('team')}\n"
        )
        self.choices = Choices(folder / "choices.sqlite")
        self.time: dt.datetime | None = None
        self.start()

    def start(self, send_seconds: float = 20) -> None:
        """Start the notifier, as after a restart."""
        self.outbox = Outbox(self.folder / "notifications.sqlite")
        self.addresses = Addresses(self.file, "{name}@example.org")
        platform = self.platform
        self.sender = Sender(
            self.outbox, self.choices, self.addresses, platform.proposals, platform.directory, ROOT, self.now,
            gather_seconds=0, send_seconds=send_seconds, first_retry_seconds=60,
        )  # fmt: skip
        events = EventReader(platform.events)
        self.notifier = Notifier(platform.proposals, platform.checking, events, self.outbox, self.sender)

    def now(self) -> dt.datetime:
        """Return the time that the sender sees."""
        return self.time or dt.datetime.now(dt.UTC)

    def later(self, **time: float) -> None:
        """Let time pass for the sender."""
        self.time = self.now() + dt.timedelta(**time)

    async def look(self) -> dict[str, str]:
        """Let the notifier look once, and return what each has received since."""
        await self.notifier.look()
        people = {name: "\n".join(self.receiver.texts(f"user/{name}")) for name in PEOPLE}
        return {name: text for name, text in (*people.items(), ("#", "\n".join(self.receiver.texts("team")))) if text}

    def close(self) -> None:
        self.outbox.close()
        self.choices.close()
