"""Queues reminders: of reviews that wait, and of what ends soon."""

import asyncio
import datetime as dt
from collections.abc import Awaitable, Callable

from allotment_hub.forges.stored_proposal import StoredProposal
from allotment_hub.services.judging.checking import ChangeChecker
from allotment_hub.services.notifications.deciding import asked_for
from allotment_hub.services.notifications.endings import endings, renewers
from allotment_hub.services.notifications.notices import Notice, notices_of_waiting
from allotment_hub.services.notifications.outbox import Outbox
from allotment_hub.services.proposals.judgements import NOBODY
from allotment_hub.services.proposals.proposals import Proposals
from allotment_profiles.access.people import User


class Reminders:
    """Looks once an hour, and after each change of main."""

    def __init__(
        self,
        proposals: Proposals,
        checking: ChangeChecker,
        outbox: Outbox,
        channels: Callable[[StoredProposal], Awaitable[frozenset[str]]],
    ) -> None:
        """`channels` returns those that hear of a proposal."""
        self._proposals = proposals
        self._checking = checking
        self._outbox = outbox
        self._channels = channels
        self._looked: object = None

    async def queue(self) -> None:
        """Queue what is due. In a new file, what was due before is taken for told."""
        now, catalog = self._checking.now(), self._proposals.catalog
        looked = (now.replace(minute=0, second=0, microsecond=0), catalog.revision)
        if looked == self._looked or not catalog.revision:
            return
        fresh = "reminded" not in await asyncio.to_thread(self._outbox.state)
        await self._waiting(now, fresh=fresh)
        await self._ending(now, fresh=fresh)
        await asyncio.to_thread(self._outbox.add, [], now, {"reminded": now.isoformat()})
        self._looked = looked

    async def _waiting(self, now: dt.datetime, *, fresh: bool) -> None:
        """Queue reminders of reviews: to those who decide, then to deputies, then to administrators."""
        policy = self._proposals.catalog.policy
        after = policy.value.reminders.after if policy and policy.value.reminders else 0
        for stored in await self._proposals.open_ones() if after else []:
            since = stored.current.time
            stage = min(3, int((now - since).total_seconds() // after))
            if stage < 1:
                continue
            people = await self._proposals.approvers.everyone()
            asked = asked_for(await self._proposals.case(stored, User(NOBODY, frozenset())), people)
            stages = (asked.first, asked.deputies, asked.administrators)[:stage]
            channels = await self._channels(stored) if asked.first else ()
            notices = notices_of_waiting(stored, since.date().isoformat(), stages, channels)
            await asyncio.to_thread(self._outbox.add, list(notices), now, {}, silently=fresh)

    async def _ending(self, now: dt.datetime, *, fresh: bool) -> None:
        """Queue reminders of what ends. What is seen for the first time is told from the next of the days on."""
        today, catalog = now.date(), self._proposals.catalog
        found = list(endings(catalog, today))
        new = await asyncio.to_thread(self._outbox.unknown, [ending.key for ending in found])
        keys, notices = list[str](), list[Notice]()
        for ending in found:
            reached = ending.reached(today)
            marks = {days: f"{ending.key} {days}" for days in reached}
            due = await asyncio.to_thread(self._outbox.unknown, marks.values()) if marks else frozenset()
            keys += [ending.key, *due] if ending.key in new else due
            if ending.key in new:
                due = frozenset() if fresh else due & {marks.get(ending.days_left(today), "")}
            if due:
                people = await self._proposals.approvers.everyone()
                key = marks[min(days for days, mark in marks.items() if mark in due)]
                said = ("", ending.link, ending.sentence(today), ending.path)
                names = renewers(ending, catalog, people)
                notices += [Notice(("user", name), "ending", f"{key} {name}", *said) for name in names]
        await asyncio.to_thread(self._outbox.add, notices, now, {}, keys)
