"""The trial of this session's user: one at a time, of a proposal or of a draft."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from allotment_session.errors import Exit, SessionError
from allotment_session.output import field_of

from jupyterlab_allotment.proposals import known

if TYPE_CHECKING:
    from allotment_session.client import ServiceClient

    from jupyterlab_allotment.service import Service

_TEXTS = ("state", "proposal", "head", "profile", "why", "code")


class Trials:
    """Starts, follows and ends the trial. Data cannot be asked for: a session's token may not."""

    def __init__(self, service: Service) -> None:
        self._service = service

    async def current(self) -> Any:
        """Return the trial that runs, or the last one. Raise `SessionError`."""
        return await self._service.call(lambda client: _shown(client, client.get("trials")))

    async def start(self, proposal: str, body: dict[str, Any]) -> Any:
        """Try the head of a proposal. Raise `SessionError`."""
        sent = known(body, frozenset({"profile", "options"}))
        return await self._service.call(
            lambda client: _shown(client, client.post("proposals", proposal, "trial", body=sent))
        )

    async def start_draft(self, body: dict[str, Any]) -> Any:
        """Try a profile that nobody has proposed. Raise `SessionError`."""
        sent = known(body, frozenset({"profile", "settings", "options"}))
        return await self._service.call(lambda client: _shown(client, client.post("trials", body=sent)))

    async def end(self) -> Any:
        """End the trial that runs. Raise `SessionError`."""
        return await self._service.call(lambda client: _shown(client, client.delete("trials")))


def _shown(client: ServiceClient, answer: Any) -> dict[str, Any]:
    if not isinstance(answer, dict):
        raise SessionError("The service's answer is no trial.", status=Exit.UNREACHABLE)
    texts = {name: field_of(answer, name) for name in _TEXTS}
    return {**texts, "started_in": answer.get("started_in"), "url": client.address(field_of(answer, "url"))}
