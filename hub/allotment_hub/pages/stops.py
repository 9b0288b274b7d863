"""The page that stops all sessions of a user, a profile, an image or a data role."""

from typing import ClassVar

from allotment_hub.errors import ServiceError
from allotment_hub.pages.page import Page
from allotment_hub.services.stops import StopOutcome
from allotment_profiles.stops import StopTarget


class StopPage(Page):
    """Which sessions would be stopped, and the button that stops them."""

    active: ClassVar[str] = "stop"

    async def get(self) -> None:
        """GET stop?kind=KIND&name=NAME; without a name, the question for one."""
        kind, name = self.get_query_argument("kind", ""), self.get_query_argument("name", "").strip()
        await self._show(kind, name)

    async def post(self) -> None:
        """POST the reason. A reload stops nothing twice: the button's token counts once."""
        kind, name, reason = self.field("kind"), self.field("name"), self.field("reason")
        target = StopTarget.parse(kind, name)
        if target is None:
            await self._show(kind, name)
            return
        try:
            with self.deciding("stop", kind, name):
                outcome = await self.services.stops.stop(self.actor, target, reason)
        except ServiceError as error:
            if error.refusal.code not in ("reason", "reason-missing"):
                raise
            self.set_status(error.refusal.status)
            await self._show(kind, name, reason, error)
            return
        await self._show(kind, name, reason, outcome=outcome)

    async def _show(
        self,
        kind: str,
        name: str,
        reason: str = "",
        error: ServiceError | None = None,
        outcome: StopOutcome | None = None,
    ) -> None:
        target = StopTarget.parse(kind, name)
        asked = target is not None and outcome is None
        preview = await self.services.stops.preview(self.actor.user, target) if target and asked else None
        await self.show(
            "stop.html",
            kind=kind,
            name=name,
            target=target,
            preview=preview,
            outcome=outcome,
            reason=reason,
            error=error,
            one_time=self.one_time,
        )
