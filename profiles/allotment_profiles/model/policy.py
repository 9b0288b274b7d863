"""The platform's ceilings and rules: `policy.yaml`."""

from decimal import Decimal
from typing import Annotated, Literal, Self

from pydantic import BeforeValidator, Field, PlainSerializer, WithJsonSchema, model_validator

from allotment_profiles.model.parts import Budget, Gpus, Model
from allotment_profiles.model.quantities import Cpu, Delay, Duration, Memory, refuse, shown
from allotment_profiles.model.texts import (
    ImagePattern,
    Label,
    LabelKey,
    Name,
    ProgramName,
    RepositoryPattern,
    Title,
    UrlPath,
)

BUILT_IN_APPS = {"jupyterlab": "JupyterLab", "rstudio": "RStudio", "vscode": "VS Code"}
"""The apps that need no entry under `tools`."""


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
    gpu: Gpus = 0
    """GPUs of one session."""
    lifetime: Duration = 7 * 86400
    """The longest total time of one session."""
    home: Memory = 100 * 1024**3
    """The largest home folder."""


class GpuKind(Model):
    """One kind of GPU."""

    title: Title
    """What people call it."""
    resource: Annotated[str, Field(pattern=r"^[a-z0-9.-]{1,80}/[A-Za-z0-9._-]{1,60}$")] = "nvidia.com/gpu"
    """The resource that a cluster's nodes offer."""
    node_pool: Name | None = None
    """The node pool where they are."""
    hour: Price | None = None
    """The price of one for one hour, instead of `prices.gpu_hour`."""
    ceiling: Gpus | None = None
    """So many of this kind in one session, where fewer than `ceilings.gpu`."""


class Toleration(Model):
    """A taint of nodes that sessions put up with."""

    key: LabelKey
    """The taint's key."""
    value: Label = ""
    """The taint's value; empty: any."""
    effect: Literal["NoSchedule", "PreferNoSchedule", "NoExecute"] = "NoSchedule"
    """The taint's effect."""

    def manifest(self) -> dict[str, str]:
        """Return the toleration as Kubernetes writes it in a pod."""
        operator = {"operator": "Equal", "value": self.value} if self.value else {"operator": "Exists"}
        return {"key": self.key, **operator, "effect": self.effect}


class NodePool(Model):
    """Nodes of one sort, which profiles name."""

    title: Title
    """What people call it."""
    labels: Annotated[dict[LabelKey, Label], Field(min_length=1, max_length=10)]
    """The labels that its nodes have."""
    tolerations: Annotated[tuple[Toleration, ...], Field(max_length=10, strict=False)] = ()
    """The taints that its nodes have."""


class Tool(Model):
    """A program beside JupyterLab, RStudio and VS Code: a remote desktop, a dashboard."""

    title: Title
    """What people call it."""
    address: UrlPath
    """The path below the session's address where it answers: `/desktop/`."""
    folder: Name | None = None
    """The folder of the home that it opens; none: the home itself."""
    program: ProgramName | None = None
    """The program that has to be installed where images are not used; none: it comes with every session."""


RuleLevel = Literal["off", "advice", "soft", "hard"]


class Rules(Model):
    """How strict the platform is where it may choose: `soft` can be accepted by an administrator, `hard` never."""

    envelope: RuleLevel = "soft"
    """What goes beyond the team's envelope."""
    image_digest: RuleLevel = "off"
    """An image that is named by a tag alone, which may mean something else tomorrow."""
    image_source: RuleLevel = "off"
    """A profile that does not say where its image's recipe is."""
    review_by: RuleLevel = "off"
    """A profile without a day by which it is looked at again."""


AutomaticKind = Literal["image-version", "smaller", "text"]


class Automatic(Model):
    """What a maintainer of a profile changes without an approval."""

    enabled: bool = False
    """The switch: false turns all automation off."""
    changes: Annotated[tuple[AutomaticKind, ...], Field(max_length=3, strict=False)] = ()
    """The kinds of change: another version of the same image, a smaller size, other words."""


class Policy(Model):
    """The platform's ceilings and rules: `policy.yaml`."""

    format: Literal[1]
    """The format of the repository's files."""
    ceilings: Ceilings
    """The largest session that any team may ask for."""
    registries: Annotated[tuple[ImagePattern, ...], Field(min_length=1, max_length=100, strict=False)]
    """Where images may come from: `registry/*` or `registry/folder/*`."""
    repositories: Annotated[tuple[RepositoryPattern, ...], Field(max_length=100, strict=False)] = ()
    """Where a profile's `checkout` may come from: `https://host/*` or `https://host/folder/*`; empty: nowhere."""
    gpu_kinds: Annotated[dict[Name, GpuKind], Field(max_length=20)] = Field(default_factory=dict)
    """The kinds of GPU; where there are some, a profile with GPUs names one."""
    node_pools: Annotated[dict[Name, NodePool], Field(max_length=20)] = Field(default_factory=dict)
    """Nodes of one sort, which profiles name where their team's envelope lists them."""
    tools: Annotated[dict[Name, Tool], Field(max_length=20)] = Field(default_factory=dict)
    """Programs beside JupyterLab, RStudio and VS Code, which profiles name as their `app`."""
    prices: Prices = Prices()
    """What an hour costs."""
    user_budget: Budget | None = None
    """How much of one user may run at one time, over all teams."""
    rules: Rules = Rules()
    """How strict the platform is where it may choose."""
    automatic: Automatic = Automatic()
    """What a maintainer of a profile changes without an approval."""
    listing: Literal["all", "own"] = "all"
    """Whether users see all profiles on the pages, or those of their own teams."""
    direct_push: Literal["show", "hold"] = "show"
    """Whether a commit that came to main past the review applies, shown as such, or is held until it is reviewed."""
    removal_share: Annotated[int, Field(ge=1, le=100)] = 30
    """Percent: a commit that deletes more than ten files and more than this share of all is held until confirmed."""
    review_warning: Duration = 30 * 86400
    """How long before `review_by` and a grant's end people are told."""
    last_good: Duration = 14 * 86400
    """How long a file that no longer reads keeps its last good version."""
    after_access_ends: Delay = 3600
    """How long a session runs on after it has lost a data role; `0 s`: it is ended at once."""

    @model_validator(mode="after")
    def _names_what_it_has(self) -> Self:
        for name, kind in self.gpu_kinds.items():
            if kind.node_pool is not None and kind.node_pool not in self.node_pools:
                raise refuse(
                    "node-pool-unknown",
                    f"The GPUs {name} are in the node pool {kind.node_pool}, which the policy does not have.",
                    f"Add it under node_pools, or name one of {', '.join(self.node_pools) or 'none yet'}.",
                )
        taken = sorted(set(self.tools) & set(BUILT_IN_APPS))
        if taken:
            raise refuse("tool-name", f"{taken[0]} is the name of an app.", "Name the tool differently.")
        return self
