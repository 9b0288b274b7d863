"""A role of AWS that an EKS Pod Identity association gives to the session's service account.

The association is made outside, for the account's name; the cluster then adds two variables to the pod. That is how it
shows whether there is one.
"""

from collections.abc import Mapping

from allotment_spawner.kubernetes.pod_patch import PodContext, PodPatch, only_one


def parts(roles: Mapping[str, str], _about: PodContext) -> PodPatch:
    """Give what has to be there once the cluster has seen the pod."""
    role = only_one(roles.values(), "role of AWS through Pod Identity")
    missing = f"There is no Pod Identity association that gives {role} to the session's service account."
    return PodPatch(expected={"AWS_CONTAINER_CREDENTIALS_FULL_URI": missing})
