"""An identity of Microsoft Entra, through Azure's workload identity: annotations of the account, a label of the pod."""

from collections.abc import Mapping

from allotment_profiles.model import AzureIdentity
from allotment_spawner.kubernetes.pod_patch import PodContext, PodPatch, only_one

_MISSING = "Azure's workload identity webhook has not added its variables. Is it installed?"


def patch(roles: Mapping[str, AzureIdentity], _context: PodContext) -> PodPatch:
    """Return the label and annotations for the webhook, which adds the token and the variables."""
    only_one((f"{role.tenant_id}/{role.client_id}" for role in roles.values()), "identity of Microsoft Entra")
    identity = next(iter(roles.values()))
    return PodPatch(
        labels={"azure.workload.identity/use": "true"},
        account_annotations={
            "azure.workload.identity/client-id": identity.client_id,
            "azure.workload.identity/tenant-id": identity.tenant_id,
        },
        expected={"AZURE_FEDERATED_TOKEN_FILE": _MISSING},
    )
