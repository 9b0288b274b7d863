"""Who may start what, now: the one evaluation behind offers, explanations and every spawn. Pure functions.

Access is user ∩ team ∩ profile ∩ grant ∩ not expired ∩ what the deployment can do, decided from one catalog.
"""

import datetime as dt
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

from allotment_profiles.access.succession import is_retired, successor_of
from allotment_profiles.catalog.catalog import Catalog, Entry
from allotment_profiles.model import BUILT_IN_APPS, Policy, Profile, Team
from allotment_profiles.model.dates import days_left
from allotment_profiles.model.paths import data_role_path, profile_path
from allotment_profiles.model.problems import Refusal, quoted

ADMINISTRATORS = "an administrator of the platform"


@dataclass(frozen=True)
class User:
    """A user as the hub knows them now."""

    name: str
    groups: frozenset[str]
    admin: bool = False


@dataclass(frozen=True)
class Capabilities:
    """What a deployment can do for a session."""

    deployment: str
    """How messages name it: `this laptop`, `this cluster`."""
    bindings: frozenset[str]
    """The kinds of binding that it can realise."""
    missing_apps: Mapping[str, str]
    """Apps that cannot be started, each with the reason and what would help, as one or two sentences."""
    missing_program: Callable[[str], str | None] | None = None
    """Says why a tool's program is not there, or None where it is; none: images bring every program."""

    def missing(self, app: str, policy: Policy | None) -> str | None:
        """Say why an app or a tool of the policy cannot be started, or give None."""
        if app in BUILT_IN_APPS:
            return self.missing_apps.get(app)
        tool = policy.tools.get(app) if policy else None
        if tool is None:
            return f"The platform's policy has no tool {app}."
        if tool.program is None or self.missing_program is None:
            return None
        return self.missing_program(tool.program)


@dataclass(frozen=True, slots=True)
class RuleResult:
    """One rule of the evaluation: what was asked, and the answer."""

    rule: str
    text: str
    refusal: Refusal | None = None

    @property
    def passed(self) -> bool:
        """Whether the rule allows the start."""
        return self.refusal is None


@dataclass(frozen=True)
class Offer:
    """A profile as one user sees it: startable, or refused with the reason."""

    profile_id: str
    entry: Entry[Profile] | None
    team: Entry[Team] | None
    steps: tuple[RuleResult, ...]
    warnings: tuple[str, ...] = ()

    @property
    def refusal(self) -> Refusal | None:
        """Why it cannot be started, or None."""
        return next((step.refusal for step in self.steps if step.refusal), None)

    @property
    def startable(self) -> bool:
        """Whether every rule allows the start."""
        return self.refusal is None


def belongs(user: User, team: Team) -> bool:
    """Tell whether a user is a member, a lead or a deputy of a team."""
    return team.members.include(user.name, user.groups) or answers_for(user, team)


def leads(user: User, team: Team) -> bool:
    """Tell whether a user leads a team."""
    return team.leads.include(user.name, user.groups)


def answers_for(user: User, team: Team) -> bool:
    """Tell whether a user decides for a team: as a lead, or as a deputy who stands in."""
    return leads(user, team) or team.deputies.include(user.name, user.groups)


def maintains(user: User, profile: Profile) -> bool:
    """Tell whether a user looks after a profile."""
    return profile.maintainers.include(user.name, user.groups)


def leads_of(catalog: Catalog, team: str) -> str:
    """Name the leads of a team in words."""
    entry = catalog.teams.get(team)
    if entry is None:
        return f"the leads of {team}"
    people = ", ".join([*entry.value.leads.users, *entry.value.leads.groups])
    return f"the leads of {entry.value.title} ({people})"


def offer(catalog: Catalog, user: User, profile_id: str, now: dt.datetime, capabilities: Capabilities) -> Offer:
    """Evaluate every rule for one user and one profile, in order, up to the first refusal."""
    steps: list[RuleResult] = []
    for step in _steps(catalog, user, profile_id, now, capabilities):
        steps.append(step)
        if step.refusal:
            break
    entry = catalog.profiles.get(profile_id)
    team = catalog.teams.get(profile_id.partition("/")[0])
    warnings = tuple(_warnings(catalog, entry, now)) if entry else ()
    return Offer(profile_id, entry, team, tuple(steps), warnings)


