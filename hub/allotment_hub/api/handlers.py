"""The API: each handler five lines between a body and an answer. `openapi` describes the same routes."""

import asyncio
import datetime as dt
import json
from collections.abc import Mapping, Sequence
from typing import ClassVar

from prometheus_client import CONTENT_TYPE_LATEST
from pydantic import BaseModel

from allotment_hub.api.metrics import exposition, pulls_in_brief
from allotment_hub.api.requests import (
    CheckBody,
    CommentBody,
    ConfirmationBody,
    HeadBody,
    MergeBody,
    ProposalBody,
    RejectionBody,
)
from allotment_hub.api.responses import (
    CheckAnswer,
    ExplainAnswer,
    ProfileAnswer,
    ProfileDetails,
    ProposalAnswer,
    ProposalLine,
    QuarantinedCommitAnswer,
    ReadersAnswer,
    TeamAnswer,
)
from allotment_hub.api.serializers import (
    check_answer,
    explain_answer,
    profile_answer,
    profile_details,
    proposal_answer,
    quarantined_answer,
    readers_answer,
    team_answer,
)
from allotment_hub.forges.records import StoredProposal
from allotment_hub.http.handler import Handler
from allotment_hub.services.drafts.requested import requested_files
from allotment_hub.services.proposals.checking import Files
from allotment_hub.services.quarantine import RELEASES
from allotment_profiles.access.form_schema import form_schema
from allotment_profiles.catalog.catalog import QuarantinedChange
from allotment_profiles.reference.schema import schema_of
from allotment_profiles.store.watcher import Attempt, Fetched


class ApiHandler(Handler):
    """A handler that answers JSON."""

    def answer(self, content: BaseModel | Mapping[str, object], status: int = 200) -> None:
        """Answer a model of the wire as JSON."""
        self.set_status(status)
        self.set_header("Content-Type", "application/json")
        text = content.model_dump_json() if isinstance(content, BaseModel) else json.dumps(content)
        self.finish(text)

    async def listed(self, name: str, content: Sequence[BaseModel]) -> None:
        """Answer a list under a name, with the revision that it was made from."""
        revision = self.services.watcher.catalog.revision

        def text() -> str:
            return json.dumps({name: [each.model_dump(mode="json") for each in content], "revision": revision})

        self.set_header("Content-Type", "application/json")
        # Ten thousand of them take a while.
        self.finish(await asyncio.to_thread(text))

    async def requested_files(self, body: CheckBody) -> Files:
        """Return the files that a body asks to change."""
        return await asyncio.to_thread(requested_files, body.changes(), self.services.watcher.catalog)

    async def answer_proposal(self, stored: StoredProposal, status: int = 200) -> None:
        """Answer a proposal as the reader sees it."""
        view = await self.services.proposals.view(stored, self.reader)
        self.answer(proposal_answer(view, self.address(f"proposals/{stored.id}")), status)


class ProfilesHandler(ApiHandler):
    """Every profile that the caller may see."""

    async def get(self) -> None:
        """GET profiles."""
        rows = await self.services.listing.profiles(self.reader.user)
        answers = [profile_answer(row, self.address(f"profiles/{row.id}")) for row in rows]
        await self.listed("profiles", answers)


class ProfileHandler(ApiHandler):
    """One profile."""

    async def get(self, team: str, name: str) -> None:
        """GET profiles/TEAM/NAME."""
        row = await self.services.listing.profile(self.reader.user, f"{team}/{name}")
        self.answer(profile_details(row, self.address(f"profiles/{row.id}")))


class ExplainHandler(ApiHandler):
    """Why a user can or cannot start a profile."""

    async def get(self) -> None:
        """GET explain?user=&profile=."""
        user = self.get_query_argument("user", "") or self.reader.user.name
        profile = self.get_query_argument("profile", "")
        self.answer(explain_answer(user, await self.services.listing.explain(self.reader.user, user, profile)))


class ReadersHandler(ApiHandler):
    """Who can reach a data role."""

    async def get(self, name: str) -> None:
        """GET data-roles/NAME/readers."""
        self.answer(readers_answer(await self.services.listing.readers(self.reader.user, name)))


class SchemaHandler(ApiHandler):
    """What the caller's teams may ask for."""

    async def get(self) -> None:
        """GET schema."""
        catalog, now = self.services.watcher.catalog, dt.datetime.now(dt.UTC)
        self.answer(form_schema(schema_of("profile"), catalog, self.reader.user, now))


class ChecksHandler(ApiHandler):
    """A dry run."""

    async def post(self) -> None:
        """POST checks."""
        files = await self.requested_files(self.body(CheckBody))
        check = await self.services.proposing.check(self.reader, files)
        self.answer(check_answer(check, check.automatic_for(self.reader.user)))


