"""What exists: profiles and data roles, as lists and one by one."""

import csv
import io
import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from allotment_hub.api.serializers import profile_answer
from allotment_hub.errors import ServiceError
from allotment_hub.pages.page import Page
from allotment_hub.pages.paging import Pages
from allotment_hub.services.browse.listing import HistoryRow, ProfileRow
from allotment_hub.services.visibility import redacted
from allotment_profiles.access.people import answers_for, belongs
from allotment_profiles.access.service_accounts import service_account
from allotment_profiles.model import Acceptance, Profile
from allotment_profiles.model.paths import data_role_path, profile_path, team_path
from allotment_profiles.store.provenance import HistoryEntry

_COLUMNS = (
    "id", "title", "purpose", "team_title", "owners", "members", "app", "image", "cpu", "memory", "gpu", "gpu_kind",
    "node_pool", "home", "data_roles", "visibility", "successors", "retired_from", "only", "maintainers", "cost",
    "proposed_by", "approved_by", "reviewed", "revision", "startable", "outdated",
)  # fmt: skip


class ProfilesPage(Page):
    """What exists, why, who has it."""

    active: ClassVar[str] = "profiles"

    async def get(self) -> None:
        """GET profiles?q=WORDS."""
        listing, user = self.services.listing, self.reader.user
        words = self.get_query_argument("q", "")
        every = await listing.found(user)
        found = await listing.found(user, words) if words.split() else every
        pages = Pages.of(self.get_query_argument("page", ""), len(found))
        rows = await listing.rows(user, found[pages.slice])
        self.show(
            "profiles.html", rows=rows, pages=pages, total=len(every), words=words, catalog=listing.catalog,
            text_of=words_of,
        )  # fmt: skip


class ProfilesExport(Page):
    """The same as a file."""

    async def get(self, kind: str) -> None:
        """GET profiles.csv or profiles.json."""
        rows = await self.services.listing.profiles(self.reader.user)
        answers = [profile_answer(row, self.address(f"profiles/{row.id}")).model_dump(mode="json") for row in rows]
        if kind == "json":
            self.download("profiles.json", "application/json", json.dumps({"profiles": answers}, indent=2))
        else:
            self.download("profiles.csv", "text/csv", as_csv(answers))


class ProfilePage(Page):
    """Everything about one profile."""

    active: ClassVar[str] = "profiles"

    async def get(self, team: str, name: str) -> None:
        """GET profiles/TEAM/NAME?user=WHOM."""
        listing, user = self.services.listing, self.reader.user
        row = await listing.profile(user, f"{team}/{name}")
        whom = self.get_query_argument("user", "").strip()
        refusal, explained = None, row.offer
        try:
            explained = await listing.explain(user, whom or user.name, row.id)
        except ServiceError as error:
            refusal = error.refusal
        entry = listing.catalog.teams.get(team)
        history = await listing.history(profile_path(row.id))
        policy = listing.catalog.policy
        self.show(
            "profile.html",
            row=row,
            profile=row.profile,
            policy=policy.value if policy else None,
            accepted=_acceptances(row.profile, history),
            source=row.entry.source.decode() if row.entry and row.full else "",
            catalog=listing.catalog,
            history=_told(history, full=row.full),
            explained=explained,
            explain_refusal=refusal,
            whom=whom or user.name,
            asks_others=user.admin or (entry is not None and answers_for(user, entry.value)),
        )


class TeamPageHandler(Page):
    """Who is in a team, who decides, and what it may use."""

    active: ClassVar[str] = "profiles"

    async def get(self, name: str) -> None:
        """GET teams/NAME."""
        listing = self.services.listing
        team = await listing.team(self.reader.user, name)
        self.show(
            "team.html",
            page=team,
            team=team.entry.value,
            catalog=listing.catalog,
            policy=listing.catalog.policy.value if listing.catalog.policy else None,
            history=_told(await listing.history(team_path(name)), full=True),
        )


class DataRolesPage(Page):
    """Who can reach what."""

    active: ClassVar[str] = "data-roles"

    async def get(self) -> None:
        """GET data-roles."""
        catalog = self.services.listing.catalog
        rows = await self.services.listing.data_roles(self.reader.user)
        self.show("data_roles.html", rows=rows, catalog=catalog)


class DataRolePage(Page):
    """One data role: who reaches it, through what, until when."""

    active: ClassVar[str] = "data-roles"

    async def get(self, name: str) -> None:
        """GET data-roles/NAME."""
        listing = self.services.listing
        row = await listing.data_role(self.reader.user, name)
        if row.readable_by:
            row = await listing.readers(self.reader.user, name)
        history = await listing.history(data_role_path(name))
        user, teams = self.reader.user, listing.catalog.teams
        own = [team for team, entry in teams.items() if user.admin or belongs(user, entry.value)]
        self.show(
            "data_role.html",
            row=row,
            role=row.entry.value if row.entry else None,
            history=_told(history, full=row.full),
            teams=own,
            catalog=listing.catalog,
            credentials=_CREDENTIALS,
            service_account=service_account if row.full and listing.has_service_accounts else None,
        )


_CREDENTIALS = {
    "volume": "a folder of a volume",
    "secret": "a Kubernetes Secret",
    "aws_role": "a role of AWS",
    "eks_pod_identity": "a role of AWS, through EKS Pod Identity",
    "gcp_service_account": "a service account of Google Cloud",
    "azure_identity": "an identity of Microsoft Entra",
    "vault": "a secret of Vault",
}


@dataclass(frozen=True, slots=True)
class Accepted:
    """A problem that an administrator has accepted, and how it came to that."""

    code: str
    acceptance: Acceptance
    landing: HistoryEntry | None
    """The commit that brought it; None where it lies further back than the page looks."""


def _acceptances(profile: Profile | None, history: Sequence[HistoryRow]) -> list[Accepted]:
    """Give what is accepted with the newest commit that said so in these words."""
    found = []
    for code, acceptance in profile.accepted.items() if profile else ():
        field = f"accepted.{code}."
        landings = (
            entry.landing for entry in history if any(change.field.startswith(field) for change in entry.changes)
        )
        found.append(Accepted(code, acceptance, next(landings, None)))
    return found


def words_of(row: ProfileRow) -> str:
    """Give what the filter looks in."""
    profile = row.profile
    parts = [row.id, row.team_title, row.members, *(row.landing.approved_by if row.landing else ())]
    if profile:
        parts += [profile.title, profile.description, profile.purpose, profile.app, profile.image, *profile.data_roles]
    return " ".join(parts).lower()


def as_csv(answers: Iterable[dict[str, Any]]) -> str:
    """Write a table for spreadsheets; no cell of it can be taken for a formula."""
    target = io.StringIO()
    writer = csv.writer(target)
    columns = (*_COLUMNS, "review_by", "url")
    writer.writerow(columns)
    for answer in answers:
        writer.writerow([_cell(answer.get(column)) for column in columns])
    return target.getvalue()


def _cell(value: object) -> str:
    if isinstance(value, dict):
        value = value.get("text", "")
    text = ", ".join(map(str, value)) if isinstance(value, list) else "" if value is None else str(value)
    # A spreadsheet takes what begins like this for a formula, also after spaces; the apostrophe makes it text.
    return f"'{text}" if text.lstrip().startswith(("=", "+", "-", "@")) or text.startswith(("\t", "\r", "\n")) else text


def _told(history: Iterable[HistoryRow], *, full: bool) -> list[tuple[HistoryRow, list[str]]]:
    """Give each entry with its changes in words, as this reader may see them."""
    return [(entry, [change.text for change in redacted(entry.changes, lambda _: full)]) for entry in history]
