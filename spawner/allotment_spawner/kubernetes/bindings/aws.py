"""Roles of AWS, assumed with a token of the session's service account (IAM roles for service accounts).

One role: the annotation of IRSA and the variables that AWS's libraries read. Several: an AWS configuration file with
one profile for each data role. The volume, the folder and the variables have the names that the webhook of EKS uses, so
it does not add its own. The webhook is not needed: AWS only has to trust the cluster's issuer.
"""

from collections.abc import Mapping

from allotment_spawner.kubernetes.pod_patch import PodContext, PodPatch

_AUDIENCE = "sts.amazonaws.com"
_FOLDER = "/var/run/secrets/eks.amazonaws.com/serviceaccount"
_TOKEN = f"{_FOLDER}/token"
_CONFIGURATION = "allotment/aws-config"
_CONFIGURATION_FOLDER = "/etc/allotment/aws"
_TOKEN_SECONDS = 86400


def patch(roles: Mapping[str, str], context: PodContext) -> PodPatch:
    """Return the token volume, and the role or roles to assume with it."""
    volumes = [
        {
            "name": "aws-iam-token",
            "projected": {
                "defaultMode": 0o440,
                "sources": [
                    {
                        "serviceAccountToken": {
                            "audience": _AUDIENCE,
                            "expirationSeconds": _TOKEN_SECONDS,
                            "path": "token",
                        }
                    }
                ],
            },
        }
    ]
    mounts = [{"name": "aws-iam-token", "mountPath": _FOLDER, "readOnly": True}]
    different = sorted(set(roles.values()))
    if len(different) == 1:
        return PodPatch(
            volumes=tuple(volumes),
            mounts=tuple(mounts),
            environment={
                "AWS_ROLE_ARN": different[0],
                "AWS_WEB_IDENTITY_TOKEN_FILE": _TOKEN,
                "AWS_ROLE_SESSION_NAME": context.user,
            },
            account_annotations={"eks.amazonaws.com/role-arn": different[0]},
        )
    reference = {"path": "config", "fieldRef": {"fieldPath": f"metadata.annotations['{_CONFIGURATION}']"}}
    return PodPatch(
        volumes=(*volumes, {"name": "aws-config", "downwardAPI": {"items": [reference]}}),
        mounts=(*mounts, {"name": "aws-config", "mountPath": _CONFIGURATION_FOLDER, "readOnly": True}),
        environment={"AWS_CONFIG_FILE": f"{_CONFIGURATION_FOLDER}/config"},
        annotations={_CONFIGURATION: _configuration(roles, context)},
    )


def _configuration(roles: Mapping[str, str], context: PodContext) -> str:
    """Return an AWS configuration file with a profile for each data role."""
    return "\n".join(
        f"[profile {role}]\nrole_arn = {arn}\nweb_identity_token_file = {_TOKEN}\nrole_session_name = {context.user}\n"
        for role, arn in roles.items()
    )
