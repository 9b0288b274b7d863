"""Converts what the services return into the answers of the API."""

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
    ProposalLine,
    QuarantinedChangeAnswer,
    QuarantinedCommitAnswer,
    ReadersAnswer,
    StepAnswer,
    TeamAnswer,
)
from allotment_hub.forges.records import StoredProposal
from allotment_hub.http.problem import problems
from allotment_hub.services.browse.data_roles import DataRoleRow
from allotment_hub.services.browse.profiles import ProfileRow
from allotment_hub.services.browse.teams import TeamPage
from allotment_hub.services.proposals.checking import Check
from allotment_hub.services.proposals.proposals import ProposalView
from allotment_hub.services.quarantine import QuarantinedCommit
from allotment_profiles.access.offers import Offer
from allotment_profiles.catalog.catalog import QuarantinedChange
from allotment_profiles.documents.parsing import parse_yaml
from allotment_profiles.model import Grant, Profile
from allotment_profiles.model.paths import profile_path
from allotment_profiles.model.problems import Refusal
from allotment_profiles.model.quantities import format_cpu, format_memory
from allotment_profiles.store.provenance import HistoryEntry


def profile_answer(row: ProfileRow, url: str) -> ProfileAnswer:
    """Return the answer for a profile, also for one whose file has never been valid."""
    settings = _profile_fields(row.profile) if row.profile else {"title": row.id, **_INVALID_PROFILE_FIELDS}
    return ProfileAnswer(
        id=row.id,
        path=profile_path(row.id),
        team=row.team,
        team_title=row.team_title,
        successors=list(row.successors),
        held=quarantined_changes(row.quarantined),
        cost=row.cost.as_dict() if row.cost else None,
        dearest=row.dearest.as_dict() if row.dearest else None,
        owners=row.owners,
        members=row.members,
        startable=row.offer.startable,
        refusal=_refusal(row.offer.refusal),
        warnings=list(row.offer.warnings),
        problems=problems(row.problems),
        outdated=bool(row.entry and row.entry.outdated_since),
        url=url,
        **settings,
        **_last_change_fields(row.last_change),
    )


def _profile_fields(profile: Profile) -> dict[str, Any]:
    cpu, memory, home = profile.resources.cpu, profile.resources.memory, profile.storage.home
    return {
        "title": profile.title,
        "description": profile.description,
        "purpose": profile.purpose,
        "app": profile.app,
        "image": profile.image,
        "cpu": f"{format_cpu(cpu.guarantee)}-{format_cpu(cpu.limit)}",
        "memory": f"{format_memory(memory.guarantee)}-{format_memory(memory.limit)}",
        "gpu": profile.resources.gpu,
        "gpu_kind": profile.resources.gpu_kind,
        "node_pool": profile.node_pool,
        "home": format_memory(home) if home else None,
        "team_folder": profile.storage.team,
        "checkout": profile.checkout.model_dump() if profile.checkout else None,
        "visibility": profile.visibility,
        "retired_from": profile.retired_from,
        "review_by": profile.review_by,
        "only": list(profile.only),
        "maintainers": [*profile.maintainers.groups, *profile.maintainers.users],
        "accepted": [
            AcceptedAnswer(code=code, reason=acceptance.reason, until=acceptance.until)
            for code, acceptance in profile.accepted.items()
        ],
        "data_roles": list(profile.data_roles),
    }


_INVALID_PROFILE_FIELDS: dict[str, Any] = {
    **dict.fromkeys(("description", "purpose", "app", "image", "cpu", "memory"), ""),
    **dict.fromkeys(("gpu_kind", "node_pool", "home", "checkout", "retired_from", "review_by")),
    **{key: [] for key in ("only", "maintainers", "accepted", "data_roles")},
    "gpu": 0,
    "team_folder": "none",
    "visibility": "active",
}
"""The fields of a profile whose file has never been valid, without its title."""


def _last_change_fields(entry: HistoryEntry | None) -> dict[str, Any]:
    return {
        "revision": entry.commit if entry else None,
        "reviewed": entry.reviewed if entry else False,
        "reason": entry.reason if entry else "",
        "proposed_by": entry.proposed_by if entry else "",
        "approved_by": list(entry.approved_by) if entry else [],
    }


def _refusal(refusal: Refusal | None) -> dict[str, str] | None:
    return refusal.as_dict() if refusal else None


def quarantined_changes(changes: Iterable[QuarantinedChange]) -> list[QuarantinedChangeAnswer]:
    """Return the answers for the quarantined changes of one file."""
    return [
        QuarantinedChangeAnswer(commit=change.commit, reason=change.reason, since=change.since) for change in changes
    ]


