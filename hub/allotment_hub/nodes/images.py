"""Decide which images nodes should have, and on which nodes. Pure."""

import datetime as dt
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass

from allotment_profiles.access.rules import is_retired
from allotment_profiles.catalog.catalog import Catalog
from allotment_profiles.model import Policy, Profile, Toleration


@dataclass(frozen=True, slots=True)
class ImageNeeds:
    """What one profile needs of nodes, with any of its choices."""

    images: frozenset[str]
    node_pools: frozenset[str]
    gpu_kinds: frozenset[str]
    hidden: bool
    retired_from: dt.date | None


@dataclass(frozen=True, slots=True)
class DesiredImages:
    """What nodes should have."""

    images: tuple[str, ...] = ()
    """Sorted by name, so that an additional image does not reorder the others."""
    left_out: tuple[str, ...] = ()
    """The images beyond the maximum: those of the fewest profiles."""
    tolerations: tuple[Toleration, ...] = ()
    """The taints of the node pools where the images run."""


def image_needs(profile: Profile) -> ImageNeeds:
    """Return what a profile and the choices of its options name."""
    choices = [choice for option in profile.options.values() for choice in option.choices.values()]
    return ImageNeeds(
        images=_without_none([profile.image, *(choice.image for choice in choices)]),
        node_pools=_without_none([profile.node_pool, *(choice.node_pool for choice in choices)]),
        gpu_kinds=_without_none([profile.resources.gpu_kind, *(choice.resources.gpu_kind for choice in choices)]),
        hidden=profile.visibility == "draft",
        retired_from=profile.retired_from,
    )


def _without_none(values: Iterable[str | None]) -> frozenset[str]:
    return frozenset(value for value in values if value is not None)


class ImageInventory:
    """Computes what nodes should have, and reads only the profiles whose file has changed."""

    def __init__(self, maximum: int) -> None:
        """Set the maximum number of images."""
        self._maximum = maximum
        self._needs: dict[str, ImageNeeds] = {}
        """Blob → what the profile in it needs."""

    def desired(self, catalog: Catalog, now: dt.datetime) -> DesiredImages:
        """Return the images of all profiles that are neither hidden nor retired."""
        self._needs = {
            entry.blob: self._needs.get(entry.blob) or image_needs(entry.value) for entry in catalog.profiles.values()
        }
        active = [
            needs
            for entry in catalog.profiles.values()
            if not (needs := self._needs[entry.blob]).hidden and not is_retired(needs.retired_from, now)
        ]
        uses = Counter(image for needs in active for image in needs.images)
        images = sorted(uses, key=lambda image: (-uses[image], image))
        return DesiredImages(
            images=tuple(sorted(images[: self._maximum])),
            left_out=tuple(images[self._maximum :]),
            tolerations=_tolerations(active, catalog.policy.value) if catalog.policy else (),
        )


def _tolerations(active: Iterable[ImageNeeds], policy: Policy) -> tuple[Toleration, ...]:
    pools = {name for needs in active for name in needs.node_pools}
    kinds = {name for needs in active for name in needs.gpu_kinds}
    pools |= {pool for name in kinds if (kind := policy.gpu_kinds.get(name)) and (pool := kind.node_pool)}
    tolerations = [
        toleration
        for name in sorted(pools & policy.node_pools.keys())
        for toleration in policy.node_pools[name].tolerations
    ]
    return tuple({(taint.key, taint.value, taint.effect): taint for taint in tolerations}.values())
