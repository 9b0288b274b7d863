"""Check a profile against other files: ceilings and registries, the team's envelope, grants. Pure."""

import dataclasses
from collections.abc import Callable, Container, Iterable, Iterator, Mapping

from allotment_profiles.catalog.choices import check_choices
from allotment_profiles.model import BUILT_IN_APPS, DataRole, Envelope, Policy, Profile, RuleLevel, Team
from allotment_profiles.model.paths import POLICY, data_role_path, profile_path, team_path
from allotment_profiles.model.policy import Ceilings
from allotment_profiles.model.problems import Problem, quoted
from allotment_profiles.model.sizes import SizeRange
from allotment_profiles.model.values.quantities import format_cpu, format_duration, format_memory
from allotment_profiles.model.values.texts import image_matches, image_name, repository_matches
from allotment_profiles.model.values.variables import restriction


def check_profile(
    profile_id: str,
    profile: Profile,
    team: Team | None,
    policy: Policy | None,
    data_roles: Mapping[str, DataRole],
    successors: Mapping[str, str],
    known: Container[str],
) -> list[Problem]:
    """Check a profile against its team, the policy, the data roles and, by id (`known`), the other profiles."""
    subject = _Subject(profile_id, profile)
    problems = list(_check_sizes(subject))
    if team is None:
        message = f"There is no valid team {subject.team}."
        problems.append(Problem(subject.path, "team-unknown", message, f"Add or correct {team_path(subject.team)}."))
    else:
        problems += _check_only(subject, team)
    if policy is not None:
        for rule in _POLICY_RULES:
            problems += rule(subject, policy)
    if team is not None and policy is not None:
        problems += _check_envelope(subject, team.envelope, policy.rules.envelope)
    for index, role in enumerate(profile.data_roles):
        problems += _check_data_role(subject, f"data_roles.{index}", role, data_roles)
    if profile.successor is not None:
        problems += _check_successor(subject.path, profile_id, profile.successor, successors, known)
    if profile.options:
        problems += check_choices(subject.path, profile)
    if not problems and not profile.accepted:
        return problems
    # Several combinations of choices can have the same problem. Report it once.
    unique = {(problem.code, problem.field): problem for problem in problems}
    return list(_apply_acceptances(subject.path, profile, unique.values()))


class _Subject:
    """The profile to check, with the values that several rules need."""

    __slots__ = ("choices", "images", "path", "profile", "sizes", "team")

    def __init__(self, profile_id: str, profile: Profile) -> None:
        self.path = profile_path(profile_id)
        self.team = profile_id.partition("/")[0]
        self.profile = profile
        self.sizes = SizeRange(profile)
        self.choices = list(profile.all_choices())
        self.images = profile.images()


def _apply_acceptances(path: str, profile: Profile, problems: Iterable[Problem]) -> Iterator[Problem]:
    """Turn accepted problems into advice. Whether an acceptance has expired is checked at every start."""
    used = set()
    for problem in problems:
        acceptance = profile.accepted.get(problem.code)
        if acceptance is None or problem.level == "hard":
            yield problem
            continue
        used.add(problem.code)
        until = f" until {acceptance.until.isoformat()}" if acceptance.until else ""
        reason = " ".join(acceptance.reason.split())
        yield dataclasses.replace(problem, level="advice", remedy=f"Accepted{until}: {reason}")
    for code in profile.accepted:
        if code not in used:
            message = f"The profile has no problem {code} that could be accepted."
            yield Problem(path, "acceptance-unused", message, "Remove it.", field=f"accepted.{code}", level="advice")


# -- rules that need the profile and its team only


def _check_sizes(subject: _Subject) -> Iterator[Problem]:
    for name, noun, text in (("cpu", "CPU", format_cpu), ("memory", "memory", format_memory)):
        for guarantees, limits in subject.sizes.combinations(f"{name}_guarantee", name):
            guarantee, written = max(guarantees)
            for limit, field in limits:
                if guarantee > limit:
                    amounts = f"{noun} limit {text(limit)} is below the guarantee {text(guarantee)}"
                    # The profile's own amounts fit each other, so the problem lies in a choice.
                    place = field if field.startswith("options.") else written
                    yield _order_problem(subject.path, f"{name}-order", amounts, place)


def _order_problem(path: str, code: str, amounts: str, field: str) -> Problem:
    remedy = "Raise the limit or lower the guarantee in the choice."
    return Problem(path, code, f"With these choices the {amounts}.", remedy, field=field)


