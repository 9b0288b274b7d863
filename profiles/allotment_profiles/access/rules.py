"""The rules that decide whether a user may start a profile now, one function for each. Pure functions.

Access is user ∩ team ∩ profile ∩ grant ∩ not expired ∩ what the deployment can do, decided from one catalog.
"""

import datetime as dt
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from allotment_profiles.access.deployments import Capabilities
from allotment_profiles.access.people import ADMINISTRATORS, User, belongs, leads_of, works_on
from allotment_profiles.access.visibility import decides_about, profile_is_listed
from allotment_profiles.catalog.catalog import Catalog, Entry
from allotment_profiles.model import DataRole, Profile
from allotment_profiles.model.paths import data_role_path, profile_path
from allotment_profiles.model.problems import Refusal, quoted
from allotment_profiles.model.values.dates import days_left
from allotment_profiles.model.values.texts import listed

_ONE_DAY = 86400

REFUSALS = {
    "app-unavailable": "the deployment cannot start this program",
    "binding-unavailable": "the deployment cannot provide the binding of a data role",
    "acceptance-ended": "an administrator's acceptance has ended",
    "budget-member": "the session would exceed the budget of one member of the team",
    "budget-team": "the session would exceed the team's budget",
    "budget-user": "the session would exceed the budget of one user",
    "choice-only": "the choice is for other groups",
    "choice-unknown": "an option has no such choice",
    "data-role-broken": "the file of a data role is not valid, so it gives no access",
    "data-role-dropped": "the profile of a running session is gone, or no longer names the data role",
    "data-role-unknown": "a data role does not exist any more",
    "grant-expired": "the team's grant has ended",
    "grant-missing": "the team has no grant for a data role",
    "grant-review-overdue": "the grant's review date has passed",
    "not-a-member": "the user does not belong to the team",
    "only-groups": "the profile is for other groups of the team",
    "option-unknown": "the profile has no such option",
    "policy-missing": "there is no valid policy",
    "profile-broken": "the profile's file is not valid, and no earlier version applies any more",
    "profile-retired": "the profile is retired; the answer names its successor",
    "profile-unknown": "there is no such profile, or it is hidden from the user",
    "request-malformed": "the request is not of the expected shape",
    "review-overdue": "the profile's review date has passed",
    "trial-data": "a trial reaches only data that the profile on main has as well",
    "trial-not-isolated": "a trial could reach other sessions of its user, so nobody tries what somebody else proposes",
    "trial-problems": "what is to be tried has problems, or is no profile",
    "team-broken": "the team's file is not valid, and no earlier version applies any more",
}
"""Code of a refused start, or of lost access → what it means."""


@dataclass(frozen=True, slots=True)
class RuleContext:
    """What every rule decides from: one user, one profile, one catalog, one moment."""

    catalog: Catalog
    user: User
    profile_id: str
    now: dt.datetime
    what: str
    """The first sentence of a refusal: what is refused."""
    reviewing: bool = False
    """Whether the user tries it in order to review it. Then it need not be for them, only for somebody."""

    @property
    def profile(self) -> Profile:
        """The profile; only rules after `_profile_exists` may ask."""
        return self.catalog.profiles[self.profile_id].value

    @property
    def team(self) -> str:
        """The name of the profile's team."""
        return self.profile_id.partition("/")[0]

    @property
    def team_leads(self) -> str:
        """The leads of the profile's team, in words."""
        return leads_of(self.catalog, self.team)

    def is_over(self, day: dt.date | None) -> bool:
        """Return whether a day is over; a day that is not set never is."""
        return day is not None and days_left(day, self.now) < 0

    def expired(self, entry: Entry[Any]) -> bool:
        """Return whether an earlier version has stood in for an invalid one for longer than the policy allows."""
        if entry.outdated_since is None or self.catalog.policy is None:
            return False
        age = (self.now - entry.outdated_since.time).total_seconds()
        # The pusher sets a commit's time: a time in the future must not keep an old version alive for ever.
        return age > self.catalog.policy.value.last_good or age < -_ONE_DAY

    def refusal(self, code: str, why: str, remedy: str, decides: str = "", status: int = 403) -> Refusal:
        """Return a refusal of what is asked for."""
        return Refusal(code, self.what, why, remedy, decides, status)


@dataclass(frozen=True, slots=True)
class RuleResult:
    """One rule of the evaluation: its condition as a sentence, and the refusal where the condition is not met."""

    rule: str
    text: str
    refusal: Refusal | None = None

    @property
    def passed(self) -> bool:
        """Whether the rule allows the start."""
        return self.refusal is None


