"""A named permission to use data: `data-roles/<name>.yaml`."""

import datetime as dt
import re
from typing import Annotated, Self

from pydantic import AfterValidator, Field, model_validator

from allotment_profiles.model.base import Model
from allotment_profiles.model.problems import invalid
from allotment_profiles.model.values.texts import Date, Line, Lines, Name, Title, WebAddress
from allotment_profiles.model.values.variables import BindingVariable

# Names of Secrets and volume claims of JupyterHub's chart and of KubeSpawner: the hub's Secret contains all tokens of
# the platform, its claim contains the database, and `claim-<user>` is the home folder of a user.
_RESERVED = re.compile(r"(hub|proxy|user-scheduler|allotment)(-.*)?|claim-.*")


def _not_reserved(name: str) -> str:
    if _RESERVED.fullmatch(name):
        remedy = "Choose a name that does not begin with hub, proxy, user-scheduler, allotment or claim-."
        raise invalid("binding-reserved", f"{name} is a name of the platform's own Secrets and volumes.", remedy)
    return name


ObjectName = Annotated[Name, AfterValidator(_not_reserved)]


class Grant(Model):
    """Permission of a team to use the data until a date."""

    until: Date
    """Last day of the grant."""
    review_by: Date | None = None
    """Last day of the grant unless the owner has reviewed it and set a later date."""
    reason: Lines | None = None
    """What the team needs the data for."""

    @property
    def last_day(self) -> dt.date:
        """The last day on which the grant gives access: its end or its review date, whichever comes first."""
        return min(self.until, self.review_by or self.until)


class Volume(Model):
    """A folder of a volume."""

    claim: ObjectName
    """Name of the persistent volume claim. On a laptop: name of a folder."""
    sub_path: Annotated[str, Field(pattern=r"^[a-z0-9_][a-z0-9_.-]{0,60}(/[a-z0-9_][a-z0-9_.-]{0,60}){0,8}$")]
    """Folder in the volume."""
    read_only: bool = True
    """Whether sessions can only read the data."""


SecretKey = Annotated[str, Field(pattern=r"^[A-Za-z0-9_-][A-Za-z0-9._-]{0,127}$")]


class Secret(Model):
    """A credential in a Kubernetes Secret."""

    name: ObjectName
    """Name of the Secret."""
    variables: Annotated[dict[BindingVariable, SecretKey], Field(max_length=20)] = Field(default_factory=dict)
    """Environment variable → key of the Secret. If empty, each key becomes a file in `data/<data role>`."""


AwsRole = Annotated[
    str, Field(pattern=r"^arn:aws[a-z-]*:iam::[0-9]{12}:role/[A-Za-z0-9+=,.@_/-]{0,127}[A-Za-z0-9+=,.@_-]$")
]


GcpServiceAccount = Annotated[
    str, Field(pattern=r"^[a-z][a-z0-9-]{4,28}[a-z0-9]@[a-z][a-z0-9-]{4,28}[a-z0-9]\.iam\.gserviceaccount\.com$")
]
Uuid = Annotated[str, Field(pattern=r"^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$")]


class AzureIdentity(Model):
    """A managed identity or an application of Microsoft Entra, through Azure workload identity."""

    client_id: Uuid
    """Client ID of the identity."""
    tenant_id: Uuid
    """ID of the tenant."""


class Vault(Model):
    """A secret that the agent injector of Vault writes to the session."""

    role: Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_-]{0,79}$")]
    """Role of the Kubernetes authentication of Vault."""
    path: Annotated[str, Field(pattern=r"^[a-z0-9_][A-Za-z0-9_.-]{0,60}(/[A-Za-z0-9_][A-Za-z0-9_.-]{0,60}){0,8}$")]
    """Path of the secret. It is written to `/vault/secrets/<data role>`."""


class Binding(Model):
    """The credential of a data role. Exactly one kind has to be set."""

    volume: Volume | None = None
    """A folder of a volume."""
    secret: Secret | None = None
    """A Kubernetes Secret."""
    aws_role: AwsRole | None = None
    """An AWS IAM role, assumed with a token of the session's service account."""
    eks_pod_identity: AwsRole | None = None
    """An AWS IAM role, assigned to the session's service account by an EKS Pod Identity association."""
    gcp_service_account: GcpServiceAccount | None = None
    """A Google Cloud service account, through GKE workload identity."""
    azure_identity: AzureIdentity | None = None
    """An identity of Microsoft Entra, through Azure workload identity."""
    vault: Vault | None = None
    """A secret of Vault, written to the session by its agent injector."""

    @model_validator(mode="after")
    def _exactly_one(self) -> Self:
        if len(self.model_fields_set) != 1 or self.kind == "":
            remedy = f"Keep one of {', '.join(type(self).model_fields)}."
            raise invalid("binding-kind", "A binding needs exactly one kind.", remedy)
        return self

    @property
    def kind(self) -> str:
        """Key of the kind: `volume`, `secret`, `aws_role`, …"""
        return next((name for name in type(self).model_fields if getattr(self, name) is not None), "")


class DataRole(Model):
    """A named permission to use data: `data-roles/<name>.yaml`."""

    title: Title
    """Name of the data, for people."""
    description: Line = ""
    """Description, one line."""
    owner: Name
    """Team whose leads decide who may use the data."""
    purpose: Lines
    """What the data may be used for."""
    sensitivity: Annotated[str, Field(pattern=r"^[a-z][a-z0-9-]{0,40}$")]
    """Classification, for example `public` or `official-sensitive`."""
    paperwork: WebAddress | None = None
    """Link to the assessment or the agreement."""
    granted_to: Annotated[dict[Name, Grant], Field(max_length=200)] = Field(default_factory=dict)
    """Grants: the teams that may use the data, each until a date."""
    binding: Binding
    """The credential that gives access to the data."""
