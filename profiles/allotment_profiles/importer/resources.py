"""Import CPU, memory and GPUs of a profile: every profile needs limits, and no guarantee may be above its limit."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

from allotment_profiles.importer.kubespawner_settings import KubeSpawnerSettings
from allotment_profiles.importer.ledger import Ledger
from allotment_profiles.importer.platform import Platform
from allotment_profiles.importer.values import Node
from allotment_profiles.model.values.quantities import cpu_number, format_cpu, format_memory


@dataclass
class ImportedChoice:
    """A choice as plain data, and the node and the settings that it comes from."""

    key: str
    node: Node
    settings: KubeSpawnerSettings
    value: dict[str, Any]


@dataclass(frozen=True)
class _Resource:
    """CPU or memory: the names of its settings, its defaults, and the formats of its amounts."""

    name: str
    noun: str
    default_limit: int
    default_guarantee: int
    format: Callable[[int], str]
    number: Callable[[int], int | float | str]

    @property
    def limit(self) -> str:
        return f"{self.name}_limit"

    @property
    def guarantee(self) -> str:
        return f"{self.name}_guarantee"


_CPU = _Resource("cpu", "CPU", 2000, 100, format_cpu, cpu_number)
_MEMORY = _Resource("memory", "memory", 4 * 1024**3, 256 * 1024**2, format_memory, format_memory)


def import_resources(
    node: Node, base: KubeSpawnerSettings, choices: Sequence[ImportedChoice], platform: Platform, ledger: Ledger
) -> dict[str, Any]:
    """Return the resources of a profile, and lower guarantees in its choices that would be above their limits."""
    for resource in (_CPU, _MEMORY):
        base = _with_limit(resource, node, base, choices, ledger)
        _lower_guarantees(resource, base, choices, ledger)
    resources = cpu_and_memory(base)
    # A choice without a kind of GPU uses that of the profile.
    used = any(choice.settings.gpu and "gpu_kind" not in choice.value["resources"] for choice in choices)
    gpu_resources = (settings.gpu_resource for settings in (base, *(choice.settings for choice in choices)))
    gpu_resource = next(filter(None, gpu_resources), None)
    if gpu_resource and (base.gpu or used):
        resources["gpu"] = base.gpu or 0
        kind = platform.gpu_kind(gpu_resource, base.labels)
        if kind:
            resources["gpu_kind"] = kind
    return resources


def cpu_and_memory(settings: KubeSpawnerSettings) -> dict[str, Any]:
    """Return the guarantees and limits of CPU and memory that are set, as values for a file."""
    values: dict[str, Any] = {}
    for resource in (_CPU, _MEMORY):
        amounts = {"guarantee": getattr(settings, resource.guarantee), "limit": getattr(settings, resource.limit)}
        numbers = {name: resource.number(amount) for name, amount in amounts.items() if amount}
        if numbers:
            values[resource.name] = numbers
    return values


def _with_limit(
    resource: _Resource, node: Node, base: KubeSpawnerSettings, choices: Sequence[ImportedChoice], ledger: Ledger
) -> KubeSpawnerSettings:
    """Return settings with a limit of the resource, and a guarantee that is not above it."""
    limit, guarantee = getattr(base, resource.limit), getattr(base, resource.guarantee)
    if limit is None:
        guarantees = [getattr(choice.settings, resource.guarantee) or 0 for choice in choices]
        limit = max(resource.default_limit, guarantee or 0, *guarantees)
        if not choices or not all(getattr(choice.settings, resource.limit) for choice in choices):
            why = (
                f"There is no limit of {resource.noun}, but every session needs one: {resource.format(limit)} is used."
            )
            ledger.remark(node, why)
    if guarantee and guarantee > limit:
        # The default guarantee of the chart is not in the values, so there is no key to record.
        if resource.guarantee in base.sources:
            why = f"The guarantee is above the limit: it is lowered to {resource.format(limit)}."
            ledger.changed(base.sources[resource.guarantee], why)
        guarantee = limit
    if guarantee is None and limit < resource.default_guarantee:
        guarantee = limit
    return replace(base, **{resource.limit: limit, resource.guarantee: guarantee})


def _lower_guarantees(
    resource: _Resource, base: KubeSpawnerSettings, choices: Sequence[ImportedChoice], ledger: Ledger
) -> None:
    """Lower the guarantee in each choice whose limit is below it: Kubernetes would reject such a pod."""
    for choice in choices:
        limit = getattr(choice.settings, resource.limit) or getattr(base, resource.limit)
        guarantees = (getattr(settings, resource.guarantee) for settings in (choice.settings, base))
        guarantee = next(filter(None, guarantees), resource.default_guarantee)
        if guarantee > limit:
            resources = choice.value.setdefault("resources", {}).setdefault(resource.name, {})
            resources["guarantee"] = resource.number(limit)
            why = f"The guarantee of {resource.noun} is above the limit: it is lowered."
            if resource.guarantee in choice.settings.sources:
                ledger.changed(choice.settings.sources[resource.guarantee], why)
            else:
                ledger.remark(choice.node, why)
