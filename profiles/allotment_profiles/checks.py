"""What a file is asked together with others: envelopes, ceilings, registries, grants. Pure functions.

The form, the pull-request check, the catalog load and the spawn all call these same functions.
"""

import dataclasses
import datetime as dt
import itertools
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from allotment_profiles.model import Choice, DataRole, Policy, Profile, Resources, Team
from allotment_profiles.paths import data_role_path, profile_path, team_path
from allotment_profiles.problems import Problem
from allotment_profiles.quantities import format_cpu, format_duration, format_memory, shown
from allotment_profiles.texts import image_matches, image_name

MAXIMUM_COMBINATIONS = 2000


@dataclass(frozen=True, slots=True)
class Size:
    """What one combination of choices asks for, with the field that each amount comes from."""

    cpu_guarantee: int
    cpu: int
    memory_guarantee: int
    memory: int
    gpu: int
    cpu_field: str = "resources.cpu.limit"
    memory_field: str = "resources.memory.limit"
    gpu_field: str = "resources.gpu"


def size_of(resources: Resources, choices: Mapping[str, Choice] | None = None) -> Size:
    """Give the size of a profile with some choices applied in order: `{"options.size.choices.large": choice}`."""
    size = Size(
        cpu_guarantee=resources.cpu.guarantee,
        cpu=resources.cpu.limit,
        memory_guarantee=resources.memory.guarantee,
        memory=resources.memory.limit,
        gpu=resources.gpu,
    )
    changed: dict[str, Any] = {}
    for place, choice in (choices or {}).items():
        override = choice.resources
        for name, value, field in (
            ("cpu_guarantee", override.cpu.guarantee, "cpu.guarantee"),
            ("cpu", override.cpu.limit, "cpu.limit"),
            ("memory_guarantee", override.memory.guarantee, "memory.guarantee"),
            ("memory", override.memory.limit, "memory.limit"),
            ("gpu", override.gpu, "gpu"),
        ):
            if value is not None:
                changed[name] = value
                changed[f"{name.removesuffix('_guarantee')}_field"] = f"{place}.resources.{field}"
    return dataclasses.replace(size, **changed)


def combinations(profile: Profile) -> Iterator[dict[str, Choice]]:
    """Give every combination of the profile's choices, by the place of each choice in the file."""
    places = [
        [(f"options.{name}.choices.{key}", choice) for key, choice in option.choices.items()]
        for name, option in profile.options.items()
    ]
    for combination in itertools.product(*places):
        yield dict(combination)


def _sizes(profile: Profile) -> Iterator[Size]:
    for combination in itertools.islice(combinations(profile), MAXIMUM_COMBINATIONS + 1):
        yield size_of(profile.resources, combination)


def _images(profile: Profile) -> Iterator[tuple[str, str]]:
    yield "image", profile.image
    for name, option in profile.options.items():
        for key, choice in option.choices.items():
            if choice.image:
                yield f"options.{name}.choices.{key}.image", choice.image


def check_profile(
    profile_id: str, profile: Profile, team: Team | None, policy: Policy | None, data_roles: Mapping[str, DataRole]
) -> list[Problem]:
    """Check a profile against its team, the policy and the data roles."""
    path = profile_path(profile_id)
    team_name = profile_id.partition("/")[0]
    found = itertools.chain(
        _check_team_exists(path, team_name, team),
        _check_sizes(path, profile, team_name, team, policy),
        _check_images(path, profile, team_name, team, policy),
        _check_lifetime(path, profile, policy),
        *(
            _check_data_role(path, f"data_roles.{index}", name, team_name, data_roles)
            for index, name in enumerate(profile.data_roles)
        ),
    )
    # Many combinations of choices fail in the same place for the same reason: it is said once.
    return list({(problem.code, problem.field): problem for problem in found}.values())


def _check_team_exists(path: str, team_name: str, team: Team | None) -> Iterator[Problem]:
    if team is None:
        message = f"There is no readable team {team_name}."
        yield Problem(path, "team-unknown", message, f"Add or correct {team_path(team_name)}.")


def _check_sizes(
    path: str, profile: Profile, team_name: str, team: Team | None, policy: Policy | None
) -> Iterator[Problem]:
    sizes = list(_sizes(profile))
    if len(sizes) > MAXIMUM_COMBINATIONS:
        message = f"The options have more than {MAXIMUM_COMBINATIONS} combinations."
        yield Problem(path, "options-many", message, "Offer fewer choices, or split the profile.", field="options")
    for size in sizes:
        yield from _check_order(path, size)
        for limits in _limits(team_name, team, policy):
            yield from _check_limits(path, size, limits)


def _check_order(path: str, size: Size) -> Iterator[Problem]:
    remedy = "Raise the limit or lower the guarantee in the choice."
    for code, field, noun, guarantee, limit, write in (
        ("cpu-order", size.cpu_field, "CPU", size.cpu_guarantee, size.cpu, format_cpu),
        ("memory-order", size.memory_field, "memory", size.memory_guarantee, size.memory, format_memory),
    ):
        if guarantee > limit:
            message = f"With these choices the {noun} limit {write(limit)} is below the guarantee {write(guarantee)}."
            yield Problem(path, code, message, remedy, field=field)


