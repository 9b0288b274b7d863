"""A service account of Google Cloud, through GKE's workload identity: an annotation of the session's own account."""

from collections.abc import Mapping

from allotment_spawner.kubernetes.pod_patch import About, Parts, only_one


def parts(roles: Mapping[str, str], _about: About) -> Parts:
    """Give the annotation that ties the two accounts together."""
    account = only_one(roles.values(), "service account of Google Cloud")
    return Parts(account_annotations={"iam.gke.io/gcp-service-account": account})
