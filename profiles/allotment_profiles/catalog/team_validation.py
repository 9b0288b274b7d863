"""Check teams and data roles against the policy and each other. Pure."""

from collections.abc import Iterator, Mapping

from allotment_profiles.model import EVERYONE, DataRole, Envelope, Policy, Team
from allotment_profiles.model.paths import data_role_path, team_path
from allotment_profiles.model.problems import Problem
from allotment_profiles.model.values.quantities import format_cpu, format_memory


def check_data_role(name: str, role: DataRole, teams: Mapping[str, Team]) -> list[Problem]:
    """Check that the owner and the teams with a grant exist."""
    path = data_role_path(name)
    problems = []
    if role.owner not in teams:
        message = f"The owner {role.owner} is not a valid team."
        known = f"Known teams: {', '.join(sorted(teams)) or 'none'}."
        problems.append(Problem(path, "owner-unknown", message, known, field="owner"))
    for team in role.granted_to:
        if team not in teams:
            message, remedy = f"{team} is not a valid team.", "Correct the name, or remove the grant."
            field = f"granted_to.{team}"
            problems.append(Problem(path, "grantee-unknown", message, remedy, field=field, level="advice"))
    return problems


def check_team(name: str, team: Team, policy: Policy | None) -> list[Problem]:
    """Check the members of a team, and compare its envelope with the policy."""
    path = team_path(name)
    problems = list(_check_everyone(path, name, team))
    if policy is not None:
        problems += _check_envelope_ceilings(path, team.envelope, policy)
        problems += _check_envelope_names(path, team.envelope, policy)
    return problems


def _check_everyone(path: str, name: str, team: Team) -> Iterator[Problem]:
    if name == EVERYONE and not team.members.everyone:
        message, remedy = "The team everyone does not include every user.", "Write `everyone: true`."
        yield Problem(path, "everyone-missing", message, remedy, field="members")
    elif team.members.everyone and name != EVERYONE:
        message = "Only the team everyone can include every user."
        remedy = "Name groups; or offer the profile in teams/everyone."
        yield Problem(path, "everyone-elsewhere", message, remedy, field="members.everyone")


def _check_envelope_ceilings(path: str, envelope: Envelope, policy: Policy) -> Iterator[Problem]:
    ceilings = policy.ceilings
    for field, amount, ceiling, formatted in (
        ("cpu", envelope.cpu, ceilings.cpu, format_cpu),
        ("memory", envelope.memory, ceilings.memory, format_memory),
        ("gpu", envelope.gpu, ceilings.gpu, str),
        ("home", envelope.home, ceilings.home, format_memory),
    ):
        is_set = field in envelope.model_fields_set or field != "home"
        if amount > ceiling and is_set:
            amounts = f"{formatted(amount)} is more than the platform's ceiling of {formatted(ceiling)}"
            message, remedy = f"The envelope's {field} {amounts}.", "The ceiling applies; an administrator sets it."
            yield Problem(path, f"{field}-ceiling", message, remedy, field=f"envelope.{field}", level="advice")


def _check_envelope_names(path: str, envelope: Envelope, policy: Policy) -> Iterator[Problem]:
    for key, names, known, code in (
        ("gpu_kinds", envelope.gpu_kinds, policy.gpu_kinds, "gpu-kind-unknown"),
        ("node_pools", envelope.node_pools, policy.node_pools, "node-pool-unknown"),
    ):
        for index, name in enumerate(names):
            if name not in known:
                message, remedy = f"The policy does not have {name}.", f"It has {', '.join(known) or 'none yet'}."
                yield Problem(path, code, message, remedy, field=f"envelope.{key}.{index}", level="advice")
