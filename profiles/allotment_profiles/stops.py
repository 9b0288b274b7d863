"""Which sessions are stopped together: all those of a user, a profile, an image or a data role. Pure."""

from collections.abc import Collection
from dataclasses import dataclass
from typing import Literal, Self, get_args

from allotment_profiles.model.paths import data_role_path, file_ref, profile_path

StopKind = Literal["user", "profile", "image", "data-role"]
KINDS: tuple[StopKind, ...] = get_args(StopKind)
StopResult = Literal["stopped", "ended", "stopping", "failed"]
"""What became of a session: stopped by this; it had ended already; it goes on being stopped; stopping it failed."""
RESULTS: tuple[StopResult, ...] = get_args(StopResult)

MAXIMUM_REASON = 2000
_MAXIMUM_NAME = 500
_DIGEST = "@sha256:"


@dataclass(frozen=True, slots=True)
class StopTarget:
    """What the sessions have in common that are stopped together."""

    kind: StopKind
    name: str
    """The user's name, the profile's id, the data role's name; an image's digest, or its reference as written."""

    @classmethod
    def parse(cls, kind: object, name: object) -> Self | None:
        """Return the target, or None if there can be none of this kind and name. It need not exist any more."""
        if kind not in KINDS or not isinstance(name, str) or not 1 <= len(name) <= _MAXIMUM_NAME:
            return None
        path = {"profile": profile_path, "data-role": data_role_path}.get(str(kind))
        valid = file_ref(path(name)) is not None if path else name.isprintable()
        return cls(kind, name) if valid else None

    def includes(self, *, user: str, profile: str, data_roles: Collection[str], images: Collection[str]) -> bool:
        """Return whether a session belongs to the target. `images`: as written, and as it runs, with its digest."""
        match self.kind:
            case "user":
                return user == self.name
            case "profile":
                return profile == self.name
            case "data-role":
                return self.name in data_roles
            case "image":
                digest = _digest(self.name)
                return self.name in images or (digest != "" and digest in map(_digest, images))

    def undecided(self, images: Collection[str]) -> bool:
        """Return whether a session may belong to the target, since the digest of its image is not known."""
        return self.kind == "image" and (not images or (_digest(self.name) != "" and not any(map(_digest, images))))

    def __str__(self) -> str:
        return f"the {self.kind.replace('-', ' ')} {self.name}"


def _digest(image: str) -> str:
    """Return the digest of an image; empty if its reference has none. The same digest elsewhere is the same image."""
    return ("@" + image).rpartition(_DIGEST)[2] if _DIGEST in "@" + image else ""