def offers(catalog: Catalog, user: User, now: dt.datetime, capabilities: Capabilities) -> list[Offer]:
    """Give what the start page shows: all profiles of the user's teams, startable ones first."""
    mine = {name for name, team in catalog.teams.items() if belongs(user, team.value)}
    broken = (path.split("/") for path in catalog.broken if path.startswith("teams/") and "/profiles/" in path)
    ids = {profile_id for name in mine for profile_id in catalog.profiles_of(name)}
    ids |= {f"{parts[1]}/{parts[3].removesuffix('.yaml')}" for parts in broken if parts[1] in mine}
    found = [
        offer(catalog, user, profile_id, now, capabilities)
        for profile_id in sorted(ids)
        if profile_id not in catalog.profiles or may_know(catalog, user, profile_id)
    ]
    return sorted(found, key=lambda each: not each.startable)


def may_know(catalog: Catalog, user: User, profile_id: str) -> bool:
    """Tell whether a user may know of a profile: a draft is for those who work on it, and for administrators."""
    profile = catalog.profiles[profile_id].value
    team = catalog.teams.get(profile_id.partition("/")[0])
    return profile.visibility != "draft" or user.admin or _works_on(user, profile, team)


def _works_on(user: User, profile: Profile, team: Entry[Team] | None) -> bool:
    return maintains(user, profile) or (team is not None and answers_for(user, team.value))


def _steps(
    catalog: Catalog, user: User, profile_id: str, now: dt.datetime, capabilities: Capabilities
) -> Iterator[RuleResult]:
    what = f"{quoted(profile_id)} cannot be started."
    yield _readable_policy(catalog, what, now)
    yield _profile_exists(catalog, profile_id, what, now)
    profile = catalog.profiles[profile_id].value
    yield from person_steps(catalog, user, profile_id, what, now)
    yield _retired(catalog, profile_id, profile, what, now)
    yield from _accepted(catalog, profile_id, profile, what, now)
    yield _reviewed(catalog, profile_id, profile, what, now)
    for role in profile.data_roles:
        yield from data_steps(catalog, role, profile_id.partition("/")[0], what, now)
        yield _realisable(catalog, role, what, capabilities)
    yield from _apps(catalog, profile, what, capabilities)


def person_steps(catalog: Catalog, user: User, profile_id: str, what: str, now: dt.datetime) -> Iterator[RuleResult]:
    """Ask whether a profile that exists is for a user; ask no further after a refusal."""
    profile = catalog.profiles[profile_id].value
    yield _member(catalog, user, profile_id, what, now)
    yield _visible(catalog, user, profile_id, profile, what)
    yield _among(catalog, user, profile_id, profile, what)


def data_steps(catalog: Catalog, role: str, team: str, what: str, now: dt.datetime) -> Iterator[RuleResult]:
    """Ask whether a team has a data role; ask no further after a refusal."""
    yield _data_role_readable(catalog, role, what)
    yield _granted(catalog, role, team, what, now)


def _too_old(catalog: Catalog, entry: Entry, now: dt.datetime) -> bool:  # type: ignore[type-arg]
    """Tell whether a last good version has served for longer than the policy allows."""
    if entry.outdated_since is None or catalog.policy is None:
        return False
    age = (now - entry.outdated_since.time).total_seconds()
    # Whoever pushes writes the time of the commit: one from the future must not let an old version live for ever.
    return age > catalog.policy.value.last_good or age < -86400


def _readable_policy(catalog: Catalog, what: str, now: dt.datetime) -> RuleResult:
    text = "The platform's policy reads."
    if catalog.policy is None or _too_old(catalog, catalog.policy, now):
        return RuleResult("policy", text, Refusal(
            "policy-missing", what, "The platform's policy (policy.yaml) does not read.", "It has to be corrected.",
            ADMINISTRATORS,
        ))  # fmt: skip
    return RuleResult("policy", text)


def _profile_exists(catalog: Catalog, profile_id: str, what: str, now: dt.datetime) -> RuleResult:
    text = f"The profile {quoted(profile_id)} exists and reads."
    entry = catalog.profiles.get(profile_id)
    team = profile_id.partition("/")[0]
    if entry is not None and not _too_old(catalog, entry, now):
        return RuleResult("profile", text)
    path = profile_path(profile_id)
    if entry is not None or path in catalog.broken:
        problem = next((problem for problem in catalog.problems_of(path) if problem.blocks), None)
        why = f"Its file does not read: {problem.message}" if problem else "Its file does not read."
        return RuleResult("profile", text, Refusal(
            "profile-broken", what, why, problem.remedy if problem else "It has to be corrected.",
            leads_of(catalog, team), 409,
        ))  # fmt: skip
    return RuleResult("profile", text, _unknown(what))


