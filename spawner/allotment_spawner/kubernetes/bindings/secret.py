"""A Kubernetes Secret: as files in `/data/<data role>`, or as variables of the session."""

from collections.abc import Mapping

from allotment_profiles.model import Secret
from allotment_spawner.kubernetes.pod_patch import DATA, PodContext, PodPatch, merge_patches

_OWNER_AND_GROUP_READ = 0o440


def patch(roles: Mapping[str, Secret], _context: PodContext) -> PodPatch:
    """Return a volume for each Secret used as files, and references for each used as variables."""
    return merge_patches(_patch(role, secret) for role, secret in roles.items())


def _patch(role: str, secret: Secret) -> PodPatch:
    if secret.variables:
        return PodPatch(secret_environment={name: (secret.name, key) for name, key in secret.variables.items()})
    volume = f"secret-{role}"
    return PodPatch(
        volumes=({"name": volume, "secret": {"secretName": secret.name, "defaultMode": _OWNER_AND_GROUP_READ}},),
        mounts=({"name": volume, "mountPath": f"{DATA}/{role}", "readOnly": True},),
    )
