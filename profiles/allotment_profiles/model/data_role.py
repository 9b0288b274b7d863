"""A named permission to reach data: `data-roles/<name>.yaml`."""

import re
from typing import Annotated, Self

from pydantic import AfterValidator, Field, model_validator

from allotment_profiles.model.parts import Model
from allotment_profiles.model.quantities import refuse
from allotment_profiles.model.texts import CredentialVariable, Date, Line, Lines, Name, Title, WebAddress

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


SecretKey = Annotated[str, Field(pattern=r"^[A-Za-z0-9_-][A-Za-z0-9._-]{0,127}$")]


class Secret(Model):
    """Data behind a credential that is kept as a Kubernetes Secret."""

    name: ObjectName
    """The Secret's name."""
    variables: Annotated[dict[CredentialVariable, SecretKey], Field(max_length=20)] = Field(default_factory=dict)
    """Environment variable → the Secret's key; empty: every key is a file in `data/<data role>`."""


AwsRole = Annotated[str, Field(pattern=r"^arn:aws[a-z-]*:iam::[0-9]{12}:role/[A-Za-z0-9+=,.@_/-]{1,128}$")]


GcpServiceAccount = Annotated[
    str, Field(pattern=r"^[a-z][a-z0-9-]{4,28}[a-z0-9]@[a-z][a-z0-9-]{4,28}[a-z0-9]\.iam\.gserviceaccount\.com$")
]
Uuid = Annotated[str, Field(pattern=r"^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$")]


class AzureIdentity(Model):
    """A managed identity or an application of Microsoft Entra, through Azure's workload identity."""

    client_id: Uuid
    """The identity's client ID."""
    tenant_id: Uuid
    """The tenant's ID."""


class Vault(Model):
    """Secrets that Vault's agent injector writes into the session."""

    role: Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_-]{0,79}$")]
    """The role of Vault's Kubernetes authentication."""
    path: Annotated[str, Field(pattern=r"^[a-z0-9_][A-Za-z0-9_.-]{0,60}(/[A-Za-z0-9_][A-Za-z0-9_.-]{0,60}){0,8}$")]
    """The secret's path; it is written to `/vault/secrets/<data role>`."""


class Binding(Model):
    """The real credential behind a data role: exactly one kind."""

    volume: Volume | None = None
    """A folder of a volume."""
    secret: Secret | None = None
    """A Kubernetes Secret."""
    aws_role: AwsRole | None = None
    """A role of AWS's identity and access management, taken on with a token of the session's service account."""
    eks_pod_identity: AwsRole | None = None
    """A role of AWS that an EKS Pod Identity association gives to the session's service account."""
    gcp_service_account: GcpServiceAccount | None = None
    """A service account of Google Cloud, through GKE's workload identity."""
    azure_identity: AzureIdentity | None = None
    """An identity of Microsoft Entra, through Azure's workload identity."""
    vault: Vault | None = None
    """A secret of Vault, written into the session by its agent injector."""

    @model_validator(mode="after")
    def _exactly_one(self) -> Self:
        if len(self.model_fields_set) != 1 or self.kind == "":
            raise refuse(
                "binding-kind", "A binding has exactly one kind.", f"Keep one of {', '.join(type(self).model_fields)}."
            )
        return self

    @property
    def kind(self) -> str:
        """The kind's key: `volume`, `secret`, `aws_role`, …"""
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