class ProposalsHandler(ApiHandler):
    """All proposals, and new ones."""

    async def get(self) -> None:
        """GET proposals?state=open|ended|all."""
        wanted = self.get_query_argument("state", "all")
        found = await self.services.proposals.readable(self.reader.user)
        lines = [
            ProposalLine(
                id=stored.id,
                url=self.address(f"proposals/{stored.id}"),
                state=stored.ending.kind if stored.ending else "open",
                title=stored.current.title,
                proposer=stored.proposer,
                head=stored.head,
                updated=stored.records[-1].time,
            )
            for stored in found
        ]
        await self.listed("proposals", [line for line in lines if _in_state(line, wanted)])

    async def post(self) -> None:
        """POST proposals."""
        body = self.body(ProposalBody)
        files = await self.requested_files(body)
        done = await self.services.proposing.propose(self.reader, files, body.reason, update=body.update)
        stored = await self.services.reviewing.merge_if_automatic(self.reader, done.proposal)
        await self.answer_proposal(stored, 201 if done.created else 200)


def _in_state(line: ProposalLine, wanted: str) -> bool:
    return wanted in ("", "all", line.state) or (wanted == "ended" and line.state != "open")


class ProposalHandler(ApiHandler):
    """One proposal."""

    async def get(self, proposal: str) -> None:
        """GET proposals/ID."""
        await self.answer_proposal(await self.services.proposals.stored(proposal))


class CommentsHandler(ApiHandler):
    """The conversation."""

    async def post(self, proposal: str) -> None:
        """POST proposals/ID/comments."""
        text = self.body(CommentBody).text
        await self.answer_proposal(await self.services.proposing.comment(self.reader, proposal, text), 201)


class WithdrawalHandler(ApiHandler):
    """The proposer's way back."""

    async def post(self, proposal: str) -> None:
        """POST proposals/ID/withdrawal."""
        await self.answer_proposal(await self.services.proposing.withdraw(self.reader, proposal))


class ApprovalsHandler(ApiHandler):
    """Approving the exact head."""

    async def post(self, proposal: str) -> None:
        """POST proposals/ID/approvals."""
        head = self.body(HeadBody).head
        await self.answer_proposal(await self.services.reviewing.approve(self.reader, proposal, head), 201)


class RejectionHandler(ApiHandler):
    """Ending with a reason."""

    async def post(self, proposal: str) -> None:
        """POST proposals/ID/rejection."""
        reason = self.body(RejectionBody).reason
        await self.answer_proposal(await self.services.reviewing.reject(self.reader, proposal, reason))


class MergeHandler(ApiHandler):
    """Putting it on main."""

    async def post(self, proposal: str) -> None:
        """POST proposals/ID/merge."""
        body, merge = self.body(MergeBody), self.services.reviewing.merge
        await self.answer_proposal(await merge(self.reader, proposal, body.head, confirm_removal=body.confirm_removal))


class QuarantineHandler(ApiHandler):
    """What main says and does not apply yet, as far as the caller decides about it."""

    async def get(self) -> None:
        """GET holds."""
        held = await self.services.holding.seen_by(self.reader.user)
        await self.listed("holds", [quarantined_answer(each, each.refusal(self.reader)) for each in held])


class ConfirmationHandler(ApiHandler):
    """Letting a held commit apply."""

    async def post(self, commit: str) -> None:
        """POST holds/COMMIT/confirmation."""
        await self.services.holding.confirm(self.reader, commit, self.body(ConfirmationBody).reason)
        self.answer({"commit": commit, "revision": self.services.watcher.catalog.revision}, 201)


class TeamHandler(ApiHandler):
    """One team."""

    async def get(self, name: str) -> None:
        """GET teams/NAME."""
        self.answer(team_answer(await self.services.listing.team(self.reader.user, name)))


class HealthHandler(ApiHandler):
    """Whether the service serves, and from which revision."""

    open_to_all: ClassVar[bool] = True

    async def get(self) -> None:
        """GET health: 200 once a catalog applies, 503 before."""
        watcher = self.services.watcher
        content = {
            "ok": watcher.applied is not None,
            "applied": _attempt(watcher.applied),
            "attempted": _attempt(watcher.attempted),
            "fetched": _fetched(watcher.fetched),
            "pulled_ahead": pulls_in_brief(self.services.pulling),
            "problems": len(watcher.catalog.problems),
            # Who may see the files sees them with `GET holds`: this is for everyone.
            "held": quarantined_in_brief(watcher.catalog.quarantined),
        }
        self.answer(content, 200 if watcher.applied else 503)


def _fetched(fetched: Fetched | None) -> dict[str, object] | None:
    if fetched is None:
        return None
    return {
        "time": fetched.time.astimezone(dt.UTC).isoformat(),
        "failed": fetched.error is not None,
        "failing_since": fetched.since.astimezone(dt.UTC).isoformat() if fetched.since else None,
        "why": fetched.why or None,
    }


