"""What the API gives: its answers."""

import datetime as dt
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict

from allotment_hub.bodies import ChangedFile
from allotment_hub.services.checking import Check
from allotment_hub.services.listing import DataRoleRow, ProfileRow
from allotment_hub.services.proposals import ProposalView
from allotment_profiles.paths import profile_path
from allotment_profiles.problems import Problem
from allotment_profiles.quantities import format_cpu, format_memory
from allotment_profiles.reading import document
from allotment_profiles.rules import Offer

MAXIMUM_DEPTH = 24


class ProblemAnswer(BaseModel):
    """One thing that is wrong with a file."""

    path: str
    line: int | None
    column: int | None
    field: str
    code: str
    level: Literal["hard", "soft", "advice"]
    message: str
    remedy: str


class ProblemDetails(BaseModel):
    """An error as RFC 9457 has it, `application/problem+json`."""

    type: str = "about:blank"
    title: str
    """What was refused."""
    status: int
    detail: str
    """Why."""
    code: str
    """Stable, for machines."""
    remedy: str
    """What would help."""
    decides: str
    """Who can change the answer."""
    problems: list[ProblemAnswer] = []
    link: str | None = None
    """The page that helps."""


class Answer(BaseModel):
    """What the API gives."""

    model_config = ConfigDict(use_attribute_docstrings=True)


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
    data_roles: list[str]
    cost: dict[str, Any] | None
    """Price of an hour at the default choices."""
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
    requirements: list[dict[str, Any]]
    """Who will have to approve, and why."""
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
    requirements: list[dict[str, Any]]
    """Each with `met_by`."""
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


class ReadersAnswer(Answer):
    """Who can reach a data role."""

    data_role: str
    note: str
    grants: list[dict[str, Any]]


def problems(found: list[Problem] | tuple[Problem, ...]) -> list[ProblemAnswer]:
    """Put problems into the form of the wire."""
    return [ProblemAnswer.model_validate(problem.as_dict()) for problem in found]


def profile_answer(row: ProfileRow, url: str) -> ProfileAnswer:
    """Put a profile into the form of the wire."""
    profile, landing = (row.entry.value if row.entry else None), row.landing
    resources = profile.resources if profile else None
    return ProfileAnswer(
        id=row.id,
        path=profile_path(row.id),
        team=row.team,
        team_title=row.team_title,
        title=profile.title if profile else row.id,
        description=profile.description if profile else "",
        purpose=profile.purpose if profile else "",
        app=profile.app if profile else "",
        image=profile.image if profile else "",
        cpu=f"{format_cpu(resources.cpu.guarantee)}-{format_cpu(resources.cpu.limit)}" if resources else "",
        memory=f"{format_memory(resources.memory.guarantee)}-{format_memory(resources.memory.limit)}"
        if resources
        else "",
        data_roles=list(profile.data_roles) if profile else [],
        cost=row.cost.as_dict() if row.cost else None,
        owners=row.owners,
        members=row.members,
        revision=landing.commit if landing else None,
        reviewed=landing.reviewed if landing else False,
        reason=landing.reason if landing else "",
        proposed_by=landing.proposed_by if landing else "",
        approved_by=list(landing.approved_by) if landing else [],
        startable=row.offer.startable,
        refusal=row.offer.refusal.as_dict() if row.offer.refusal else None,
        warnings=list(row.offer.warnings),
        problems=problems(row.problems),
        outdated=bool(row.entry and row.entry.outdated_since),
        url=url,
    )


def profile_details(row: ProfileRow, url: str) -> ProfileDetails:
    """Put everything about a profile into the form of the wire."""
    settings = document(row.entry.source) if row.entry else {}
    if not row.full:
        settings = _without_values(settings)
    content = row.entry.source.decode() if row.entry and row.full else None
    return ProfileDetails(**dict(profile_answer(row, url)), settings=settings, content=content)


def _without_values(settings: Any) -> Any:
    """Give a file's data with the names of its variables and without their values, wherever they stand."""
    if isinstance(settings, list):
        return [_without_values(each) for each in settings]
    if not isinstance(settings, dict):
        return settings
    return {
        key: dict.fromkeys(value, "") if key == "environment" and isinstance(value, dict) else _without_values(value)
        for key, value in settings.items()
    }


def explain_answer(user: str, found: Offer) -> ExplainAnswer:
    """Put an explanation into the form of the wire."""
    steps = [
        StepAnswer(
            rule=step.rule, passed=step.passed, text=step.text, refusal=step.refusal.as_dict() if step.refusal else None
        )
        for step in found.steps
    ]
    return ExplainAnswer(
        user=user, profile=found.profile_id, startable=found.startable, steps=steps, warnings=list(found.warnings)
    )


def check_answer(check: Check) -> CheckAnswer:
    """Put a dry run into the form of the wire."""
    dearest = max((each.after for each in check.costs if each.after), key=lambda cost: cost.hour, default=None)
    text = "; ".join(each.text for each in check.costs)
    return CheckAnswer(
        ok=not check.errors,
        problems=problems(check.problems),
        changes=[change.as_dict() for change in check.changes],
        access=[change.as_dict() for change in check.access],
        requirements=[requirement.as_dict() for requirement in check.requirements],
        cost={**dearest.as_dict(), "text": text} if dearest else None,
    )


def proposal_answer(view: ProposalView, url: str) -> ProposalAnswer:
    """Put a proposal into the form of the wire."""
    check = view.check
    requirements = check.requirements
    return ProposalAnswer(
        id=view.id,
        url=url,
        state=view.state,
        title=view.title,
        reason=view.reason,
        proposer=view.stored.proposer,
        head=view.stored.head,
        base=view.base,
        created=view.records[0].time,
        waits_for=view.waits_for,
        since=view.since,
        problems=problems(check.problems),
        conflicts=list(view.conflicts),
        changes=[change.as_dict() for change in check.changes],
        access=[change.as_dict() for change in check.access],
        requirements=[{**each.as_dict(), "met_by": list(view.met.get(each.key, ()))} for each in requirements],
        records=[
            {"kind": record.kind, "by": record.by, "time": record.time, "head": record.head, "text": record.text}
            for record in view.records
        ],
        steps=[{"name": step.name, "state": step.state, "text": step.text, "time": step.time} for step in view.steps],
        actions={name: refusal.as_dict() if refusal else None for name, refusal in view.actions.items()},
        files=[
            ChangedFile(path=path, content=None if data is None else data.decode(errors="replace"))
            for path, data in view.files.items()
            if path in view.seen
        ],
        paths=list(view.files),
        difference=view.difference,
    )


def readers_answer(row: DataRoleRow) -> ReadersAnswer:
    """Put the readers of a data role into the form of the wire."""
    return ReadersAnswer(
        data_role=row.name,
        note="Users are those that this hub has seen; the groups may have more members.",
        grants=[
            {
                "team": grant.team,
                "groups_and_users": list(grant.people),
                "users_seen": list(grant.seen),
                "profiles": list(grant.profiles),
                "until": grant.grant.until.isoformat(),
                "ended": grant.days < 0,
            }
            for grant in row.grants
        ],
    )
