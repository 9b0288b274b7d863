"""Small proposals with pages of their own: a request for data, its renewal, and the retirement of a profile."""

import datetime as dt
from typing import Any, ClassVar

from allotment_hub.errors import ServiceError, refused
from allotment_hub.pages.proposing import Proposer, in_a_year, panel_of, unreadable
from allotment_hub.services.browse.data_roles import grant_days_left
from allotment_hub.services.drafts.drafting import Ask, DraftProposal, granted
from allotment_profiles.access.people import belongs
from allotment_profiles.model.paths import data_role_path, profile_path


class AskPage(Proposer):
    """Ask for data, or renew the grant."""

    active: ClassVar[str] = "data-roles"

    async def get(self, name: str) -> None:
        """GET data-roles/NAME/ask?team=TEAM."""
        row, team = await self._role(name), self.get_query_argument("team", "")
        held = row.entry.value.granted_to.get(team)
        await self._show(name, team, Ask(in_a_year(held.until if held else None), ""), "")

    async def post(self, name: str) -> None:
        """POST the wish."""
        team, ask, reason = self.field("team").strip(), Ask(self.field("until"), ""), self.field("reason")
        refusal = None
        try:
            if self.field("do") == "propose":
                row = await self._role(name)
                if team not in self.services.catalog.teams:
                    raise refused(422, "team-unknown", "Nothing was proposed.", "There is no such team.", "Choose one.")
                files = {data_role_path(row.name): self._file(row.name, team, ask, reason)}
                await self.propose(files, reason)
                return
        except ServiceError as error:
            self.set_status(error.refusal.status)
            refusal = error
        await self._show(name, team, ask, reason, refusal)

    async def _role(self, name: str) -> Any:
        row = await self.services.data_roles.row(self.reader.user, name)
        if row.entry is None:
            raise unreadable(name)
        return row

    def _file(self, name: str, team: str, ask: Ask, reason: str) -> bytes:
        return granted(self.services.catalog, name, team, ask.until, reason)

    async def _show(self, name: str, team: str, ask: Ask, reason: str, refusal: ServiceError | None = None) -> None:
        row, catalog, user = await self._role(name), self.services.catalog, self.reader.user
        teams = {
            id_: entry.value.title for id_, entry in catalog.teams.items() if user.admin or belongs(user, entry.value)
        }
        if team in catalog.teams:
            teams.setdefault(team, catalog.teams[team].value.title)
        team = team or next(iter(teams), "")
        check = None
        if team in catalog.teams and ask.until:
            check = await self.checked({data_role_path(name): self._file(name, team, ask, reason)})
        panel = panel_of(DraftProposal(team=team, with_profile=False), (), (), check)
        current, now = row.entry.value.granted_to.get(team), dt.datetime.now(dt.UTC)
        self.show(
            "ask.html",
            row=row,
            role=row.entry.value,
            team=team,
            teams=teams,
            ask=ask,
            reason=reason,
            panel=panel,
            current=current,
            ended=current is not None and grant_days_left(current, now) < 0,
            today=now.date(),
            refusal=refusal.refusal if refusal else None,
            link=refusal.link if refusal else "",
        )


class RetirePage(Proposer):
    """Take a profile out of use, after a look at what that means."""

    async def get(self, team: str, name: str) -> None:
        """GET profiles/TEAM/NAME/retire."""
        await self._show(team, name, "")

    async def post(self, team: str, name: str) -> None:
        """POST the reason."""
        row = await self.services.profiles.row(self.reader.user, f"{team}/{name}")
        try:
            await self.propose({profile_path(row.id): None}, self.field("reason"))
        except ServiceError as error:
            self.set_status(error.refusal.status)
            await self._show(team, name, self.field("reason"), error)

    async def _show(self, team: str, name: str, reason: str, refusal: ServiceError | None = None) -> None:
        row = await self.services.profiles.row(self.reader.user, f"{team}/{name}")
        check = await self.checked({profile_path(row.id): None})
        self.show(
            "retire.html", row=row, reason=reason, panel=panel_of(DraftProposal(with_profile=False), (), (), check),
            refusal=refusal.refusal if refusal else None, link=refusal.link if refusal else "",
        )  # fmt: skip
