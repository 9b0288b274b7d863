"""A team: its members, its leads and the limits of what it decides itself. `teams/<team>/team.yaml`."""

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from allotment_profiles.model.base import Model
from allotment_profiles.model.problems import invalid
from allotment_profiles.model.values.quantities import Budget, Cpu, Gpus, Memory
from allotment_profiles.model.values.texts import Group, ImagePattern, Line, Name, Title

EVERYONE = "everyone"
"""Name of the team that every user belongs to."""


class People(Model):
    """Groups of the identity provider, and single users."""

    groups: Annotated[tuple[Group, ...], Field(max_length=100, strict=False)] = ()
    """Full names of groups, as JupyterHub has them."""
    users: Annotated[tuple[Group, ...], Field(max_length=200, strict=False)] = ()
    """User names, as JupyterHub has them."""

    def include(self, name: str, groups: frozenset[str]) -> bool:
        """Whether a user with this name and these groups is included."""
        return name in self.users or not groups.isdisjoint(self.groups)


class Members(People):
    """The members of a team."""

    everyone: bool = False
    """Whether everybody who can sign in is a member. Required in `teams/everyone/team.yaml`, and only allowed there."""

    def include(self, name: str, groups: frozenset[str]) -> bool:
        """Whether a user with this name and these groups is included."""
        return self.everyone or super().include(name, groups)


class Envelope(Model):
    """The limits of what a team decides itself: the largest session and the images."""

    cpu: Cpu
    """Maximum CPUs of a session."""
    memory: Memory
    """Maximum memory of a session."""
    gpu: Gpus = 0
    """Maximum GPUs of a session."""
    gpu_kinds: Annotated[tuple[Name, ...], Field(max_length=20, strict=False)] = ()
    """Kinds of GPU. If empty, all kinds of the policy."""
    images: Annotated[tuple[ImagePattern, ...], Field(min_length=1, max_length=50, strict=False)]
    """Images: `registry/folder/*` or `registry/name`."""
    node_pools: Annotated[tuple[Name, ...], Field(max_length=20, strict=False)] = ()
    """Node pools of the policy that profiles of the team may use."""
    home: Memory = 20 * 1024**3
    """Maximum size of a home folder."""


class Team(Model):
    """A team: its members, its leads and the limits of what it decides itself. `teams/<team>/team.yaml`."""

    title: Title
    """Name of the team, for people."""
    description: Line = ""
    """What the team does."""
    cost_centre: Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9 ._/-]{0,59}$")] | None = None
    """Cost centre of the team. It becomes a label of the pods of its sessions."""
    members: Members
    """Users who may start the profiles of the team."""
    leads: People
    """Users who approve changes of the profiles of the team."""
    deputies: People = People()
    """Users who may approve in place of the leads."""
    envelope: Envelope
    """The limits of what the team decides itself."""
    channel: Name | None = None
    """Name of a channel that the administrator has set up. It hears of the team's proposals."""
    budget: Budget | None = None
    """How much the whole team may run at the same time."""
    user_budget: Budget | None = None
    """How much each member may run at the same time in this team."""
    merge: Literal["by-hand", "when-approved"] = "by-hand"
    """Whether approved proposals merge by themselves, where all their files are of teams that say so on main."""

    @model_validator(mode="after")
    def _has_leads(self) -> Self:
        if not self.leads.groups and not self.leads.users:
            raise invalid("team-leads", "The team has no leads.", "Name a group or a user who approves changes.")
        return self
