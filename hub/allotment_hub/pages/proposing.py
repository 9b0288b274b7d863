"""Proposing: the page with the form and the file of a profile, and what other pages that propose share."""

import asyncio
import contextlib
import dataclasses
import datetime as dt
import re
from collections.abc import Container, Sequence
from functools import partial
from typing import ClassVar, cast

from allotment_hub.errors import ServiceError, refused
from allotment_hub.forges.stored_proposal import StoredProposal
from allotment_hub.pages.page import Page
from allotment_hub.services.drafts.draft_proposal import (
    Acceptance,
    DraftProposal,
    EditedProfile,
    Tab,
    free_name,
    own_problems,
)
from allotment_hub.services.drafts.form_view import FormView
from allotment_hub.services.drafts.forms import (
    MORE,
    Field,
    ProfileForm,
    form_of,
    titles_of,
)
from allotment_hub.services.drafts.grants import Ask
from allotment_hub.services.drafts.options import added_names, option_fields
from allotment_hub.services.drafts.panel import Panel, panel_of
from allotment_hub.services.drafts.starting_points import (
    blank,
    from_paths,
    from_profile,
    from_proposal,
    has_variables,
    without_variables,
)
from allotment_hub.services.judging.catching_up import Updated
from allotment_hub.services.judging.checking import Check, Files
from allotment_hub.services.proposals.proposing import Proposed, check_number
from allotment_hub.services.trials.trying import Wish
from allotment_profiles.access.form_schema import form_schema
from allotment_profiles.access.people import User
from allotment_profiles.access.visibility import Sight, visible
from allotment_profiles.catalog.catalog import Catalog
from allotment_profiles.model.paths import data_role_path, file_ref
from allotment_profiles.reference.schema import schema_of

_ASKED = re.compile(r"grant\.([a-z0-9-]{1,40})\.until")
_ACCEPTED = re.compile(r"accept\.([a-z0-9-]{1,40})\.reason")
_CODE = re.compile(r"[a-z0-9-]{1,40}")
_ACCEPTANCE_NEEDED = (
    "An administrator has to accept this first.",
    "It breaks a rule of the platform that an administrator may put aside.",
    "Look at what is asked for under “To be accepted”, and press the button once more to propose it with that.",
)
_WHERE_IT_IS_SAID = "What is wrong or missing stands beside its field, and under Result.", "Correct it first."
_LIKE = 30
"""So many profiles are shown to begin with one of them."""
_OTHER = "file:"
_REMOVED = "remove:"


class ProposingPage(Page):
    """What the pages share that end in a proposal."""

    active: ClassVar[str] = "propose"

    async def checked(self, files: Files) -> Check | None:
        """Check files; None where there are none."""
        return await self.services.submissions.check(self.actor, files) if files else None

    async def propose(
        self, files: Files, reason: str, update: str = "", undoes: str = "", *, by_assistant: bool = False
    ) -> None:
        """Propose files, and go to the proposal's page."""
        propose = partial(self.services.submissions.propose, by_assistant=by_assistant)
        decides = self.may_decide("propose")
        done = await propose(self.actor, files, reason, update=update or None, undoes=undoes, decides=decides)
        await self.go_to_proposed(done, "propose")

    async def go_to_proposed(self, done: Proposed, *button: str) -> None:
        """Go to the page of what was proposed with a button, merged at once where it needs nobody's approval."""
        if done.automatic:
            # A merge is a decision. Without the token of a button, the proposal waits for its proposer to merge it.
            with contextlib.suppress(ServiceError), self.deciding(*button):
                await self.services.reviews.merge_if_automatic(self.actor, done.proposal)
        self.go(f"proposals/{done.proposal.id}")