def _check_only(subject: _Subject, team: Team) -> Iterator[Problem]:
    named = [(f"only.{index}", group) for index, group in enumerate(subject.profile.only)]
    for field, choice in subject.choices:
        named += [(f"{field}.only.{index}", group) for index, group in enumerate(choice.only)]
    if not named or team.members.everyone:
        return
    groups = (*team.members.groups, *team.leads.groups, *team.deputies.groups)
    for field, group in named:
        if not any(group == parent or group.startswith(f"{parent}/") for parent in groups):
            message = f"{quoted(group)} is not a group of the team {subject.team}."
            remedy = f"Use one of its groups, or a group below one of them: {', '.join(groups) or 'none'}."
            yield Problem(subject.path, "only-unknown", message, remedy, field=field)


# -- rules of the policy, for the profiles of every team


def _check_ceilings(subject: _Subject, policy: Policy) -> Iterator[Problem]:
    remedy = "Choose less; an administrator sets the ceiling."
    for resource, field, amount, limit in _excesses(subject.sizes, policy.ceilings):
        message = f"{amount} is more than the platform's ceiling of {limit}."
        yield Problem(subject.path, f"{resource}-ceiling", message, remedy, field=field)


def _excesses(sizes: SizeRange, bounds: Ceilings | Envelope) -> Iterator[tuple[str, str, str, str]]:
    """Yield each resource of which a size has more than allowed, its field, its amount and the bound."""
    for cpu, field in sizes.values("cpu"):
        if cpu > bounds.cpu:
            yield "cpu", field, f"{format_cpu(cpu)} CPUs", format_cpu(bounds.cpu)
    for memory, field in sizes.values("memory"):
        if memory > bounds.memory:
            yield "memory", field, f"{format_memory(memory)} of memory", format_memory(bounds.memory)
    for gpu, field in sizes.values("gpu"):
        if gpu > bounds.gpu:
            yield "gpu", field, f"{gpu} GPUs", str(bounds.gpu)


def _check_gpu_kinds(subject: _Subject, policy: Policy) -> Iterator[Problem]:
    if subject.sizes.lacks("gpu", "gpu_kind"):
        return
    path = subject.path
    known = f"Kinds of GPU: {', '.join(policy.gpu_kinds) or 'none yet'}."
    for gpus, kinds in subject.sizes.combinations("gpu", "gpu_kind"):
        ceilings = []
        for name, field in kinds:
            if name is None:
                for gpu, gpu_field in gpus:
                    if gpu and policy.gpu_kinds:
                        yield Problem(path, "gpu-kind-missing", "The kind of GPU is missing.", known, field=gpu_field)
            elif name not in policy.gpu_kinds:
                message = f"The policy has no GPUs of the kind {name}."
                yield Problem(path, "gpu-kind-unknown", message, known, field=field)
            elif (ceiling := policy.gpu_kinds[name].ceiling) is not None:
                ceilings.append((ceiling, name))
        if ceilings:
            ceiling, name = min(ceilings)
            for gpu, field in gpus:
                if gpu > ceiling:
                    message = f"{gpu} GPUs {name} is more than the platform's ceiling of {ceiling}."
                    yield Problem(path, "gpu-ceiling", message, "Choose fewer.", field=field)


def _check_gpu_pools(subject: _Subject, policy: Policy) -> Iterator[Problem]:
    if subject.sizes.lacks("node_pool") or subject.sizes.lacks("gpu"):
        return
    for gpus, kinds, pools in subject.sizes.combinations("gpu", "gpu_kind", "node_pool"):
        if not any(gpu for gpu, _ in gpus):
            continue
        by_pool = {policy.gpu_kinds[name].node_pool: name for name, _ in kinds if name in policy.gpu_kinds}
        for pool, field in pools:
            for other, kind in by_pool.items():
                if pool is not None and other not in (None, pool):
                    message = f"GPUs {kind} are in the node pool {other}, not in {pool}."
                    yield Problem(subject.path, "node-pool-conflict", message, "Remove node_pool.", field=field)
                    break


def _check_node_pools(subject: _Subject, policy: Policy) -> Iterator[Problem]:
    if subject.sizes.lacks("node_pool"):
        return
    for pool, field in subject.sizes.values("node_pool"):
        if pool is not None and pool not in policy.node_pools:
            message = f"The policy has no node pool {pool}."
            known = f"Node pools: {', '.join(policy.node_pools) or 'none yet'}."
            yield Problem(subject.path, "node-pool-unknown", message, known, field=field)


