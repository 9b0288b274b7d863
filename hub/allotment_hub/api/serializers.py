"""Converts what the services return into the answers of the API."""

from dataclasses import asdict
from typing import Any, TypeVar, get_origin

from allotment_hub.api import responses
from allotment_hub.forges.stored_proposal import StoredProposal
from allotment_hub.services.browse.data_roles import DataRoleRow
from allotment_hub.services.browse.profiles import ProfileRow
from allotment_hub.services.browse.teams import TeamDetails
from allotment_hub.services.identities import Identity
from allotment_hub.services.judging.checking import Check
from allotment_hub.services.proposals.proposals import ProposalView
from allotment_profiles.access.offers import Offer
from allotment_profiles.documents.parsing import parse_yaml
from allotment_profiles.model import Grant, Profile
from allotment_profiles.model.base import attributes
from allotment_profiles.model.paths import profile_path
from allotment_profiles.model.values.quantities import format_cpu, format_memory
from allotment_profiles.records.record import Record
from allotment_profiles.store.provenance import HistoryEntry

AnswerT = TypeVar("AnswerT", bound=responses.Answer)


def answer_from(model: type[AnswerT], source: object, **fields: Any) -> AnswerT:
    """Return an answer with these fields, and the other ones from the attributes of the same names."""
    copied = (name for name in model.model_fields if name not in fields)
    return model.model_validate(attributes(source, *copied) | fields)


def profile_answer(row: ProfileRow, url: str) -> responses.ProfileAnswer:
    """Return the answer for a profile, also for one whose file has never been valid."""
    return responses.ProfileAnswer.model_validate(_profile_fields(row, url))


def _profile_fields(row: ProfileRow, url: str) -> dict[str, Any]:
    copied = ("id", "team", "team_title", "successors", "cost", "dearest", "owners", "members", "problems")
    return {
        **attributes(row, *copied),
        **(_fields_of_file(row.profile) if row.profile else {"title": row.id, **_INVALID_PROFILE_FIELDS}),
        **_last_change_fields(row.last_change),
        **attributes(row.offer, "startable", "refusal", "warnings"),
        "path": profile_path(row.id),
        "held": row.quarantined,
        "outdated": bool(row.entry and row.entry.outdated_since),
        "url": url,
    }


