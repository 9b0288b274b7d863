"""The API for trying a proposal or a draft before it is merged."""

import asyncio
import urllib.parse
from typing import ClassVar

from allotment_hub.api.handler import ApiHandler, operation
from allotment_hub.api.requests import DraftTrialBody, TrialBody
from allotment_hub.api.responses import TrialAnswer
from allotment_hub.api.serializers import answer_from
from allotment_hub.services.drafts.requested import requested_files


class _TrialHandler(ApiHandler):
    decides: ClassVar[bool] = True
    """A page of a session that has the cookies could otherwise start a trial with the user's data."""

    async def answer_trial(self, proposal: str | None = None, status: int | None = None) -> None:
        """Answer with the caller's trial: of a proposal, or of anything."""
        found = await self.services.trials.own(self.actor.user, proposal)
        if found is None:
            self.answer(TrialAnswer(), status)
            return
        url = urllib.parse.urljoin(self.address("/"), found.url) if found.url else ""
        self.answer(answer_from(TrialAnswer, found, url=url), status)


class TrialHandler(_TrialHandler):
    """The caller's trial of a proposal."""

    @operation(TrialAnswer)
    async def get(self, proposal: str) -> None:
        """Return the caller's trial of a proposal."""
        await self.services.proposals.visible(proposal, self.actor.user)
        await self.answer_trial(proposal)

    @operation(TrialAnswer, status=202)
    async def post(self, proposal: str, body: TrialBody) -> None:
        """Try the head of a proposal: in an empty home, without data unless it is asked for, for a limited time."""
        await self.services.trials.start(self.actor, proposal, body.wish)
        await self.answer_trial(proposal)

    @operation(TrialAnswer)
    async def delete(self, proposal: str) -> None:
        """End the caller's trial of a proposal."""
        await self.services.proposals.visible(proposal, self.actor.user)
        if await self.services.trials.own(self.actor.user, proposal):
            await self.services.trials.end(self.actor)
        await self.answer_trial(proposal)


class TrialsHandler(_TrialHandler):
    """The caller's trial of anything."""

    @operation(TrialAnswer)
    async def get(self) -> None:
        """Return the caller's trial of a proposal or a draft."""
        await self.answer_trial()

    @operation(TrialAnswer, status=202)
    async def post(self, body: DraftTrialBody) -> None:
        """Try a profile before it is proposed, on the terms of a proposal."""
        files = await asyncio.to_thread(requested_files, body.check().changes(), self.services.watcher.catalog)
        await self.services.trials.start_draft(self.actor, files, body.wish)
        await self.answer_trial()

    @operation(TrialAnswer)
    async def delete(self) -> None:
        """End the caller's trial."""
        await self.services.trials.end(self.actor)
        await self.answer_trial()