def start_rules(context: RuleContext, capabilities: Capabilities) -> Iterator[RuleResult]:
    """Evaluate every rule for a start, in order; the caller must stop at the first refusal."""
    yield _policy_valid(context)
    yield _profile_exists(context)
    yield from person_rules(context)
    yield _not_retired(context)
    yield from _acceptances(context)
    yield _review_date(context)
    for role in context.profile.data_roles:
        yield from data_rules(context, role)
        yield _binding_available(context, role, capabilities)
    yield _app_available(context, capabilities)


def person_rules(context: RuleContext) -> Iterator[RuleResult]:
    """Evaluate whether an existing profile is for the user; the caller must stop at the first refusal."""
    yield member_rule(context)
    if not context.reviewing:
        yield _visible(context)
        yield _in_group(context)


def data_rules(context: RuleContext, role: str) -> Iterator[RuleResult]:
    """Evaluate whether the profile's team has a data role; the caller must stop at the first refusal."""
    yield _data_role_valid(context, role)
    text = f"The team {context.team} has a grant for {role} that has not ended."
    yield RuleResult("grant", text, _grant_refusal(context, context.catalog.data_roles[role].value))


def _policy_valid(context: RuleContext) -> RuleResult:
    policy, refusal = context.catalog.policy, None
    if policy is None or context.expired(policy):
        why = "The platform's policy (policy.yaml) is not valid."
        refusal = context.refusal("policy-missing", why, "It has to be corrected.", ADMINISTRATORS)
    return RuleResult("policy", "The platform's policy is valid.", refusal)


def _profile_exists(context: RuleContext) -> RuleResult:
    catalog, entry, refusal = context.catalog, context.catalog.profiles.get(context.profile_id), None
    if not context.reviewing and not profile_is_listed(catalog, context.user, context.profile_id):
        refusal = _unknown(context)
    elif entry is None or context.expired(entry):
        path = profile_path(context.profile_id)
        if entry is not None or path in catalog.broken:
            blocking = (problem for problem in catalog.problems_of(path) if problem.blocks)
            # A message may quote the file, which is for those who decide about it while nobody can tell what it hides.
            problem = next(blocking, None) if decides_about(context.user, path, catalog) else None
            why = f"Its file is not valid: {problem.message}" if problem else "Its file is not valid."
            remedy = problem.remedy if problem else "It has to be corrected."
            refusal = context.refusal("profile-broken", why, remedy, context.team_leads, 409)
        else:
            refusal = _unknown(context)
    return RuleResult("profile", f"The profile {quoted(context.profile_id)} exists and is valid.", refusal)


def _unknown(context: RuleContext) -> Refusal:
    remedy = "Choose one from the start page, or propose it."
    return context.refusal("profile-unknown", "There is no such profile.", remedy, status=404)


def member_rule(context: RuleContext) -> RuleResult:
    """Evaluate whether the user belongs to the profile's team, whatever the profile says."""
    user, entry = context.user, context.catalog.teams.get(context.team)
    refusal = None
    if entry is None or context.expired(entry):
        why = f"The file of the team {context.team} is not valid."
        refusal = context.refusal("team-broken", why, "It has to be corrected.", ADMINISTRATORS, 409)
    elif not context.reviewing and not belongs(user, entry.value):
        why = f"It belongs to the team {entry.value.title}, and {user.name} is not a member."
        groups = entry.value.members.groups
        members = f"from the group {listed(groups)}" if groups else "from its file alone, by name"
        remedy = f"Members come {members}. Ask to be added, or propose a profile like it for a team of yours."
        decides = "the manager of that group" if groups else ADMINISTRATORS
        refusal = context.refusal("not-a-member", why, remedy, decides)
    return RuleResult("team", f"{user.name} belongs to the team {context.team}.", refusal)


def _visible(context: RuleContext) -> RuleResult:
    profile, team = context.profile, context.catalog.teams.get(context.team)
    hidden = profile.visibility == "draft" and not works_on(context.user, profile, team)
    # Same code and text as for a profile that does not exist, so that nobody can probe for hidden profiles.
    refusal = _unknown(context) if hidden else None
    return RuleResult("draft", "The profile is not hidden, or the user works on it.", refusal)


def _in_group(context: RuleContext) -> RuleResult:
    only, refusal = context.profile.only, None
    if only and context.user.groups.isdisjoint(only):
        why = f"It is only for {listed(only)}, and {context.user.name} is not in there."
        remedy = "Ask to be added to the group, or choose another profile."
        refusal = context.refusal("only-groups", why, remedy, "the manager of that group")
    return RuleResult("only", "The profile is for the whole team, or for a group of the user.", refusal)


