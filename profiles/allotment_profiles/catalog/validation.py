"""What a file is asked together with others: envelopes, ceilings, registries, grants. Pure functions.

The form, the pull-request check, the catalog load and the spawn all call these same functions.
"""

import dataclasses
from collections.abc import Container, Iterable, Iterator, Mapping, Sequence

from allotment_profiles.model import BUILT_IN_APPS, EVERYONE, Choice, DataRole, Policy, Profile, RuleLevel, Team
from allotment_profiles.model.limits import MAXIMUM_SIZES
from allotment_profiles.model.paths import POLICY, data_role_path, profile_path, team_path
from allotment_profiles.model.problems import Problem, quoted
from allotment_profiles.model.quantities import format_cpu, format_duration, format_memory
from allotment_profiles.model.sizes import Size, sizes_of
from allotment_profiles.model.texts import image_matches, image_name, repository_matches


def check_profile(
    profile_id: str,
    profile: Profile,
    team: Team | None,
    policy: Policy | None,
    data_roles: Mapping[str, DataRole],
    successors: Mapping[str, str],
    known: Container[str],
) -> list[Problem]:
    """Check a profile against its team, the policy, the data roles and the other profiles.

    `successors` names the successor of every profile that has one; `known` are the ids of all profiles' files.
    """
    path = profile_path(profile_id)
    name = profile_id.partition("/")[0]
    asked = _Asked(path, profile, sizes_of(profile), _choices(profile))
    problems = list(_check_sizes(path, asked.sizes))
    if team is None:
        message = f"There is no readable team {name}."
        problems.append(Problem(path, "team-unknown", message, f"Add or correct {team_path(name)}."))
    else:
        problems += _check_only(asked, name, team)
    if policy is not None:
        problems += _check_policy(asked, policy)
    if team is not None and policy is not None:
        problems += _check_envelope(asked, name, team, policy)
    for index, role in enumerate(profile.data_roles):
        problems += _check_data_role(path, f"data_roles.{index}", role, name, data_roles)
    if profile.successor is not None:
        problems += _check_successor(path, profile_id, profile.successor, successors, known)
    if not problems and not profile.accepted:
        return problems
    # Many combinations of choices fail in the same place for the same reason: it is said once.
    unique = {(problem.code, problem.field): problem for problem in problems}
    return list(_accepted(path, profile, unique.values()))


class _Asked:
    """One profile, with what several questions need of it."""

    __slots__ = ("choices", "images", "path", "profile", "sizes")

    def __init__(
        self, path: str, profile: Profile, sizes: Sequence[Size], choices: Sequence[tuple[str, Choice]]
    ) -> None:
        self.path, self.profile, self.sizes, self.choices = path, profile, sizes, choices
        self.images = [("image", profile.image)]
        self.images += [(f"{place}.image", choice.image) for place, choice in choices if choice.image]


def _accepted(path: str, profile: Profile, problems: Iterable[Problem]) -> Iterator[Problem]:
    """Turn what an administrator has accepted into advice. Whether an acceptance has ended is asked at every spawn."""
    used = set()
    for problem in problems:
        acceptance = profile.accepted.get(problem.code)
        if acceptance is None or problem.level == "hard":
            yield problem
            continue
        used.add(problem.code)
        until = f" until {acceptance.until.isoformat()}" if acceptance.until else ""
        why = " ".join(acceptance.reason.split())
        yield dataclasses.replace(problem, level="advice", remedy=f"Accepted{until}: {why}")
    for code in profile.accepted:
        if code not in used:
            message = f"Nothing is left to accept of the kind {code}."
            yield Problem(path, "acceptance-unused", message, "Remove it.", field=f"accepted.{code}", level="advice")


def _levelled(level: RuleLevel, path: str, code: str, message: str, remedy: str, field: str) -> Iterator[Problem]:
    """Give a problem of a rule whose strictness the policy sets."""
    if level != "off":
        if level == "soft":
            remedy = f"{remedy} Or ask an administrator to accept it: `accepted: {{{code}: {{reason: …}}}}`."
        yield Problem(path, code, message, remedy, field=field, level=level)


