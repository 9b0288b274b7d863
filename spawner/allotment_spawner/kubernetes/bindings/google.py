"""A service account of Google Cloud, through GKE's workload identity: an annotation of the session's own account."""

from collections.abc import Mapping

from allotment_spawner.kubernetes.pod_patch import PodContext, PodPatch, only_one


def parts(roles: Mapping[str, str], _about: PodContext) -> PodPatch:
    """Give the annotation that ties the two accounts together."""
    account = only_one(roles.values(), "service account of Google Cloud")
    return PodPatch(account_annotations={"iam.gke.io/gcp-service-account": account})
