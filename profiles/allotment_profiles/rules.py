"""Who may start what, now: the one evaluation behind offers, explanations and every spawn. Pure functions.

Access is user ∩ team ∩ profile ∩ grant ∩ not expired ∩ what the deployment can do, decided from one catalog.
"""

import datetime as dt
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from allotment_profiles.catalog import Catalog, Entry
from allotment_profiles.checks import days_left
from allotment_profiles.model import Profile, Team
from allotment_profiles.paths import data_role_path, profile_path
from allotment_profiles.problems import Refusal
from allotment_profiles.quantities import shown

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


@dataclass(frozen=True, slots=True)
class Step:
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
    steps: tuple[Step, ...]
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
    """Tell whether a user is a member or a lead of a team."""
    return team.members.include(user.name, user.groups) or leads(user, team)


def leads(user: User, team: Team) -> bool:
    """Tell whether a user leads a team."""
    return team.leads.include(user.name, user.groups)


def leads_of(catalog: Catalog, team: str) -> str:
    """Name the leads of a team in words."""
    entry = catalog.teams.get(team)
    if entry is None:
        return f"the leads of {team}"
    people = ", ".join([*entry.value.leads.users, *entry.value.leads.groups])
    return f"the leads of {entry.value.title} ({people})"


def offer(catalog: Catalog, user: User, profile_id: str, now: dt.datetime, capabilities: Capabilities) -> Offer:
    """Evaluate every rule for one user and one profile, in order, up to the first refusal."""
    steps: list[Step] = []
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
    ids = set(catalog.profiles) | {f"{parts[1]}/{parts[3].removesuffix('.yaml')}" for parts in broken}
    found = [
        offer(catalog, user, profile_id, now, capabilities)
        for profile_id in sorted(ids)
        if profile_id.partition("/")[0] in mine
    ]
    return sorted(found, key=lambda each: not each.startable)


def _steps(
    catalog: Catalog, user: User, profile_id: str, now: dt.datetime, capabilities: Capabilities
) -> Iterator[Step]:
    what = f"{shown(profile_id)} cannot be started."
    yield _readable_policy(catalog, what, now)
    yield _profile_exists(catalog, profile_id, what, now)
    profile = catalog.profiles[profile_id].value
    yield _member(catalog, user, profile_id, what, now)
    yield _reviewed(catalog, profile_id, profile, what, now)
    for role in profile.data_roles:
        yield _data_role_readable(catalog, role, what)
        yield _granted(catalog, role, profile_id.partition("/")[0], what, now)
        yield _realisable(catalog, role, what, capabilities)
    yield from _apps(profile, what, capabilities)


def _too_old(catalog: Catalog, entry: Entry, now: dt.datetime) -> bool:  # type: ignore[type-arg]
    """Tell whether a last good version has served for longer than the policy allows."""
    if entry.outdated_since is None or catalog.policy is None:
        return False
    return (now - entry.outdated_since.time).total_seconds() > catalog.policy.value.last_good


def _readable_policy(catalog: Catalog, what: str, now: dt.datetime) -> Step:
    text = "The platform's policy reads."
    if catalog.policy is None or _too_old(catalog, catalog.policy, now):
        return Step("policy", text, Refusal(
            "policy-missing", what, "The platform's policy (policy.yaml) does not read.", "It has to be corrected.",
            ADMINISTRATORS,
        ))  # fmt: skip
    return Step("policy", text)


def _profile_exists(catalog: Catalog, profile_id: str, what: str, now: dt.datetime) -> Step:
    text = f"The profile {shown(profile_id)} exists and reads."
    entry = catalog.profiles.get(profile_id)
    team = profile_id.partition("/")[0]
    if entry is not None and not _too_old(catalog, entry, now):
        return Step("profile", text)
    path = profile_path(profile_id)
    if entry is not None or path in catalog.broken:
        problem = next((problem for problem in catalog.problems_of(path) if problem.blocks), None)
        why = f"Its file does not read: {problem.message}" if problem else "Its file does not read."
        return Step("profile", text, Refusal(
            "profile-broken", what, why, problem.remedy if problem else "It has to be corrected.",
            leads_of(catalog, team), 409,
        ))  # fmt: skip
    return Step("profile", text, Refusal(
        "profile-unknown", what, "There is no such profile.", "Choose one from the start page, or propose it.",
        status=404,
    ))  # fmt: skip