def _check_sizes(path: str, sizes: Sequence[Size]) -> Iterator[Problem]:
    if len(sizes) > MAXIMUM_SIZES:
        message = f"The options have more than {MAXIMUM_SIZES} combinations of sizes."
        yield Problem(path, "options-many", message, "Offer fewer choices, or split the profile.", field="options")
    remedy = "Raise the limit or lower the guarantee in the choice."
    for size in sizes:
        for code, field, noun, guarantee, limit, write in (
            ("cpu-order", size.cpu_field, "CPU", size.cpu_guarantee, size.cpu, format_cpu),
            ("memory-order", size.memory_field, "memory", size.memory_guarantee, size.memory, format_memory),
        ):
            if guarantee > limit:
                amounts = f"{write(limit)} is below the guarantee {write(guarantee)}"
                yield Problem(path, code, f"With these choices the {noun} limit {amounts}.", remedy, field=field)


def _check_only(asked: _Asked, name: str, team: Team) -> Iterator[Problem]:
    path = asked.path
    named = [(f"only.{index}", group) for index, group in enumerate(asked.profile.only)]
    for place, choice in asked.choices:
        named += [(f"{place}.only.{index}", group) for index, group in enumerate(choice.only)]
    if not named or team.members.everyone:
        return
    groups = (*team.members.groups, *team.leads.groups, *team.deputies.groups)
    for field, group in named:
        if not any(group == each or group.startswith(f"{each}/") for each in groups):
            message = f"{quoted(group)} is no group of the team {name}."
            remedy = f"Its groups: {', '.join(groups) or 'none'}; a group below one of them may be named as well."
            yield Problem(path, "only-unknown", message, remedy, field=field)


def _check_policy(asked: _Asked, policy: Policy) -> Iterator[Problem]:
    """Ask what holds for every team: ceilings, kinds, pools, registries, tools, repositories."""
    path, profile = asked.path, asked.profile
    ceilings, remedy = policy.ceilings, "Choose less; an administrator sets the ceiling."
    for size in asked.sizes:
        if size.cpu > ceilings.cpu or size.memory > ceilings.memory or size.gpu > ceilings.gpu:
            for name, field, what in _over(size, ceilings.cpu, ceilings.memory, ceilings.gpu):
                message = f"{what[0]} is more than the platform's ceiling of {what[1]}."
                yield Problem(path, f"{name}-ceiling", message, remedy, field=field)
        if size.gpu or size.gpu_kind:
            yield from _check_gpu(path, size, policy)
        if size.node_pool is not None and size.node_pool not in policy.node_pools:
            known = f"Node pools: {', '.join(policy.node_pools) or 'none yet'}."
            message = f"The policy has no node pool {size.node_pool}."
            yield Problem(path, "node-pool-unknown", message, known, field=size.node_pool_field)
    for field, image in asked.images:
        if not any(image_matches(image, pattern) for pattern in policy.registries):
            message = f"The image {quoted(image_name(image))} is in no registry that the platform allows."
            allowed = f"Allowed: {', '.join(policy.registries)}."
            yield Problem(path, "image-registries", message, allowed, field=field)
        if policy.rules.image_digest != "off" and "@" not in image:
            message = "The image is named by a tag alone, which may mean another image tomorrow."
            remedy = "Write registry/name@sha256:…, as the registry shows it."
            yield from _levelled(policy.rules.image_digest, path, "image-undigested", message, remedy, field)
    yield from _check_app(asked, policy)
    yield from _check_times(path, profile, policy)
    yield from _check_storage(path, profile, policy)
    if policy.rules.image_source != "off" and profile.image_source is None:
        message = "Nobody can say what the image was built from."
        level = policy.rules.image_source
        yield from _levelled(level, path, "image-source-missing", message, "Add image_source.", "image")


def _over(size: Size, cpu: int, memory: int, gpu: int) -> Iterator[tuple[str, str, tuple[str, str]]]:
    """Give what a size has too much of: the amount's name, its field, and both amounts in words."""
    if size.cpu > cpu:
        yield "cpu", size.cpu_field, (f"{format_cpu(size.cpu)} CPUs", format_cpu(cpu))
    if size.memory > memory:
        yield "memory", size.memory_field, (f"{format_memory(size.memory)} of memory", format_memory(memory))
    if size.gpu > gpu:
        yield "gpu", size.gpu_field, (f"{size.gpu} GPUs", str(gpu))


