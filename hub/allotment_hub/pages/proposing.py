"""Proposing: the form and the file, and what stands beside them."""

import datetime as dt
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, cast

from allotment_hub.errors import ServiceError, refused
from allotment_hub.pages.page import Page
from allotment_hub.services.drafts.drafting import (
    Acceptance,
    Ask,
    DraftProposal,
    Tab,
    blank_draft,
    draft_of_paths,
    draft_of_profile,
    draft_of_proposal,
    field_of,
    has_variables,
    holds,
    own_problems,
    still_needed,
    without_variables,
)
from allotment_hub.services.drafts.forms import MORE, Field, fields_of, items_of, sections_of
from allotment_hub.services.proposals.checking import Check, Files
from allotment_hub.services.visibility import may_see
from allotment_profiles.access.form_schema import form_schema
from allotment_profiles.access.people import leads_of
from allotment_profiles.catalog.catalog import Catalog
from allotment_profiles.model import BUILT_IN_APPS
from allotment_profiles.model.paths import file_ref
from allotment_profiles.model.problems import Problem, Refusal
from allotment_profiles.reference.schema import schema_of

_ASKED = re.compile(r"grant\.([a-z0-9-]{1,40})\.until")
_ACCEPTED = re.compile(r"accept\.([a-z0-9-]{1,40})\.reason")
_CODE = re.compile(r"[a-z0-9-]{1,40}")
_OTHER = "file:"
_REMOVED = "remove:"


@dataclass(frozen=True)
class Panel:
    """What stands beside the form: what would come of it."""

    check: Check | None
    """None before there is anything to check."""
    needed: tuple[Problem, ...] = ()
    """What has not been filled in yet."""
    problems: tuple[Problem, ...] = ()
    """Errors and warnings."""
    by_field: Mapping[str, Sequence[Problem]] | None = None
    """The problems that stand beside a field of the form."""
    unchanged: bool = False
    automatic: tuple[str, ...] = ()
    """Why nobody has to approve, where the policy lets the proposer do without."""

    @property
    def hard(self) -> list[Problem]:
        """What has to be corrected."""
        return [problem for problem in self.problems if problem.level == "hard"]

    @property
    def soft(self) -> list[Problem]:
        """What an administrator may accept."""
        return [problem for problem in self.problems if problem.level == "soft"]

    @property
    def ready(self) -> bool:
        """Whether it can be proposed."""
        return bool(self.check and not self.needed and not self.unchanged) and not any(
            problem.blocks for problem in self.problems
        )


def panel_of(
    draft: DraftProposal,
    fields: Sequence[Field],
    own: Sequence[Problem],
    check: Check | None,
    automatic: tuple[str, ...] = (),
) -> Panel:
    """Sort what is known of a draft for the page."""
    found = [*own, *(check.problems if check else ())]
    by_field: dict[str, list[Problem]] = {}
    for problem in found:
        name = field_of(problem, draft, fields)
        if name and not still_needed(problem):
            by_field.setdefault(name, []).append(problem)
    return Panel(
        check=check,
        needed=tuple(problem for problem in found if still_needed(problem)),
        problems=tuple(problem for problem in found if not still_needed(problem) and problem.code != "no-change"),
        by_field=by_field,
        unchanged=any(problem.code == "no-change" for problem in found),
        automatic=automatic if check and not check.requirements else (),
    )


class Proposer(Page):
    """What the pages share that end in a proposal."""

    active: ClassVar[str] = "propose"

    async def checked(self, files: Files) -> Check | None:
        """Check files; None where there is nothing to check."""
        return await self.services.proposing.check(self.reader, files) if files else None

    async def propose(self, files: Files, reason: str, update: str = "") -> None:
        """Propose, and go to the proposal's page."""
        done = await self.services.proposing.propose(self.reader, files, reason, update=update or None)
        # One click is enough where nobody has to approve; its page shows what became of it.
        await self.services.reviewing.merge_if_automatic(self.reader, done.proposal)
        self.go(f"proposals/{done.proposal.id}")

    def narrowed(self) -> dict[str, Any]:
        """Give what the reader's teams may ask for."""
        catalog, now = self.services.catalog, dt.datetime.now(dt.UTC)
        return form_schema(schema_of("profile"), catalog, self.reader.user, now)