class ProposePage(ProposingPage):
    """The form for a profile, or its file in an editor."""

    async def get(self) -> None:
        """GET propose, ?q=, ?from=TEAM/NAME&copy=1, ?team=, ?empty=1, ?proposal=ID, ?again=ID, ?undo=ID, ?draft=ID …"""
        if self.request.arguments.keys() <= {"q"} and await self._asked_like_what():
            return
        form = await asyncio.to_thread(self._form)
        draft = await self._started(form)
        fresh = draft.profile is not None and draft.profile.new and not draft.update
        await self._show(draft, form, Panel(None) if fresh else await self._panel(draft, form))

    async def post(self) -> None:
        """POST the form: to check it, to show it in another tab, to try it, or to propose it."""
        form, action = await asyncio.to_thread(self._form), self.field("do", "check")
        draft, error = await asyncio.to_thread(self._typed_draft, form, action), None
        if action in ("propose", "try"):
            try:
                if action == "propose":
                    await self._propose(draft, form)
                    return
                await self._try(draft, form)
            except ServiceError as refusal:
                error = refusal
                self.set_status(error.refusal.status)
        panel = await self._panel(draft, form)
        if error and error.refusal.code == "draft-unknown":
            draft = dataclasses.replace(draft, drafted="")
        if error and error.refusal.code == "problems" and draft.profile and panel.acceptable:
            draft = dataclasses.replace(draft, profile=draft.profile.asking(panel.acceptable, draft.reason))
            error = refused(422, "acceptance-needed", *_ACCEPTANCE_NEEDED)
        if action == "live":
            await self.show("panel.html", panel=panel, draft=draft)
        else:
            await self._show(draft, form, panel, error, tried=action == "try" and error is None)

    async def _try(self, draft: DraftProposal, form: ProfileForm) -> None:
        """Start a trial of the profile. A page of a session must not do that in the user's name."""
        catalog = self.services.catalog
        own = [problem for problem in own_problems(draft, catalog) if problem.field in ("name", "team")]
        if own:
            raise refused(422, "problems", "This cannot be tried yet.", *_WHERE_IT_IS_SAID)
        files = await asyncio.to_thread(draft.files, form.fields, catalog)
        with self.deciding("propose"):
            await self.services.trials.start_draft(self.actor, files, Wish(draft.profile.id if draft.profile else ""))

    async def _asked_like_what(self) -> bool:
        """Show the profiles that the user can start, to begin with one of them; False where there is none at all."""
        user, query = self.actor.user, self.get_query_argument("q", "")
        startable = await self.services.profiles.startable(user)
        found = [each for each in await self.services.profiles.search(user, query) if each in startable]
        running = await self.services.own_sessions.profiles(user)
        found.sort(key=lambda profile_id: profile_id not in running)
        # A row costs more than the question whether it can be started: only those that are shown are made.
        rows = [row for row in await self.services.profiles.rows(user, found[:_LIKE]) if row.profile]
        if not rows and not query:
            return False
        more = len(found) > _LIKE
        await self.show("like.html", rows=rows, more=more, running=running, query=query)
        return True

    async def _propose(self, draft: DraftProposal, form: ProfileForm) -> None:
        catalog = self.services.catalog
        own = own_problems(draft, catalog)
        if own:
            raise refused(422, "problems", "This cannot be proposed yet.", *_WHERE_IT_IS_SAID)
        if draft.drafted:
            await self._check_confirmed(draft.drafted)
        files = await asyncio.to_thread(draft.files, form.fields, catalog)
        await self.propose(files, draft.reason, draft.update, draft.undoes, by_assistant=bool(draft.drafted))
        if draft.drafted:
            await self.services.assistant_drafts.discard(self.actor.user, draft.drafted)

    async def _check_confirmed(self, drafted: str) -> None:
        """Refuse to record that the user has confirmed a draft, unless they did so on this page, and it waits."""
        self.require_person(f"propose?draft={drafted}")
        if not self.may_decide("propose"):
            what, why = "This page is out of date.", "It was opened by a script, too long ago, or before a restart."
            raise refused(403, "page-outdated", what, why, "Press the button once more: the page is a new one now.")
        try:
            await self.services.assistant_drafts.own(self.actor.user, drafted)
        except ServiceError as error:
            why = "It was proposed, discarded, replaced by a newer one, or has expired while you edited it."
            remedy = "Press the button once more to propose what is here without saying that it was drafted."
            raise refused(404, "draft-unknown", "The draft does not wait any more.", why, remedy) from error

    def _form(self) -> ProfileForm:
        catalog, now = self.services.catalog, dt.datetime.now(dt.UTC)
        return form_of(form_schema(schema_of("profile"), catalog, self.actor.user, now))

    async def _started(self, form: ProfileForm) -> DraftProposal:
        team, first = self.get_query_argument("team", ""), next(iter(form.teams), "")
        proposal, origin = self.get_query_argument("proposal", ""), self.get_query_argument("from", "")
        paths = self.get_query_arguments("path")
        again, undo = self.get_query_argument("again", ""), self.get_query_argument("undo", "")
        if drafted := self.get_query_argument("draft", ""):
            return await self._from_draft(drafted, form)
        if proposal or again:
            mine, known = self.services.submissions.own, self.services.proposals.visible
            stored = await (mine(self.actor, proposal) if proposal else known(again, self.actor.user))
            return await self._from_proposal(stored, form)
        if undo:
            return await self._undoing(undo, form)
        if origin:
            own = origin.partition("/")[0]
            copy_to = team or (own if own in form.teams else first)
            copy = bool(self.get_query_argument("copy", ""))
            return DraftProposal(await self._from_profile(origin, copy_to if copy else None, form))
        if paths:
            return await self._from_paths(paths)
        catalog, user = self.services.catalog, self.actor.user
        return DraftProposal(await asyncio.to_thread(blank, catalog, user, team or first, form.fields))

    async def _from_proposal(self, stored: StoredProposal, form: ProfileForm) -> DraftProposal:
        """Start from a proposal; an open one is updated. Only the grant is carried over from others' data roles."""
        proposals, catalog = self.services.proposals, self.services.catalog
        updated = await proposals.files_for_main(stored, await proposals.main(), self.actor.user)
        update = stored.id if stored.open else ""
        draft = await asyncio.to_thread(from_proposal, update, updated.files, stored.current.text, catalog, form.fields)
        carried = {data_role_path(role) for role in draft.profile.asks} if draft.profile else set()
        seen = (await proposals.view(stored, self.actor)).seen
        await self._check_seen(updated, seen, carried, "Withdraw it, and make a new one.")
        return draft

    async def _from_draft(self, drafted: str, form: ProfileForm) -> DraftProposal:
        """Start from the draft of an assistant. What its user may not see was not taken."""
        found = await self.services.assistant_drafts.own(self.actor.user, drafted)
        files, catalog = found.files, self.services.catalog
        draft = await asyncio.to_thread(from_proposal, "", files, found.reason, catalog, form.fields)
        carried = {data_role_path(role) for role in draft.profile.asks} if draft.profile else set()
        seen = await asyncio.to_thread(_seen, self.actor.user, files, catalog)
        await self._check_seen(Updated(files), seen, carried, "Propose it on the page of the draft.")
        return dataclasses.replace(draft, drafted=found.id)

    async def _undoing(self, proposal: str, form: ProfileForm) -> DraftProposal:
        """Start from what undoes a merged proposal. Where keys collide, it has the values from before the merge."""
        proposals, catalog, user = self.services.proposals, self.services.catalog, self.actor.user
        stored = await self.services.submissions.undoable(self.actor, proposal)
        undone = await proposals.undone(stored, await proposals.main(), user)
        seen = await asyncio.to_thread(_seen, user, undone.files, catalog)
        await self._check_seen(undone, seen, set(), "Ask those who may see it.")
        draft = await asyncio.to_thread(from_proposal, "", undone.files, "", catalog, form.fields)
        return dataclasses.replace(draft, undoes=stored.id, collisions=undone.collisions)

    async def _check_seen(self, updated: Updated, seen: Container[str], carried: Container[str], remedy: str) -> None:
        """Refuse to show files whose text the user may not see, as proposed or on main."""
        user, catalog = self.actor.user, self.services.catalog

        def is_hidden(path: str) -> bool:
            return path not in carried and (path not in seen or updated.sight(user, path, catalog) < Sight.ALL)

        hidden = await asyncio.to_thread(lambda: [path for path in updated.files if is_hidden(path)])
        if hidden:
            what, why = "You cannot change this proposal here.", f"You may not see the text of {', '.join(hidden)}."
            raise refused(403, "file-private", what, why, remedy)

    async def _from_profile(self, origin: str, copy_to: str | None, form: ProfileForm) -> EditedProfile:
        """Start from a profile. Only its team may see its text, with the values of variables and with comments."""
        row, catalog = await self.services.profiles.row(self.actor.user, origin), self.services.catalog
        if row.entry is None:
            raise unreadable(origin)
        profile = await asyncio.to_thread(from_profile, catalog, row.id, form.fields, copy_to=copy_to)
        if row.full:
            return profile
        if copy_to is None and (has_variables(row.entry.value) or b"#" in row.entry.source):
            why = "Its file has variables or comments, and only the team and administrators may see them."
            remedy = "Propose one like it for a team of yours, without them."
            raise refused(403, "file-private", "You cannot change this profile.", why, remedy, row.owners)
        return await asyncio.to_thread(without_variables, profile, form.fields)

    async def _from_paths(self, paths: Sequence[str]) -> DraftProposal:
        """Start from other files. Only the owner of a data role may see its file, which names a credential."""
        check_number(paths)
        for path in paths:
            ref, sight = file_ref(path), visible(self.actor.user, path, self.services.catalog)
            if ref and ref.kind == "team" and sight == Sight.NOTHING:
                await self.services.teams.page(self.actor.user, ref.id)  # raises what an unknown team is answered with
            if ref and ref.kind == "data role":
                row = await self.services.data_roles.row(self.actor.user, ref.id)
                if sight < Sight.ALL:
                    why = "It names a credential, which only the owner of the data and administrators may see."
                    remedy = "Ask for the data, or write to the owner."
                    raise refused(403, "file-private", "You cannot change this file.", why, remedy, row.owners)
        return from_paths(self.services.catalog, paths)

    def _typed_draft(self, form: ProfileForm, action: str) -> DraftProposal:
        names = self.request.body_arguments
        others: dict[str, str | None] = {
            name.removeprefix(_OTHER): self.field(name) for name in names if name.startswith(_OTHER)
        }
        others |= {name.removeprefix(_REMOVED): None for name in names if name.startswith(_REMOVED)}
        profile = self._typed_profile(form) if self.field("with_profile", "yes") == "yes" else None
        if profile and action in ("form", "file"):
            profile = profile.switched(cast("Tab", action), form.fields)
        update, undoes = self.field("update").strip(), self.field("undoes").strip()
        drafted = self.field("drafted").strip()
        return DraftProposal(profile, others, self.field("reason"), update, undoes, drafted)

    def _typed_profile(self, form: ProfileForm) -> EditedProfile:
        asked = [match[1] for name in self.request.body_arguments if (match := _ASKED.fullmatch(name))]
        begun = EditedProfile(content=self.field("content")).source if self.field("tab") != "file" else {}
        values = {field.name: self._typed(field) for field in (*form.fields, *option_fields(begun))}
        values |= {name: self.field(name) for name in added_names(begun)}
        return EditedProfile(
            team=self.field("team").strip(),
            name=self.field("name").strip(),
            new=self.field("new") == "yes",
            tab="file" if self.field("tab") == "file" else "form",
            content=self.field("content"),
            values=values,
            roles=tuple(dict.fromkeys(self.get_body_arguments("data_roles"))),
            asks={
                role: Ask(self.field(f"grant.{role}.until"), self.field(f"grant.{role}.reason")) for role in asked
            },
            accepts={code: self._acceptance(code) for code in self._accepted()},
        ).settled()  # fmt: skip

    def _typed(self, field: Field) -> str:
        """Return what was typed into a field, or the boxes that were ticked."""
        return self.field(field.name) if field.kind != "list" else "\n".join(self.get_body_arguments(field.name))

    def _acceptance(self, code: str) -> Acceptance:
        reason, until = self.field(f"accept.{code}.reason"), self.field(f"accept.{code}.until")
        wanted = self.field(f"accept.{code}.wanted") == "yes" or self.field("accept") == code
        return Acceptance(reason, until, wanted, self.field("reason"))

    def _accepted(self) -> list[str]:
        """Return the problems to be accepted: those with fields already, and the one that was just asked for."""
        named = [match[1] for name in self.request.body_arguments if (match := _ACCEPTED.fullmatch(name))]
        added = self.field("accept")
        return list(dict.fromkeys([*named, *([added] if _CODE.fullmatch(added) else [])]))

    async def _panel(self, draft: DraftProposal, form: ProfileForm) -> Panel:
        catalog, profile = self.services.catalog, draft.profile
        own = own_problems(draft, catalog)
        wrong = {problem.field for problem in own if problem.code != "name-taken"}
        named = draft
        if profile and "name" in wrong:  # the other fields are checked under another name
            named = dataclasses.replace(draft, profile=dataclasses.replace(profile, name=free_name(profile, catalog)))
        # Without a team there is no file that could be checked.
        files = {} if "team" in wrong else await asyncio.to_thread(named.files, form.fields, catalog)
        panel = await asyncio.to_thread(panel_of, await self.checked(files), named, form.fields, own)
        return panel if named is draft else panel.without_name()

    async def _show(
        self,
        draft: DraftProposal,
        form: ProfileForm,
        panel: Panel,
        error: ServiceError | None = None,
        *,
        tried: bool = False,
    ) -> None:
        catalog = self.services.catalog
        view = FormView(draft.profile, form, catalog, self.actor.user) if draft.profile else None
        texts = {"titles": titles_of(catalog), "more": MORE, "next_year": in_a_year()}
        values = {"view": view, "draft": draft, "panel": panel, "error": error, "one_time": self.one_time}
        await self.show("propose.html", **values, **texts, tried=tried)


def _seen(user: User, files: Files, catalog: Catalog) -> set[str]:
    """Return the paths of files whose text a user may see."""
    versions = {path: [data] if data is not None else [] for path, data in files.items()}
    return {path for path, data in versions.items() if visible(user, path, catalog, *data) == Sight.ALL}


def in_a_year(after: dt.date | None = None) -> str:
    """Return the day a year after today, or after `after` if that is later."""
    today = dt.datetime.now(dt.UTC).date()
    return (max(today, after or today) + dt.timedelta(days=365)).isoformat()


def unreadable(name: str) -> ServiceError:
    """Return the refusal to change a file that cannot be read."""
    why, remedy = "Its file cannot be read.", "It has to be corrected in the repository first."
    return refused(409, "unreadable", f"{name} cannot be changed with this form.", why, remedy)
