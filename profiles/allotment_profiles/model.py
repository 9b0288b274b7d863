"""The one schema of the repository's files: profile, team, data role and policy.

The JSON Schema files, the form and the reference documentation are generated from these models. What one file can
be asked on its own is checked here; what needs other files (an envelope, a grant) is in `checks`.
"""

from decimal import Decimal
from typing import Annotated, Literal, Self

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, PlainSerializer, WithJsonSchema, model_validator

from allotment_profiles.quantities import (
    Cpu,
    Duration,
    Memory,
    format_cpu,
    format_duration,
    format_memory,
    refuse,
    shown,
)
from allotment_profiles.texts import (
    Date,
    Group,
    Image,
    ImagePattern,
    Line,
    Lines,
    Name,
    Title,
    Variable,
    VariableValue,
    WebAddress,
)


class Model(BaseModel):
    """What all files share: no unknown keys, no silent conversion, no change after reading."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, use_attribute_docstrings=True)


class CpuRange(Model):
    """CPUs: what a session is promised and what it may use at most."""

    guarantee: Cpu = 100
    """CPUs that are kept free for the session."""
    limit: Cpu
    """CPUs that the session may use at most."""

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if self.guarantee > self.limit:
            raise refuse(
                "cpu-order",
                f"The CPU limit {format_cpu(self.limit)} is below the guarantee {format_cpu(self.guarantee)}.",
                "Raise the limit or lower the guarantee.",
            )
        return self


class MemoryRange(Model):
    """Memory: what a session is promised and what it may use at most."""

    guarantee: Memory = 256 * 1024**2
    """Memory that is kept free for the session."""
    limit: Memory
    """Memory that the session may use; a session that needs more is ended."""

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if self.guarantee > self.limit:
            raise refuse(
                "memory-order",
                f"The memory limit {format_memory(self.limit)} is below the guarantee {format_memory(self.guarantee)}.",
                "Raise the limit or lower the guarantee.",
            )
        return self


class Resources(Model):
    """The size of a session."""

    cpu: CpuRange
    """CPUs."""
    memory: MemoryRange
    """Memory."""
    gpu: Annotated[int, Field(ge=0, le=16)] = 0
    """Whole GPUs."""


class CpuOverride(Model):
    """The part of the CPU range that a choice replaces."""

    guarantee: Cpu | None = None
    """CPUs that are kept free for the session."""
    limit: Cpu | None = None
    """CPUs that the session may use at most."""


class MemoryOverride(Model):
    """The part of the memory range that a choice replaces."""

    guarantee: Memory | None = None
    """Memory that is kept free for the session."""
    limit: Memory | None = None
    """Memory that the session may use."""


class ResourcesOverride(Model):
    """The part of the size that a choice replaces."""

    cpu: CpuOverride = CpuOverride()
    """CPUs."""
    memory: MemoryOverride = MemoryOverride()
    """Memory."""
    gpu: Annotated[int, Field(ge=0, le=16)] | None = None
    """Whole GPUs."""


App = Literal["jupyterlab", "rstudio", "vscode"]
Environment = Annotated[dict[Variable, VariableValue], Field(max_length=50)]


class Choice(Model):
    """One answer to an option, and what it replaces in the profile."""

    title: Title
    """What the start page says."""
    description: Line = ""
    """One more line for whoever chooses."""
    resources: ResourcesOverride = ResourcesOverride()
    """What is replaced in the size."""
    image: Image | None = None
    """The image instead of the profile's."""
    environment: Environment = {}
    """Variables that are added or replaced."""
    app: App | None = None
    """The program instead of the profile's."""


class Option(Model):
    """One question that the start page asks."""

    title: Title
    """What the start page says."""
    description: Line = ""
    """One more line for whoever chooses."""
    default: Name
    """The choice that holds when nothing is chosen."""
    choices: Annotated[dict[Name, Choice], Field(min_length=1, max_length=20)]
    """The possible answers, in the order of the page."""

    @model_validator(mode="after")
    def _default_exists(self) -> Self:
        if self.default not in self.choices:
            raise refuse(
                "option-default",
                f"The default {shown(self.default)} is not one of the choices.",
                f"Choose one of {', '.join(self.choices)}.",
            )
        return self


class ImageSource(Model):
    """Where the image's recipe can be read."""

    repository: WebAddress
    """The git repository with the recipe."""
    commit: Annotated[str, Field(pattern=r"^[0-9a-f]{7,64}$")]
    """The commit that the image was built from."""


class Lifetime(Model):
    """When a session ends by itself."""

    idle: Duration = 2 * 3600
    """Time without activity."""
    total: Duration = 12 * 3600
    """Time after the start, whatever happens."""

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if "idle" in self.model_fields_set and self.idle > self.total:
            idle, total = format_duration(self.idle), format_duration(self.total)
            raise refuse(
                "lifetime-order",
                f"The idle time {idle} is longer than the total time {total}.",
                "Shorten the idle time or lengthen the total time.",
            )
        return self