def _attempt(attempt: Attempt | None) -> dict[str, object] | None:
    if attempt is None:
        return None
    return {
        "revision": attempt.revision,
        "time": attempt.time.astimezone(dt.UTC).isoformat(),
        "seconds": round(attempt.seconds, 3),
        # Git's words name paths of the machine: they are for the log.
        "failed": attempt.error is not None,
        "problems": attempt.problem_count,
        "rewound": attempt.rewound,
    }


def quarantined_in_brief(held: Sequence[QuarantinedChange]) -> list[dict[str, object]]:
    """Give the held commits without the names of files."""
    by_commit: dict[str, list[QuarantinedChange]] = {}
    for hold in held:
        by_commit.setdefault(hold.commit, []).append(hold)
    return [
        {
            "commit": commit,
            "reason": each[0].reason,
            "since": each[0].since.astimezone(dt.UTC).isoformat(),
            "files": len(each),
            "release": RELEASES[each[0].reason],
        }
        for commit, each in by_commit.items()
    ]


class MetricsHandler(ApiHandler):
    """Prometheus."""

    open_to_all: ClassVar[bool] = True

    async def get(self) -> None:
        """GET metrics."""
        self.set_header("Content-Type", CONTENT_TYPE_LATEST)
        self.finish(await asyncio.to_thread(exposition, self.services.watcher, self.services.pulling))


class UnknownHandler(ApiHandler):
    """Whatever else lies below the API."""

    open_to_all: ClassVar[bool] = True

    def prepare(self) -> None:  # type: ignore[override]  # nothing to wait for
        """Say that there is nothing."""
        self.send_error(404)


ID = r"([a-z0-9][a-z0-9-]{0,120})"
NAME = r"([^/]{1,100})"
API: list[tuple[str, type[Handler]]] = [
    (r"profiles", ProfilesHandler),
    (rf"profiles/{NAME}/{NAME}", ProfileHandler),
    (r"explain", ExplainHandler),
    (rf"data-roles/{NAME}/readers", ReadersHandler),
    (rf"teams/{NAME}", TeamHandler),
    (r"schema", SchemaHandler),
    (r"checks", ChecksHandler),
    (r"proposals", ProposalsHandler),
    (rf"proposals/{ID}", ProposalHandler),
    (rf"proposals/{ID}/comments", CommentsHandler),
    (rf"proposals/{ID}/withdrawal", WithdrawalHandler),
    (rf"proposals/{ID}/approvals", ApprovalsHandler),
    (rf"proposals/{ID}/rejection", RejectionHandler),
    (rf"proposals/{ID}/merge", MergeHandler),
    (r"holds", QuarantineHandler),
    (r"holds/([0-9a-f]{40,64})/confirmation", ConfirmationHandler),
    (r"health", HealthHandler),
    (r"metrics", MetricsHandler),
]

ANSWERS: dict[type[Handler], dict[str, type[BaseModel] | None]] = {
    ProfilesHandler: {"get": ProfileAnswer},
    ProfileHandler: {"get": ProfileDetails},
    ExplainHandler: {"get": ExplainAnswer},
    ReadersHandler: {"get": ReadersAnswer},
    TeamHandler: {"get": TeamAnswer},
    SchemaHandler: {"get": None},
    ChecksHandler: {"post": CheckAnswer},
    ProposalsHandler: {"get": ProposalLine, "post": ProposalAnswer},
    ProposalHandler: {"get": ProposalAnswer},
    CommentsHandler: {"post": ProposalAnswer},
    WithdrawalHandler: {"post": ProposalAnswer},
    ApprovalsHandler: {"post": ProposalAnswer},
    RejectionHandler: {"post": ProposalAnswer},
    MergeHandler: {"post": ProposalAnswer},
    QuarantineHandler: {"get": QuarantinedCommitAnswer},
    ConfirmationHandler: {"post": None},
    HealthHandler: {"get": None},
    MetricsHandler: {"get": None},
}
"""What each call answers, for openapi.json."""

BODIES: dict[type[Handler], type[BaseModel]] = {
    ChecksHandler: CheckBody,
    ProposalsHandler: ProposalBody,
    CommentsHandler: CommentBody,
    ApprovalsHandler: HeadBody,
    RejectionHandler: RejectionBody,
    MergeHandler: MergeBody,
    ConfirmationHandler: ConfirmationBody,
}
"""What each POST takes, for openapi.json."""

LISTS = {ProfilesHandler: "profiles", ProposalsHandler: "proposals", QuarantineHandler: "holds"}
"""The GETs that answer a list, and its key."""
QUERIES = {ExplainHandler: ("user", "profile"), ProposalsHandler: ("state",)}
"""The query parameters of the GETs that take some."""
CREATES = (ProposalsHandler, CommentsHandler, ApprovalsHandler, ConfirmationHandler)
"""The POSTs that answer 201."""
