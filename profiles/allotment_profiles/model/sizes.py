"""What a session asks for: the size of a profile with some choices, and every size that its choices can reach. Pure."""

from collections.abc import Mapping
from typing import Any, NamedTuple

from allotment_profiles.model import Choice, Profile, Resources
from allotment_profiles.model.limits import MAXIMUM_SIZES

_AMOUNTS = 7
"""The first fields of a size are what is asked for; the others say where it stands."""


class Size(NamedTuple):
    """What one combination of choices asks for, with the field that each amount comes from.

    CPUs in thousandths, memory in bytes, GPUs whole.
    """

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
        """What is asked for, wherever it comes from."""
        return self[:_AMOUNTS]


_SIZING = frozenset({"resources", "node_pool"})


def base_size(resources: Resources, node_pool: str | None = None) -> Size:
    """Give the size before any choice."""
    return Size(
        cpu_guarantee=resources.cpu.guarantee,
        cpu=resources.cpu.limit,
        memory_guarantee=resources.memory.guarantee,
        memory=resources.memory.limit,
        gpu=resources.gpu,
        gpu_kind=resources.gpu_kind,
        node_pool=node_pool,
    )


def size_of(profile: Profile, choices: Mapping[str, Choice] | None = None) -> Size:
    """Give the size of a profile with choices applied in order: `{"options.size.choices.large": choice}`."""
    size = base_size(profile.resources, profile.node_pool)
    for place, choice in (choices or {}).items():
        changed = _changed(place, choice)
        if changed:
            size = size._replace(**changed)
    return size


def _changed(place: str, choice: Choice) -> dict[str, Any]:
    """Give what a choice replaces in a size."""
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
            changed[f"{name.removesuffix('_guarantee')}_field"] = f"{place}.{field}"
    return changed


def sizes_of(profile: Profile) -> tuple[Size, ...]:
    """Give every size that the choices can reach, each once; one more than MAXIMUM_SIZES where there are too many.

    Options apply in order and a later choice replaces what an earlier one said, so it is enough to carry the different
    sizes from option to option: what holds for these holds for every combination, however many there are.
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
