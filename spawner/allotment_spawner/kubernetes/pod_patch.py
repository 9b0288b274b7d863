"""What a credential adds to a pod and to its service account. Pure."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from allotment_profiles.model.problems import RefusedError
from allotment_spawner.session.errors import not_started

DATA = "/data"
"""The folder of a session for data: `/data/<data role>`."""


@dataclass(frozen=True, slots=True)
class PodContext:
    """What a binding can use of the session beside its own values."""

    user: str
    """A name for the user that is valid in a label and as an AWS session name, and unique."""


@dataclass(frozen=True, slots=True)
class PodPatch:
    """What is added. Every value is literal; nothing expands it."""

    volumes: tuple[Mapping[str, Any], ...] = ()
    mounts: tuple[Mapping[str, Any], ...] = ()
    environment: Mapping[str, str] = field(default_factory=dict)
    secret_environment: Mapping[str, tuple[str, str]] = field(default_factory=dict)
    """Variable → a Secret and its key."""
    labels: Mapping[str, str] = field(default_factory=dict)
    annotations: Mapping[str, str] = field(default_factory=dict)
    account_annotations: Mapping[str, str] = field(default_factory=dict)
    """Annotations of the service account."""
    expected: Mapping[str, str] = field(default_factory=dict)
    """Variables that the cluster has to add, each with a description of what is missing if it does not."""


def merge_patches(patches: Iterable[PodPatch]) -> PodPatch:
    """Merge the patches of several credentials. Raise RefusedError if two set the same variable."""
    volumes: list[Mapping[str, Any]] = []
    mounts: list[Mapping[str, Any]] = []
    maps: dict[str, dict[str, Any]] = {
        name: {}
        for name in ("environment", "secret_environment", "labels", "annotations", "account_annotations", "expected")
    }
    for patch in patches:
        volumes.extend(patch.volumes)
        mounts.extend(patch.mounts)
        for name, merged in maps.items():
            for key, value in getattr(patch, name).items():
                if merged.setdefault(key, value) != value:
                    raise _two_values(key)
    in_both = sorted(set(maps["environment"]) & set(maps["secret_environment"]))
    if in_both:
        raise _two_values(in_both[0])
    return PodPatch(tuple(volumes), tuple(mounts), **maps)


def conflict(why: str) -> RefusedError:
    """Return the error for data roles that one session cannot have together."""
    remedy = "Make two profiles of it, or bind the data roles to one credential."
    return not_started("credentials-conflict", why, remedy)


def only_one(values: Iterable[str], what: str) -> str:
    """Return the value that all data roles of a kind share. Raise RefusedError if they differ."""
    different = sorted(set(values))
    if len(different) > 1:
        raise conflict(f"A session can have one {what}, and its data roles name {len(different)}.")
    return different[0]


def _two_values(key: str) -> RefusedError:
    return conflict(f"Two of its data roles set {key} to different values.")