def _not_retired(context: RuleContext) -> RuleResult:
    refusal = None
    if is_retired(context.profile.retired_from, context.now):
        successor = successor_of(context.catalog, context.profile_id, context.now)
        remedy = "There is no successor. Choose another one, or propose one."
        if successor and profile_is_listed(context.catalog, context.user, successor):
            remedy = f"Start its successor {successor}: {context.catalog.profiles[successor].value.title}."
        why = f"It has been retired since {context.profile.retired_from}."
        refusal = context.refusal("profile-retired", why, remedy, context.team_leads, 410)
    return RuleResult("retired", "The profile is not retired.", refusal)


def _acceptances(context: RuleContext) -> Iterator[RuleResult]:
    """Evaluate the end date of each acceptance that the profile needs."""
    needed = {problem.code for problem in context.catalog.profiles[context.profile_id].problems}
    for code, acceptance in context.profile.accepted.items():
        if acceptance.until is None or code not in needed:
            continue
        refusal = None
        if context.is_over(acceptance.until):
            why = f"An administrator accepted its {code} until {acceptance.until.isoformat()}."
            remedy = "Propose a later date, or a profile that needs no acceptance."
            refusal = context.refusal("acceptance-ended", why, remedy, ADMINISTRATORS)
        yield RuleResult("accepted", f"An administrator's acceptance of {code} has not ended.", refusal)


def _review_date(context: RuleContext) -> RuleResult:
    day, refusal = context.profile.review_by, None
    if context.is_over(day):
        why = f"Its review was due by {day}."
        remedy = "Propose a later review date: that is a change of one line."
        refusal = context.refusal("review-overdue", why, remedy, context.team_leads)
    return RuleResult("review", "The profile's review date has not passed.", refusal)


def _data_role_valid(context: RuleContext, role: str) -> RuleResult:
    refusal = None
    if role not in context.catalog.data_roles:
        if data_role_path(role) in context.catalog.broken:
            why = f"The file of the data role {role} is not valid, so it gives no access."
            refusal = context.refusal("data-role-broken", why, "It has to be corrected.", ADMINISTRATORS, 409)
        else:
            why = f"The data role {role} does not exist any more."
            refusal = context.refusal("data-role-unknown", why, "Propose the profile without it.", ADMINISTRATORS)
    return RuleResult("data-role", f"The data role {role} exists and is valid.", refusal)


def _grant_refusal(context: RuleContext, role: DataRole) -> Refusal | None:
    grant, owner = role.granted_to.get(context.team), leads_of(context.catalog, role.owner)
    if grant is None:
        why = f"It reaches the data {role.title}, for which the team {context.team} has no grant."
        return context.refusal("grant-missing", why, "Ask for this data.", owner)
    if context.is_over(grant.until):
        why = f"The team's grant for the data {role.title} ended on {grant.until}."
        return context.refusal("grant-expired", why, "Ask to renew it.", owner)
    if context.is_over(grant.review_by):
        why = f"The review of the grant for the data {role.title} was due by {grant.review_by}."
        return context.refusal("grant-review-overdue", why, "Ask the owner for a later review date.", owner)
    return None


def _binding_available(context: RuleContext, role: str, capabilities: Capabilities) -> RuleResult:
    kind, refusal = context.catalog.data_roles[role].value.binding.kind, None
    if kind not in capabilities.bindings:
        why = f"Its data role {role} is bound to a credential ({kind}) that {capabilities.deployment} cannot provide."
        remedy = "Start it on the platform, or choose a profile without this data."
        refusal = context.refusal("binding-unavailable", why, remedy, ADMINISTRATORS)
    return RuleResult(
        "binding", f"{_capitalized(capabilities.deployment)} can provide a binding of the kind {kind}.", refusal
    )


def _app_available(context: RuleContext, capabilities: Capabilities) -> RuleResult:
    app, policy = context.profile.app, context.catalog.policy
    reason = capabilities.missing(app, policy.value if policy else None)
    refusal = context.refusal("app-unavailable", reason, "", ADMINISTRATORS) if reason else None
    return RuleResult("app", f"{_capitalized(capabilities.deployment)} can start {app}.", refusal)


def _capitalized(words: str) -> str:
    return words[:1].upper() + words[1:]


def is_retired(retired_from: dt.date | None, now: dt.datetime) -> bool:
    """Return whether a profile that is retired from a day on no longer starts."""
    return retired_from is not None and days_left(retired_from, now) <= 0


def successor_of(catalog: Catalog, profile_id: str, now: dt.datetime) -> str | None:
    """Return the first profile in the chain of successors that is neither deprecated nor retired itself."""
    seen = {profile_id}
    entry = catalog.profiles.get(profile_id)
    while entry is not None and entry.value.successor and entry.value.successor not in seen:
        entry = catalog.profiles.get(entry.value.successor)
        if entry is None:
            return None
        seen.add(entry.id)
        if entry.value.visibility != "deprecated" and not is_retired(entry.value.retired_from, now):
            return entry.id
    return None
