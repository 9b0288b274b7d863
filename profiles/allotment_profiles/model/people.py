"""Groups and users, as files name them."""

from typing import Annotated

from pydantic import Field

from allotment_profiles.model.base import Model
from allotment_profiles.model.texts import Group


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