def _check_gpu(path: str, size: Size, policy: Policy) -> Iterator[Problem]:
    known = f"Kinds of GPU: {', '.join(policy.gpu_kinds) or 'none yet'}."
    if size.gpu_kind is None:
        if policy.gpu_kinds:
            yield Problem(path, "gpu-kind-missing", "The kind of GPU is missing.", known, field=size.gpu_field)
        return
    kind = policy.gpu_kinds.get(size.gpu_kind)
    if kind is None:
        message = f"The policy has no GPUs of the kind {size.gpu_kind}."
        yield Problem(path, "gpu-kind-unknown", message, known, field=size.gpu_kind_field)
        return
    if kind.ceiling is not None and size.gpu > kind.ceiling:
        message = f"{size.gpu} GPUs {size.gpu_kind} is more than the platform's ceiling of {kind.ceiling}."
        yield Problem(path, "gpu-ceiling", message, "Choose fewer.", field=size.gpu_field)
    if size.gpu and size.node_pool is not None and kind.node_pool not in (None, size.node_pool):
        message = f"GPUs {size.gpu_kind} are in the node pool {kind.node_pool}, not in {size.node_pool}."
        yield Problem(path, "node-pool-conflict", message, "Drop node_pool.", field=size.node_pool_field)


def _check_app(asked: _Asked, policy: Policy) -> Iterator[Problem]:
    path = asked.path
    named = [("app", asked.profile.app)]
    named += [(f"{place}.app", choice.app) for place, choice in asked.choices if choice.app]
    for field, app in named:
        if app not in BUILT_IN_APPS and app not in policy.tools:
            remedy = f"Use one of {', '.join((*BUILT_IN_APPS, *policy.tools))}; more stand under tools in {POLICY}."
            yield Problem(path, "app-unknown", f"There is no app or tool {app}.", remedy, field=field)


def _check_times(path: str, profile: Profile, policy: Policy) -> Iterator[Problem]:
    total = profile.lifetime.total
    if total > policy.ceilings.lifetime:
        ceiling = format_duration(policy.ceilings.lifetime)
        message = f"A total time of {format_duration(total)} is more than the platform's ceiling of {ceiling}."
        yield Problem(path, "lifetime-ceiling", message, "Choose a shorter time.", field="lifetime.total")
    if policy.rules.review_by != "off" and profile.review_by is None:
        message = "Nobody is asked to look at the profile again."
        remedy = "Add `review_by: DATE`."
        yield from _levelled(policy.rules.review_by, path, "review-by-missing", message, remedy, "title")


def _check_storage(path: str, profile: Profile, policy: Policy) -> Iterator[Problem]:
    home, ceiling = profile.storage.home, policy.ceilings.home
    if home is not None and home > ceiling:
        message = f"A home of {format_memory(home)} is more than the platform's ceiling of {format_memory(ceiling)}."
        remedy = "Choose less; an administrator sets the ceiling."
        yield Problem(path, "home-ceiling", message, remedy, field="storage.home")
    checkout = profile.checkout
    if checkout and not any(repository_matches(checkout.repository, pattern) for pattern in policy.repositories):
        message = "The platform allows no checkout of this repository."
        remedy = f"Allowed: {', '.join(policy.repositories) or 'none yet; an administrator lists them in policy.yaml'}."
        yield Problem(path, "checkout-forbidden", message, remedy, field="checkout.repository")


def _check_envelope(asked: _Asked, name: str, team: Team, policy: Policy) -> Iterator[Problem]:
    """Ask what the team decides for itself; beyond it the policy says how strict the platform is."""
    path, profile = asked.path, asked.profile
    envelope, level = team.envelope, policy.rules.envelope
    if level == "off":
        return
    wider = f"or propose a wider envelope in {team_path(name)} as well: an administrator decides."
    for size in asked.sizes:
        if size.cpu > envelope.cpu or size.memory > envelope.memory or size.gpu > envelope.gpu:
            for amount, field, what in _over(size, envelope.cpu, envelope.memory, envelope.gpu):
                message = f"{what[0]} is more than the envelope of {name} allows: {what[1]}."
                yield from _levelled(level, path, f"{amount}-envelope", message, f"Choose less, {wider}", field)
        if size.gpu and size.gpu_kind and envelope.gpu_kinds and size.gpu_kind not in envelope.gpu_kinds:
            message = f"The envelope of {name} has no GPUs of the kind {size.gpu_kind}."
            remedy = f"It has {', '.join(envelope.gpu_kinds)}; {wider}"
            yield from _levelled(level, path, "gpu-kind-envelope", message, remedy, size.gpu_kind_field)
        if size.node_pool is not None and size.node_pool not in envelope.node_pools:
            message = f"The envelope of {name} does not have the node pool {size.node_pool}."
            remedy = f"It has {', '.join(envelope.node_pools) or 'none'}; {wider}"
            yield from _levelled(level, path, "node-pool-envelope", message, remedy, size.node_pool_field)
    for field, image in asked.images:
        if not any(image_matches(image, pattern) for pattern in envelope.images):
            message = f"The image {quoted(image_name(image))} is outside the envelope of {name}."
            remedy = f"Allowed: {', '.join(envelope.images)}; {wider}"
            yield from _levelled(level, path, "image-envelope", message, remedy, field)
    home = profile.storage.home
    if home is not None and home > envelope.home:
        message = f"A home of {format_memory(home)} is more than the envelope of {name} allows: "
        message += f"{format_memory(envelope.home)}."
        yield from _levelled(level, path, "home-envelope", message, f"Choose less, {wider}", "storage.home")