@dataclass(frozen=True, slots=True)
class _Limits:
    """Amounts that a size must not pass, and how to say whose they are."""

    code: str
    whose: str
    remedy: str
    cpu: int
    memory: int
    gpu: int


def _limits(team_name: str, team: Team | None, policy: Policy | None) -> Iterator[_Limits]:
    if policy:
        bounds, remedy = policy.ceilings, "Choose less; an administrator sets the ceiling."
        yield _Limits("ceiling", "the platform's ceiling of", remedy, bounds.cpu, bounds.memory, bounds.gpu)
    if team:
        envelope = team.envelope
        remedy = (
            f"Choose less, or propose a wider envelope in {team_path(team_name)} as well: an administrator decides."
        )
        whose = f"the envelope of {team_name} allows:"
        yield _Limits("envelope", whose, remedy, envelope.cpu, envelope.memory, envelope.gpu)


def _check_limits(path: str, size: Size, limits: _Limits) -> Iterator[Problem]:
    for name, noun, amount, bound, field, write in (
        ("cpu", "CPUs", size.cpu, limits.cpu, size.cpu_field, format_cpu),
        ("memory", "of memory", size.memory, limits.memory, size.memory_field, format_memory),
        ("gpu", "GPUs", size.gpu, limits.gpu, size.gpu_field, str),
    ):
        if amount > bound:
            message = f"{write(amount)} {noun} is more than {limits.whose} {write(bound)}."
            yield Problem(path, f"{name}-{limits.code}", message, limits.remedy, field=field)


def _check_lifetime(path: str, profile: Profile, policy: Policy | None) -> Iterator[Problem]:
    total = profile.lifetime.total
    if policy and total > policy.ceilings.lifetime:
        ceiling = format_duration(policy.ceilings.lifetime)
        message = f"A total time of {format_duration(total)} is more than the platform's ceiling of {ceiling}."
        yield Problem(path, "lifetime-ceiling", message, "Choose a shorter time.", field="lifetime.total")


def _check_images(
    path: str, profile: Profile, team_name: str, team: Team | None, policy: Policy | None
) -> Iterator[Problem]:
    for field, image in _images(profile):
        name = shown(image_name(image))
        if policy and not any(image_matches(image, pattern) for pattern in policy.registries):
            yield Problem(
                path,
                "image-registries",
                f"The image {name} is in no registry that the platform allows.",
                f"Allowed: {', '.join(policy.registries)}.",
                field=field,
            )
        if team and not any(image_matches(image, pattern) for pattern in team.envelope.images):
            yield Problem(
                path,
                "image-envelope",
                f"The image {name} is outside the envelope of {team_name}.",
                f"Allowed: {', '.join(team.envelope.images)}. Or propose a wider envelope in {team_path(team_name)} as "
                "well: an administrator decides.",
                field=field,
            )


def _check_data_role(
    path: str, field: str, name: str, team: str, data_roles: Mapping[str, DataRole]
) -> Iterator[Problem]:
    role = data_roles.get(name)
    if role is None:
        known = ", ".join(sorted(data_roles)) or "none yet"
        yield Problem(
            path,
            "data-role-unknown",
            f"There is no readable data role {shown(name)}.",
            f"Known: {known}.",
            field=field,
        )
    elif team not in role.granted_to:
        yield Problem(
            path,
            "grant-missing",
            f"The team {team} has no grant for the data role {name}.",
            f"Ask for the grant in the same proposal: the form does, in a session's terminal --grant {name}=DATE, in "
            f"files {team} under granted_to in {data_role_path(name)}. The leads of {role.owner} decide.",
            field=field,
        )


def check_data_role(name: str, role: DataRole, teams: Mapping[str, Team]) -> list[Problem]:
    """Check a data role against the teams that it names."""
    path = data_role_path(name)
    problems = []
    if role.owner not in teams:
        problems.append(
            Problem(
                path,
                "owner-unknown",
                f"The owner {role.owner} is no readable team.",
                f"Known teams: {', '.join(sorted(teams)) or 'none'}.",
                field="owner",
            )
        )
    problems += [
        Problem(
            path,
            "grantee-unknown",
            f"{team} is no readable team.",
            "Correct the name, or remove the grant.",
            field=f"granted_to.{team}",
            level="advice",
        )
        for team in role.granted_to
        if team not in teams
    ]
    return problems


def check_team(name: str, team: Team, policy: Policy | None) -> list[Problem]:
    """Check a team's envelope against the platform's ceilings and registries."""
    if policy is None:
        return []
    path, ceilings, envelope = team_path(name), policy.ceilings, team.envelope
    remedy = "Choose less; an administrator sets the ceiling in policy.yaml."
    return [
        Problem(
            path,
            f"{field}-ceiling",
            f"The envelope's {field} {write(amount)} is more than the platform's ceiling of {write(bound)}.",
            remedy,
            field=f"envelope.{field}",
        )
        for field, amount, bound, write in (
            ("cpu", envelope.cpu, ceilings.cpu, format_cpu),
            ("memory", envelope.memory, ceilings.memory, format_memory),
            ("gpu", envelope.gpu, ceilings.gpu, str),
        )
        if amount > bound
    ]


def days_left(until: dt.date, now: dt.datetime) -> int:
    """Give the days that remain until the end of a day, UTC; negative where it has passed."""
    return (until - now.astimezone(dt.UTC).date()).days