class ProposePage(Proposer):
    """From an idea to a proposal: the form, or the file in an editor."""

    async def get(self) -> None:
        """GET propose?from=TEAM/NAME&copy=1, ?team=, ?proposal=ID, ?path=PATH."""
        bounds = self.narrowed()
        fields = fields_of(bounds["schema"])
        draft = await self._begun(bounds, fields)
        fresh = draft.new and not draft.update
        panel = Panel(None) if fresh else await self._panel(draft, fields)
        self._show(draft, fields, bounds, panel)

    async def post(self) -> None:
        """POST the form: to look at it again, in another tab or checked, or to propose it."""
        bounds = self.narrowed()
        fields = fields_of(bounds["schema"])
        deed = self.field("do", "check")
        draft = self._sent(fields)
        if deed in ("form", "file"):
            draft = draft.switched(cast("Tab", deed), fields)
        panel = await self._panel(draft, fields)
        if deed == "live":
            self.show("panel.html", panel=panel, draft=draft)
        elif deed == "propose":
            await self._propose(draft, fields, bounds, panel)
        else:
            self._show(draft, fields, bounds, panel)

    async def _propose(
        self, draft: DraftProposal, fields: Sequence[Field], bounds: dict[str, Any], panel: Panel
    ) -> None:
        refusal, link = None, ""
        try:
            own = own_problems(draft, self.services.catalog)
            if own:
                why = own[0].message
                refusal = Refusal("problems", "This cannot be proposed yet.", why, own[0].remedy, status=422)
            else:
                files = draft.files(fields, self.services.catalog)
                await self.propose(files, draft.reason, draft.update)
                return
        except ServiceError as error:
            refusal, link = error.refusal, error.link
        self.set_status(refusal.status)
        self._show(draft, fields, bounds, panel, refusal, link)

    async def _begun(self, bounds: dict[str, Any], fields: Sequence[Field]) -> DraftProposal:
        catalog = self.services.catalog
        proposal, origin = self.get_query_argument("proposal", ""), self.get_query_argument("from", "")
        paths = self.get_query_arguments("path")
        teams = list(bounds["teams"])
        team = self.get_query_argument("team", "") or next(iter(teams), "")
        if proposal:
            return await self._from_proposal(proposal, fields)
        if origin:
            own = origin.partition("/")[0]
            copy_to = own if own in teams and not self.get_query_argument("team", "") else team
            return await self._from_profile(origin, copy_to if self.get_query_argument("copy", "") else None, fields)
        if paths:
            return await self._from_paths(paths)
        return blank_draft(catalog, team, fields)

    async def _from_proposal(self, proposal: str, fields: Sequence[Field]) -> DraftProposal:
        """Begin with an open proposal of one's own; of a foreign data role only the grant is carried."""
        stored = await self.services.proposals.stored(proposal)
        view = await self.services.proposals.view(stored, self.reader)
        refusal = view.actions["update"]
        if refusal:
            raise ServiceError(refusal)
        catalog = self.services.catalog
        draft = draft_of_proposal(proposal, view.files, view.reason, catalog, fields)
        hidden = [path for path in draft.others if not may_see(self.reader.user, path, catalog)]
        if hidden:
            raise refused(
                403, "file-private", "You cannot change this proposal here.",
                f"The text of {', '.join(hidden)} is for the people behind it.", "Withdraw it, and ask anew.",
            )  # fmt: skip
        return draft

    async def _from_profile(self, origin: str, copy_to: str | None, fields: Sequence[Field]) -> DraftProposal:
        """Begin with a profile; its file as a whole, with the values of its variables, is for its team."""
        row, catalog = await self.services.profiles.row(self.reader.user, origin), self.services.catalog
        if row.entry is None:
            raise unreadable(origin)
        draft = draft_of_profile(catalog, row.id, fields, copy_to=copy_to)
        if row.full or not has_variables(row.entry.value):
            return draft
        if copy_to is None:
            raise refused(
                403, "file-private", "You cannot change this profile.",
                "It sets variables, and their values are for the team and administrators.",
                "Propose one like it for a team of yours, without the variables.", row.owners,
            )  # fmt: skip
        return without_variables(draft, fields)

    async def _from_paths(self, paths: Sequence[str]) -> DraftProposal:
        """Begin with other files; a data role's, with its credential, is for its owner."""
        for path in paths:
            where = file_ref(path)
            if where and where.kind == "data role":
                row = await self.services.data_roles.row(self.reader.user, where.id)
                if not row.full:
                    raise refused(
                        403, "file-private", "You cannot change this file.",
                        "It names a credential, which is for the owner of the data and administrators.",
                        "Ask for the data, or write to the owner.", row.owners,
                    )  # fmt: skip
        return draft_of_paths(self.services.catalog, paths)

    def _sent(self, fields: Sequence[Field]) -> DraftProposal:
        names = self.request.body_arguments
        asked = [match[1] for name in names if (match := _ASKED.fullmatch(name))]
        others: dict[str, str | None] = {
            name.removeprefix(_OTHER): self.field(name) for name in names if name.startswith(_OTHER)
        }
        others |= {name.removeprefix(_REMOVED): None for name in names if name.startswith(_REMOVED)}
        return DraftProposal(
            team=self.field("team").strip(),
            name=self.field("name").strip(),
            new=self.field("new") == "yes",
            tab="file" if self.field("tab") == "file" else "form",
            content=self.field("content"),
            values={field.name: self._typed(field) for field in fields},
            roles=tuple(dict.fromkeys(self.get_body_arguments("data_roles"))),
            asks={
                role: Ask(self.field(f"grant.{role}.until"), self.field(f"grant.{role}.reason")) for role in asked
            },
            accepts={
                code: Acceptance(self.field(f"accept.{code}.reason"), self.field(f"accept.{code}.until"))
                for code in self._accepted()
            },
            others=others,
            reason=self.field("reason"),
            update=self.field("update").strip(),
            with_profile=self.field("with_profile", "yes") == "yes",
        ).settled()  # fmt: skip

    def _typed(self, field: Field) -> str:
        """Give what was typed into a field, or the boxes that were ticked."""
        return self.field(field.name) if field.kind != "list" else "\n".join(self.get_body_arguments(field.name))

    def _accepted(self) -> list[str]:
        """Name the problems that are to be accepted: those with fields already, and the one that was just asked for."""
        named = [match[1] for name in self.request.body_arguments if (match := _ACCEPTED.fullmatch(name))]
        wished = self.field("accept")
        return list(dict.fromkeys([*named, *([wished] if _CODE.fullmatch(wished) else [])]))

    async def _panel(self, draft: DraftProposal, fields: Sequence[Field]) -> Panel:
        catalog = self.services.catalog
        own = own_problems(draft, catalog)
        nameless = any(problem.field in ("name", "team") and problem.code != "name-taken" for problem in own)
        # Without a name there is no file yet that could be checked.
        files = {} if nameless else draft.files(fields, catalog)
        check = await self.checked(files)
        return panel_of(draft, fields, own, check, check.automatic_for(self.reader.user) if check else ())

    def _show(
        self,
        draft: DraftProposal,
        fields: Sequence[Field],
        bounds: dict[str, Any],
        panel: Panel,
        refusal: Refusal | None = None,
        link: str = "",
    ) -> None:
        catalog = self.services.catalog
        teams = {name: each["title"] for name, each in bounds["teams"].items()}
        if draft.team in catalog.teams:
            teams.setdefault(draft.team, catalog.teams[draft.team].value.title)
        self.show(
            "propose.html",
            draft=draft,
            fields=fields,
            sections=sections_of(fields, draft.values, bounds["teams"].get(draft.team)),
            more=MORE,
            titles=titles_of(catalog),
            items_of=items_of,
            panel=panel,
            teams=teams,
            bounds=bounds["teams"].get(draft.team),
            catalog=catalog,
            missing=set(_not_held(catalog, draft.team)),
            owner_of=lambda role: leads_of(catalog, catalog.data_roles[role].value.owner),
            text=draft.text(fields) if draft.with_profile else "",
            kept=draft.kept(fields) if draft.tab == "form" else [],
            refusal=refusal,
            link=link,
            next_year=in_a_year(),
        )


