"""A role of AWS that an EKS Pod Identity association gives to the session's service account.

The association is created outside Allotment, for the account's name. The cluster then adds two variables to the pod; if
they are missing, there is no association.
"""

from collections.abc import Mapping

from allotment_spawner.kubernetes.pod_patch import PodContext, PodPatch, only_one


def patch(roles: Mapping[str, str], _context: PodContext) -> PodPatch:
    """Return the variable that the cluster has to add."""
    role = only_one(roles.values(), "role of AWS through Pod Identity")
    missing = f"There is no Pod Identity association that gives {role} to the session's service account."
    return PodPatch(expected={"AWS_CONTAINER_CREDENTIALS_FULL_URI": missing})
