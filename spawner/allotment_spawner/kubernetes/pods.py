"""Add to KubeSpawner's pod what its traits would expand as templates."""

from collections.abc import Mapping
from typing import Any

from kubernetes_asyncio.client.models import V1Container, V1EnvVar, V1Lifecycle, V1Volume, V1VolumeMount
from kubespawner.utils import get_k8s_model

from allotment_spawner.kubernetes.pod_check import CONTAINER
from allotment_spawner.kubernetes.pod_settings import PodSettings

_POD_SECURITY: Mapping[str, Any] = {"runAsNonRoot": True, "seccompProfile": {"type": "RuntimeDefault"}}
TRIAL_VOLUME = "10Gi"
"""How much fits into a volume of a trial, such as its home. It ends with the pod."""
_CONTAINER_SECURITY: Mapping[str, Any] = {"capabilities": {"drop": ["ALL"]}}


def apply_patch(pod: Any, settings: PodSettings) -> Any:
    """Add labels, annotations, volumes and variables of a Launch, and what Pod Security `restricted` requires."""
    pod.metadata.labels.update(settings.labels)
    pod.metadata.annotations.update(settings.annotations)
    patch = settings.patch
    if settings.trial:
        _leave_belongings(pod)
    pod.spec.volumes = [*(pod.spec.volumes or ()), *(get_k8s_model(V1Volume, dict(volume)) for volume in patch.volumes)]
    pod.spec.security_context = {**_POD_SECURITY, **(pod.spec.security_context or {})}
    for container in pod.spec.containers:
        container.security_context = {**_CONTAINER_SECURITY, **(container.security_context or {})}
    session = next(container for container in pod.spec.containers if container.name == CONTAINER)
    session.lifecycle = _with_hook(
        session.lifecycle, settings.link_hook(mount.mount_path for mount in session.volume_mounts or ())
    )
    session.volume_mounts = [
        *(session.volume_mounts or ()),
        *(get_k8s_model(V1VolumeMount, dict(mount)) for mount in patch.mounts),
    ]
    # A credential's variables replace those of the profile.
    kept = [variable for variable in session.env or () if variable.name not in patch.secret_environment]
    session.env = [*kept, *_secret_variables(patch.secret_environment)]
    if settings.init_container:
        pod.spec.init_containers = [
            *(pod.spec.init_containers or ()),
            get_k8s_model(V1Container, dict(settings.init_container)),
        ]
    return pod


def _leave_belongings(pod: Any) -> None:
    """Empty every volume that may hold something of the user, such as the home, and drop variables from Secrets."""
    pod.spec.volumes = [
        volume
        if volume.empty_dir is not None or volume.config_map is not None
        else get_k8s_model(V1Volume, {"name": volume.name, "emptyDir": {"sizeLimit": TRIAL_VOLUME}})
        for volume in pod.spec.volumes or ()
    ]
    for container in [*pod.spec.containers, *(pod.spec.init_containers or ())]:
        container.env_from = None
        container.env = [each for each in container.env or () if each.value_from is None]


def _with_hook(lifecycle: Any, link_hook: Mapping[str, Any] | None) -> Any:
    """Add the hook that links data into the home, unless the deployment has its own `postStart` hook."""
    if link_hook is None:
        return lifecycle
    hook = get_k8s_model(V1Lifecycle, {"postStart": dict(link_hook)})
    if not lifecycle:
        return hook
    if lifecycle.post_start is None:
        lifecycle.post_start = hook.post_start
    return lifecycle


def _secret_variables(variables: Mapping[str, tuple[str, str]]) -> list[V1EnvVar]:
    return [
        get_k8s_model(V1EnvVar, {"name": name, "valueFrom": {"secretKeyRef": {"name": secret, "key": key}}})
        for name, (secret, key) in sorted(variables.items())
    ]
