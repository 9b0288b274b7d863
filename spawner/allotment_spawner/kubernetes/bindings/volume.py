"""Data in a volume: a folder of a claim, mounted at `/data/<data role>`."""

from collections.abc import Mapping
from typing import Any

from allotment_profiles.model import Volume
from allotment_spawner.kubernetes.pod_patch import DATA, PodContext, PodPatch


def patch(roles: Mapping[str, Volume], _context: PodContext) -> PodPatch:
    """Return one volume for each claim, and one mount for each data role."""
    writable = {volume.claim for volume in roles.values() if not volume.read_only}
    claims = sorted({volume.claim for volume in roles.values()})
    volumes: list[dict[str, Any]] = [
        {
            "name": _volume(claim),
            # Read only if no role writes: some kinds of storage attach such a claim differently.
            "persistentVolumeClaim": {"claimName": claim, "readOnly": claim not in writable},
        }
        for claim in claims
    ]
    mounts = [
        {
            "name": _volume(volume.claim),
            "mountPath": f"{DATA}/{role}",
            "subPath": volume.sub_path,
            "readOnly": volume.read_only,
        }
        for role, volume in roles.items()
    ]
    return PodPatch(volumes=tuple(volumes), mounts=tuple(mounts))


def _volume(claim: str) -> str:
    return f"data-{claim}"