def titles_of(catalog: Catalog) -> dict[str, dict[str, str]]:
    """Give what people call the things that the policy names, and the words of the format itself."""
    policy = catalog.policy.value if catalog.policy else None
    return {
        "app": {**BUILT_IN_APPS, **({name: tool.title for name, tool in policy.tools.items()} if policy else {})},
        "resources.gpu_kind": {name: kind.title for name, kind in policy.gpu_kinds.items()} if policy else {},
        "node_pool": {name: pool.title for name, pool in policy.node_pools.items()} if policy else {},
        "storage.team": {"none": "not seen", "read-only": "read only", "read-write": "read and write"},
        "visibility": {
            "draft": "a draft, for leads, deputies and maintainers",
            "active": "active",
            "deprecated": "deprecated: it starts, and names what takes its place",
        },
    }


def _not_held(catalog: Catalog, team: str) -> list[str]:
    return [name for name in catalog.data_roles if not holds(catalog, name, team)]


def in_a_year(after: dt.date | None = None) -> str:
    """Give the day a year from now, or from a later day."""
    today = dt.datetime.now(dt.UTC).date()
    return (max(today, after or today) + dt.timedelta(days=365)).isoformat()


def unreadable(name: str) -> ServiceError:
    """Refuse to change what does not read."""
    return refused(
        409, "unreadable", f"{name} cannot be changed with this form.", "Its file does not read.",
        "It has to be corrected in the repository first.",
    )  # fmt: skip
