"""The last look at a pod before it is sent: it is what the Launch says, and it is harmless. Pure."""

from collections.abc import Iterator, Mapping
from typing import Any

from allotment_spawner.kubernetes.settings import PodSettings

CONTAINER = "notebook"
"""What KubeSpawner calls the session's container."""
_VOLUMES = frozenset(
    {"configMap", "csi", "downwardAPI", "emptyDir", "ephemeral", "persistentVolumeClaim", "projected", "secret"}
)
_HOST = ("hostNetwork", "hostPID", "hostIPC")


def differences(pod: Mapping[str, Any], settings: PodSettings) -> list[str]:
    """Say where a pod, as it is sent, is not what the Launch says or would not pass Pod Security `restricted`."""
    return [*_from_launch(pod, settings), *_from_restricted(pod["spec"])]


def missing_variables(pod: Mapping[str, Any], settings: PodSettings) -> list[str]:
    """Say what is not set up outside, from the variables that the cluster adds to a pod when it takes it."""
    containers = [each for each in pod["spec"]["containers"] if each["name"] == CONTAINER]
    there = {each["name"] for container in containers for each in container.get("env") or ()}
    return [missing for name, missing in settings.parts.expected.items() if name not in there]


def _from_launch(pod: Mapping[str, Any], settings: PodSettings) -> Iterator[str]:
    spec, metadata = pod["spec"], pod["metadata"]
    container = next((each for each in spec["containers"] if each["name"] == CONTAINER), None)
    if container is None:
        yield "it has no session"
        return
    if container.get("image") != settings.traits["image"]:
        yield f"its image is {container.get('image')}"
    if spec.get("serviceAccountName") != settings.account:
        yield f"its service account is {spec.get('serviceAccountName')}"
    if spec.get("automountServiceAccountToken") is not False:
        yield "it mounts the token of the Kubernetes API"
    wanted = {
        "label": (settings.labels, metadata.get("labels")),
        "annotation": (settings.annotations, metadata.get("annotations")),
        "node selector": (settings.merged["node_selector"], spec.get("nodeSelector")),
    }
    for kind, (values, given) in wanted.items():
        yield from (f"its {kind} {name} differs" for name in values if (given or {}).get(name) != values[name])
    yield from _from_size(container.get("resources") or {}, settings)
    yield from _from_credentials(spec, container, settings)


def _from_size(resources: Mapping[str, Any], settings: PodSettings) -> Iterator[str]:
    traits = settings.traits
    requests = {"cpu": traits["cpu_guarantee"], "memory": traits["mem_guarantee"]}
    limits = {"cpu": traits["cpu_limit"], "memory": traits["mem_limit"], **settings.merged["extra_resource_limits"]}
    for kind, wanted in (("requests", requests), ("limits", limits)):
        given = resources.get(kind) or {}
        for name, amount in wanted.items():
            if given.get(name) != amount:
                yield f"its {kind} of {name} are {given.get(name)}, not {amount}"


def _from_credentials(spec: Mapping[str, Any], container: Mapping[str, Any], settings: PodSettings) -> Iterator[str]:
    parts = settings.parts
    volumes = {volume["name"]: volume for volume in spec.get("volumes") or ()}
    if len(volumes) != len(spec.get("volumes") or ()):
        yield "two of its volumes have one name"
    for volume in parts.volumes:
        if volumes.pop(str(volume["name"]), None) != volume:
            yield f"its volume {volume['name']} is another one"
    for name, volume in volumes.items():
        sources = volume.get("projected", {}).get("sources") or ()
        if any("serviceAccountToken" in source for source in sources):
            yield f"its volume {name} holds a token that no data role asks for"
    mounted = {mount["mountPath"]: mount for mount in container.get("volumeMounts") or ()}
    for mount in parts.mounts:
        if mounted.get(mount["mountPath"]) != mount:
            yield f"{mount['mountPath']} is mounted otherwise"
    environment = {each["name"]: each for each in container.get("env") or ()}
    for name, value in parts.environment.items():
        if environment.get(name) != {"name": name, "value": value}:
            yield f"its variable {name} is another one"
    for name, (secret, key) in parts.secret_environment.items():
        if environment.get(name, {}).get("valueFrom") != {"secretKeyRef": {"name": secret, "key": key}}:
            yield f"its variable {name} is another one"


def _from_restricted(spec: Mapping[str, Any]) -> Iterator[str]:
    for name in _HOST:
        if spec.get(name):
            yield f"it sets {name}"
    for volume in spec.get("volumes") or ():
        kinds = set(volume) - {"name"}
        if not kinds <= _VOLUMES:
            yield f"its volume {volume['name']} is of a kind that a session may not have"
    general = spec.get("securityContext") or {}
    for container in [*spec["containers"], *(spec.get("initContainers") or ())]:
        own = {**general, **(container.get("securityContext") or {})}
        yield from (f"its container {container['name']} {what}" for what in _unrestricted(own))


def _unrestricted(context: Mapping[str, Any]) -> Iterator[str]:
    capabilities = context.get("capabilities") or {}
    if context.get("privileged"):
        yield "is privileged"
    if context.get("allowPrivilegeEscalation") is not False:
        yield "may gain privileges"
    if "ALL" not in (capabilities.get("drop") or ()) or set(capabilities.get("add") or ()) - {"NET_BIND_SERVICE"}:
        yield "has capabilities"
    if context.get("runAsNonRoot") is not True or context.get("runAsUser") == 0:
        yield "may run as root"
    if (context.get("seccompProfile") or {}).get("type") not in ("RuntimeDefault", "Localhost"):
        yield "has no seccomp profile"
