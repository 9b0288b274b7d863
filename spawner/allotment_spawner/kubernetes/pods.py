"""Adds to KubeSpawner's pod what its settings cannot take as data: they are templates there."""

from collections.abc import Mapping
from typing import Any

from kubernetes_asyncio.client.models import (
    V1Container,
    V1EnvVar,
    V1Lifecycle,
    V1Volume,
    V1VolumeMount,
)
from kubespawner.utils import get_k8s_model

from allotment_spawner.kubernetes.pod_check import CONTAINER
from allotment_spawner.kubernetes.settings import PodSettings

_POD_SECURITY: Mapping[str, Any] = {"runAsNonRoot": True, "seccompProfile": {"type": "RuntimeDefault"}}
_CONTAINER_SECURITY: Mapping[str, Any] = {"capabilities": {"drop": ["ALL"]}}


def apply_patch(pod: Any, settings: PodSettings) -> Any:
    """Add labels, annotations, volumes and variables of a Launch to a pod, and what Pod Security `restricted` asks."""
    pod.metadata.labels.update(settings.labels)
    pod.metadata.annotations.update(settings.annotations)
    parts = settings.parts
    pod.spec.volumes = [
        *(pod.spec.volumes or ()),
        *(get_k8s_model(V1Volume, dict(volume)) for volume in parts.volumes),
    ]
    pod.spec.security_context = {**_POD_SECURITY, **_plain(pod.spec.security_context)}
    for container in pod.spec.containers:
        container.security_context = {**_CONTAINER_SECURITY, **_plain(container.security_context)}
    session = next(container for container in pod.spec.containers if container.name == CONTAINER)
    session.lifecycle = _with_links(
        session.lifecycle, settings.link_hook(mount.mount_path for mount in session.volume_mounts or ())
    )
    session.volume_mounts = [
        *(session.volume_mounts or ()),
        *(get_k8s_model(V1VolumeMount, dict(mount)) for mount in parts.mounts),
    ]
    session.env = [*_without(session.env, parts.secret_environment), *_secret_variables(parts.secret_environment)]
    if settings.init_container:
        pod.spec.init_containers = [
            *(pod.spec.init_containers or ()),
            get_k8s_model(V1Container, dict(settings.init_container)),
        ]
    return pod


def _with_links(lifecycle: Any, link_hook: Mapping[str, Any] | None) -> Any:
    """Add the hook that links data into the home, where the deployment has none of its own at that moment."""
    if link_hook is None:
        return lifecycle
    hook = get_k8s_model(V1Lifecycle, {"postStart": dict(link_hook)})
    if not lifecycle:
        return hook
    if lifecycle.post_start is None:
        lifecycle.post_start = hook.post_start
    return lifecycle


def _without(environment: list[V1EnvVar], names: Mapping[str, Any]) -> list[V1EnvVar]:
    """Leave out what a credential sets: nothing that a profile says stands in its place."""
    return [each for each in environment or () if each.name not in names]


def _secret_variables(variables: Mapping[str, tuple[str, str]]) -> list[V1EnvVar]:
    return [
        get_k8s_model(V1EnvVar, {"name": name, "valueFrom": {"secretKeyRef": {"name": secret, "key": key}}})
        for name, (secret, key) in sorted(variables.items())
    ]


def _plain(context: Any) -> dict[str, Any]:
    """Give a security context as the dictionary that KubeSpawner makes of it."""
    return dict(context or {})
