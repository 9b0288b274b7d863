"""What a credential adds to a pod and to its service account, as Kubernetes writes it. Pure."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from allotment_profiles.access.people import ADMINISTRATORS
from allotment_profiles.model.problems import Refusal, RefusedError

DATA = "/data"
"""The folder of a session where data lies: `/data/<data role>`."""


@dataclass(frozen=True, slots=True)
class PodContext:
    """What a credential may have to know of the session beside its own binding."""

    user: str
    """A name for the user that is safe in a label and as the name of a session of AWS, and nobody else's."""


@dataclass(frozen=True, slots=True)
class PodPatch:
    """What is added; every value is data, and nothing expands it."""

    volumes: tuple[Mapping[str, Any], ...] = ()
    mounts: tuple[Mapping[str, Any], ...] = ()
    """Where the session's container sees them."""
    environment: Mapping[str, str] = field(default_factory=dict)
    secret_environment: Mapping[str, tuple[str, str]] = field(default_factory=dict)
    """Variable → a Secret and its key."""
    labels: Mapping[str, str] = field(default_factory=dict)
    annotations: Mapping[str, str] = field(default_factory=dict)
    account_annotations: Mapping[str, str] = field(default_factory=dict)
    """On the service account."""
    expected: Mapping[str, str] = field(default_factory=dict)
    """Variables that the cluster itself adds, each with what is missing where it does not."""


def merge_patches(all_parts: Iterable[PodPatch]) -> PodPatch:
    """Put the parts of several credentials together; raises RefusedError where two want the same variable."""
    volumes: list[Mapping[str, Any]] = []
    mounts: list[Mapping[str, Any]] = []
    maps: dict[str, dict[str, Any]] = {
        name: {}
        for name in ("environment", "secret_environment", "labels", "annotations", "account_annotations", "expected")
    }
    for parts in all_parts:
        volumes.extend(parts.volumes)
        mounts.extend(parts.mounts)
        for name, whole in maps.items():
            for key, value in getattr(parts, name).items():
                if whole.setdefault(key, value) != value:
                    raise conflict("credentials-conflict", f"Two of its data roles want to set {key} to two values.")
    both = sorted(set(maps["environment"]) & set(maps["secret_environment"]))
    if both:
        raise conflict("credentials-conflict", f"Two of its data roles want to set {both[0]} to two values.")
    return PodPatch(tuple(volumes), tuple(mounts), **maps)


def conflict(code: str, why: str) -> RefusedError:
    """Say that the data roles of a profile cannot be had in one session."""
    remedy = "Make two profiles of it, or bind the data roles to one credential."
    return RefusedError(Refusal(code, "The session was not started.", why, remedy, ADMINISTRATORS, 409))


def only_one(values: Iterable[str], what: str) -> str:
    """Give the value that all data roles of a kind share; raises RefusedError where they differ."""
    different = sorted(set(values))
    if len(different) > 1:
        raise conflict(
            "credentials-conflict", f"A session can have one {what}, and its data roles name {len(different)}."
        )
    return different[0]
