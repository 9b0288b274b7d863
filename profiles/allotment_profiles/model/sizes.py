"""Sizes of sessions: of a profile with some choices, and all that its choices can result in. Pure."""

from collections.abc import Mapping
from typing import Any, NamedTuple

from allotment_profiles.model import Choice, Profile, Resources
from allotment_profiles.model.limits import MAXIMUM_SIZES

_AMOUNTS = 7
"""Number of fields of Size that are amounts. The fields after them say where the amounts come from."""


class Size(NamedTuple):
    """The size of a session (CPUs in thousandths, memory in bytes), and the field that each amount comes from."""

    cpu_guarantee: int
    cpu: int
    memory_guarantee: int
    memory: int
    gpu: int
    gpu_kind: str | None = None
    node_pool: str | None = None
    cpu_field: str = "resources.cpu.limit"
    memory_field: str = "resources.memory.limit"
    gpu_field: str = "resources.gpu"
    gpu_kind_field: str = "resources.gpu_kind"
    node_pool_field: str = "node_pool"

    @property
    def amounts(self) -> tuple[int | str | None, ...]:
        """The amounts, without the fields that they come from."""
        return self[:_AMOUNTS]


_SIZING = frozenset({"resources", "node_pool"})
"""Keys of a choice that change the size."""


def base_size(resources: Resources, node_pool: str | None = None) -> Size:
    """Return the size before any choice."""
    cpu, memory = resources.cpu, resources.memory
    amounts = cpu.guarantee, cpu.limit, memory.guarantee, memory.limit
    return Size(*amounts, resources.gpu, resources.gpu_kind, node_pool)


def size_of(profile: Profile, choices: Mapping[str, Choice] | None = None) -> Size:
    """Return the size of a profile after choices, for example `{"options.size.choices.large": choice}`, in order."""
    size = base_size(profile.resources, profile.node_pool)
    for choice_field, choice in (choices or {}).items():
        changed = _changed(choice_field, choice)
        if changed:
            size = size._replace(**changed)
    return size


def _changed(choice_field: str, choice: Choice) -> dict[str, Any]:
    if choice.model_fields_set.isdisjoint(_SIZING):
        return {}
    override = choice.resources
    changed: dict[str, Any] = {}
    for name, value, field in (
        ("cpu_guarantee", override.cpu.guarantee, "resources.cpu.guarantee"),
        ("cpu", override.cpu.limit, "resources.cpu.limit"),
        ("memory_guarantee", override.memory.guarantee, "resources.memory.guarantee"),
        ("memory", override.memory.limit, "resources.memory.limit"),
        ("gpu", override.gpu, "resources.gpu"),
        ("gpu_kind", override.gpu_kind, "resources.gpu_kind"),
        ("node_pool", choice.node_pool, "node_pool"),
    ):
        if value is not None:
            changed[name] = value
            changed[f"{name.removesuffix('_guarantee')}_field"] = f"{choice_field}.{field}"
    return changed


def sizes_of(profile: Profile) -> tuple[Size, ...]:
    """Return the different sizes that the choices can result in, at most MAXIMUM_SIZES + 1.

    Options apply in order, and a later choice replaces the values of an earlier one. So it is enough to continue with
    the different sizes after each option, instead of all combinations.
    """
    sizes: tuple[Size, ...] = (base_size(profile.resources, profile.node_pool),)
    for name, option in profile.options.items():
        overrides = [_changed(f"options.{name}.choices.{key}", choice) for key, choice in option.choices.items()]
        if not any(overrides):
            continue
        reached: dict[tuple[int | str | None, ...], Size] = {}
        for size in sizes:
            for changed in overrides:
                after = size._replace(**changed) if changed else size
                reached.setdefault(after.amounts, after)
            if len(reached) > MAXIMUM_SIZES:
                break
        sizes = tuple(reached.values())[: MAXIMUM_SIZES + 1]
    return sizes
