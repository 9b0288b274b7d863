"""What several kinds of files share: the base of all models, people, amounts at one time."""

from typing import Annotated, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from allotment_profiles.model.quantities import Cpu, Memory, refuse
from allotment_profiles.model.texts import Group


class Model(BaseModel):
    """What all files share: no unknown keys, no silent conversion, no change after reading."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, use_attribute_docstrings=True)


Gpus = Annotated[int, Field(ge=0, le=64)]
"""Whole GPUs."""


class People(Model):
    """Groups of the identity provider, and single users."""

    groups: Annotated[tuple[Group, ...], Field(max_length=100, strict=False)] = ()
    """Groups by their full names, as the hub has them."""
    users: Annotated[tuple[Group, ...], Field(max_length=200, strict=False)] = ()
    """User names, as the hub has them."""

    def include(self, name: str, groups: frozenset[str]) -> bool:
        """Tell whether a user of that name and in those groups is meant."""
        return name in self.users or not groups.isdisjoint(self.groups)


class Members(People):
    """Who belongs to a team."""

    everyone: bool = False
    """Whether everybody who signs in belongs; only in `teams/everyone/team.yaml`, which has to say it."""

    def include(self, name: str, groups: frozenset[str]) -> bool:
        """Tell whether a user of that name and in those groups is meant."""
        return self.everyone or super().include(name, groups)


class Budget(Model):
    """How much may run at one time; what is left out has no bound."""

    sessions: Annotated[int, Field(ge=0, le=100000)] | None = None
    """Sessions."""
    cpu: Cpu | None = None
    """CPUs of all sessions together, by their limits."""
    memory: Memory | None = None
    """Memory of all sessions together, by their limits."""
    gpu: Annotated[int, Field(ge=0, le=100000)] | None = None
    """GPUs of all sessions together."""

    @model_validator(mode="after")
    def _says_something(self) -> Self:
        if not self.model_fields_set:
            raise refuse("budget-empty", "The budget bounds nothing.", "Give sessions, cpu, memory or gpu, or drop it.")
        return self
