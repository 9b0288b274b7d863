"""Secrets of Vault: annotations for its agent injector, which writes each to `/vault/secrets/<data role>`.

The agent signs in with a token whose audience is Vault, because the session mounts no token of its service account.
"""

from collections.abc import Mapping

from allotment_profiles.model import Vault
from allotment_spawner.kubernetes.pod_patch import PodContext, PodPatch, only_one

_PREFIX = "vault.hashicorp.com"
_TOKEN = "vault-token"  # noqa: S105  the name of a volume
_TOKEN_SECONDS = 3600


def patch(roles: Mapping[str, Vault], _context: PodContext) -> PodPatch:
    """Return the annotations, and the token volume that only the agent mounts."""
    source = {"serviceAccountToken": {"audience": "vault", "expirationSeconds": _TOKEN_SECONDS, "path": "token"}}
    return PodPatch(
        volumes=({"name": _TOKEN, "projected": {"sources": [source]}},),
        annotations={
            f"{_PREFIX}/agent-inject": "true",
            f"{_PREFIX}/role": only_one((vault.role for vault in roles.values()), "role of Vault"),
            f"{_PREFIX}/agent-service-account-token-volume-name": _TOKEN,
            **{f"{_PREFIX}/agent-inject-secret-{role}": vault.path for role, vault in roles.items()},
        },
    )
