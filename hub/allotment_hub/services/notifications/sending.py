"""Sends what is queued: bundled by receiver, each message at most twice, with retries that stop."""

import asyncio
import dataclasses
import datetime as dt
import logging
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

from allotment_hub.services.hub_api import Directory
from allotment_hub.services.notifications.addresses import Addresses
from allotment_hub.services.notifications.choices import Choices
from allotment_hub.services.notifications.notices import Notice, Queued, Receiver, kind_of
from allotment_hub.services.notifications.outbox import Outbox
from allotment_hub.services.notifications.texts import Line, Message, message_of, sentence
from allotment_hub.services.proposals.proposals import Proposals
from allotment_profiles.access.people import User
from allotment_profiles.access.visibility import Sight, visible
from allotment_profiles.backoff import retry_delay
from allotment_profiles.threads import in_own_thread

log = logging.getLogger(__name__)

MAXIMUM_ATTEMPTS = 8
"""After so many attempts, about two hours, a message is given up."""
EVERYBODY = User("", frozenset())
"""Whose sight decides what a channel is told: somebody without any group."""
_IN_A_ROW = 3
"""After so many failures one after the other, the rest waits: the same server refuses them, most likely."""


@dataclass(frozen=True, slots=True)
class Sent:
    """What became of messages since the service started."""

    sent: int = 0
    failed: int = 0
    """Attempts that failed. They are made again."""
    given_up: int = 0


class Sender:
    """Sends one message after the other, in threads that nothing else waits for."""

    def __init__(
        self,
        outbox: Outbox,
        choices: Choices,
        addresses: Addresses,
        proposals: Proposals,
        directory: Directory,
        root: str,
        clock: Callable[[], dt.datetime],
        *,
        gather_seconds: float,
        send_seconds: float = 20,
        first_retry_seconds: float = 60,
    ) -> None:
        """`root` is the service's address; notices for one receiver are gathered for some seconds."""
        self._outbox = outbox
        self._choices = choices
        self.addresses = addresses
        self._proposals = proposals
        self._directory = directory
        self._root = root
        self._clock = clock
        self._gathered = dt.timedelta(seconds=gather_seconds)
        self._send_seconds = send_seconds
        self._first_retry_seconds = first_retry_seconds
        self._hanging: dict[str, asyncio.Future[bool]] = {}
        """By place: sending that has taken too long, and whose thread still runs."""
        self.result = Sent()

    async def send(self) -> None:
        """Send what is due. Raise UnavailableError where the hub does not say who somebody is."""
        in_a_row: dict[str, int] = {}
        for receiver, queued in await asyncio.to_thread(self._outbox.due, self._clock(), self._gathered):
            lane = receiver[0] if receiver[0] == "user" else f"#{receiver[1]}"
            if in_a_row.get(lane, 0) >= _IN_A_ROW or self._hangs(lane):
                continue
            message = await self._message(receiver, [each.notice for each in queued])
            if message is None:
                await asyncio.to_thread(self._outbox.done, queued)
                continue
            in_a_row[lane] = 0 if await self._sent(lane, receiver, queued, message) else in_a_row.get(lane, 0) + 1

    def _hangs(self, lane: str) -> bool:
        self._hanging = {each: sending for each, sending in self._hanging.items() if not sending.done()}
        return lane in self._hanging

    async def _sent(self, lane: str, receiver: Receiver, queued: list[Queued], message: Message) -> bool:
        attempts = 1 + max(each.attempts for each in queued)
        delay = retry_delay(attempts, first=self._first_retry_seconds, longest=3600)
        await asyncio.to_thread(self._outbox.begin, queued, self._clock() + dt.timedelta(seconds=delay))
        call = partial(self.addresses.send, receiver, message)
        sending = asyncio.ensure_future(in_own_thread("notification", call))
        sending.add_done_callback(lambda future: future.cancelled() or future.exception())  # somebody has asked for it
        done, _ = await asyncio.wait([sending], timeout=self._send_seconds)
        failure = sending.exception() if done else TimeoutError()
        if not done:
            self._hanging[lane] = sending
        if failure is None and sending.result():
            await asyncio.to_thread(self._outbox.done, queued)
            self._count(sent=1)
            return True
        over = attempts >= MAXIMUM_ATTEMPTS
        to = "a user" if receiver[0] == "user" else f"the channel {receiver[1]}"
        # The exception itself may have an address in it.
        why = type(failure).__name__ if failure else "refused or away"
        log.warning("attempt %d to send a message to %s failed: %s%s", attempts, to, why, "; given up" if over else "")
        if over:
            await asyncio.to_thread(self._outbox.done, queued)
        self._count(failed=1, given_up=int(over))
        return False

    def _count(self, **more: int) -> None:
        changed = {name: getattr(self.result, name) + number for name, number in more.items()}
        self.result = dataclasses.replace(self.result, **changed)

    # -- what it says to this receiver now

    async def _message(self, receiver: Receiver, notices: list[Notice]) -> Message | None:
        """Return what a receiver is told; None where that is nothing any more."""
        place, name = receiver
        off: frozenset[str] = frozenset()
        reader: User | None = EVERYBODY
        if place == "user":
            reader = await self._directory.user(name)
            off = await asyncio.to_thread(self._choices.off, name)
        if reader is None or not await asyncio.to_thread(self.addresses.reaches, receiver):
            return None
        wanted = [notice for notice in notices if kind_of(notice.event) not in off]
        lines = [line for notice in wanted if (line := await self._line(notice, reader))]
        return message_of(lines, self._root) if lines else None

    async def _line(self, notice: Notice, reader: User) -> Line | None:
        """Return a notice in words; None where the reader may not know of it, or where it is not true any more."""
        if notice.path:
            seen = visible(reader, notice.path, self._proposals.catalog) > Sight.NOTHING
            return Line(notice.detail, self._root + notice.record) if seen else None
        stored = await asyncio.to_thread(self._proposals.forge.get, notice.proposal)
        if stored is None or not await self._proposals.listed(stored, reader):
            return None
        if notice.event in ("asked", "late", "lapsed") and not stored.open and notice.receiver[0] == "user":
            return None
        records = await self._proposals.records_for(stored, reader)
        record = next((each for each in records if each.commit == notice.record), None)
        return Line(sentence(notice, stored.current.title, record), f"{self._root}proposals/{stored.id}")
