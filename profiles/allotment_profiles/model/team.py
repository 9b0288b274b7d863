"""Who belongs to a team, who leads it and how far it decides for itself: `teams/<team>/team.yaml`."""

from typing import Annotated, Self

from pydantic import Field, model_validator

from allotment_profiles.model.parts import Budget, Gpus, Members, Model, People
from allotment_profiles.model.quantities import Cpu, Memory, refuse
from allotment_profiles.model.texts import ImagePattern, Line, Name, Title

EVERYONE = "everyone"
"""The name of the team that everybody belongs to."""


class Envelope(Model):
    """How far a team decides for itself: the largest session and the images."""

    cpu: Cpu
    """CPUs of one session."""
    memory: Memory
    """Memory of one session."""
    gpu: Gpus = 0
    """GPUs of one session."""
    gpu_kinds: Annotated[tuple[Name, ...], Field(max_length=20, strict=False)] = ()
    """The kinds of GPU; empty: every kind of the policy."""
    images: Annotated[tuple[ImagePattern, ...], Field(min_length=1, max_length=50, strict=False)]
    """Images: `registry/folder/*` or `registry/name`."""
    node_pools: Annotated[tuple[Name, ...], Field(max_length=20, strict=False)] = ()
    """Node pools of the policy that the team's profiles may name."""
    home: Memory = 20 * 1024**3
    """The largest home folder."""


class Team(Model):
    """Who belongs to a team, who leads it and how far it decides for itself: `teams/<team>/team.yaml`."""

    title: Title
    """The team's name as people say it."""
    description: Line = ""
    """What the team does."""
    cost_centre: Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9 ._/-]{0,59}$")] | None = None
    """Who pays: stamped on the team's sessions where a cluster's costs are counted."""
    members: Members
    """Who may start the team's profiles."""
    leads: People
    """Who approves the team's profiles."""
    deputies: People = People()
    """Who stands in for the leads."""
    envelope: Envelope
    """How far the team decides for itself."""
    budget: Budget | None = None
    """How much of the whole team may run at one time."""
    user_budget: Budget | None = None
    """How much of one member may run at one time in this team."""

    @model_validator(mode="after")
    def _has_leads(self) -> Self:
        if not self.leads.groups and not self.leads.users:
            raise refuse("team-leads", "The team has no leads.", "Name a group or a user: nobody else could approve.")
        return self
