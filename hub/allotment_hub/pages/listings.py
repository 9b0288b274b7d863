"""The pages for reading: profiles, teams and data roles."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import ClassVar

from allotment_hub.errors import ServiceError
from allotment_hub.pages.page import Page, Pages
from allotment_hub.services.browse.history import HistoryRow
from allotment_profiles.access.people import answers_for, belongs
from allotment_profiles.access.service_accounts import service_account
from allotment_profiles.model import Acceptance, Profile
from allotment_profiles.model.paths import data_role_path, profile_path, team_path
from allotment_profiles.store.provenance import HistoryEntry


class ProfilesPage(Page):
    """The table of profiles."""

    active: ClassVar[str] = "profiles"

    async def get(self) -> None:
        """GET profiles?q=WORDS."""
        profiles, user = self.services.profiles, self.actor.user
        query = self.get_query_argument("q", "")
        listed = await profiles.search(user)
        found = await profiles.search(user, query) if query.split() else listed
        pages = Pages.of(self.get_query_argument("page", ""), len(found))
        rows = await profiles.rows(user, found[pages.slice])
        catalog = self.services.catalog
        await self.show("profiles.html", rows=rows, pages=pages, total=len(listed), query=query, catalog=catalog)


class ProfilePage(Page):
    """One profile."""

    active: ClassVar[str] = "profiles"

    async def get(self, team: str, name: str) -> None:
        """GET profiles/TEAM/NAME?user=NAME."""
        catalog, user = self.services.catalog, self.actor.user
        row = await self.services.profiles.row(user, f"{team}/{name}")
        explained_user = self.get_query_argument("user", "").strip() or user.name
        refusal, explained = None, row.offer
        try:
            explained = await self.services.profiles.explain(user, explained_user, row.id)
        except ServiceError as error:
            refusal = error.refusal
        entry = catalog.teams.get(team)
        history = await self.services.history.of(user, profile_path(row.id))
        data = [data_role_path(name) for name in (row.profile.data_roles if row.profile else ())]
        await self.show(
            "profile.html",
            about_data=await self.services.proposals.others(data, user),
            row=row,
            profile=row.profile,
            policy=catalog.policy.value if catalog.policy else None,
            accepted=accepted_problems(row.profile, history),
            source=row.entry.source.decode() if row.entry and row.full else "",
            catalog=catalog,
            history=_with_texts(history),
            explained=explained,
            explain_refusal=refusal,
            explained_user=explained_user,
            identity=await self.services.identities.shown(user, explained_user) if refusal is None else None,
            asks_others=user.admin or (entry is not None and answers_for(user, entry.value)),
        )


class TeamPage(Page):
    """One team."""

    active: ClassVar[str] = "profiles"

    async def get(self, name: str) -> None:
        """GET teams/NAME."""
        catalog = self.services.catalog
        page = await self.services.teams.page(self.actor.user, name)
        await self.show(
            "team.html",
            page=page,
            team=page.entry.value,
            catalog=catalog,
            policy=catalog.policy.value if catalog.policy else None,
            history=_with_texts(await self.services.history.of(self.actor.user, team_path(name))),
        )


class DataRolesPage(Page):
    """The table of data roles."""

    active: ClassVar[str] = "data-roles"

    async def get(self) -> None:
        """GET data-roles."""
        await self.show("data_roles.html", rows=await self.services.data_roles.rows(self.actor.user))


class DataRolePage(Page):
    """One data role."""

    active: ClassVar[str] = "data-roles"

    async def get(self, name: str) -> None:
        """GET data-roles/NAME."""
        data_roles, catalog, user = self.services.data_roles, self.services.catalog, self.actor.user
        row = await data_roles.row(user, name)
        if row.readable_by:
            row = await data_roles.readers(user, name)
        history = await self.services.history.of(user, data_role_path(name))
        await self.show(
            "data_role.html",
            row=row,
            role=row.entry.value if row.entry else None,
            history=_with_texts(history),
            teams=[team for team, entry in catalog.teams.items() if user.admin or belongs(user, entry.value)],
            catalog=catalog,
            credentials=CREDENTIALS,
            service_account=service_account if row.full and self.services.profiles.has_service_accounts else None,
        )


CREDENTIALS = {
    "volume": "a folder of a volume",
    "secret": "a Kubernetes Secret",
    "aws_role": "an AWS role",
    "eks_pod_identity": "an AWS role, through EKS Pod Identity",
    "gcp_service_account": "a Google Cloud service account",
    "azure_identity": "a Microsoft Entra identity",
    "vault": "a Vault secret",
}


@dataclass(frozen=True, slots=True)
class AcceptedProblem:
    """A problem that an administrator has accepted."""

    code: str
    acceptance: Acceptance
    entry: HistoryEntry | None
    """The commit with the acceptance; None if it is older than the history on the page."""


def accepted_problems(profile: Profile | None, history: Sequence[HistoryRow]) -> list[AcceptedProblem]:
    """Return the accepted problems of a profile, each with the newest commit that changed its acceptance."""
    accepted = []
    for code, acceptance in profile.accepted.items() if profile else ():
        field = f"accepted.{code}."
        entries = (row.entry for row in history if any(change.field.startswith(field) for change in row.changes))
        accepted.append(AcceptedProblem(code, acceptance, next(entries, None)))
    return accepted


def _with_texts(history: Iterable[HistoryRow]) -> list[tuple[HistoryRow, list[str]]]:
    """Return each row of the history with the texts of its changes."""
    return [(row, [change.text for change in row.changes]) for row in history]
