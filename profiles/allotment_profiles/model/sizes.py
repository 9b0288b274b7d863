"""Sizes of sessions: of a profile with some choices, and all that its choices can result in. Pure.

The choices of eight options have more than 10^10 combinations, so nothing here walks through them.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple, TypeVar

from allotment_profiles.model import Choice, Profile, Resources

V = TypeVar("V")


class Size(NamedTuple):
    """The size of a session: CPUs in thousandths, memory in bytes."""

    cpu_guarantee: int
    cpu: int
    memory_guarantee: int
    memory: int
    gpu: int
    gpu_kind: str | None = None
    node_pool: str | None = None


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
            size = size._replace(**{name: value for name, (value, _) in changed.items()})
    return size


Amount = tuple[Any, str]
"""An amount of a size (or the kind of its GPUs, or its node pool), and the field that it comes from."""

_FIELDS = {
    "cpu_guarantee": "resources.cpu.guarantee",
    "cpu": "resources.cpu.limit",
    "memory_guarantee": "resources.memory.guarantee",
    "memory": "resources.memory.limit",
    "gpu": "resources.gpu",
    "gpu_kind": "resources.gpu_kind",
    "node_pool": "node_pool",
}


def _changed(choice_field: str, choice: Choice) -> dict[str, Amount]:
    """Return what a choice changes of the size."""
    if choice.model_fields_set.isdisjoint(_SIZING):
        return {}
    resources = choice.resources
    cpu, memory = resources.cpu, resources.memory
    amounts = cpu.guarantee, cpu.limit, memory.guarantee, memory.limit
    return {
        name: (value, f"{choice_field}.{_FIELDS[name]}")
        for name, value in zip(_FIELDS, (*amounts, resources.gpu, resources.gpu_kind, choice.node_pool), strict=True)
        if value is not None
    }


class SizeRange:
    """The sizes that the choices of a profile can result in."""

    def __init__(self, profile: Profile) -> None:
        self._base = base_size(profile.resources, profile.node_pool)
        options = (
            [_changed(f"options.{name}.choices.{key}", choice) for key, choice in option.choices.items()]
            for name, option in profile.options.items()
        )
        self._options = [changes for changes in options if any(changes)]
        self._varied = {name for option in self._options for changed in option for name in changed}
        self._values: dict[str, tuple[Amount, ...]] = {}

    def lacks(self, *names: str) -> bool:
        """Whether some fields are empty in all sizes."""
        return self._varied.isdisjoint(names) and not any(getattr(self._base, name) for name in names)

    def combinations(self, *names: str) -> Iterator[tuple[tuple[Amount, ...], ...]]:
        """Yield what some fields of the size can be together, as `combine` does."""
        if len(self._varied.intersection(names)) <= 1:
            return iter([tuple([self.values(name) for name in names])])
        base = [(getattr(self._base, name), _FIELDS[name]) for name in names]
        options = [[[changed.get(name) for name in names] for changed in option] for option in self._options]
        return combine(base, options)

    def values(self, name: str) -> tuple[Amount, ...]:
        """Return all values that one field of the size can have."""
        values = self._values.get(name)
        if values is None:
            values = self._values[name] = self._values_of(name)
        return values

    def _values_of(self, name: str) -> tuple[Amount, ...]:
        values: tuple[Amount, ...] = ((getattr(self._base, name), _FIELDS[name]),)
        if name not in self._varied:
            return values
        for option in self._options:
            own = tuple(dict.fromkeys(changed[name] for changed in option if name in changed))
            if all(name in changed for changed in option):
                values = own
            elif own:
                values = (*own, *values) if name in option[0] else (*values, *own)
        return values

    def gpu_kinds(self) -> Iterator[Amount]:
        """Yield the kinds that GPUs of a size can have."""
        for gpus, kinds in self.combinations("gpu", "gpu_kind"):
            if any(gpu for gpu, _ in gpus):
                yield from (kind for kind in kinds if kind[0] is not None)

    def largest(self, name: str) -> int:
        """Return the largest amount that can be reached."""
        amounts: list[int] = [amount for amount, _ in self.values(name)]
        return max(amounts)


def combine(base: Sequence[V], options: Sequence[Sequence[Sequence[V | None]]]) -> Iterator[tuple[tuple[V, ...], ...]]:
    """Yield the combinations of values that choices can result in, in groups.

    A group has some values for each position, all combinations of which can be reached; all groups together are
    exactly what can be reached. A choice has a value for each position, or None where it leaves it as it is. The last
    option that sets a position decides it, so there are few groups: for `n` options and `k` positions about
    `(n + 1) ** k`, and one more for each choice that sets several positions at once.
    """
    return _combined(base, options, len(options) - 1, (None,) * len(base))


def _combined(
    base: Sequence[V],
    options: Sequence[Sequence[Sequence[V | None]]],
    last: int,
    decided: tuple[tuple[V, ...] | None, ...],
) -> Iterator[tuple[tuple[V, ...], ...]]:
    """Yield the groups that the options up to the last one result in, where later ones have decided some positions."""
    if last < 0 or None not in decided:
        yield tuple((value,) if values is None else values for value, values in zip(base, decided, strict=True))
        return
    by_positions: dict[tuple[int, ...], list[Sequence[V | None]]] = {}
    for choice in options[last]:
        new = tuple(at for at, value in enumerate(choice) if value is not None and decided[at] is None)
        by_positions.setdefault(new, []).append(choice)
    for positions, choices in by_positions.items():
        if len(positions) == 1:
            # One position: its values do not depend on those of the others.
            values = tuple(dict.fromkeys(choice[positions[0]] for choice in choices))
            yield from _combined(base, options, last - 1, _replaced(decided, positions, [values]))
        elif positions:
            for chosen in dict.fromkeys(tuple(choice[at] for at in positions) for choice in choices):
                replaced = _replaced(decided, positions, [(value,) for value in chosen])
                yield from _combined(base, options, last - 1, replaced)
        else:
            yield from _combined(base, options, last - 1, decided)


def _replaced(decided: tuple[Any, ...], positions: Sequence[int], values: Sequence[Any]) -> tuple[Any, ...]:
    new = list(decided)
    for position, value in zip(positions, values, strict=True):
        new[position] = value
    return tuple(new)