def _member(catalog: Catalog, user: User, profile_id: str, what: str, now: dt.datetime) -> Step:
    name = profile_id.partition("/")[0]
    entry = catalog.teams.get(name)
    text = f"{user.name} belongs to the team {name}."
    if entry is None or _too_old(catalog, entry, now):
        return Step("team", text, Refusal(
            "team-broken", what, f"The file of the team {name} does not read.", "It has to be corrected.",
            ADMINISTRATORS, 409,
        ))  # fmt: skip
    if belongs(user, entry.value):
        return Step("team", text)
    groups = ", ".join(entry.value.members.groups) or "named users only"
    return Step("team", text, Refusal(
        "not-a-member", what, f"It belongs to the team {entry.value.title}, and {user.name} is not a member.",
        f"Members come from the group {groups}. Ask to be added to it, or propose one like it for a team of yours.",
        "whoever manages that group" if entry.value.members.groups else ADMINISTRATORS,
    ))  # fmt: skip


def _reviewed(catalog: Catalog, profile_id: str, profile: Profile, what: str, now: dt.datetime) -> Step:
    text = "The profile's review date has not passed."
    if profile.review_by is None or days_left(profile.review_by, now) >= 0:
        return Step("review", text)
    return Step("review", text, Refusal(
        "review-overdue", what, f"It had to be looked at again by {profile.review_by.isoformat()}.",
        "Propose a later review date: that is a change of one line.", leads_of(catalog, profile_id.partition("/")[0]),
    ))  # fmt: skip


def _data_role_readable(catalog: Catalog, role: str, what: str) -> Step:
    text = f"The data role {role} exists and reads."
    if role in catalog.data_roles:
        return Step("data-role", text)
    if data_role_path(role) in catalog.broken:
        return Step("data-role", text, Refusal(
            "data-role-broken", what, f"The file of the data role {role} does not read, so it gives no access.",
            "It has to be corrected.", ADMINISTRATORS, 409,
        ))  # fmt: skip
    return Step("data-role", text, Refusal(
        "data-role-unknown", what, f"The data role {role} does not exist any more.",
        "Propose the profile without it.", ADMINISTRATORS,
    ))  # fmt: skip


def _granted(catalog: Catalog, role: str, team: str, what: str, now: dt.datetime) -> Step:
    data_role = catalog.data_roles[role].value
    text = f"The team {team} has a grant for {role} that has not ended."
    grant = data_role.granted_to.get(team)
    owner = leads_of(catalog, data_role.owner)
    if grant is None:
        return Step("grant", text, Refusal(
            "grant-missing", what, f"It reaches the data {data_role.title}, for which the team {team} has no grant.",
            "Ask for this data.", owner,
        ))  # fmt: skip
    if days_left(grant.until, now) < 0:
        return Step("grant", text, Refusal(
            "grant-expired", what,
            f"The team's grant for the data {data_role.title} ended on {grant.until.isoformat()}.",
            "Ask to renew it.", owner,
        ))  # fmt: skip
    return Step("grant", text)


def _realisable(catalog: Catalog, role: str, what: str, capabilities: Capabilities) -> Step:
    kind = catalog.data_roles[role].value.binding.kind
    text = f"{capabilities.deployment} can give access of the kind {kind}."
    if kind in capabilities.bindings:
        return Step("binding", text)
    return Step("binding", text, Refusal(
        "binding-unavailable", what,
        f"Its data role {role} is bound to a credential ({kind}) that does not exist on {capabilities.deployment}.",
        "Start it on the platform, or choose a profile without this data.", ADMINISTRATORS,
    ))  # fmt: skip


def _apps(profile: Profile, what: str, capabilities: Capabilities) -> Iterator[Step]:
    text = f"{capabilities.deployment} can start {profile.app}."
    reason = capabilities.missing_apps.get(profile.app)
    if reason is None:
        yield Step("app", text)
    else:
        yield Step("app", text, Refusal("app-unavailable", what, reason, "", ADMINISTRATORS))


def _warnings(catalog: Catalog, entry: Entry[Profile], now: dt.datetime) -> Iterator[str]:
    window = (catalog.policy.value.review_warning if catalog.policy else 0) // 86400
    if entry.outdated_since:
        yield "The newest version of the file does not read; an earlier version applies."
    if entry.value.review_by and 0 <= days_left(entry.value.review_by, now) <= window:
        yield f"To be looked at again by {entry.value.review_by.isoformat()}."
    for role in entry.value.data_roles:
        data_role = catalog.data_roles.get(role)
        grant = data_role.value.granted_to.get(entry.id.partition("/")[0]) if data_role else None
        if grant and 0 <= days_left(grant.until, now) <= window:
            yield f"The grant for {role} ends on {grant.until.isoformat()}."
