"""From what the services know to what the API gives."""

from collections.abc import Iterable, Sequence
from typing import Any

from allotment_hub.api.requests import ChangedFile
from allotment_hub.api.responses import (
    AcceptedAnswer,
    CheckAnswer,
    ExplainAnswer,
    ProfileAnswer,
    ProfileDetails,
    ProposalAnswer,
    QuarantinedChangeAnswer,
    QuarantinedCommitAnswer,
    ReadersAnswer,
    StepAnswer,
    TeamAnswer,
)
from allotment_hub.http.problem import problems
from allotment_hub.services.browse.listing import DataRoleRow, ProfileRow
from allotment_hub.services.browse.teams import TeamPage
from allotment_hub.services.proposals.checking import Check
from allotment_hub.services.proposals.proposals import ProposalView
from allotment_hub.services.quarantine import QuarantinedCommit
from allotment_profiles.access.offers import Offer
from allotment_profiles.catalog.catalog import QuarantinedChange
from allotment_profiles.documents.parsing import parse_yaml
from allotment_profiles.model.paths import profile_path
from allotment_profiles.model.problems import Refusal
from allotment_profiles.model.quantities import format_cpu, format_memory


def profile_answer(row: ProfileRow, url: str) -> ProfileAnswer:
    """Put a profile into the form of the wire."""
    profile, landing = row.profile, row.landing
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
        gpu=resources.gpu if resources else 0,
        gpu_kind=resources.gpu_kind if resources else None,
        node_pool=profile.node_pool if profile else None,
        home=format_memory(profile.storage.home) if profile and profile.storage.home else None,
        team_folder=profile.storage.team if profile else "none",
        checkout=profile.checkout.model_dump() if profile and profile.checkout else None,
        visibility=profile.visibility if profile else "active",
        successors=list(row.successors),
        retired_from=profile.retired_from if profile else None,
        review_by=profile.review_by if profile else None,
        only=list(profile.only) if profile else [],
        maintainers=[*profile.maintainers.groups, *profile.maintainers.users] if profile else [],
        accepted=[
            AcceptedAnswer(code=code, reason=each.reason, until=each.until)
            for code, each in (profile.accepted.items() if profile else ())
        ],
        held=holds(row.held),
        data_roles=list(profile.data_roles) if profile else [],
        cost=row.cost.as_dict() if row.cost else None,
        dearest=row.dearest.as_dict() if row.dearest else None,
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


def holds(held: Iterable[QuarantinedChange]) -> list[QuarantinedChangeAnswer]:
    """Put what is held of one file into the form of the wire."""
    return [QuarantinedChangeAnswer(commit=hold.commit, reason=hold.reason, since=hold.since) for hold in held]


def quarantined_answer(held: QuarantinedCommit, refusal: Refusal | None) -> QuarantinedCommitAnswer:
    """Put a held commit into the form of the wire."""
    return QuarantinedCommitAnswer(
        commit=held.commit,
        reason=held.reason,
        since=held.since,
        authors=list(held.authors),
        subject=held.subject,
        paths=list(held.paths),
        why=held.why,
        release=held.release,
        refusal=refusal.as_dict() if refusal else None,
    )


def team_answer(page: TeamPage) -> TeamAnswer:
    """Put a team into the form of the wire."""
    said = page.entry.value.model_dump(mode="json")
    return TeamAnswer(
        name=page.name,
        profiles=[profile for profile, _ in page.profiles],
        data_roles=[
            {
                "name": role,
                "until": grant.until.isoformat(),
                "review_by": grant.review_by.isoformat() if grant.review_by else None,
                "ended": days < 0,
            }
            for role, _, grant, days in page.grants
        ],
        owns=[role for role, _ in page.owns],
        problems=problems(page.problems),
        held=holds(page.held),
        **{
            key: said[key]
            for key in ("title", "description", "members", "leads", "deputies", "envelope", "budget", "user_budget")
        },
    )


def profile_details(row: ProfileRow, url: str) -> ProfileDetails:
    """Put everything about a profile into the form of the wire."""
    settings = parse_yaml(row.entry.source) if row.entry else {}
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


def _cost(check: Check) -> dict[str, Any] | None:
    dearest = max((each.after for each in check.costs if each.after), key=lambda cost: cost.hour, default=None)
    return {**dearest.as_dict(), "text": "; ".join(each.text for each in check.costs)} if dearest else None


def check_answer(check: Check, automatic: Sequence[str] = ()) -> CheckAnswer:
    """Put a dry run into the form of the wire."""
    return CheckAnswer(
        ok=not check.errors,
        problems=problems(check.problems),
        changes=[change.as_dict() for change in check.changes],
        access=[change.as_dict() for change in check.access],
        starts=[change.as_dict() for change in check.starts],
        requirements=[requirement.as_dict() for requirement in check.requirements],
        automatic=list(automatic) if not check.requirements else [],
        cost=_cost(check),
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
        starts=[change.as_dict() for change in check.starts],
        automatic=list(view.automatic),
        removals=list(view.removals),
        cost=_cost(check),
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
                "review_by": grant.grant.review_by.isoformat() if grant.grant.review_by else None,
                "ended": grant.days < 0,
            }
            for grant in row.grants
        ],
    )
