"""The models of the API's answers."""

import datetime as dt
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict

from allotment_hub.api.requests import ChangedFile
from allotment_hub.http.problem import ProblemAnswer
from allotment_profiles.records.evidence import SessionEvidence, TrialOutcome

Item = Annotated[dict[str, Any], BeforeValidator(lambda item: item if isinstance(item, dict) else item.as_dict())]
"""What a service returns, as its `as_dict` formats it."""
Refused = Annotated[dict[str, str], BeforeValidator(lambda refusal: refusal.as_dict())]


class Answer(BaseModel):
    """The base of all answers. The models inside an answer are read from the attributes of what a service returns."""

    # The error of an answer that does not fit its model goes to the log, where no value belongs.
    model_config = ConfigDict(from_attributes=True, use_attribute_docstrings=True, hide_input_in_errors=True)


class QuarantinedChangeAnswer(Answer):
    """A change on main that does not apply yet."""

    commit: str
    reason: Literal["removal", "direct-push"]
    since: dt.datetime


class QuarantinedCommitAnswer(QuarantinedChangeAnswer):
    """A commit with quarantined changes."""

    authors: list[str]
    subject: str
    paths: list[str]
    why: str
    release: str
    """What has to happen for the changes to apply."""
    confirmed_by: list[str]
    """Administrators who have confirmed it already; another one has to."""
    refusal: Refused | None
    """Why the caller may not confirm it; null if they may."""


class TrialAnswer(Answer):
    """The caller's trial that runs, or the last one."""

    state: Literal["none", "starting", "running", "ended"] = "none"
    proposal: str = ""
    """Empty for a draft."""
    head: str = ""
    profile: str = ""
    began: dt.datetime | None = None
    started_in: float | None = None
    """After how many seconds it answered; null while it has not."""
    why: str = ""
    """Why it ended, or has not started."""
    code: str = ""
    """The code of why it has not started."""
    url: str = ""
    """Its address, once it runs."""


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
    """The size of the home folder; null for the platform's default."""
    team_folder: Literal["none", "read-only", "read-write"]
    checkout: dict[str, str | None] | None
    visibility: Literal["draft", "active", "deprecated"]
    successors: list[str]
    """The profile that replaces it, then the one that replaces that, and so on."""
    retired_from: dt.date | None
    review_by: dt.date | None
    only: list[str]
    """The groups of the team that may use it; empty for the whole team."""
    maintainers: list[str]
    """The groups and users who maintain it."""
    accepted: list[AcceptedAnswer]
    held: list[QuarantinedChangeAnswer]
    data_roles: list[str]
    cost: Item | None
    """The price of an hour, and of a month without a pause, with the default choices."""
    dearest: Item | None
    """The same with the dearest choices."""
    owners: str
    members: str
    revision: str | None
    """The commit that last changed the file."""
    reviewed: bool
    """Whether that commit is the merge of a reviewed proposal."""
    reason: str
    proposed_by: str
    approved_by: list[str]
    startable: bool
    refusal: Refused | None
    warnings: list[str]
    problems: list[ProblemAnswer]
    outdated: bool
    """Whether an earlier version applies because the newest is invalid."""
    url: str


class ProfileDetails(ProfileAnswer):
    """A profile with its file."""

    settings: dict[str, Any]
    """The file as data. Only the team and administrators see the values of variables."""
    content: str | None
    """The file as text; null for callers who are neither in the team nor administrators."""


class StepAnswer(Answer):
    """One rule of an explanation."""

    rule: str
    passed: bool
    text: str
    refusal: Refused | None


class IdentityAnswer(Answer):
    """What the hub received of a user from the identity provider."""

    groups: list[str]
    """The groups, exactly as the files have to name them."""
    unusable: list[str]
    """The beginnings of what else was received, which no file can name, with the reasons."""
    age: float | None
    """How many seconds ago the provider last answered; null if it never did."""
    maximum_age: int
    """How old that may be, in seconds, where the provider does not answer or cannot be asked."""
    why_not_asked: str
    """Why the provider cannot be asked between two sign-ins; empty if it can."""


class ExplainAnswer(Answer):
    """Why a user can or cannot start a profile, rule by rule."""

    user: str
    profile: str
    startable: bool
    steps: list[StepAnswer]
    warnings: list[str]
    identity: IdentityAnswer | None
    """Null for other users, unless an administrator asks."""


class OtherProposalAnswer(Answer):
    """An open proposal for the same files."""

    id: str
    title: str
    proposer: str


class CheckAnswer(Answer):
    """The dry run of a change."""

    ok: bool
    problems: list[ProblemAnswer]
    changes: list[Item]
    access: list[Item]
    """Who gains and who loses access to which data."""
    starts: list[Item]
    """Who gains and who loses which profiles."""
    requirements: list[Item]
    """Who will have to approve, and why."""
    automatic: list[str]
    """Why nobody has to approve; empty if somebody has to."""
    others: list[OtherProposalAnswer]
    """Other open proposals for the same files, in `proposals/{id}`."""
    totals: dict[str, int]
    """How many `changes`, `access` and `starts` there are; of each, the first 200 are listed."""
    cost: Item | None
    """The cost of the dearest changed profile, with `text` for people."""


