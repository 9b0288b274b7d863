"""What the API gives: its answers."""

import datetime as dt
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict

from allotment_hub.api.requests import ChangedFile
from allotment_hub.http.problem import ProblemAnswer


class Answer(BaseModel):
    """What the API gives."""

    model_config = ConfigDict(use_attribute_docstrings=True)


class QuarantinedChangeAnswer(Answer):
    """Something that main says and that does not apply yet."""

    commit: str
    reason: Literal["removal", "direct-push"]
    since: dt.datetime


class QuarantinedCommitAnswer(QuarantinedChangeAnswer):
    """A commit of which something is held."""

    authors: list[str]
    subject: str
    paths: list[str]
    why: str
    release: str
    """What would let it apply."""
    refusal: dict[str, str] | None
    """Why the caller may not confirm it; null where they may."""


class AcceptedAnswer(Answer):
    """A problem that an administrator accepted."""

    code: str
    reason: str
    until: dt.date | None


class ProfileAnswer(Answer):
    """A profile as the caller may see it."""

    id: str
    path: str
    team: str
    team_title: str
    title: str
    description: str
    purpose: str
    app: str
    image: str
    cpu: str
    memory: str
    gpu: int
    gpu_kind: str | None
    node_pool: str | None
    home: str | None
    """The size of the home folder; null where the platform's holds."""
    team_folder: Literal["none", "read-only", "read-write"]
    checkout: dict[str, str | None] | None
    visibility: Literal["draft", "active", "deprecated"]
    successors: list[str]
    """What takes its place, then what takes the place of that."""
    retired_from: dt.date | None
    review_by: dt.date | None
    only: list[str]
    """The groups of the team that it is for; empty: all of the team."""
    maintainers: list[str]
    """Groups and users that look after it."""
    accepted: list[AcceptedAnswer]
    held: list[QuarantinedChangeAnswer]
    data_roles: list[str]
    cost: dict[str, Any] | None
    """Price of an hour, and the worst case of a month, at the default choices."""
    dearest: dict[str, Any] | None
    """The same at the dearest choices."""
    owners: str
    members: str
    revision: str | None
    """The commit that last changed the file."""
    reviewed: bool
    """Whether that commit was merged here after a review."""
    reason: str
    proposed_by: str
    approved_by: list[str]
    startable: bool
    refusal: dict[str, str] | None
    warnings: list[str]
    problems: list[ProblemAnswer]
    outdated: bool
    """Whether an earlier version applies since the newest does not read."""
    url: str


class ProfileDetails(ProfileAnswer):
    """A profile with everything that its file says."""

    settings: dict[str, Any]
    """The file as data; values of variables are for the team and administrators."""
    content: str | None
    """The file as text, for the team and administrators."""


class StepAnswer(Answer):
    """One rule of an explanation."""

    rule: str
    passed: bool
    text: str
    refusal: dict[str, str] | None


class ExplainAnswer(Answer):
    """Why a user can or cannot start a profile, rule by rule."""

    user: str
    profile: str
    startable: bool
    steps: list[StepAnswer]
    warnings: list[str]


class CheckAnswer(Answer):
    """The dry run of a change."""

    ok: bool
    problems: list[ProblemAnswer]
    changes: list[dict[str, Any]]
    access: list[dict[str, Any]]
    """Who gains and who loses which data."""
    starts: list[dict[str, Any]]
    """Who can start what they could not start before, and who no longer can."""
    requirements: list[dict[str, Any]]
    """Who will have to approve, and why."""
    automatic: list[str]
    """Why nobody has to approve, where the policy lets the caller do without."""
    cost: dict[str, Any] | None
    """The dearest of the changed profiles, with `text` for people."""


class ProposalAnswer(Answer):
    """A proposal as the caller sees it."""

    id: str
    url: str
    state: str
    title: str
    reason: str
    proposer: str
    head: str
    base: str
    created: dt.datetime
    waits_for: str
    since: dt.datetime
    problems: list[ProblemAnswer]
    conflicts: list[str]
    changes: list[dict[str, Any]]
    access: list[dict[str, Any]]
    starts: list[dict[str, Any]]
    requirements: list[dict[str, Any]]
    """Each with `met_by`."""
    automatic: list[str]
    """Why nobody has to approve, where the policy lets the proposer do without."""
    removals: list[str]
    """Files that a merge would remove: so many that it needs `confirm_removal: true`."""
    cost: dict[str, Any] | None
    records: list[dict[str, Any]]
    """What people did, oldest first; comments among them."""
    steps: list[dict[str, Any]]
    actions: dict[str, dict[str, str] | None]
    """Each action: null where the caller may take it, else why not."""
    paths: list[str]
    """All files that are changed."""
    files: list[ChangedFile]
    """Those whose text the caller may see: as one of their people, a reviewer or an administrator."""
    difference: str
    """The unified difference of the same files."""


class ProposalLine(Answer):
    """A proposal in a list."""

    id: str
    url: str
    state: str
    title: str
    proposer: str
    head: str
    updated: dt.datetime


class TeamAnswer(Answer):
    """A team: who is in it, who decides, and how far."""

    name: str
    title: str
    description: str
    members: dict[str, Any]
    leads: dict[str, Any]
    deputies: dict[str, Any]
    envelope: dict[str, Any]
    budget: dict[str, Any] | None
    """How much of the whole team may run at one time."""
    user_budget: dict[str, Any] | None
    """How much of one member may run at one time in this team."""
    profiles: list[str]
    data_roles: list[dict[str, Any]]
    """The data that it may use: name, until, review_by, ended."""
    owns: list[str]
    """The data roles that it owns."""
    problems: list[ProblemAnswer]
    held: list[QuarantinedChangeAnswer]


class ReadersAnswer(Answer):
    """Who can reach a data role."""

    data_role: str
    note: str
    grants: list[dict[str, Any]]
