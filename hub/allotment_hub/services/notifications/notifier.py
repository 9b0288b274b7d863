"""Follows what is recorded, merged and started, and queues who hears of it. Nothing waits for it."""

import asyncio
import contextlib
import datetime as dt
import logging
from collections.abc import Iterable
from functools import partial

from allotment_hub.errors import UnavailableError
from allotment_hub.forges.record_index import RecordIndex
from allotment_hub.forges.stored_proposal import StoredProposal
from allotment_hub.services.event_reader import EventReader
from allotment_hub.services.judging.checking import ChangeChecker
from allotment_hub.services.notifications.deciding import asked_for
from allotment_hub.services.notifications.notices import Notice, notices_of, notices_of_step
from allotment_hub.services.notifications.outbox import Outbox
from allotment_hub.services.notifications.reminding import Reminders
from allotment_hub.services.notifications.sending import Sender
from allotment_hub.services.proposals.case import counting_approvals
from allotment_hub.services.proposals.judgements import NOBODY
from allotment_hub.services.proposals.proposals import Proposals, profiles_in
from allotment_profiles.access.people import User
from allotment_profiles.backoff import retry_delay
from allotment_profiles.git.process import GitError
from allotment_profiles.model.paths import file_ref
from allotment_profiles.records.record import OPENINGS, Record

log = logging.getLogger(__name__)

_AT_ONCE = 200
"""How many records are read at one time."""
_OLD = dt.timedelta(days=3)
"""What happened so long ago, as while the service was stopped, is not told any more."""
_ATTEMPTS = 5
"""How often a record is tried that cannot be told of."""
_STARTS_AT_ONCE = 20
"""Of how many merged proposals the first start is asked for at one time."""
_STARTED_WITHIN = dt.timedelta(days=30)
_START_SECONDS = 30.0
"""How often the table of events is asked for first starts."""
_NOBODY = User(NOBODY, frozenset())


