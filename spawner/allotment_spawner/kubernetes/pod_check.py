"""Check a pod before it is sent: it matches the Launch and Pod Security `restricted`. Pure."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from allotment_spawner.kubernetes.pod_patch import PodPatch
from allotment_spawner.kubernetes.pod_settings import LaunchTraits, PodSettings

CONTAINER = "notebook"
"""KubeSpawner's name for the session's container."""
_VOLUMES = frozenset(
    {"configMap", "csi", "downwardAPI", "emptyDir", "ephemeral", "persistentVolumeClaim", "projected", "secret"}
)
_OF_TRIALS = frozenset({"configMap", "emptyDir"})
_HOST = ("hostNetwork", "hostPID", "hostIPC")


def differences(pod: Mapping[str, Any], settings: PodSettings) -> list[str]:
    """Return where a pod differs from its Launch or violates Pod Security `restricted`."""
    spec, session = pod["spec"], _session(pod)
    if session is None:
        return ["it has no session", *_restricted(spec)]
    return [
        *_launch(pod, session, settings),
        *_resources(session.get("resources") or {}, settings.traits),
        *_volumes(spec.get("volumes") or (), settings.patch),
        *_mounts(session, settings.patch),
        *_variables(session, settings.patch),
        *(_belongings(spec, settings.patch) if settings.trial else ()),
        *_restricted(spec),
    ]


def missing_variables(pod: Mapping[str, Any], settings: PodSettings) -> list[str]:
    """Return descriptions of the variables that the cluster should have added to a pod and did not."""
    session = _session(pod) or {}
    present = {variable["name"] for variable in session.get("env") or ()}
    return [missing for name, missing in settings.patch.expected.items() if name not in present]


def _session(pod: Mapping[str, Any]) -> Mapping[str, Any] | None:
    return next((container for container in pod["spec"]["containers"] if container["name"] == CONTAINER), None)


def _launch(pod: Mapping[str, Any], session: Mapping[str, Any], settings: PodSettings) -> Iterator[str]:
    spec, metadata, traits = pod["spec"], pod["metadata"], settings.traits
    if session.get("image") != traits.image:
        yield f"its image is {session.get('image')}"
    if spec.get("serviceAccountName") != traits.service_account:
        yield f"its service account is {spec.get('serviceAccountName')}"
    if spec.get("automountServiceAccountToken") is not False:
        yield "it mounts the token of the Kubernetes API"
    expected = {
        "label": (settings.labels, metadata.get("labels")),
        "annotation": (settings.annotations, metadata.get("annotations")),
        "node selector": (traits.node_selector, spec.get("nodeSelector")),
    }
    for kind, (values, actual) in expected.items():
        yield from (f"its {kind} {name} differs" for name in values if (actual or {}).get(name) != values[name])


def _resources(resources: Mapping[str, Any], traits: LaunchTraits) -> Iterator[str]:
    requests = {"cpu": traits.cpu_guarantee, "memory": traits.mem_guarantee}
    limits = {"cpu": traits.cpu_limit, "memory": traits.mem_limit, **traits.extra_resource_limits}
    for kind, expected in (("requests", requests), ("limits", limits)):
        actual = resources.get(kind) or {}
        for name, amount in expected.items():
            if actual.get(name) != amount:
                yield f"its {kind} of {name} are {actual.get(name)}, not {amount}"


def _volumes(volumes: Sequence[Mapping[str, Any]], patch: PodPatch) -> Iterator[str]:
    by_name = {volume["name"]: volume for volume in volumes}
    if len(by_name) != len(volumes):
        yield "two of its volumes have the same name"
    for volume in patch.volumes:
        if by_name.pop(str(volume["name"]), None) != volume:
            yield f"its volume {volume['name']} differs"
    for name, volume in by_name.items():
        sources = volume.get("projected", {}).get("sources") or ()
        if any("serviceAccountToken" in source for source in sources):
            yield f"its volume {name} holds a token that no data role needs"


def _mounts(session: Mapping[str, Any], patch: PodPatch) -> Iterator[str]:
    mounted = {mount["mountPath"]: mount for mount in session.get("volumeMounts") or ()}
    for mount in patch.mounts:
        if mounted.get(mount["mountPath"]) != mount:
            yield f"its mount {mount['mountPath']} differs"


def _variables(session: Mapping[str, Any], patch: PodPatch) -> Iterator[str]:
    variables = {variable["name"]: variable for variable in session.get("env") or ()}
    for name, value in patch.environment.items():
        if variables.get(name) != {"name": name, "value": value}:
            yield f"its variable {name} differs"
    for name, (secret, key) in patch.secret_environment.items():
        if variables.get(name, {}).get("valueFrom") != {"secretKeyRef": {"name": secret, "key": key}}:
            yield f"its variable {name} differs"


def _belongings(spec: Mapping[str, Any], patch: PodPatch) -> Iterator[str]:
    """Yield what a trial has beside what its data roles add. Nobody has approved what runs in it."""
    added = {str(volume["name"]) for volume in patch.volumes}
    for volume in spec.get("volumes") or ():
        if volume["name"] not in added and not set(volume) - {"name"} <= _OF_TRIALS:
            yield f"its volume {volume['name']} is not empty, as volumes of a trial are"
    for container in [*spec["containers"], *(spec.get("initContainers") or ())]:
        if container.get("envFrom"):
            yield f"its container {container['name']} has the variables of another object"
        for variable in container.get("env") or ():
            if variable.get("valueFrom") and variable["name"] not in patch.secret_environment:
                yield f"its variable {variable['name']} comes from another object"


def _restricted(spec: Mapping[str, Any]) -> Iterator[str]:
    for name in _HOST:
        if spec.get(name):
            yield f"it sets {name}"
    for volume in spec.get("volumes") or ():
        if not set(volume) - {"name"} <= _VOLUMES:
            yield f"its volume {volume['name']} has a type that sessions may not have"
    pod_context = spec.get("securityContext") or {}
    for container in [*spec["containers"], *(spec.get("initContainers") or ())]:
        context = {**pod_context, **(container.get("securityContext") or {})}
        yield from (f"its container {container['name']} {violation}" for violation in _violations(context))


def _violations(context: Mapping[str, Any]) -> Iterator[str]:
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