def quarantined_answer(commit: QuarantinedCommit, refusal: Refusal | None) -> QuarantinedCommitAnswer:
    """Return the answer for a quarantined commit; the refusal says why the caller may not confirm it."""
    return QuarantinedCommitAnswer(
        commit=commit.commit,
        reason=commit.reason,
        since=commit.since,
        authors=list(commit.authors),
        subject=commit.subject,
        paths=list(commit.paths),
        why=commit.why,
        release=commit.release,
        refusal=_refusal(refusal),
    )


def team_answer(page: TeamPage) -> TeamAnswer:
    """Return the answer for a team."""
    document = page.entry.value.model_dump(mode="json")
    copied = ("title", "description", "members", "leads", "deputies", "envelope", "budget", "user_budget")
    return TeamAnswer(
        name=page.name,
        profiles=[profile for profile, _ in page.profiles],
        data_roles=[{"name": role, **_grant_fields(grant, days)} for role, _, grant, days in page.grants],
        owns=[role for role, _ in page.owns],
        problems=problems(page.problems),
        held=quarantined_changes(page.quarantined),
        **{key: document[key] for key in copied},
    )


def _grant_fields(grant: Grant, days: int) -> dict[str, Any]:
    return {
        "until": grant.until.isoformat(),
        "review_by": grant.review_by.isoformat() if grant.review_by else None,
        "ended": days < 0,
    }


def profile_details(row: ProfileRow, url: str) -> ProfileDetails:
    """Return the answer for a profile with its file."""
    settings = parse_yaml(row.entry.source) if row.entry else {}
    if not row.full:
        settings = _without_values(settings)
    content = row.entry.source.decode() if row.entry and row.full else None
    return ProfileDetails(**dict(profile_answer(row, url)), settings=settings, content=content)


def _without_values(settings: Any) -> Any:
    """Return a file's data with the values of its environment variables blanked, at any depth."""
    if isinstance(settings, list):
        return [_without_values(item) for item in settings]
    if not isinstance(settings, dict):
        return settings
    return {
        key: dict.fromkeys(value, "") if key == "environment" and isinstance(value, dict) else _without_values(value)
        for key, value in settings.items()
    }


def explain_answer(user: str, offer: Offer) -> ExplainAnswer:
    """Return the answer for an explanation."""
    steps = [
        StepAnswer(rule=step.rule, passed=step.passed, text=step.text, refusal=_refusal(step.refusal))
        for step in offer.results
    ]
    return ExplainAnswer(
        user=user, profile=offer.profile_id, startable=offer.startable, steps=steps, warnings=list(offer.warnings)
    )


def _cost(check: Check) -> dict[str, Any] | None:
    """Return the cost of the dearest changed profile, with the changes of all costs as text."""
    dearest = max((change.after for change in check.costs if change.after), key=lambda cost: cost.hour, default=None)
    return {**dearest.as_dict(), "text": "; ".join(change.text for change in check.costs)} if dearest else None


def check_answer(check: Check, automatic: Sequence[str] = ()) -> CheckAnswer:
    """Return the answer for a dry run."""
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


def proposal_line(stored: StoredProposal, url: str) -> ProposalLine:
    """Return the answer for a proposal in a list."""
    return ProposalLine(
        id=stored.id,
        url=url,
        state=stored.ending.kind if stored.ending else "open",
        title=stored.current.title,
        proposer=stored.proposer,
        head=stored.head,
        updated=stored.records[-1].time,
    )


def proposal_answer(view: ProposalView, url: str) -> ProposalAnswer:
    """Return the answer for a proposal."""
    check = view.check
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
        requirements=[
            {**requirement.as_dict(), "met_by": list(view.met.get(requirement.key, ()))}
            for requirement in check.requirements
        ],
        records=[
            {"kind": record.kind, "by": record.by, "time": record.time, "head": record.head, "text": record.text}
            for record in view.records
        ],
        steps=[{"name": step.name, "state": step.state, "text": step.text, "time": step.time} for step in view.steps],
        actions={name: _refusal(refusal) for name, refusal in view.actions.items()},
        files=[
            ChangedFile(path=path, content=None if data is None else data.decode(errors="replace"))
            for path, data in view.files.items()
            if path in view.seen
        ],
        paths=list(view.files),
        difference=view.difference,
    )


def readers_answer(row: DataRoleRow) -> ReadersAnswer:
    """Return the answer for the readers of a data role."""
    return ReadersAnswer(
        data_role=row.name,
        note="Users are those that this hub has seen; the groups may have more members.",
        grants=[
            {
                "team": grant.team,
                "groups_and_users": list(grant.people),
                "users_seen": list(grant.seen),
                "profiles": list(grant.profiles),
                **_grant_fields(grant.grant, grant.days),
            }
            for grant in row.grants
        ],
    )