def _choices(profile: Profile) -> list[tuple[str, Choice]]:
    """Give every choice by its place in the file."""
    if not profile.options:
        return []
    return [
        (f"options.{name}.choices.{key}", choice)
        for name, option in profile.options.items()
        for key, choice in option.choices.items()
    ]


def _check_successor(
    path: str, profile_id: str, successor: str, successors: Mapping[str, str], known: Container[str]
) -> Iterator[Problem]:
    if successor not in known:
        message = f"There is no profile {successor} to take its place."
        yield Problem(path, "successor-unknown", message, "Correct the name, or drop it.", field="successor")
        return
    seen, at = {profile_id}, successor
    while at not in seen:
        seen.add(at)
        following = successors.get(at)
        if following is None:
            return
        at = following
    if at == profile_id:
        message = "Following the successors leads back to this profile."
        yield Problem(path, "successor-cycle", message, "Let the last one have no successor.", field="successor")


def _check_data_role(
    path: str, field: str, name: str, team: str, data_roles: Mapping[str, DataRole]
) -> Iterator[Problem]:
    role = data_roles.get(name)
    if role is None:
        known = ", ".join(sorted(data_roles)) or "none yet"
        yield Problem(
            path,
            "data-role-unknown",
            f"There is no readable data role {quoted(name)}.",
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
    """Check a team against the platform: what its envelope has beyond the ceilings has no effect."""
    path, envelope = team_path(name), team.envelope
    problems = []
    if team.members.everyone != (name == EVERYONE):
        problems.append(_everyone(path, name))
    if policy is None:
        return problems
    ceilings = policy.ceilings
    remedy = "The ceiling holds; an administrator sets it in policy.yaml."
    problems += [
        Problem(
            path,
            f"{field}-ceiling",
            f"The envelope's {field} {write(amount)} is more than the platform's ceiling of {write(bound)}.",
            remedy,
            field=f"envelope.{field}",
            level="advice",
        )
        for field, amount, bound, write in (
            ("cpu", envelope.cpu, ceilings.cpu, format_cpu),
            ("memory", envelope.memory, ceilings.memory, format_memory),
            ("gpu", envelope.gpu, ceilings.gpu, str),
            ("home", envelope.home, ceilings.home, format_memory),
        )
        if amount > bound and (field in envelope.model_fields_set or field != "home")
    ]
    for field, names, known, code in (
        ("gpu_kinds", envelope.gpu_kinds, policy.gpu_kinds, "gpu-kind-unknown"),
        ("node_pools", envelope.node_pools, policy.node_pools, "node-pool-unknown"),
    ):
        for index, each in enumerate(names):
            if each not in known:
                message = f"The policy does not have {each}."
                remedy = f"It has {', '.join(known) or 'none yet'}."
                problems.append(Problem(path, code, message, remedy, field=f"envelope.{field}.{index}", level="advice"))
    return problems


def _everyone(path: str, name: str) -> Problem:
    if name == EVERYONE:
        message, remedy = "The team everyone does not say that everybody belongs.", "Write `everyone: true`."
        return Problem(path, "everyone-missing", message, remedy, field="members")
    message = "Only the team everyone is for everybody."
    remedy = "Name groups; or offer the profile in teams/everyone."
    return Problem(path, "everyone-elsewhere", message, remedy, field="members.everyone")
