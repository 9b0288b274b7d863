"""A Kubernetes Secret: as files in `/data/<data role>`, or as variables of the session."""

from collections.abc import Mapping

from allotment_profiles.model import Secret
from allotment_spawner.kubernetes.pod_patch import DATA, PodContext, PodPatch, conflict

_OWNER_AND_GROUP_READ = 0o440


def parts(roles: Mapping[str, Secret], _about: PodContext) -> PodPatch:
    """Give a volume for each Secret that is files, and references for each that is variables."""
    files = {role: secret for role, secret in roles.items() if not secret.variables}
    variables: dict[str, tuple[str, str]] = {}
    for secret in roles.values():
        for name, key in secret.variables.items():
            if variables.setdefault(name, (secret.name, key)) != (secret.name, key):
                raise conflict("credentials-conflict", f"Two of its data roles want to set {name} to two values.")
    return PodPatch(
        volumes=tuple(
            {"name": f"secret-{role}", "secret": {"secretName": secret.name, "defaultMode": _OWNER_AND_GROUP_READ}}
            for role, secret in files.items()
        ),
        mounts=tuple({"name": f"secret-{role}", "mountPath": f"{DATA}/{role}", "readOnly": True} for role in files),
        secret_environment=variables,
    )
