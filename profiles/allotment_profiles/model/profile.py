"""A kind of session that a team offers: `teams/<team>/profiles/<name>.yaml`."""

from collections.abc import Iterator
from typing import Annotated, Literal, Self

from pydantic import AfterValidator, Field, model_validator

from allotment_profiles.model.base import Model
from allotment_profiles.model.problems import invalid, quoted
from allotment_profiles.model.team import People
from allotment_profiles.model.values import texts, variables
from allotment_profiles.model.values.quantities import (
    Cpu,
    Duration,
    Gpus,
    Memory,
    format_cpu,
    format_duration,
    format_memory,
)


class CpuRange(Model):
    """CPUs of a session."""

    guarantee: Cpu = 100
    """CPUs that are reserved for the session."""
    limit: Cpu
    """CPUs that the session can use at most."""

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if self.guarantee > self.limit:
            message = f"The CPU limit {format_cpu(self.limit)} is below the guarantee {format_cpu(self.guarantee)}."
            raise invalid("cpu-order", message, "Raise the limit or lower the guarantee.")
        return self


class MemoryRange(Model):
    """Memory of a session."""

    guarantee: Memory = 256 * 1024**2
    """Memory that is reserved for the session."""
    limit: Memory
    """Memory that the session can use at most. When it is used up, a process of the session is ended."""

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if self.guarantee > self.limit:
            raise invalid(
                "memory-order",
                f"The memory limit {format_memory(self.limit)} is below the guarantee {format_memory(self.guarantee)}.",
                "Raise the limit or lower the guarantee.",
            )
        return self


class Resources(Model):
    """Size of a session."""

    cpu: CpuRange
    """CPUs."""
    memory: MemoryRange
    """Memory."""
    gpu: Gpus = 0
    """Number of GPUs."""
    gpu_kind: texts.Name | None = None
    """Kind of GPU, one of the policy."""


class CpuOverride(Model):
    """Values of `cpu` that a choice replaces."""

    guarantee: Cpu | None = None
    """CPUs that are reserved for the session."""
    limit: Cpu | None = None
    """CPUs that the session can use at most."""


class MemoryOverride(Model):
    """Values of `memory` that a choice replaces."""

    guarantee: Memory | None = None
    """Memory that is reserved for the session."""
    limit: Memory | None = None
    """Memory that the session can use at most."""


class ResourcesOverride(Model):
    """Values of `resources` that a choice replaces."""

    cpu: CpuOverride = CpuOverride()
    """CPUs."""
    memory: MemoryOverride = MemoryOverride()
    """Memory."""
    gpu: Gpus | None = None
    """Number of GPUs."""
    gpu_kind: texts.Name | None = None
    """Kind of GPU."""


Only = Annotated[tuple[texts.Group, ...], Field(max_length=50, strict=False)]
Environment = Annotated[
    dict[variables.Variable, variables.VariableValue], Field(max_length=50), AfterValidator(variables.check_values)
]


class Choice(Model):
    """A choice of an option, and the values of the profile that it replaces."""

    title: texts.Title
    """Title on the start page."""
    description: texts.Line = ""
    """Description on the start page, one line."""
    resources: ResourcesOverride = ResourcesOverride()
    """Size, instead of the profile's. Only the values that differ are needed."""
    image: texts.Image | None = None
    """Image, instead of the profile's."""
    environment: Environment = Field(default_factory=dict)
    """Environment variables to add or replace."""
    app: texts.Name | None = None
    """App, instead of the profile's."""
    node_pool: texts.Name | None = None
    """Node pool, instead of the profile's."""
    only: Only = ()
    """Groups of the team that may use the choice. If empty, everyone who may start the profile."""


class Option(Model):
    """A question on the start page."""

    title: texts.Title
    """Title on the start page."""
    description: texts.Line = ""
    """Description on the start page, one line."""
    default: texts.Name
    """Choice that is selected if the user selects none."""
    choices: Annotated[dict[texts.Name, Choice], Field(min_length=1, max_length=20)]
    """Choices, in the order of the start page."""

    @model_validator(mode="after")
    def _default_exists(self) -> Self:
        if self.default not in self.choices:
            remedy = f"Choose one of {', '.join(self.choices)}."
            raise invalid("option-default", f"The default {quoted(self.default)} is not one of the choices.", remedy)
        if self.choices[self.default].only:
            remedy = "Remove its `only`, or choose a default without `only`."
            raise invalid("option-default-only", f"The default {quoted(self.default)} is not for everyone.", remedy)
        _reject_lookalikes(self.choices)
        return self


def _reject_lookalikes(names: dict[str, Choice] | dict[str, Option]) -> None:
    """Reject keys that look alike, as a reviewer could confuse them."""
    seen: dict[str, str] = {}
    for name in names:
        other = seen.setdefault(texts.skeleton(name), name)
        if other != name:
            raise invalid("name-collision", f"{name} looks like {other}.", "Choose names that differ clearly.")