class EvidenceAnswer(Answer):
    """Evidence that was recorded with a proposal. Either `session` or `trial` is set."""

    commit: str
    """The commit of its record."""
    by: str
    """Whose session it was."""
    time: dt.datetime
    head: str
    """The head of the proposal that it was recorded with."""
    session: SessionEvidence | None
    """What the session said about itself: a claim of the proposer, which nobody has checked."""
    trial: TrialOutcome | None
    """How a trial of the head went, as the service observed it."""


class ProposalAnswer(Answer):
    """A proposal as the caller sees it."""

    id: str
    url: str
    pull_request: str
    """The page of its pull request on the forge; empty where there is none, or none is known."""
    undoes: str
    """The id of the merged proposal that it was made to undo; empty where there is none that the caller may know of."""
    undone_by: list[str]
    """The ids of the open and merged proposals that undo it and that the caller may know of, the newest first."""
    state: str
    """`unknown` after something was done with an open proposal that could not be checked at that moment; the fields
    about the check are empty then. Ask again."""
    title: str
    reason: str
    proposer: str
    head: str
    digest: str
    """What an approval and a merge are of; empty in a conflict and after the end."""
    base: str
    created: dt.datetime
    waits_for: str
    since: dt.datetime
    problems: list[ProblemAnswer]
    conflicts: list[str]
    """The files that main has changed since as well. Its proposer can bring it up to date."""
    collisions: list[Item]
    """In a conflict, the keys that both have changed: `before` on main, `after` as proposed."""
    changes: list[Item]
    access: list[Item]
    starts: list[Item]
    totals: dict[str, int]
    """How many `changes`, `access`, `starts` and `collisions` there are; of each, the first 200 are listed."""
    requirements: list[Item]
    """Who has to approve, and why. `met_by` names who has approved."""
    automatic: list[str]
    """Why nobody has to approve; empty if somebody has to."""
    merges_when_approved: bool
    """Whether the service merges it as soon as all approvals are there."""
    others: list[OtherProposalAnswer]
    """Other open proposals for the same files, in `proposals/{id}`."""
    removals: list[str]
    """The files that the merge removes, if they are so many that it needs `confirm_removal: true`."""
    cost: Item | None
    records: list[dict[str, Any]]
    """What people did, oldest first, including comments. `source` is the act on a forge that one was made from, or
    null; `uncounted` there says why it does not count, `did` what it was then (`approved`, `changes-requested`,
    `dismissed`, `closed` or `merge`), and `login` who it was where `by` is empty. `dismisses` is the
    `commit` of the approval that somebody has dismissed, `redacts` of the record whose text an administrator has
    redacted; the `text` of that one says who did it, when and why, and its `redacted` is true. `by_assistant` says
    that an assistant drafted the version, and that the proposer confirmed it on the page."""
    evidence: list[EvidenceAnswer]
    """What the session of the proposer said last, and the outcomes of the last trials, the newest first."""
    steps: list[dict[str, Any]]
    actions: dict[str, Refused | None]
    """For each action why the caller may not take it; null if they may."""
    paths: list[str]
    """The paths of all changed files."""
    files: list[ChangedFile]
    """The changed files whose text the caller may see: as a member of the team, a reviewer or an administrator."""
    difference: str
    """The unified diff of these files."""


class DraftAnswer(Answer):
    """A draft of an assistant, which waits for its user."""

    id: str
    url: str
    """The page on which the user is shown all of it, and proposes or discards it. A session cannot."""
    server: str
    """The name of the session that drafted it; empty for the default one."""
    created: dt.datetime
    expires: dt.datetime
    reason: str
    paths: list[str]
    """The paths of the files that it changes."""


class WaitingAnswer(Answer):
    """How much waits for the caller."""

    count: int | None
    """Proposals that the caller can bring forward, and holds that they may confirm; null while that is not known."""
    checking: int
    """How many more proposals may wait for the caller: these are still being checked."""


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
    """A team: its people, its limits, its profiles and its data."""

    name: str
    title: str
    description: str
    members: dict[str, Any]
    leads: dict[str, Any]
    deputies: dict[str, Any]
    envelope: dict[str, Any]
    budget: dict[str, Any] | None
    """How much the whole team may run at one time."""
    user_budget: dict[str, Any] | None
    """How much one member may run at one time in this team."""
    merge: str
    """`when-approved` where proposals are merged as soon as they have all approvals, otherwise `by-hand`."""
    profiles: list[str]
    data_roles: list[dict[str, Any]]
    """The data roles that are granted to it: `name`, `until`, `review_by`, `ended`."""
    owns: list[str]
    """The data roles that it owns."""
    problems: list[ProblemAnswer]
    held: list[QuarantinedChangeAnswer]


class ReadersAnswer(Answer):
    """Who can reach a data role."""

    data_role: str
    note: str
    grants: list[dict[str, Any]]
    also_through: list[str]
    """Other data roles with the same credential: whoever reaches them reaches this data, too."""
