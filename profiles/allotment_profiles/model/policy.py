"""Ceilings and rules of the platform: `policy.yaml`."""

from decimal import Decimal
from typing import Annotated, Literal, Self

from pydantic import BeforeValidator, Field, PlainSerializer, WithJsonSchema, model_validator

from allotment_profiles.model.base import Model
from allotment_profiles.model.problems import invalid, quoted
from allotment_profiles.model.values import texts
from allotment_profiles.model.values.quantities import Budget, Cpu, Delay, Duration, Gpus, Memory, format_duration
from allotment_profiles.model.values.variables import VariableName

MAXIMUM_TRIAL = 12 * 3600
"""Seconds that a policy may let a trial run."""
BUILT_IN_APPS = {"jupyterlab": "JupyterLab", "rstudio": "RStudio", "vscode": "VS Code"}
"""App → title, for the apps that do not need an entry under `tools`."""


def _price(value: object) -> Decimal:
    if isinstance(value, bool) or not isinstance(value, int | float | Decimal) or not 0 <= value <= 100000:
        raise invalid("price", f"{quoted(value)} is not a price.", "Write a number such as 0.04.")
    return Decimal(str(value))


Price = Annotated[
    Decimal,
    BeforeValidator(_price),
    PlainSerializer(float),
    WithJsonSchema({"type": "number", "minimum": 0, "maximum": 100000}),
]


class Prices(Model):
    """Prices per hour. Profiles and changes show what they cost."""

    currency: Annotated[str, Field(pattern=r"^[A-Z]{3}$")] = "EUR"
    """Currency code, ISO 4217."""
    cpu_hour: Price = Decimal(0)
    """Price of one CPU for one hour."""
    memory_gib_hour: Price = Decimal(0)
    """Price of one GiB of memory for one hour."""
    gpu_hour: Price = Decimal(0)
    """Price of one GPU for one hour."""


class Ceilings(Model):
    """The largest session that any team may offer."""

    cpu: Cpu
    """Maximum CPUs of a session."""
    memory: Memory
    """Maximum memory of a session."""
    gpu: Gpus = 0
    """Maximum GPUs of a session."""
    lifetime: Duration = 7 * 86400
    """Maximum lifetime of a session."""
    home: Memory = 100 * 1024**3
    """Maximum size of a home folder."""


class GpuKind(Model):
    """A kind of GPU."""

    title: texts.Title
    """Name for people."""
    resource: Annotated[str, Field(pattern=r"^[a-z0-9.-]{1,80}/[A-Za-z0-9._-]{1,60}$")] = "nvidia.com/gpu"
    """Kubernetes resource of the GPU."""
    node_pool: texts.Name | None = None
    """Node pool with these GPUs."""
    hour: Price | None = None
    """Price of one GPU for one hour, instead of `prices.gpu_hour`."""
    ceiling: Gpus | None = None
    """Largest number in a session, if it is lower than `ceilings.gpu`."""


class Toleration(Model):
    """A toleration of sessions for a taint of nodes."""

    key: texts.LabelKey
    """Key of the taint."""
    value: texts.Label = ""
    """Value of the taint. If empty, any value."""
    effect: Literal["NoSchedule", "PreferNoSchedule", "NoExecute"] = "NoSchedule"
    """Effect of the taint."""

    def manifest(self) -> dict[str, str]:
        """Return the toleration as Kubernetes writes it in a pod."""
        operator = {"operator": "Equal", "value": self.value} if self.value else {"operator": "Exists"}
        return {"key": self.key, **operator, "effect": self.effect}


class NodePool(Model):
    """Nodes on which sessions can be placed."""

    title: texts.Title
    """Name for people."""
    labels: Annotated[dict[texts.LabelKey, texts.Label], Field(min_length=1, max_length=10)]
    """Labels of the nodes."""
    tolerations: Annotated[tuple[Toleration, ...], Field(max_length=10, strict=False)] = ()
    """Tolerations for the taints of the nodes."""


class Tool(Model):
    """An app besides JupyterLab, RStudio and VS Code, for example a remote desktop or a dashboard."""

    title: texts.Title
    """Name for people."""
    address: texts.UrlPath
    """Path of the app below the URL of the session, for example `/desktop/`."""
    folder: texts.Name | None = None
    """Folder that the app opens, in the home folder. If not set, the home folder."""
    program: texts.ProgramName | None = None
    """Program that has to be installed where no images are used. If not set, every session has it."""


RuleLevel = Literal["off", "advice", "soft", "hard"]


class Rules(Model):
    """Severity of the checks that a platform can configure. An administrator can accept `soft`, but not `hard`."""

    envelope: RuleLevel = "soft"
    """A profile that exceeds the envelope of its team."""
    image_digest: RuleLevel = "off"
    """An image with a tag, but without a digest: the tag may be moved to another image."""
    image_source: RuleLevel = "off"
    """A profile without `image_source`."""
    review_by: RuleLevel = "off"
    """A profile without `review_by`."""
    variables: RuleLevel = "soft"
    """An environment variable that names programs or where they look, or an unknown one of a family such as `GIT_…`."""


class Variables(Model):
    """Environment variables that profiles may set only if an administrator accepts it. See `rules.variables`."""

    restricted: Annotated[tuple[VariableName, ...], Field(max_length=200, strict=False)] = ()
    """Variables that are restricted besides the platform's own: `PATH`, `PYTHONPATH`, `PIP_INDEX_URL` and the like."""
    allowed: Annotated[tuple[VariableName, ...], Field(max_length=200, strict=False)] = ()
    """Variables that are not restricted here."""