def _member(catalog: Catalog, user: User, profile_id: str, what: str, now: dt.datetime) -> RuleResult:
    name = profile_id.partition("/")[0]
    entry = catalog.teams.get(name)
    text = f"{user.name} belongs to the team {name}."
    if entry is None or _too_old(catalog, entry, now):
        return RuleResult("team", text, Refusal(
            "team-broken", what, f"The file of the team {name} does not read.", "It has to be corrected.",
            ADMINISTRATORS, 409,
        ))  # fmt: skip
    if belongs(user, entry.value):
        return RuleResult("team", text)
    groups = ", ".join(entry.value.members.groups) or "named users only"
    return RuleResult("team", text, Refusal(
        "not-a-member", what, f"It belongs to the team {entry.value.title}, and {user.name} is not a member.",
        f"Members come from the group {groups}. Ask to be added to it, or propose one like it for a team of yours.",
        "whoever manages that group" if entry.value.members.groups else ADMINISTRATORS,
    ))  # fmt: skip


def _visible(catalog: Catalog, user: User, profile_id: str, profile: Profile, what: str) -> RuleResult:
    text = "The profile is no draft, or the user works on it."
    name = profile_id.partition("/")[0]
    if profile.visibility != "draft" or _works_on(user, profile, catalog.teams.get(name)):
        return RuleResult("draft", text)
    # Whether the profile exists is nobody's business who may not see it: in words and code as if it did not.
    return RuleResult("draft", text, _unknown(what))


def _unknown(what: str) -> Refusal:
    return Refusal(
        "profile-unknown", what, "There is no such profile.", "Choose one from the start page, or propose it.",
        status=404,
    )  # fmt: skip


def _retired(catalog: Catalog, profile_id: str, profile: Profile, what: str, now: dt.datetime) -> RuleResult:
    text = "The profile is not retired."
    if not is_retired(profile, now):
        return RuleResult("retired", text)
    successor = successor_of(catalog, profile_id, now)
    if successor:
        remedy = f"Start {successor} in its place: {catalog.profiles[successor].value.title}."
    else:
        remedy = "Nothing takes its place. Choose another one, or propose one."
    return RuleResult("retired", text, Refusal(
        "profile-retired", what, f"It is retired since {profile.retired_from}.", remedy,
        leads_of(catalog, profile_id.partition("/")[0]), 410,
    ))  # fmt: skip


def _among(catalog: Catalog, user: User, profile_id: str, profile: Profile, what: str) -> RuleResult:
    text = "The profile is for all of the team, or for a group of the user."
    if not profile.only or not user.groups.isdisjoint(profile.only):
        return RuleResult("only", text)
    groups = ", ".join(profile.only)
    return RuleResult("only", text, Refusal(
        "only-groups", what, f"It is only for {groups}, and {user.name} is not in there.",
        "Ask to be added to the group, or choose another profile.", "whoever manages that group",
    ))  # fmt: skip


def _accepted(catalog: Catalog, profile_id: str, profile: Profile, what: str, now: dt.datetime) -> Iterator[RuleResult]:
    entry = catalog.profiles[profile_id]
    for code, acceptance in profile.accepted.items():
        needed = any(problem.code == code for problem in entry.problems)
        if acceptance.until is None or not needed:
            continue
        text = f"What an administrator accepted ({code}) still holds."
        if days_left(acceptance.until, now) >= 0:
            yield RuleResult("accepted", text)
        else:
            yield RuleResult("accepted", text, Refusal(
                "acceptance-ended", what,
                f"An administrator accepted its {code} until {acceptance.until.isoformat()}.",
                "Propose a later date, or a profile that needs no acceptance.", ADMINISTRATORS,
            ))  # fmt: skip


def _reviewed(catalog: Catalog, profile_id: str, profile: Profile, what: str, now: dt.datetime) -> RuleResult:
    text = "The profile's review date has not passed."
    if profile.review_by is None or days_left(profile.review_by, now) >= 0:
        return RuleResult("review", text)
    return RuleResult("review", text, Refusal(
        "review-overdue", what, f"It had to be looked at again by {profile.review_by.isoformat()}.",
        "Propose a later review date: that is a change of one line.", leads_of(catalog, profile_id.partition("/")[0]),
    ))  # fmt: skip