def _check_images(subject: _Subject, policy: Policy) -> Iterator[Problem]:
    for field, image in subject.images:
        if not any(image_matches(image, pattern) for pattern in policy.registries):
            message = f"The image {quoted(image_name(image))} is in no registry that the platform allows."
            allowed = f"Allowed: {', '.join(policy.registries)}."
            yield Problem(subject.path, "image-registries", message, allowed, field=field)
        if policy.rules.image_digest != "off" and "@" not in image:
            message = "The image has a tag, but no digest: the tag may be moved to another image."
            remedy = "Write registry/name@sha256:…, as the registry shows it."
            yield from _at_level(
                policy.rules.image_digest, Problem(subject.path, "image-undigested", message, remedy, field)
            )


def _check_apps(subject: _Subject, policy: Policy) -> Iterator[Problem]:
    apps = [("app", subject.profile.app)]
    apps += [(f"{field}.app", choice.app) for field, choice in subject.choices if choice.app]
    for field, app in apps:
        if app not in BUILT_IN_APPS and app not in policy.tools:
            remedy = f"Use one of {', '.join((*BUILT_IN_APPS, *policy.tools))}; tools are defined in {POLICY}."
            yield Problem(subject.path, "app-unknown", f"There is no app or tool {app}.", remedy, field=field)


def _check_lifetime(subject: _Subject, policy: Policy) -> Iterator[Problem]:
    total, ceiling = subject.profile.lifetime.total, policy.ceilings.lifetime
    if total > ceiling:
        amounts = f"{format_duration(total)} is more than the platform's ceiling of {format_duration(ceiling)}"
        message, remedy = f"A total time of {amounts}.", "Choose a shorter time."
        yield Problem(subject.path, "lifetime-ceiling", message, remedy, field="lifetime.total")


def _check_home(subject: _Subject, policy: Policy) -> Iterator[Problem]:
    home, ceiling = subject.profile.storage.home, policy.ceilings.home
    if home is not None and home > ceiling:
        message = f"A home of {format_memory(home)} is more than the platform's ceiling of {format_memory(ceiling)}."
        remedy = "Choose less; an administrator sets the ceiling."
        yield Problem(subject.path, "home-ceiling", message, remedy, field="storage.home")


def _check_checkout(subject: _Subject, policy: Policy) -> Iterator[Problem]:
    checkout, allowed = subject.profile.checkout, policy.repositories
    if checkout and not any(repository_matches(checkout.repository, pattern) for pattern in allowed):
        message = "The platform does not allow a checkout of this repository."
        remedy = f"Allowed: {', '.join(allowed) or 'none yet; an administrator lists them in policy.yaml'}."
        yield Problem(subject.path, "checkout-forbidden", message, remedy, field="checkout.repository")


def _check_image_source(subject: _Subject, policy: Policy) -> Iterator[Problem]:
    if policy.rules.image_source != "off" and subject.profile.image_source is None:
        message = "The profile has no image_source: nobody can find the source code of the image."
        problem = Problem(subject.path, "image-source-missing", message, "Add image_source.", "image")
        yield from _at_level(policy.rules.image_source, problem)


def _check_variables(subject: _Subject, policy: Policy) -> Iterator[Problem]:
    if policy.rules.variables == "off":
        return
    set_by = [("environment", subject.profile.environment)]
    set_by += [(f"{field}.environment", choice.environment) for field, choice in subject.choices]
    for field, environment in set_by:
        for name in environment:
            reason = restriction(name, policy.variables.restricted, policy.variables.allowed)
            if reason:
                remedy = f"Leave it out, or put the setting into the image; {POLICY} can allow it under `variables`."
                problem = Problem(
                    subject.path, "environment-restricted", f"{name} {reason}.", remedy, f"{field}.{name}"
                )
                yield from _at_level(policy.rules.variables, problem)


def _check_review_by(subject: _Subject, policy: Policy) -> Iterator[Problem]:
    if policy.rules.review_by != "off" and subject.profile.review_by is None:
        message = "The profile has no review_by: nobody is asked to review it again."
        problem = Problem(subject.path, "review-by-missing", message, "Add `review_by: DATE`.", "title")
        yield from _at_level(policy.rules.review_by, problem)


_POLICY_RULES: tuple[Callable[[_Subject, Policy], Iterator[Problem]], ...] = (
    _check_ceilings,
    _check_gpu_kinds,
    _check_gpu_pools,
    _check_node_pools,
    _check_images,
    _check_apps,
    _check_lifetime,
    _check_review_by,
    _check_home,
    _check_checkout,
    _check_image_source,
    _check_variables,
)


