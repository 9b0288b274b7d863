"""The proposals of this session's user, and what the panel may ask the service to do with them."""

from __future__ import annotations

import asyncio
import re
from typing import TYPE_CHECKING, Any

from allotment_session.errors import Exit, SessionError
from allotment_session.output import field_of, items_of

if TYPE_CHECKING:
    from jupyterlab_allotment.running import Running
    from jupyterlab_allotment.service import Service

SHOWN = 10
"""How many proposals the panel shows."""
PROPOSAL_ID = r"[a-z0-9][a-z0-9-]{0,120}"
_AT_ONCE = 3
_CHECKED = frozenset({"team", "name", "profile", "content", "grants", "accept"})
_PROPOSED = _CHECKED | {"reason", "evidence"}
_OVER = ("live", "rejected", "withdrawn")
"""States that do not change any more."""
_TEXTS = ("id", "state", "title", "reason", "waits_for", "since", "url", "head")


class Proposals:
    """Lists, checks, proposes and withdraws."""

    def __init__(self, running: Running, service: Service) -> None:
        self._running = running
        self._service = service
        self._over: dict[str, dict[str, Any]] = {}

    async def own(self) -> list[dict[str, Any]]:
        """Return the user's newest proposals. Raise `SessionError`."""
        listed = items_of(await self._service.get("proposals", proposer=self._running.user), "proposals")
        # An older service lists those of others, too.
        own = [each for each in listed if field_of(each, "proposer") == self._running.user][:SHOWN]
        few = asyncio.Semaphore(_AT_ONCE)

        async def one(line: dict[str, Any]) -> dict[str, Any]:
            async with few:
                return await self._one(line)

        return [*await asyncio.gather(*(one(line) for line in own))]

    async def _one(self, line: dict[str, Any]) -> dict[str, Any]:
        """Return one proposal; only its line of the list, if the service does not return more of it."""
        proposal = field_of(line, "id")
        if proposal in self._over:
            return self._over[proposal]
        shown: dict[str, Any] = {name: field_of(line, name) for name in _TEXTS}
        if not re.fullmatch(PROPOSAL_ID, proposal):
            return shown
        try:
            answer = await self._service.get("proposals", proposal)
        except SessionError:
            return shown
        shown = {name: field_of(answer, name) or shown[name] for name in _TEXTS}
        actions = answer.get("actions") if isinstance(answer, dict) else None
        shown["withdrawable"] = isinstance(actions, dict) and actions.get("withdraw", "") is None
        shown["profiles"] = _profiles(answer)
        shown["approved_by"] = sorted(
            {
                name
                for need in items_of(answer, "requirements")
                for name in need.get("met_by") or []
                if isinstance(name, str)
            }
        )
        if shown["state"] in _OVER:
            self._over = {**dict([*self._over.items()][-100:]), proposal: shown}
        return shown

    async def check(self, body: dict[str, Any]) -> Any:
        """Check a change of one profile. Raise `SessionError`."""
        return await self._service.post("checks", body=known(body, _CHECKED))

    async def propose(self, body: dict[str, Any]) -> Any:
        """Propose a change of one profile. Raise `SessionError`."""
        return await self._service.post("proposals", body=known(body, _PROPOSED))

    async def withdraw(self, proposal: str) -> Any:
        """Withdraw a proposal of the user. Raise `SessionError`."""
        return await self._service.post("proposals", proposal, "withdrawal", body={})


def _profiles(answer: Any) -> list[str]:
    """Return the ids of the profiles that a proposal changes."""
    paths = answer.get("paths") if isinstance(answer, dict) else None
    matches = (re.fullmatch(r"teams/([^/]+)/profiles/([^/]+)\.yaml", str(path)) for path in paths or [])
    return [f"{match[1]}/{match[2]}" for match in matches if match]


def known(body: dict[str, Any], names: frozenset[str]) -> dict[str, Any]:
    """Return what the panel sends, if all of it has these names. Raise `SessionError`."""
    unknown = sorted(set(body) - names)
    if unknown:
        raise SessionError(
            "The panel sent something that it may not send.",
            why=f"Unknown: {', '.join(unknown)[:200]}.",
            remedy="Load JupyterLab anew in the browser.",
            status=Exit.USAGE,
        )
    return body