class Profile(Model):
    """One kind of session that a team offers: `teams/<team>/profiles/<name>.yaml`."""

    title: Title
    """What the start page says."""
    description: Line = ""
    """One line below the title."""
    purpose: Lines
    """Why the profile exists: what the work is for."""
    app: App
    """The program that the session opens."""
    image: Image
    """The container image, best with its digest."""
    resources: Resources
    """The size."""
    options: Annotated[dict[Name, Option], Field(max_length=8)] = {}
    """Questions that the start page asks."""
    environment: Environment = {}
    """Environment variables; never secrets."""
    image_source: ImageSource | None = None
    """Where the image's recipe can be read."""
    data_roles: Annotated[tuple[Name, ...], Field(max_length=20, strict=False)] = ()
    """Data that the session may reach; the team needs a grant for each."""
    lifetime: Lifetime = Lifetime()
    """When a session ends by itself."""
    review_by: Date | None = None
    """The day after which the profile is no longer offered unless it was looked at again."""

    @model_validator(mode="after")
    def _roles_once(self) -> Self:
        if len(set(self.data_roles)) != len(self.data_roles):
            raise refuse("data-role-twice", "A data role is named twice.", "Name each data role once.")
        return self


class People(Model):
    """Groups of the identity provider, and single users."""

    groups: Annotated[tuple[Group, ...], Field(max_length=100, strict=False)] = ()
    """Groups by their full names, as the hub has them."""
    users: Annotated[tuple[Group, ...], Field(max_length=200, strict=False)] = ()
    """User names, as the hub has them."""

    def include(self, name: str, groups: frozenset[str]) -> bool:
        """Tell whether a user of that name and in those groups is meant."""
        return name in self.users or not groups.isdisjoint(self.groups)


class Envelope(Model):
    """How far a team decides for itself: the largest session and the images."""

    cpu: Cpu
    """CPUs of one session."""
    memory: Memory
    """Memory of one session."""
    gpu: Annotated[int, Field(ge=0, le=16)] = 0
    """GPUs of one session."""
    images: Annotated[tuple[ImagePattern, ...], Field(min_length=1, max_length=50, strict=False)]
    """Images: `registry/folder/*` or `registry/name`."""


class Team(Model):
    """Who belongs to a team, who leads it and how far it decides for itself: `teams/<team>/team.yaml`."""

    title: Title
    """The team's name as people say it."""
    description: Line = ""
    """What the team does."""
    members: People
    """Who may start the team's profiles."""
    leads: People
    """Who approves the team's profiles."""
    envelope: Envelope
    """How far the team decides for itself."""

    @model_validator(mode="after")
    def _has_leads(self) -> Self:
        if not self.leads.groups and not self.leads.users:
            raise refuse("team-leads", "The team has no leads.", "Name a group or a user: nobody else could approve.")
        return self


class Grant(Model):
    """A team's permission to reach the data, until a day."""

    until: Date
    """The last day."""
    reason: Lines | None = None
    """What the team needs the data for."""


class Volume(Model):
    """Data in a volume."""

    claim: Name
    """The volume claim; on a laptop a folder of this name."""
    sub_path: Annotated[str, Field(pattern=r"^[a-z0-9_][a-z0-9_.-]{0,60}(/[a-z0-9_][a-z0-9_.-]{0,60}){0,8}$")]
    """The folder inside."""
    read_only: bool = True
    """Whether sessions only read."""


class Secret(Model):
    """Data behind a credential that is kept as a Kubernetes Secret."""

    name: Name
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
    granted_to: Annotated[dict[Name, Grant], Field(max_length=200)] = {}
    """The teams that may use it, each until a day."""
    binding: Binding
    """The real credential."""


def _price(value: object) -> Decimal:
    if isinstance(value, bool) or not isinstance(value, int | float | Decimal) or not 0 <= value <= 100000:
        raise refuse("price", f"{shown(value)} is not a price.", "Write a number such as 0.04.")
    return Decimal(str(value))


Price = Annotated[
    Decimal,
    BeforeValidator(_price),
    PlainSerializer(float),
    WithJsonSchema({"type": "number", "minimum": 0, "maximum": 100000}),
]


class Prices(Model):
    """What an hour costs, so that every profile and every change shows it."""

    currency: Annotated[str, Field(pattern=r"^[A-Z]{3}$")] = "EUR"
    """Three letters, as in ISO 4217."""
    cpu_hour: Price = Decimal(0)
    """One CPU for one hour."""
    memory_gib_hour: Price = Decimal(0)
    """One GiB of memory for one hour."""
    gpu_hour: Price = Decimal(0)
    """One GPU for one hour."""


class Ceilings(Model):
    """The largest session that any team may ask for."""

    cpu: Cpu
    """CPUs of one session."""
    memory: Memory
    """Memory of one session."""
    gpu: Annotated[int, Field(ge=0, le=16)] = 0
    """GPUs of one session."""
    lifetime: Duration = 7 * 86400
    """The longest total time of one session."""


class Policy(Model):
    """The platform's ceilings and rules: `policy.yaml`."""

    format: Literal[1]
    """The format of the repository's files."""
    ceilings: Ceilings
    """The largest session that any team may ask for."""
    registries: Annotated[tuple[ImagePattern, ...], Field(min_length=1, max_length=100, strict=False)]
    """Where images may come from: `registry/*` or `registry/folder/*`."""
    prices: Prices = Prices()
    """What an hour costs."""
    listing: Literal["all", "own"] = "all"
    """Whether users see all profiles on the pages, or those of their own teams."""
    review_warning: Duration = 30 * 86400
    """How long before `review_by` and a grant's end people are told."""
    last_good: Duration = 14 * 86400
    """How long a file that no longer reads keeps its last good version."""