def _data_role_readable(catalog: Catalog, role: str, what: str) -> RuleResult:
    text = f"The data role {role} exists and reads."
    if role in catalog.data_roles:
        return RuleResult("data-role", text)
    if data_role_path(role) in catalog.broken:
        return RuleResult("data-role", text, Refusal(
            "data-role-broken", what, f"The file of the data role {role} does not read, so it gives no access.",
            "It has to be corrected.", ADMINISTRATORS, 409,
        ))  # fmt: skip
    return RuleResult("data-role", text, Refusal(
        "data-role-unknown", what, f"The data role {role} does not exist any more.",
        "Propose the profile without it.", ADMINISTRATORS,
    ))  # fmt: skip


def _granted(catalog: Catalog, role: str, team: str, what: str, now: dt.datetime) -> RuleResult:
    data_role = catalog.data_roles[role].value
    text = f"The team {team} has a grant for {role} that has not ended."
    grant = data_role.granted_to.get(team)
    owner = leads_of(catalog, data_role.owner)
    if grant is None:
        return RuleResult("grant", text, Refusal(
            "grant-missing", what, f"It reaches the data {data_role.title}, for which the team {team} has no grant.",
            "Ask for this data.", owner,
        ))  # fmt: skip
    if days_left(grant.until, now) < 0:
        return RuleResult("grant", text, Refusal(
            "grant-expired", what,
            f"The team's grant for the data {data_role.title} ended on {grant.until.isoformat()}.",
            "Ask to renew it.", owner,
        ))  # fmt: skip
    if grant.review_by is not None and days_left(grant.review_by, now) < 0:
        return RuleResult("grant", text, Refusal(
            "grant-review-overdue", what,
            f"The grant for the data {data_role.title} had to be looked at again by {grant.review_by.isoformat()}.",
            "Ask the owner for a later review date.", owner,
        ))  # fmt: skip
    return RuleResult("grant", text)


def _realisable(catalog: Catalog, role: str, what: str, capabilities: Capabilities) -> RuleResult:
    kind = catalog.data_roles[role].value.binding.kind
    text = f"{_capital(capabilities.deployment)} can give access of the kind {kind}."
    if kind in capabilities.bindings:
        return RuleResult("binding", text)
    return RuleResult("binding", text, Refusal(
        "binding-unavailable", what,
        f"Its data role {role} is bound to a credential ({kind}) that does not exist on {capabilities.deployment}.",
        "Start it on the platform, or choose a profile without this data.", ADMINISTRATORS,
    ))  # fmt: skip


def _capital(words: str) -> str:
    return words[:1].upper() + words[1:]


def _apps(catalog: Catalog, profile: Profile, what: str, capabilities: Capabilities) -> Iterator[RuleResult]:
    text = f"{_capital(capabilities.deployment)} can start {profile.app}."
    reason = capabilities.missing(profile.app, catalog.policy.value if catalog.policy else None)
    if reason is None:
        yield RuleResult("app", text)
    else:
        yield RuleResult("app", text, Refusal("app-unavailable", what, reason, "", ADMINISTRATORS))


def _warnings(catalog: Catalog, entry: Entry[Profile], now: dt.datetime) -> Iterator[str]:
    window = (catalog.policy.value.review_warning if catalog.policy else 0) // 86400
    profile = entry.value

    def soon(day: dt.date | None) -> bool:
        return day is not None and 0 <= days_left(day, now) <= window

    if entry.outdated_since:
        yield "The newest version of the file does not read; an earlier version applies."
    if profile.visibility == "deprecated" and not is_retired(profile, now):
        successor = successor_of(catalog, entry.id, now) or profile.successor or ""
        titled = catalog.profiles.get(successor)
        named = f"{titled.value.title} ({successor})" if titled else successor
        yield f"It goes out of use; {named} takes its place."
    if profile.retired_from and 0 < days_left(profile.retired_from, now) <= window:
        yield f"It no longer starts from {profile.retired_from.isoformat()} on."
    if profile.review_by and soon(profile.review_by):
        yield f"To be looked at again by {profile.review_by.isoformat()}."
    for code, acceptance in profile.accepted.items():
        if acceptance.until and soon(acceptance.until):
            yield f"An administrator's acceptance of {code} ends on {acceptance.until.isoformat()}."
    for role in profile.data_roles:
        data_role = catalog.data_roles.get(role)
        grant = data_role.value.granted_to.get(entry.id.partition("/")[0]) if data_role else None
        if grant and soon(grant.until):
            yield f"The grant for {role} ends on {grant.until.isoformat()}."
        if grant and grant.review_by and soon(grant.review_by):
            yield f"The grant for {role} is to be looked at again by {grant.review_by.isoformat()}."
