"""Says before a proposal is sent, and while it waits, that nobody can approve it, and what helps.

It is advice, not a decision: the hub knows only people who have signed in, and the list of them may be a minute old.
"""

import time
from collections.abc import Callable, Container, Iterable, Iterator

from allotment_hub.errors import UnavailableError
from allotment_hub.services.hub_api import Directory
from allotment_profiles.access.people import User
from allotment_profiles.catalog.catalog import Catalog
from allotment_profiles.model.problems import Problem
from allotment_profiles.review.approvals import Requirement, can_meet

_SECONDS = 60.0


class Approvers:
    """Knows who could approve."""

    def __init__(self, directory: Directory, clock: Callable[[], float] = time.monotonic) -> None:
        self._directory = directory
        self._clock = clock
        self._people: list[User] = []
        self._until = float("-inf")

    async def advice(
        self,
        requirements: Iterable[Requirement],
        main: Catalog,
        proposer: User,
        contributors: Container[str] = (),
        *,
        reader: User,
    ) -> tuple[Problem, ...]:
        """Return an advice for each requirement that nobody whom the hub knows can meet. It knows the reader now."""
        requirements = tuple(requirements)
        try:
            people = await self.everyone() if requirements else []
        except UnavailableError:
            return ()  # the hub is asked again before anything is decided
        people = [*(user for user in people if user.name != reader.name), reader]
        return tuple(_advice(requirements, people, main, proposer, contributors))

    async def everyone(self) -> list[User]:
        """Return all users of the hub, as they were up to a minute ago. Raise UnavailableError."""
        if self._clock() >= self._until:
            self._people = await self._directory.everyone()
            self._until = self._clock() + _SECONDS
        return self._people


def _advice(
    requirements: Iterable[Requirement], people: list[User], main: Catalog, proposer: User, contributors: Container[str]
) -> Iterator[Problem]:
    nobody = User("", frozenset())
    for requirement in requirements:
        if any(can_meet(requirement, user, main, proposer, contributors) for user in people):
            continue
        known = f"Nobody whom this hub knows can approve it for {requirement.who}"
        own = can_meet(requirement, proposer, main, nobody)
        away = _names_others(requirement, main, proposer, contributors)
        message = f"{known}: whoever may has not signed in to the hub yet." if away else f"{known}."
        if own and away:
            help_ = (
                "Two people look at every change. Let somebody else propose it, or ask another of them to sign in once."
            )
        elif own:
            help_ = "Only you could, and two people look at every change. Let somebody else propose it, and approve it."
        elif requirement.kind == "administrator":
            help_ = "Let an administrator sign in once, or somebody who administers the hub make another user one."
        else:
            other = f"sk an administrator to propose other leads of the team {requirement.team}."
            help_ = f"Ask one of them to sign in once. If none of them is left, a{other}" if away else f"A{other}"
        yield Problem("", "nobody-to-approve", message, help_, level="advice")


def _names_others(requirement: Requirement, main: Catalog, proposer: User, contributors: Container[str]) -> bool:
    """Return whether the team's file names a group, or somebody else, who may approve."""
    team = main.teams.get(requirement.team)
    if team is None:
        return False
    people = [team.value.leads] if requirement.leads_only else [team.value.leads, team.value.deputies]
    users = {user for each in people for user in each.users} - {proposer.name}
    return any(each.groups for each in people) or any(user not in contributors for user in users)
