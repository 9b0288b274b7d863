"""A named permission to reach data: `data-roles/<name>.yaml`."""

import re
from typing import Annotated, Self

from pydantic import AfterValidator, Field, model_validator

from allotment_profiles.model.parts import Model
from allotment_profiles.quantities import refuse
from allotment_profiles.texts import Date, Line, Lines, Name, Title, WebAddress

# What JupyterHub's chart and KubeSpawner call their own things: the hub's Secret holds every token of the platform, its
# claim the database, and `claim-<user>` is somebody's home.
_PLATFORMS_OWN = re.compile(r"(hub|proxy|user-scheduler|allotment)(-.*)?|claim-.*")


def _no_name_of_the_platform(name: str) -> str:
    if _PLATFORMS_OWN.fullmatch(name):
        raise refuse(
            "binding-reserved",
            f"{name} is a name that the platform's own Secrets and volumes have.",
            "Keep the data under a name that does not begin with hub, proxy, user-scheduler, allotment or claim-.",
        )
    return name


ObjectName = Annotated[Name, AfterValidator(_no_name_of_the_platform)]


class Grant(Model):
    """A team's permission to reach the data, until a day."""

    until: Date
    """The last day."""
    review_by: Date | None = None
    """The day after which the grant holds no longer unless its owner looked at it again."""
    reason: Lines | None = None
    """What the team needs the data for."""


class Volume(Model):
    """Data in a volume."""

    claim: ObjectName
    """The volume claim; on a laptop a folder of this name."""
    sub_path: Annotated[str, Field(pattern=r"^[a-z0-9_][a-z0-9_.-]{0,60}(/[a-z0-9_][a-z0-9_.-]{0,60}){0,8}$")]
    """The folder inside."""
    read_only: bool = True
    """Whether sessions only read."""


class Secret(Model):
    """Data behind a credential that is kept as a Kubernetes Secret."""

    name: ObjectName
    """The Secret's name."""


AwsRole = Annotated[str, Field(pattern=r"^arn:aws[a-z-]*:iam::[0-9]{12}:role/[A-Za-z0-9+=,.@_/-]{1,128}$")]


class Binding(Model):
    """The real credential behind a data role: exactly one kind."""

    volume: Volume | None = None
    """A folder of a volume."""
    secret: Secret | None = None
    """A Kubernetes Secret."""
    aws_role: AwsRole | None = None
    """A role of AWS's identity and access management."""

    @model_validator(mode="after")
    def _exactly_one(self) -> Self:
        if len(self.model_fields_set) != 1 or self.kind == "":
            raise refuse(
                "binding-kind", "A binding has exactly one kind.", f"Keep one of {', '.join(type(self).model_fields)}."
            )
        return self

    @property
    def kind(self) -> str:
        """The kind's key: `volume`, `secret` or `aws_role`."""
        return next((name for name in type(self).model_fields if getattr(self, name) is not None), "")


class DataRole(Model):
    """A named permission to reach data: `data-roles/<name>.yaml`."""

    title: Title
    """What the data is."""
    description: Line = ""
    """One line more."""
    owner: Name
    """The team whose leads decide who may reach the data."""
    purpose: Lines
    """What the access is for."""
    sensitivity: Annotated[str, Field(pattern=r"^[a-z][a-z0-9-]{0,40}$")]
    """The classification, for example `public` or `official-sensitive`."""
    paperwork: WebAddress | None = None
    """Where the assessment or agreement can be read."""
    granted_to: Annotated[dict[Name, Grant], Field(max_length=200)] = Field(default_factory=dict)
    """The teams that may use it, each until a day."""
    binding: Binding
    """The real credential."""
