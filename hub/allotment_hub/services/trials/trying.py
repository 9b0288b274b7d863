"""Who may try a proposal or a draft, and what is tried: the proposal's own head, never what somebody sends."""

import asyncio
import datetime as dt
import hashlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

from allotment_hub.errors import ServiceError, UnavailableError, refused
from allotment_hub.forges.stored_proposal import StoredProposal
from allotment_hub.services.hub_api import Directory
from allotment_hub.services.judging.checking import Files
from allotment_hub.services.proposals.case import Case
from allotment_hub.services.proposals.proposals import Proposals, ProposalView, profiles_in
from allotment_hub.services.proposals.proposing import Submissions
from allotment_hub.services.proposals.rights import Actor
from allotment_hub.services.trials.hub_trials import HubTrials, RunningTrial
from allotment_profiles.access.deployments import Capabilities
from allotment_profiles.access.launch import Request, Trial
from allotment_profiles.access.offers import offer
from allotment_profiles.access.people import User
from allotment_profiles.catalog.catalog import Catalog
from allotment_profiles.model import Option, Profile
from allotment_profiles.model.paths import profile_path
from allotment_profiles.model.problems import Refusal
from allotment_profiles.model.values.quantities import format_duration
from allotment_profiles.trials.request import TrialRequest, not_isolated

_NOT_STARTED = "The trial was not started."
_NO_MATTER = frozenset({"data-role-unknown", "grant-missing", "successor-unknown"})
"""Problems of a draft that a trial does not have: it reaches only data that main gives, and no successor."""


@dataclass(frozen=True, slots=True)
class Wish:
    """What a user wants to try of a proposal or a draft. Only its shape has been checked."""

    profile: str = ""
    """The id of the profile; empty where there is one only."""
    options: Mapping[str, str] | None = None
    data_roles: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class TriedProfile:
    """A profile of a proposal that can be tried."""

    id: str
    title: str
    options: Mapping[str, Option]
    data_roles: tuple[str, ...]
    """The data that the trial may reach: what the profile has on main as well, for this user and now."""


@dataclass(frozen=True, slots=True)
class TrialView:
    """The trials of a proposal as one reader sees them."""

    refusal: Refusal | None
    """Why the reader may not try it, or None."""
    profiles: tuple[TriedProfile, ...]
    own: RunningTrial | None
    """The reader's trial of this proposal."""
    others: tuple[RunningTrial, ...]
    """The trials of others that run."""
    shared: str
    """What the trial could reach of the reader's other sessions, as a sentence; empty where that is nothing."""
    time: str
    """For how long it may run."""


def refusal_to_try(case: Case, user: User, capabilities: Capabilities) -> Refusal | None:
    """Return why a user may not try a proposal, or None. Pure."""
    stored = case.stored
    if stored.ending:
        why, remedy = f"It was {stored.ending.kind}.", "Start the profile, or propose again."
        return Refusal("proposal-ended", "The proposal is not open any more.", why, remedy, status=409)
    if user.name == stored.proposer:
        return None
    if not case.reviewed_by(user):
        why = "You neither propose it nor have to approve it."
        return Refusal("not-yours-to-try", "You cannot try this.", why, "Leave a comment instead.")
    return not_isolated(capabilities) if capabilities.shared else None


