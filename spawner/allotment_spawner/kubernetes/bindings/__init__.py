"""One module for each kind of binding: what its data roles add to a pod. Pure."""

from collections.abc import Callable, Mapping
from typing import Any

from allotment_profiles.model import Binding
from allotment_spawner.kubernetes.bindings import aws, azure, google, pod_identity, secret, vault, volume
from allotment_spawner.kubernetes.pod_patch import PodContext, PodPatch, conflict, merge_patches

_KINDS: Mapping[str, Callable[[Mapping[str, Any], PodContext], PodPatch]] = {
    "volume": volume.patch,
    "secret": secret.patch,
    "aws_role": aws.patch,
    "eks_pod_identity": pod_identity.patch,
    "gcp_service_account": google.patch,
    "azure_identity": azure.patch,
    "vault": vault.patch,
}
KINDS = frozenset(_KINDS)


def binding_patch(bindings: Mapping[str, Binding], context: PodContext) -> PodPatch:
    """Return what the data roles of a session add. Raise RefusedError if they exclude each other."""
    by_kind: dict[str, dict[str, Any]] = {}
    for role in sorted(bindings):
        binding = bindings[role]
        by_kind.setdefault(binding.kind, {})[role] = getattr(binding, binding.kind)
    if {"aws_role", "eks_pod_identity"} <= set(by_kind):
        raise conflict("A session has AWS roles through its token or through Pod Identity, not both.")
    return merge_patches(_KINDS[kind](values, context) for kind, values in by_kind.items())
