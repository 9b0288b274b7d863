"""One kind of session that a team offers: `teams/<team>/profiles/<name>.yaml`."""

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from allotment_profiles.model.parts import Gpus, Model, People
from allotment_profiles.model.quantities import (
    Cpu,
    Duration,
    Memory,
    format_cpu,
    format_duration,
    format_memory,
    refuse,
    shown,
)
from allotment_profiles.model.texts import (
    Date,
    GitRevision,
    Group,
    Image,
    Line,
    Lines,
    Name,
    ProfileId,
    Repository,
    Title,
    Variable,
    VariableValue,
    WebAddress,
    skeleton,
)


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
    gpu: Gpus = 0
    """Whole GPUs."""
    gpu_kind: Name | None = None
    """The kind of GPU, as the policy names it."""


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
    gpu: Gpus | None = None
    """Whole GPUs."""
    gpu_kind: Name | None = None
    """The kind of GPU."""


Only = Annotated[tuple[Group, ...], Field(max_length=50, strict=False)]
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
    environment: Environment = Field(default_factory=dict)
    """Variables that are added or replaced."""
    app: Name | None = None
    """The program instead of the profile's."""
    node_pool: Name | None = None
    """The node pool instead of the profile's."""
    only: Only = ()
    """Groups of the team for whom the choice is; empty: everyone who may start the profile."""


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
        if self.choices[self.default].only:
            raise refuse(
                "option-default-only",
                f"The default {shown(self.default)} is not for everyone.",
                "Drop `only` there, or make a choice the default that everybody has.",
            )
        _refuse_lookalikes(self.choices)
        return self


def _refuse_lookalikes(names: dict[str, Choice] | dict[str, Option]) -> None:
    """Refuse two keys that look alike: whoever reviews could take one for the other."""
    seen: dict[str, str] = {}
    for name in names:
        other = seen.setdefault(skeleton(name), name)
        if other != name:
            raise refuse("name-collision", f"{name} looks like {other}.", "Choose names that differ clearly.")


class ImageSource(Model):
    """Where the image's recipe can be read."""

    repository: WebAddress
    """The git repository with the recipe."""
    commit: Annotated[str, Field(pattern=r"^[0-9a-f]{7,64}$")]
    """The commit that the image was built from."""


class Storage(Model):
    """Where a session keeps files."""

    home: Memory | None = None
    """The size of the home folder; none: what the platform gives."""
    team: Literal["none", "read-only", "read-write"] = "none"
    """Whether the session sees the folder that the team shares."""


class Checkout(Model):
    """A git repository that is cloned when the session starts; what lies there already is left alone."""

    repository: Repository
    """The repository's address; the policy says which hosts are allowed."""
    ref: GitRevision | None = None
    """The branch, tag or commit; none: the repository's own default branch."""
    folder: Name
    """The folder of the home."""


class Acceptance(Model):
    """An administrator's word that a problem is taken on."""

    reason: Lines
    """Why."""
    until: Date | None = None
    """The last day on which it holds."""


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
    app: Name
    """The program that the session opens: `jupyterlab`, `rstudio`, `vscode`, or a tool of the policy."""
    image: Image
    """The container image, best with its digest."""
    resources: Resources
    """The size."""
    node_pool: Name | None = None
    """The node pool of the policy that the session runs in."""
    storage: Storage = Storage()
    """The home folder, and the folder that the team shares."""
    checkout: Checkout | None = None
    """A git repository that lies in the home folder when the session starts."""
    options: Annotated[dict[Name, Option], Field(max_length=8)] = Field(default_factory=dict)
    """Questions that the start page asks."""
    environment: Environment = Field(default_factory=dict)
    """Environment variables; never secrets."""
    image_source: ImageSource | None = None
    """Where the image's recipe can be read."""
    data_roles: Annotated[tuple[Name, ...], Field(max_length=20, strict=False)] = ()
    """Data that the session may reach; the team needs a grant for each."""
    lifetime: Lifetime = Lifetime()
    """When a session ends by itself."""
    only: Only = ()
    """Groups of the team for whom the profile is; empty: the whole team."""
    maintainers: People = People()
    """Who looks after the profile; they see its draft, and may change what the policy lets them."""
    visibility: Literal["draft", "active", "deprecated"] = "active"
    """A draft is for leads, deputies and maintainers; a deprecated profile starts, and names its successor."""
    successor: ProfileId | None = None
    """The profile that takes its place: `team/name`."""
    retired_from: Date | None = None
    """The day from which it no longer starts; its successor is offered instead."""
    accepted: Annotated[dict[Name, Acceptance], Field(max_length=20)] = Field(default_factory=dict)
    """Problems that an administrator accepts, by their codes."""
    review_by: Date | None = None
    """The day after which the profile is no longer offered unless it was looked at again."""

    @model_validator(mode="after")
    def _roles_once(self) -> Self:
        if len(set(self.data_roles)) != len(self.data_roles):
            raise refuse("data-role-twice", "A data role is named twice.", "Name each data role once.")
        return self

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if self.options:
            _refuse_lookalikes(self.options)
        if self.visibility == "deprecated" and self.successor is None:
            raise refuse(
                "successor-missing",
                "A deprecated profile names what takes its place.",
                "Add `successor: team/name`; where nothing does, `retired_from: DATE` alone.",
            )
        return self
