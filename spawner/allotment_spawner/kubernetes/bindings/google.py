"""A service account of Google Cloud, through GKE's workload identity: an annotation of the service account."""

from collections.abc import Mapping

from allotment_spawner.kubernetes.pod_patch import PodContext, PodPatch, only_one


def patch(roles: Mapping[str, str], _context: PodContext) -> PodPatch:
    """Return the annotation that connects the two accounts."""
    account = only_one(roles.values(), "service account of Google Cloud")
    return PodPatch(account_annotations={"iam.gke.io/gcp-service-account": account})