def _at_level(level: RuleLevel, problem: Problem) -> Iterator[Problem]:
    """Return a problem with the level that the policy sets for its rule."""
    if level == "off":
        return
    remedy = problem.remedy
    if level == "soft":
        remedy = f"{remedy} Or ask an administrator to accept it: `accepted: {{{problem.code}: {{reason: …}}}}`."
    yield dataclasses.replace(problem, level=level, remedy=remedy)


# -- the envelope of the team


def _check_envelope(subject: _Subject, envelope: Envelope, level: RuleLevel) -> Iterator[Problem]:
    if level != "off":
        for rule in _ENVELOPE_RULES:
            for problem in rule(subject, envelope):
                wider = f"or propose a wider envelope in {team_path(subject.team)} as well: an administrator decides."
                yield from _at_level(level, dataclasses.replace(problem, remedy=f"{problem.remedy} {wider}"))


def _check_envelope_size(subject: _Subject, envelope: Envelope) -> Iterator[Problem]:
    for resource, field, amount, limit in _excesses(subject.sizes, envelope):
        message = f"{amount} is more than the envelope of {subject.team} allows: {limit}."
        yield Problem(subject.path, f"{resource}-envelope", message, "Choose less,", field)


def _check_envelope_gpu_kinds(subject: _Subject, envelope: Envelope) -> Iterator[Problem]:
    if not envelope.gpu_kinds:
        return
    for kind, field in subject.sizes.gpu_kinds():
        if kind not in envelope.gpu_kinds:
            message = f"The envelope of {subject.team} has no GPUs of the kind {kind}."
            remedy = f"It has {', '.join(envelope.gpu_kinds)};"
            yield Problem(subject.path, "gpu-kind-envelope", message, remedy, field)


def _check_envelope_node_pools(subject: _Subject, envelope: Envelope) -> Iterator[Problem]:
    for pool, field in subject.sizes.values("node_pool"):
        if pool is not None and pool not in envelope.node_pools:
            message = f"The envelope of {subject.team} does not have the node pool {pool}."
            remedy = f"It has {', '.join(envelope.node_pools) or 'none'};"
            yield Problem(subject.path, "node-pool-envelope", message, remedy, field)


def _check_envelope_images(subject: _Subject, envelope: Envelope) -> Iterator[Problem]:
    for field, image in subject.images:
        if not any(image_matches(image, pattern) for pattern in envelope.images):
            message = f"The image {quoted(image_name(image))} is outside the envelope of {subject.team}."
            yield Problem(subject.path, "image-envelope", message, f"Allowed: {', '.join(envelope.images)};", field)


def _check_envelope_home(subject: _Subject, envelope: Envelope) -> Iterator[Problem]:
    home = subject.profile.storage.home
    if home is not None and home > envelope.home:
        amounts = f"{format_memory(home)} is more than the envelope of {subject.team} allows"
        message = f"A home of {amounts}: {format_memory(envelope.home)}."
        yield Problem(subject.path, "home-envelope", message, "Choose less,", "storage.home")


_ENVELOPE_RULES: tuple[Callable[[_Subject, Envelope], Iterator[Problem]], ...] = (
    _check_envelope_size,
    _check_envelope_gpu_kinds,
    _check_envelope_node_pools,
    _check_envelope_images,
    _check_envelope_home,
)


# -- other profiles and data roles


def _check_successor(
    path: str, profile_id: str, successor: str, successors: Mapping[str, str], known: Container[str]
) -> Iterator[Problem]:
    if successor not in known:
        message = f"The successor {successor} does not exist."
        yield Problem(path, "successor-unknown", message, "Correct the name, or remove it.", field="successor")
        return
    visited = {profile_id}
    current: str | None = successor
    while current is not None and current not in visited:
        visited.add(current)
        current = successors.get(current)
    if current == profile_id:
        message = "The chain of successors leads back to this profile."
        remedy = "Remove the successor of the last profile in the chain."
        yield Problem(path, "successor-cycle", message, remedy, field="successor")


def _check_data_role(subject: _Subject, field: str, name: str, data_roles: Mapping[str, DataRole]) -> Iterator[Problem]:
    role, team = data_roles.get(name), subject.team
    if role is None:
        message = f"There is no valid data role {quoted(name)}."
        known = ", ".join(sorted(data_roles)) or "none yet"
        yield Problem(subject.path, "data-role-unknown", message, f"Known: {known}.", field=field)
    elif team not in role.granted_to:
        message = f"The team {team} has no grant for the data role {name}."
        remedy = (
            f"Ask for the grant in the same proposal: the form does, in a session's terminal --grant {name}=DATE, in "
            f"files {team} under granted_to in {data_role_path(name)}. The leads of {role.owner} decide."
        )
        yield Problem(subject.path, "grant-missing", message, remedy, field=field)