def _fields_of_file(profile: Profile) -> dict[str, Any]:
    copied = ("title", "description", "purpose", "app", "image", "node_pool", "visibility", "retired_from", "review_by")
    cpu, memory, home = profile.resources.cpu, profile.resources.memory, profile.storage.home
    return {
        **attributes(profile, *copied, "only", "data_roles"),
        "cpu": f"{format_cpu(cpu.guarantee)}-{format_cpu(cpu.limit)}",
        "memory": f"{format_memory(memory.guarantee)}-{format_memory(memory.limit)}",
        "gpu": profile.resources.gpu,
        "gpu_kind": profile.resources.gpu_kind,
        "home": format_memory(home) if home else None,
        "team_folder": profile.storage.team,
        "checkout": profile.checkout.model_dump() if profile.checkout else None,
        "maintainers": [*profile.maintainers.groups, *profile.maintainers.users],
        "accepted": [{"code": code, **dict(acceptance)} for code, acceptance in profile.accepted.items()],
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
    if entry is None:
        return {"revision": None, "reviewed": False, "reason": "", "proposed_by": "", "approved_by": []}
    return {"revision": entry.commit, **attributes(entry, "reviewed", "reason", "proposed_by", "approved_by")}


def team_answer(page: TeamDetails) -> responses.TeamAnswer:
    """Return the answer for a team."""
    document = page.entry.value.model_dump(mode="json")
    copied = ("title", "description", "members", "leads", "deputies", "envelope", "budget", "user_budget", "merge")
    return answer_from(
        responses.TeamAnswer,
        page,
        profiles=[profile for profile, _ in page.profiles],
        data_roles=[{"name": role, **_grant_fields(grant, state)} for role, _, grant, state in page.grants],
        owns=[role for role, _ in page.owns],
        held=page.quarantined,
        **{key: document[key] for key in copied},
    )


def _grant_fields(grant: Grant, state: str) -> dict[str, Any]:
    return {
        "until": grant.until.isoformat(),
        "review_by": grant.review_by.isoformat() if grant.review_by else None,
        "ended": state != "",
    }


def profile_details(row: ProfileRow, url: str) -> responses.ProfileDetails:
    """Return the answer for a profile with its file."""
    settings = parse_yaml(row.entry.source) if row.entry else {}
    if not row.full:
        settings = _without_values(settings)
    content = row.entry.source.decode() if row.entry and row.full else None
    fields = _profile_fields(row, url) | {"settings": settings, "content": content}
    return responses.ProfileDetails.model_validate(fields)


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


def explain_answer(user: str, offer: Offer, identity: Identity | None) -> responses.ExplainAnswer:
    """Return the answer for an explanation."""
    received = identity and responses.IdentityAnswer(
        groups=sorted(identity.user.groups),
        unusable=list(identity.unusable),
        age=identity.seconds,
        maximum_age=identity.maximum,
        why_not_asked=identity.reason,
    )
    return answer_from(
        responses.ExplainAnswer, offer, user=user, profile=offer.profile_id, steps=offer.results, identity=received
    )


def _cost(check: Check) -> dict[str, Any] | None:
    """Return the cost of the dearest changed profile, with the changes of all costs as text."""
    dearest = max((change.after for change in check.costs if change.after), key=lambda cost: cost.hour, default=None)
    return {**dearest.as_dict(), "text": "; ".join(change.text for change in check.costs)} if dearest else None


def check_answer(check: Check) -> responses.CheckAnswer:
    """Return the answer for a dry run."""
    automatic = () if check.requirements else check.automatic
    return answer_from(responses.CheckAnswer, check, ok=not check.errors, automatic=automatic, cost=_cost(check))


def proposal_line(stored: StoredProposal, url: str) -> responses.ProposalLine:
    """Return the answer for a proposal in a list."""
    state, updated = stored.ending.kind if stored.ending else "open", stored.records[-1].time
    return answer_from(
        responses.ProposalLine, stored, url=url, state=state, title=stored.current.title, updated=updated
    )


def proposal_answer(view: ProposalView, url: str, pull_request: str = "") -> responses.ProposalAnswer:
    """Return the answer for a proposal."""
    case, stored, check = view.case, view.case.stored, view.check
    return answer_from(
        responses.ProposalAnswer,
        view,
        **attributes(stored, "id", "proposer", "head"),
        **attributes(case.judgement, "conflicts", "removals"),
        digest=case.judgement.sealed,
        url=url,
        pull_request=pull_request,
        undoes=view.undoes.id if view.undoes else "",
        undone_by=[each.id for each in view.undone_by],
        state=case.state,
        title=stored.current.title,
        reason=stored.current.text,
        created=stored.records[0].time,
        automatic=() if case.requirements else case.automatic,
        merges_when_approved=case.merges_when_approved,
        problems=check.problems,
        changes=check.changes,
        access=check.access,
        starts=check.starts,
        others=check.others,
        cost=_cost(check),
        requirements=[
            {**requirement.as_dict(), "met_by": list(case.met.get(requirement.key, ()))}
            for requirement in check.requirements
        ],
        records=[_record(record) for record in view.records],
        evidence=[
            {**attributes(each.record, "commit", "by", "time", "head"), **attributes(each, "session", "trial")}
            for each in view.evidence
        ],
        steps=[asdict(step) for step in view.steps],
        files=[
            {"path": path, "content": None if data is None else data.decode(errors="replace")}
            for path, data in view.files.items()
            if path in view.seen
        ],
        paths=list(view.files),
    )


def _record(record: Record) -> dict[str, Any]:
    """Return a record, with the act on a forge that it was made from."""
    names = ("kind", "by", "time", "head", "text", "commit", "dismisses", "redacts", "redacted", "by_assistant")
    return {**attributes(record, *names), "source": asdict(record.source) if record.source else None}


def unjudged_answer(stored: StoredProposal, url: str) -> responses.ProposalAnswer:
    """Return the answer for a proposal that cannot be judged now: what it is called, and where it is."""
    texts = dict.fromkeys(("digest", "pull_request", "undoes", "base", "waits_for", "difference"), "")
    lists: dict[str, list[Any]] = {
        name: []
        for name, field in responses.ProposalAnswer.model_fields.items()
        if get_origin(field.annotation) is list
    }
    return responses.ProposalAnswer(
        **attributes(stored, "id", "proposer", "head"),
        **texts,
        **lists,
        url=url,
        state=stored.ending.kind if stored.ending else "unknown",
        title=stored.current.title,
        reason=stored.current.text,
        created=stored.records[0].time,
        since=stored.records[-1].time,
        totals={},
        merges_when_approved=False,
        actions={},
        cost=None,
    )


def readers_answer(row: DataRoleRow) -> responses.ReadersAnswer:
    """Return the answer for the readers of a data role."""
    return responses.ReadersAnswer(
        data_role=row.name,
        note="Users are those that this hub has seen; the groups may have more members.",
        also_through=list(row.also_through),
        grants=[
            {
                "team": grant.team,
                "groups_and_users": list(grant.people),
                "users_seen": list(grant.seen),
                "profiles": list(grant.profiles),
                **_grant_fields(grant.grant, grant.state),
            }
            for grant in row.grants
        ],
    )