AutomaticKind = Literal["image-version", "smaller", "text"]


class Automatic(Model):
    """Changes that maintainers of a profile can make without an approval."""

    enabled: bool = False
    """Whether the changes below merge without an approval. `false` disables all of them."""
    changes: Annotated[tuple[AutomaticKind, ...], Field(max_length=3, strict=False)] = ()
    """Kinds of change: another version of the same image, a smaller size, other texts."""


class OpenProposals(Model):
    """How many proposals may be open at the same time."""

    person: Annotated[int, Field(ge=1, le=1000)] = 20
    """Maximum number of open proposals of one person."""
    total: Annotated[int, Field(ge=1, le=10000)] = 500
    """Maximum number of open proposals of all people. Administrators may exceed it."""


class DailyLimits(Model):
    """How much one person may add to the repository in 24 hours. Administrators may add ten times as much."""

    records: Annotated[int, Field(ge=1, le=100000)] = 200
    """Maximum number of proposals, updates and comments, also of proposals that have ended since."""
    size: Memory = 8 * 1024**2
    """Maximum size of the files that are proposed, all proposals and updates together."""


class Reminders(Model):
    """When people are reminded of reviews that wait."""

    after: Duration
    """How long a review waits until those who decide are reminded, then deputies, then administrators."""


class EventRules(Model):
    """How many events of sessions are kept, and for how long."""

    keep_days: Annotated[int, Field(ge=1, le=36500)] = 400
    """Days after which events are deleted."""
    hourly: Annotated[int, Field(ge=1, le=10000)] = 60
    """Maximum number of events of one kind for each user and profile in an hour. Further ones are only counted."""


class Policy(Model):
    """Ceilings and rules of the platform: `policy.yaml`."""

    format: Literal[1]
    """Version of the format of the files."""
    ceilings: Ceilings
    """The largest session that any team may offer."""
    registries: Annotated[tuple[texts.ImagePattern, ...], Field(min_length=1, max_length=100, strict=False)]
    """Allowed registries of images: `registry/*` or `registry/folder/*`."""
    repositories: Annotated[tuple[texts.RepositoryPattern, ...], Field(max_length=100, strict=False)] = ()
    """Git repositories that profiles may check out: `https://host/*` or `https://host/folder/*`. If empty, none."""
    gpu_kinds: Annotated[dict[texts.Name, GpuKind], Field(max_length=20)] = Field(default_factory=dict)
    """Kinds of GPU. If there are any, a profile with GPUs has to name one."""
    node_pools: Annotated[dict[texts.Name, NodePool], Field(max_length=20)] = Field(default_factory=dict)
    """Node pools. A profile can name those in the envelope of its team."""
    tools: Annotated[dict[texts.Name, Tool], Field(max_length=20)] = Field(default_factory=dict)
    """Apps besides JupyterLab, RStudio and VS Code, for the `app` of a profile."""
    prices: Prices = Prices()
    """Prices per hour."""
    user_budget: Budget | None = None
    """How much each user may run at the same time, in all teams together."""
    rules: Rules = Rules()
    """Severity of the checks that a platform can configure."""
    variables: Variables = Variables()
    """Environment variables that profiles may set only if an administrator accepts it."""
    automatic: Automatic = Automatic()
    """Changes that maintainers of a profile can make without an approval."""
    listing: Literal["all", "own"] = "all"
    """Whether the pages show users all profiles, or only those of their own teams."""
    direct_push: Literal["show", "hold"] = "show"
    """Commits on main without a review: `show` applies and marks them, `hold` quarantines them until a review."""
    fresh_sign_in: Duration | None = None
    """How old the sign-in of somebody who gives data to people may be. If not set, any age."""
    open_proposals: OpenProposals = OpenProposals()
    """How many proposals may be open at the same time."""
    daily_limits: DailyLimits = DailyLimits()
    """How much one person may add to the repository in 24 hours: proposals, updates and comments."""
    reminders: Reminders | None = None
    """When people are reminded of reviews that wait. If not set, never."""
    events: EventRules = EventRules()
    """How many events of sessions are kept, and for how long: starts, refusals and ends."""
    removal_share: Annotated[int, Field(ge=1, le=100)] = 30
    """Percent. A commit that deletes more than ten files and more than this share of all is quarantined."""
    review_warning: Duration = 30 * 86400
    """How long before `review_by` and the end of a grant people are notified."""
    last_good: Duration = 14 * 86400
    """How long the last valid version of an invalid file applies."""
    after_access_ends: Delay = 3600
    """How long a session may run after it has lost a data role. `0 s` stops it at once."""
    trial: Duration = 2 * 3600
    """How long a trial of a profile that is not merged yet may run. At most 12 h."""

    @model_validator(mode="after")
    def _references_exist(self) -> Self:
        for name, kind in self.gpu_kinds.items():
            if kind.node_pool is not None and kind.node_pool not in self.node_pools:
                message = f"The GPUs {name} are in the node pool {kind.node_pool}, which the policy does not have."
                remedy = f"Add it under node_pools, or name one of {', '.join(self.node_pools) or 'none yet'}."
                raise invalid("node-pool-unknown", message, remedy)
        if self.trial > MAXIMUM_TRIAL:
            message = f"A trial of {format_duration(self.trial)} is longer than {format_duration(MAXIMUM_TRIAL)}."
            raise invalid("trial-time", message, "Choose a shorter time: nobody has approved what runs in a trial.")
        taken = sorted(set(self.tools) & set(BUILT_IN_APPS))
        if taken:
            raise invalid("tool-name", f"{taken[0]} is the name of an app.", "Choose another name for the tool.")
        return self
