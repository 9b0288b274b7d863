"""From a catalog to the images that nodes should have, and the nodes that these are. Pure."""

import datetime as dt
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass

from allotment_profiles.access.succession import is_retired
from allotment_profiles.catalog.catalog import Catalog
from allotment_profiles.model import Policy, Profile, Toleration


@dataclass(frozen=True, slots=True)
class ImageNeeds:
    """What one profile needs of nodes, whatever is chosen in it."""

    images: frozenset[str]
    node_pools: frozenset[str]
    gpu_kinds: frozenset[str]
    draft: bool
    retired_from: dt.date | None


@dataclass(frozen=True, slots=True)
class Wanted:
    """What nodes should have."""

    images: tuple[str, ...] = ()
    """In the order of their names, so that nothing moves when something is added."""
    left_out: tuple[str, ...] = ()
    """What is more than there may be: the images of the fewest profiles."""
    tolerations: tuple[Toleration, ...] = ()
    """The taints of the node pools where the images are run."""


def image_needs(profile: Profile) -> ImageNeeds:
    """Say what a profile and the choices of its options name."""
    choices = [choice for option in profile.options.values() for choice in option.choices.values()]
    return ImageNeeds(
        images=_said([profile.image, *(choice.image for choice in choices)]),
        node_pools=_said([profile.node_pool, *(choice.node_pool for choice in choices)]),
        gpu_kinds=_said([profile.resources.gpu_kind, *(choice.resources.gpu_kind for choice in choices)]),
        draft=profile.visibility == "draft",
        retired_from=profile.retired_from,
    )


def _said(values: Iterable[str | None]) -> frozenset[str]:
    return frozenset(value for value in values if value is not None)


class Inventory:
    """Says what nodes should have; only profiles whose file has changed are read anew."""

    def __init__(self, maximum: int) -> None:
        """Take how many images there may be."""
        self._maximum = maximum
        self._known: dict[str, ImageNeeds] = {}
        """Blob → what the profile in it needs."""

    def wanted(self, catalog: Catalog, now: dt.datetime) -> Wanted:
        """Say what nodes should have: what profiles run that are neither drafts nor retired."""
        self._known = {
            entry.blob: self._known.get(entry.blob) or image_needs(entry.value) for entry in catalog.profiles.values()
        }
        active = [
            needs
            for entry in catalog.profiles.values()
            if not (needs := self._known[entry.blob]).draft and not is_retired(needs, now)
        ]
        used = Counter(image for needs in active for image in needs.images)
        images = sorted(used, key=lambda image: (-used[image], image))
        return Wanted(
            images=tuple(sorted(images[: self._maximum])),
            left_out=tuple(images[self._maximum :]),
            tolerations=_tolerations(active, catalog.policy.value) if catalog.policy else (),
        )


def _tolerations(active: Iterable[ImageNeeds], policy: Policy) -> tuple[Toleration, ...]:
    pools = {name for needs in active for name in needs.node_pools}
    kinds = {name for needs in active for name in needs.gpu_kinds}
    pools |= {pool for name in kinds if (kind := policy.gpu_kinds.get(name)) and (pool := kind.node_pool)}
    found = (toleration for name in sorted(pools & policy.node_pools.keys())
             for toleration in policy.node_pools[name].tolerations)  # fmt: skip
    return tuple({(each.key, each.value, each.effect): each for each in found}.values())