class Trials:
    """Starts and ends trials, for those who may."""

    def __init__(
        self,
        proposals: Proposals,
        submissions: Submissions,
        directory: Directory,
        hub: HubTrials,
        capabilities: Callable[[], Capabilities],
        on_start: Callable[[], None] = lambda: None,
    ) -> None:
        """`on_start` is called when a trial begins: somebody has to see to its end."""
        self.hub = hub
        self._proposals = proposals
        self._submissions = submissions
        self._directory = directory
        self._capabilities = capabilities
        self.on_start = on_start

    async def start(self, actor: Actor, proposal: str, wish: Wish, head: str = "") -> None:
        """Start a trial of the head of a proposal for a user. Raise a refusal, also where it is not at a `head`."""
        stored = await self._proposals.visible(proposal, actor.user)
        if head not in ("", stored.head):
            why, remedy = "The proposal has changed since you looked at it.", "Look at it again."
            raise refused(409, "head-moved", _NOT_STARTED, why, remedy)
        case = await self._proposals.case(stored, actor.user)
        refusal = refusal_to_try(case, actor.user, self._capabilities())
        if refusal:
            raise ServiceError(refusal)
        # What they may not read, they may not read in a trial.
        seen = (await self._proposals.difference(case, actor.user))[0]
        files = {path: data for path, data in (await self._proposals.files(stored)).items() if path in seen}
        profile_id = _chosen(files, wish.profile)
        content = files[profile_path(profile_id)] or b""
        trial = Trial(stored.id, stored.head)
        await self._start(actor, trial, profile_id, content, wish, reviewing=actor.user.name != stored.proposer)

    async def start_draft(self, actor: Actor, files: Files, wish: Wish) -> None:
        """Start a trial of a profile that nobody has proposed yet. Raise a refusal."""
        profile_id = _chosen(files, wish.profile)
        path = profile_path(profile_id)
        content = files[path] or b""
        # In a process that can be ended: what the hub reads then was read before.
        check = await self._submissions.check(actor, {path: content})
        own = [problem for problem in check.problems if problem.path == path and problem.code not in _NO_MATTER]
        hard = [problem for problem in own if problem.level == "hard"]
        if hard:
            why = f"{hard[0].message} ({hard[0].code})"
            raise ServiceError(Refusal("trial-problems", _NOT_STARTED, why, hard[0].remedy, status=409), hard)
        await self._start(actor, Trial("", hashlib.sha256(content).hexdigest()), profile_id, content, wish)

    async def _start(
        self, actor: Actor, trial: Trial, profile_id: str, content: bytes, wish: Wish, *, reviewing: bool = False
    ) -> None:
        if wish.data_roles and not actor.may_review:
            what, why = "A session can ask, but not decide.", "A trial that reaches data is started by a person."
            raise ServiceError(Refusal("scope-missing", what, why, "Start it on the page in a browser."))
        asked = TrialRequest(trial, Request(profile_id, dict(wish.options or {})), content, wish.data_roles, reviewing)
        if TrialRequest.parse(_as_sent(asked)) is None:
            raise refused(400, "trial-malformed", _NOT_STARTED, "The options or the data are no names.")
        await self.hub.start(actor.user.name, asked)
        self.on_start()

    async def end(self, actor: Actor) -> None:
        """End the user's own trial, if there is one."""
        await self.hub.end(actor.user.name, actor.user.name, "Its user has ended it.")

    async def own(self, user: User, proposal: str | None = None) -> RunningTrial | None:
        """Return a user's trial, or the last one: of a proposal, or of anything."""
        found = await self.hub.all()
        return next((each for each in found if each.user == user.name and proposal in (None, each.proposal)), None)

    async def why_over(self, trial: RunningTrial, stored: StoredProposal | None) -> str:
        """Return why a trial that runs has to end; empty while it may go on. Raise UnavailableError.

        Of its proposer, and of who tries a draft, the hub asks whether they are still in the team.
        """
        why = is_over(trial, stored)
        if why or stored is None or trial.user == stored.proposer:
            return why
        user = await self._directory.user(trial.user) or User(trial.user, frozenset())
        refusal = refusal_to_try(await self._proposals.case(stored, user), user, self._capabilities())
        return "Its user may not try it any more." if refusal else ""

    async def view(self, view: ProposalView, reader: Actor) -> TrialView:
        """Return the trials of a proposal for its page. While the hub does not answer, none is known."""
        stored, user, policy = view.case.stored, reader.user, self._proposals.catalog.policy
        refusal = refusal_to_try(view.case, user, self._capabilities())
        found: list[RunningTrial] = []
        if stored.open:
            try:
                found = [each for each in await self.hub.all() if each.proposal == stored.id]
            except UnavailableError:
                found = []
        profiles = () if refusal else tuple(await asyncio.to_thread(lambda: list(self._tried(view, user))))
        if not refusal and not profiles:
            refusal = _no_profile()
        return TrialView(
            refusal=refusal,
            profiles=profiles,
            own=next((each for each in found if each.user == user.name), None),
            others=tuple(each for each in found if each.user != user.name and each.live),
            shared=self._capabilities().shared,
            time=format_duration(policy.value.trial) if policy else "",
        )

    def _tried(self, view: ProposalView, user: User) -> Iterator[TriedProfile]:
        """Yield the profiles that the reader may see and try, as the check has read them."""
        catalog, capabilities, after = self._proposals.catalog, self._capabilities(), view.case.check.after
        for profile_id in profiles_in(view.seen):
            entry, content = after.profiles.get(profile_id), view.files[profile_path(profile_id)]
            if entry and entry.source == content:  # else it is not valid, and an earlier version applies
                roles = _roles_of(catalog, user, profile_id, entry.value, capabilities)
                yield TriedProfile(profile_id, entry.value.title, entry.value.options, roles)


def is_over(trial: RunningTrial, stored: StoredProposal | None) -> str:
    """Return why a trial that runs has to end; empty while it may go on."""
    if not trial.proposal:
        return ""  # a draft ends with its time
    if stored is None:
        return "There is no such proposal any more."
    if stored.ending:
        return f"The proposal was {stored.ending.kind}."
    return "" if stored.head == trial.head else "The proposal has changed since."


def _chosen(files: Files, wanted: str) -> str:
    """Return the id of the profile to be tried: the only one that is proposed, or the one that is named."""
    ids = [id_ for id_ in profiles_in(files) if files[profile_path(id_)] is not None]
    if not ids:
        raise ServiceError(_no_profile())
    if wanted in ids or (len(ids) == 1 and not wanted):
        return wanted or ids[0]
    why = f"It has {len(ids)} profiles." if not wanted else "It has no such profile."
    raise refused(400, "trial-profile", _NOT_STARTED, why, "Name one of them.")


def _no_profile() -> Refusal:
    why, remedy = "It changes no profile.", "Only what a session can be started from is tried."
    return Refusal("trial-nothing", "There is nothing to try.", why, remedy, status=409)


def _roles_of(
    catalog: Catalog, user: User, profile_id: str, proposed: Profile, capabilities: Capabilities
) -> tuple[str, ...]:
    main = catalog.profiles.get(profile_id)
    shared = [role for role in proposed.data_roles if main and role in main.data_roles]
    now = dt.datetime.now(dt.UTC)
    startable = bool(shared) and offer(catalog, user, profile_id, now, capabilities).startable
    return tuple(shared) if startable else ()


def _as_sent(asked: TrialRequest) -> Mapping[str, object]:
    try:
        return asked.as_dict()
    except UnicodeError:
        return {}