class Notifier:
    """Looks every few seconds."""

    def __init__(
        self,
        proposals: Proposals,
        checking: ChangeChecker,
        events: EventReader,
        outbox: Outbox,
        sender: Sender,
        *,
        look_seconds: float = 2,
    ) -> None:
        self._proposals = proposals
        self._checking = checking
        self._events = events
        self.outbox = outbox
        self.sender = sender
        self._look_seconds = look_seconds
        self._task: asyncio.Task[None] | None = None
        self._asked_for_starts = float("-inf")
        self._turn = 0
        self._attempts = ("", 0)
        self._reminders = Reminders(proposals, checking, outbox, self.channels)

    def start(self) -> None:
        """Begin to look, in the background."""
        self._task = asyncio.create_task(self._run())

    async def stop(self) -> None:
        """Stop looking, and close the file. A message that is being sent may be sent once more after a restart."""
        if self._task:
            self._task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._task
        self.outbox.close()

    async def _run(self) -> None:
        failures = 0
        while True:
            failures = 0 if await self.look() else failures + 1
            delay = retry_delay(failures, first=self._look_seconds, longest=60) if failures else self._look_seconds
            await asyncio.sleep(delay)

    async def look(self) -> bool:
        """Queue what is new, and send what is due. Each part is tried again at the next look where it fails.

        Return whether all went well.
        """
        went_well = True
        for part in (self._recorded, self._moved, self._landed, self._reminders.queue, self.sender.send):
            try:
                await part()
            except (GitError, UnavailableError) as error:
                went_well = False
                log.warning("what people hear of is late: %s", error)
            except Exception:
                went_well = False
                log.exception("what people hear of is late")  # the rest goes on, and this is tried again
        return went_well

    # -- records

    async def _recorded(self) -> None:
        """Queue what was recorded since."""
        log_ = self._proposals.forge.log
        state = await asyncio.to_thread(self.outbox.state)
        number, commit = await asyncio.to_thread(log_.ask, RecordIndex.last)
        known, at = int(state.get("record", "-1")), state.get("commit", "")
        if known >= 0 and not await asyncio.to_thread(log_.ask, partial(RecordIndex.is_at, number=known, commit=at)):
            log.warning("the log of records is another one than before: what it has is taken for known")
            known = -1
        if known < 0:
            await self._add([], record=str(number), commit=commit)
            return
        while records := await asyncio.to_thread(log_.ask, partial(RecordIndex.after, number=known, limit=_AT_ONCE)):
            for number, record in records:
                await self._add(await self._tried(record), record=str(number), commit=record.commit)
                known = number

    async def _tried(self, record: Record) -> list[Notice]:
        """Return who hears what of a record. One that fails again and again is left out, for the sake of the others."""
        self._attempts = (record.commit, self._attempts[1] + 1 if self._attempts[0] == record.commit else 1)
        try:
            return await self._of(record)
        except (GitError, UnavailableError):
            raise
        except Exception:
            if self._attempts[1] < _ATTEMPTS:
                raise
            log.exception("nobody hears of the record %s", record.commit)
            return []

    async def _of(self, record: Record) -> list[Notice]:
        if not record.proposal or record.time < self._checking.now() - _OLD:
            return []
        stored = await asyncio.to_thread(self._proposals.forge.get, record.proposal)
        if stored is None:
            return []
        if record.kind == "merged":
            await asyncio.to_thread(self.outbox.land, stored.id, "live", record.time)
        asks = record.kind in (*OPENINGS, "updated") and record.head == stored.head and stored.open
        deciders = await self._deciders(stored) if asks else ()
        return list(notices_of(record, stored, deciders, await self.channels(stored)))

    async def _deciders(self, stored: StoredProposal) -> frozenset[str]:
        """Return those whose approval an open proposal waits for. It is judged in the turn of nobody."""
        people = await self._proposals.approvers.everyone()
        return asked_for(await self._proposals.case(stored, _NOBODY), people).first

    async def channels(self, stored: StoredProposal) -> frozenset[str]:
        """Return the channels of the teams whose files a proposal changes."""
        catalog = self._proposals.catalog
        teams: set[str] = set()
        for path in (await self._proposals.touched([stored]))[stored.id]:
            ref = file_ref(path)
            if ref and ref.kind == "data role":
                entry = catalog.data_roles.get(ref.id)
                teams |= {entry.value.owner} if entry else set()
            elif ref:
                teams.add(ref.id.partition("/")[0])
        found = (catalog.teams[team].value.channel for team in teams if team in catalog.teams)
        return frozenset(channel for channel in found if channel)

    # -- main

    async def _moved(self) -> None:
        """Queue which approvals of open proposals do not count any more since main has moved."""
        main = await self._proposals.main()
        was = (await asyncio.to_thread(self.outbox.state)).get("main", "")
        if main == was:
            return
        notices: list[Notice] = []
        for stored in await self._proposals.open_ones() if was else []:
            given = [record for record in stored.records if record.kind == "approved" and record.head == stored.head]
            if not given:
                continue
            judgement = await self._proposals.judgements.of(stored, main, NOBODY)
            counting = {record.commit for record in counting_approvals(stored, judgement)}
            notices += [
                Notice(("user", record.by), "lapsed", f"{record.commit} lapsed {record.by}", stored.id, record.commit)
                for record in {each.by: each for each in given}.values()
                if record.commit not in counting | stored.dismissed and record.by not in stored.contributors
            ]
        await self._add(notices, main=main)

    async def _landed(self) -> None:
        """Queue what has become live since, and what was first started."""
        loop_time = asyncio.get_running_loop().time()
        asks = loop_time - self._asked_for_starts >= _START_SECONDS
        landing = await asyncio.to_thread(self.outbox.landing)
        for proposal, step, since in landing:
            if step == "live":
                await self._live(await self._proposals.stored(proposal), since)
        waiting = [(proposal, since) for proposal, step, since in landing if step == "started"]
        if waiting and asks:
            self._asked_for_starts, first = loop_time, self._turn % len(waiting)
            self._turn = first + _STARTS_AT_ONCE
            for proposal, since in (*waiting[first:], *waiting[:first])[:_STARTS_AT_ONCE]:
                await self._started(await self._proposals.stored(proposal), since)

    async def _live(self, stored: StoredProposal, since: dt.datetime) -> None:
        if stored.ending is None or not await self._proposals.applies(stored.ending.merge):
            return
        revision = self._proposals.catalog.revision
        channels = await self.channels(stored)
        await self._add(notices_of_step("live", stored, stored.ending.merge, revision[:10], channels))
        files = await self._proposals.files(stored)
        offered = profiles_in({path: data for path, data in files.items() if data is not None})
        await asyncio.to_thread(self.outbox.land, stored.id, "started" if offered else "", since)

    async def _started(self, stored: StoredProposal, since: dt.datetime) -> None:
        files = await self._proposals.files(stored)
        offered = profiles_in({path: data for path, data in files.items() if data is not None})
        event = await self._events.first_start(offered, since)
        if event:
            await self._add(notices_of_step("started", stored, "first", event.user, but=event.user))
        if event or since < self._checking.now() - _STARTED_WITHIN:
            await asyncio.to_thread(self.outbox.land, stored.id, "", since)

    async def _add(self, notices: Iterable[Notice], **state: str) -> None:
        await asyncio.to_thread(self.outbox.add, list(notices), self._checking.now(), state)
