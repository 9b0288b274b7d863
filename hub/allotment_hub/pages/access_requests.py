"""Small proposals with pages of their own: a request for data, its renewal and its end, and a profile's retirement."""

import asyncio
import datetime as dt
from typing import ClassVar

from allotment_hub.errors import ServiceError, refused
from allotment_hub.pages.proposing import ProposingPage, in_a_year, unreadable
from allotment_hub.services.browse.data_roles import DataRoleRow, GrantRow, grant_state
from allotment_hub.services.drafts.grants import Ask, ending_grant, with_grant
from allotment_hub.services.drafts.panel import panel_of
from allotment_profiles.access.lost_access import time_left
from allotment_profiles.access.people import belongs
from allotment_profiles.access.visibility import team_is_listed
from allotment_profiles.model import DataRole
from allotment_profiles.model.paths import data_role_path, profile_path


class AskPage(ProposingPage):
    """Ask for data, or renew a grant."""

    active: ClassVar[str] = "data-roles"

    async def get(self, name: str) -> None:
        """GET data-roles/NAME/ask?team=TEAM."""
        _, role = await self._role(name)
        team = self.get_query_argument("team", "") or next(iter(self._teams()), "")
        current = role.granted_to.get(team)
        await self._show(name, team, Ask(in_a_year(current.until if current else None), ""))

    async def post(self, name: str) -> None:
        """POST the request: to check it, or to propose it."""
        team, ask, error = self.field("team").strip(), Ask(self.field("until"), self.field("reason")), None
        if self.field("do") == "propose":
            row, _ = await self._role(name)
            try:
                if team not in self.services.catalog.teams:
                    raise refused(422, "team-unknown", "Nothing was proposed.", "There is no such team.", "Choose one.")
                await self.propose({data_role_path(row.name): await self._file(row.name, team, ask)}, ask.reason)
                return
            except ServiceError as refusal:
                self.set_status(refusal.refusal.status)
                error = refusal
        await self._show(name, team, ask, error)

    async def _role(self, name: str) -> tuple[DataRoleRow, DataRole]:
        row = await self.services.data_roles.row(self.actor.user, name)
        if row.entry is None:
            raise unreadable(name)
        return row, row.entry.value

    async def _file(self, name: str, team: str, ask: Ask) -> bytes:
        return await asyncio.to_thread(with_grant, self.services.catalog, name, team, ask)

    def _teams(self) -> dict[str, str]:
        """Return the titles of the teams that the user belongs to."""
        catalog, user = self.services.catalog, self.actor.user
        return {
            id_: entry.value.title for id_, entry in catalog.teams.items() if user.admin or belongs(user, entry.value)
        }

    async def _show(self, name: str, team: str, ask: Ask, error: ServiceError | None = None) -> None:
        (row, role), catalog, user = await self._role(name), self.services.catalog, self.actor.user
        teams = self._teams()
        if team in catalog.teams and team_is_listed(catalog, user, team):
            teams.setdefault(team, catalog.teams[team].value.title)
        check = None
        try:
            if team in catalog.teams and ask.until:
                check = await self.checked({data_role_path(name): await self._file(name, team, ask)})
        except ServiceError as refusal:
            error = error or refusal
            self.set_status(error.refusal.status)
        current, now = role.granted_to.get(team) if team in teams else None, dt.datetime.now(dt.UTC)
        await self.show(
            "ask.html",
            one_time=self.one_time,
            row=row,
            role=role,
            team=team,
            teams=teams,
            ask=ask,
            panel=panel_of(check),
            current=current,
            state=grant_state(current, now) if current else "",
            today=now.date(),
            error=error,
        )


class EndPage(ProposingPage):
    """End a grant: propose an earlier last day, after a look at what that means."""

    active: ClassVar[str] = "data-roles"

    async def get(self, name: str) -> None:
        """GET data-roles/NAME/end?team=TEAM."""
        await self._show(name, self.get_query_argument("team", ""), "", "")

    async def post(self, name: str) -> None:
        """POST the last day, empty for an end at once, and the reason: to check it, or to propose it."""
        team, until, reason = (self.field(key).strip() for key in ("team", "until", "reason"))
        error = None
        if self.field("do") == "propose":
            try:
                row, _ = await self._grant(name, team)
                await self.propose({data_role_path(row.name): await self._file(row.name, team, until)}, reason)
                return
            except ServiceError as refusal:
                self.set_status(refusal.refusal.status)
                error = refusal
        await self._show(name, team, until, reason, error)

    async def _grant(self, name: str, team: str) -> tuple[DataRoleRow, GrantRow]:
        row = await self.services.data_roles.row(self.actor.user, name)
        if row.entry is None:
            raise unreadable(name)
        grant = next((grant for grant in row.grants if grant.team == team), None)
        if grant is None:
            raise refused(404, "grant-unknown", "There is no such grant.", "", "Look at the page of the data role.")
        return row, grant

    async def _file(self, name: str, team: str, until: str) -> bytes:
        return await asyncio.to_thread(ending_grant, self.services.catalog, name, team, until)

    async def _show(self, name: str, team: str, until: str, reason: str, error: ServiceError | None = None) -> None:
        row, grant = await self._grant(name, team)
        check = await self.checked({data_role_path(name): await self._file(name, team, until)})
        await self.show(
            "end.html",
            one_time=self.one_time,
            row=row,
            grant=grant,
            until=until,
            reason=reason,
            panel=panel_of(check),
            catalog=self.services.catalog,
            grace=int(time_left(self.services.catalog).total_seconds()),
            today=dt.datetime.now(dt.UTC).date(),
            error=error,
        )


class RemovalPage(ProposingPage):
    """Propose to remove a profile, after a look at what that means."""

    async def get(self, team: str, name: str) -> None:
        """GET profiles/TEAM/NAME/retire."""
        await self._show(f"{team}/{name}", "")

    async def post(self, team: str, name: str) -> None:
        """POST the reason."""
        row, reason = await self.services.profiles.row(self.actor.user, f"{team}/{name}"), self.field("reason")
        try:
            await self.propose({profile_path(row.id): None}, reason)
        except ServiceError as error:
            self.set_status(error.refusal.status)
            await self._show(row.id, reason, error)

    async def _show(self, profile_id: str, reason: str, error: ServiceError | None = None) -> None:
        row = await self.services.profiles.row(self.actor.user, profile_id)
        check = await self.checked({profile_path(row.id): None})
        grace = int(time_left(self.services.catalog).total_seconds())
        panel = panel_of(check)
        await self.show(
            "retire.html", one_time=self.one_time, row=row, reason=reason, panel=panel, grace=grace, error=error
        )