class ImageSource(Model):
    """Source code of the image."""

    repository: texts.WebAddress
    """Git repository with the source of the image."""
    commit: Annotated[str, Field(pattern=r"^[0-9a-f]{7,64}$")]
    """Commit that the image was built from."""


class Storage(Model):
    """Storage of a session."""

    home: Memory | None = None
    """Size of the home folder. If not set, the default of the platform."""
    team: Literal["none", "read-only", "read-write"] = "none"
    """Access to the shared folder of the team."""


class Checkout(Model):
    """A git repository that is cloned when the session starts, unless the folder exists already."""

    repository: texts.Repository
    """URL of the repository. The policy lists the allowed ones."""
    ref: texts.GitRevision | None = None
    """Branch, tag or commit. If not set, the default branch of the repository."""
    folder: texts.Name
    """Folder to clone into, in the home folder."""


class Acceptance(Model):
    """Acceptance of a problem by an administrator."""

    reason: texts.Lines
    """Why the problem is accepted."""
    until: texts.Date | None = None
    """Last day of the acceptance."""


class Lifetime(Model):
    """When a session is stopped automatically."""

    idle: Duration = 2 * 3600
    """Time without activity after which the session is stopped."""
    total: Duration = 12 * 3600
    """Time after the start at which the session is stopped."""

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if "idle" in self.model_fields_set and self.idle > self.total:
            idle, total = format_duration(self.idle), format_duration(self.total)
            remedy = "Shorten the idle time or lengthen the total time."
            raise invalid("lifetime-order", f"The idle time {idle} is longer than the total time {total}.", remedy)
        return self


class Profile(Model):
    """A kind of session that a team offers: `teams/<team>/profiles/<name>.yaml`."""

    title: texts.Title
    """Title on the start page."""
    description: texts.Line = ""
    """Description below the title, one line."""
    purpose: texts.Lines
    """What the profile is used for."""
    app: texts.Name
    """App that the session opens: `jupyterlab`, `rstudio`, `vscode`, or a tool of the policy."""
    image: texts.Image
    """Container image, preferably with a digest."""
    resources: Resources
    """Size of the session."""
    node_pool: texts.Name | None = None
    """Node pool of the policy in which the session runs."""
    storage: Storage = Storage()
    """Home folder, and shared folder of the team."""
    checkout: Checkout | None = None
    """A git repository that is cloned to the home folder when the session starts."""
    options: Annotated[dict[texts.Name, Option], Field(max_length=8)] = Field(default_factory=dict)
    """Questions on the start page."""
    environment: Environment = Field(default_factory=dict)
    """Environment variables. Secrets are not allowed."""
    image_source: ImageSource | None = None
    """Source code of the image."""
    data_roles: Annotated[tuple[texts.Name, ...], Field(max_length=100, strict=False)] = ()
    """Data that the session can use. The team needs a grant for each data role."""
    lifetime: Lifetime = Lifetime()
    """When a session is stopped automatically."""
    only: Only = ()
    """Groups of the team that may start the profile. If empty, the whole team."""
    maintainers: People = People()
    """Users who maintain the profile. They see it while it is hidden, and make the changes that the policy allows."""
    visibility: Literal["draft", "active", "deprecated"] = "active"
    """`draft` hides the profile from all but leads, deputies and maintainers. `deprecated` needs a `successor`."""
    successor: texts.ProfileId | None = None
    """Profile that replaces this one: `team/name`."""
    retired_from: texts.Date | None = None
    """First day on which the profile no longer starts. Its successor is offered instead."""
    accepted: Annotated[dict[texts.Name, Acceptance], Field(max_length=20)] = Field(default_factory=dict)
    """Problems that an administrator has accepted, by code."""
    review_by: texts.Date | None = None
    """Last day on which the profile is offered, unless it has been reviewed and the date moved."""

    def all_choices(self) -> Iterator[tuple[str, Choice]]:
        """Yield the choices of all options, each with its field: `options.size.choices.large`."""
        for name, option in self.options.items():
            for key, choice in option.choices.items():
                yield f"options.{name}.choices.{key}", choice

    def variables(self) -> Iterator[tuple[str, str]]:
        """Yield every environment variable that a session may have, also by a choice, with its value."""
        yield from self.environment.items()
        for _, choice in self.all_choices():
            yield from choice.environment.items()

    def images(self) -> list[tuple[str, str]]:
        """Return the image of the profile and those of its choices, each with its field."""
        choices = [(f"{field}.image", choice.image) for field, choice in self.all_choices() if choice.image]
        return [("image", self.image), *choices]

    @model_validator(mode="after")
    def _roles_once(self) -> Self:
        if len(set(self.data_roles)) != len(self.data_roles):
            raise invalid("data-role-twice", "A data role is listed twice.", "List each data role once.")
        return self

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if self.options:
            _reject_lookalikes(self.options)
        if self.visibility == "deprecated" and self.successor is None:
            remedy = "Add `successor: team/name`. If there is none, set `retired_from: DATE` instead of `deprecated`."
            raise invalid("successor-missing", "A deprecated profile needs a successor.", remedy)
        return self
