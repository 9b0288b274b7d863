"""What is asked of the hub for a trial, and what runs then. Pure functions."""

import dataclasses
import datetime as dt
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self, cast

from allotment_profiles.access.deployments import Capabilities
from allotment_profiles.access.launch import Launch, Request, Trial, parse_request, resolve
from allotment_profiles.access.offers import offer
from allotment_profiles.access.people import ADMINISTRATORS, User
from allotment_profiles.catalog.catalog import Catalog, Entry
from allotment_profiles.catalog.validation import check_profile
from allotment_profiles.documents.reading import read
from allotment_profiles.model import Policy, Profile, Storage
from allotment_profiles.model.limits import MAXIMUM_BYTES
from allotment_profiles.model.paths import profile_path
from allotment_profiles.model.problems import Problem, Refusal, RefusedError, quoted
from allotment_profiles.model.values.texts import is_name

SERVER = "trial"
"""The name of the server: a user has one trial at a time, beside other sessions."""
MAXIMUM_ROLES = 20
_ID = re.compile(r"[a-z0-9][a-z0-9-]{0,120}")
_HEAD = re.compile(r"[0-9a-f]{40,64}")


@dataclass(frozen=True, slots=True)
class TrialRequest:
    """A trial that the service asks the hub to start. The service has decided that this user may."""

    trial: Trial
    request: Request
    """The profile and the choices."""
    content: bytes
    """The file of the profile, as it is proposed or drafted."""
    data_roles: tuple[str, ...] = ()
    """The data that the user has asked for. Without, the trial reaches none."""
    reviewing: bool = False
    """Whether somebody else proposes it, and the user has to approve it."""

    @classmethod
    def parse(cls, body: object) -> Self | None:
        """Return what `as_dict` returned; None for anything else."""
        found = body if isinstance(body, Mapping) else {}
        proposal, head, content, roles = (found.get(key) for key in ("proposal", "head", "content", "data_roles"))
        texts = all(isinstance(each, str) for each in (proposal, head, content))
        if not texts or not isinstance(roles, list) or len(roles) > MAXIMUM_ROLES:
            return None
        proposal, head, content = str(proposal), str(head), str(content)
        try:
            request = parse_request({"profile": found.get("profile"), "options": found.get("options")})
            data = content.encode()
        except (RefusedError, UnicodeError):
            return None
        options = request.options
        names = [*request.profile.split("/"), *(str(role) for role in roles), *options.keys(), *options.values()]
        valid = request.profile.count("/") == 1 and all(map(is_name, names)) and len(data) <= MAXIMUM_BYTES
        if not valid or not _HEAD.fullmatch(head) or not (proposal == "" or _ID.fullmatch(proposal)):
            return None
        return cls(Trial(proposal, head), request, data, tuple(map(str, roles)), found.get("reviewing") is True)

    def as_dict(self) -> dict[str, Any]:
        """Return the request as JSON."""
        return {
            **dataclasses.asdict(self.trial),
            **self.request.as_dict(),
            "content": self.content.decode(),
            "data_roles": list(self.data_roles),
            "reviewing": self.reviewing,
        }


def resolve_trial(
    catalog: Catalog, user: User, asked: TrialRequest, now: dt.datetime, capabilities: Capabilities
) -> Launch:
    """Resolve a trial by the rules of every start, against main with this one profile. Raise RefusedError.

    The policy, the teams and the data are those of main. What an administrator may accept stops no trial; what is hard
    does. The trial has neither the user's home nor the folder of the team.
    """
    if asked.reviewing and capabilities.shared:
        raise RefusedError(not_isolated(capabilities))
    profile_id = asked.request.profile
    team, policy = catalog.teams.get(profile_id.partition("/")[0]), catalog.policy
    proposed = _read(profile_id, asked.content)
    _check_roles(catalog, user, asked, proposed, now, capabilities)
    # The rules look for nothing else of what the proposal says about itself.
    tried = proposed.model_copy(update={"data_roles": asked.data_roles, "successor": None, "storage": Storage()})
    roles = {name: catalog.data_roles[name].value for name in asked.data_roles}
    problems = check_profile(
        profile_id, tried, team.value if team else None, policy.value if policy else None, roles, {}, ()
    )
    hard = [problem for problem in problems if problem.level == "hard"]
    if hard:
        raise RefusedError(_with_problems(profile_id, hard[0]))
    entry = Entry(profile_id, profile_path(profile_id), tried, "", asked.content)
    with_it = dataclasses.replace(catalog, profiles={**catalog.profiles, profile_id: entry})
    launch = resolve(with_it, user, asked.request, now, capabilities, reviewing=asked.reviewing)
    time = cast("Entry[Policy]", policy).value.trial  # the rules have refused a start without a policy
    return dataclasses.replace(launch, trial=asked.trial, idle=min(launch.idle, time), total=min(launch.total, time))


def not_isolated(capabilities: Capabilities) -> Refusal:
    """Return the refusal to have somebody else's proposal run where it could reach what the reviewer has."""
    why = f"{capabilities.shared} You have not written what would run."
    remedy = "Look at the changes, and at how the trial of its proposer went."
    return Refusal("trial-not-isolated", "You cannot try what somebody else proposes.", why, remedy, "", 409)


def _read(profile_id: str, content: bytes) -> Profile:
    reading = read("profile", profile_path(profile_id), content)
    if not isinstance(reading.value, Profile):
        raise RefusedError(_with_problems(profile_id, reading.problems[0]))
    return reading.value


def _with_problems(profile_id: str, problem: Problem) -> Refusal:
    what = f"{quoted(profile_id)} cannot be tried as it is."
    return Refusal("trial-problems", what, f"{problem.message} ({problem.code})", problem.remedy, "", 409)


def _check_roles(
    catalog: Catalog,
    user: User,
    asked: TrialRequest,
    proposed: Profile,
    now: dt.datetime,
    capabilities: Capabilities,
) -> None:
    """Raise RefusedError if main does not give the user this data, by this profile and now."""
    main = catalog.profiles.get(asked.request.profile)
    for role in asked.data_roles:
        if role not in proposed.data_roles or main is None or role not in main.data_roles:
            why = f"The profile does not reach the data {role} both on main and as it is proposed."
            remedy = "Try it without this data."
            raise RefusedError(Refusal("trial-data", "The trial was not started.", why, remedy, ADMINISTRATORS))
    if asked.data_roles:
        on_main = offer(catalog, user, asked.request.profile, now, capabilities)
        if on_main.refusal:
            remedy = f"Try it without data. {on_main.refusal.remedy}"
            raise RefusedError(dataclasses.replace(on_main.refusal, remedy=remedy))
