"""Whether a profile exceeds its team's envelope, and whether its sessions grow. Pure functions."""

from collections.abc import Callable
from typing import Any

from allotment_profiles.catalog.catalog import Catalog, Entry
from allotment_profiles.model import Envelope, Policy, Profile
from allotment_profiles.model.sizes import SizeRange, combine
from allotment_profiles.model.values.quantities import format_count, format_cpus, format_memory
from allotment_profiles.model.values.texts import image_matches, image_name
from allotment_profiles.model.values.variables import restriction

_AMOUNTS: dict[str, Callable[[Any], int | None]] = {
    "cpu_guarantee": lambda resources: resources.cpu.guarantee,
    "cpu": lambda resources: resources.cpu.limit,
    "memory_guarantee": lambda resources: resources.memory.guarantee,
    "memory": lambda resources: resources.memory.limit,
    "gpu": lambda resources: resources.gpu,
}
DIMENSIONS = tuple(_AMOUNTS)


def binding_envelope(before: Catalog, after: Catalog, team: str) -> Envelope | None:
    """Return main's envelope of a team, or a new team's; None where the policy lets teams exceed it."""
    policy = before.policy or after.policy
    if policy is not None and policy.value.rules.envelope in ("off", "advice"):
        return None
    entry = before.teams.get(team) or after.teams.get(team)
    return entry.value.envelope if entry else None


def further_outside(before: Profile | None, after: Profile, envelope: Envelope | None) -> dict[str, str]:
    """Return what exceeds the envelope further than before: the dimension, and both amounts in words."""
    if envelope is None:
        return {}
    now, was = reach_of(after), reach_of(before) if before else {}
    beyond = {}
    bounds = {"cpu": envelope.cpu, "memory": envelope.memory, "gpu": envelope.gpu, "home": envelope.home}
    for name, bound in bounds.items():
        if now[name] > bound and now[name] > was.get(name, 0):
            beyond[name] = f"{_amount_text(name, now[name])} instead of {_amount_text(name, bound)}"
    earlier = _names(before) if before else {}
    for name, named in _names(after).items():
        added = sorted(value for value in named - earlier.get(name, frozenset()) if not _allowed(name, value, envelope))
        if added:
            noun = {"gpu_kind": "GPUs of the kind", "node_pool": "the node pool", "image": "the image"}[name]
            beyond[name] = ", ".join(f"{noun} {value}" for value in added)
    return beyond


def _amount_text(name: str, amount: int) -> str:
    if name in ("cpu", "gpu"):
        return format_cpus(amount) if name == "cpu" else format_count(amount, "GPU")
    return f"{format_memory(amount)} of memory" if name == "memory" else f"a home of {format_memory(amount)}"


def _allowed(name: str, value: str, envelope: Envelope) -> bool:
    if name == "image":
        return any(image_matches(value, pattern) for pattern in envelope.images)
    if name == "node_pool":
        return value in envelope.node_pools
    return not envelope.gpu_kinds or value in envelope.gpu_kinds


def reach_of(profile: Profile) -> dict[str, int]:
    """Return the largest amounts that the choices can reach."""
    sizes = SizeRange(profile)
    return {**{name: sizes.largest(name) for name in ("cpu", "memory", "gpu")}, "home": profile.storage.home or 0}


def _names(profile: Profile) -> dict[str, frozenset[str]]:
    sizes = SizeRange(profile)
    return {
        "gpu_kind": frozenset(kind for kind, _ in sizes.gpu_kinds()),
        "node_pool": frozenset(pool for pool, _ in sizes.values("node_pool") if pool),
        "image": frozenset(image for _, image in profile.images()),
    }


def questions_of(profile: Profile) -> list[tuple[str, list[str]]]:
    """Return the options and the names of their choices, in order."""
    return [(name, list(option.choices)) for name, option in profile.options.items()]


def larger_dimensions(before: Profile, after: Profile) -> frozenset[str]:
    """Return the amounts that grow for some combination of choices; all amounts where the questions differ."""
    if questions_of(before) != questions_of(after):
        return frozenset(DIMENSIONS)
    return frozenset(name for name, amount in _AMOUNTS.items() if _grows(before, after, amount))


def _grows(before: Profile, after: Profile, amount: Callable[[Any], int | None]) -> bool:
    """Return whether some choices get more than the same choices got before."""
    base = [amount(before.resources) or 0, amount(after.resources) or 0]
    options = [
        [(amount(old.resources), amount(option.choices[key].resources)) for key, old in was.choices.items()]
        for was, option in ((before.options[name], option) for name, option in after.options.items())
    ]
    return any(max(now) > min(was) for was, now in combine(base, options))


def new_restricted_variables(before: Profile | None, after: Profile, policy: Entry[Policy] | None) -> list[str]:
    """Return the restricted variables that a profile sets unlike before: what was accepted is one value."""
    if policy is None or policy.value.rules.variables in ("off", "advice"):
        return []
    known = set(before.variables()) if before else set()
    listed = policy.value.variables
    return sorted({
        name
        for name, value in after.variables()
        if (name, value) not in known and restriction(name, listed.restricted, listed.allowed)
    })  # fmt: skip


def pinned(image: str) -> bool:
    """Return whether an image reference has a digest."""
    return "@" in image


def same_image(before: str, after: str) -> bool:
    """Return whether two references name the same image, in any version."""
    return image_name(before) == image_name(after)
