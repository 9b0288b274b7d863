"""Read the settings of KubeSpawner: `singleuser`, `hub.config.KubeSpawner` and `kubespawner_override` alike."""

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from allotment_profiles.importer import amounts
from allotment_profiles.importer.formatting import validation_error
from allotment_profiles.importer.ledger import Ledger
from allotment_profiles.importer.values import Node
from allotment_profiles.model import Toleration
from allotment_profiles.model.values.texts import Image, Label, LabelKey, UrlPath
from allotment_profiles.model.values.variables import Variable, VariableValue

CHART_GUARANTEE = 1024**3
_TEMPLATE = re.compile(
    r"\{(unescaped_|escaped_)?(username|servername|user_server|userid|pod_name|pvc_name|namespace|hubnamespace)\}"
)
_VARIABLE = re.compile(r"\$\([A-Za-z_][A-Za-z0-9_.-]*\)", re.ASCII)
"""A reference to another variable, which Kubernetes expands when a session starts."""
_GPU = re.compile(r"[a-z0-9.-]{1,80}/[A-Za-z0-9._-]{1,60}", re.ASCII)
_GPU_WORDS = ("gpu", "nvidia.com/", "habana.ai/", "/i915", "amd.com/")
_RENAMED = {"image_spec": "image"}
STAYS = "This is not a setting of a profile: it stays in the values of the chart, for all sessions."
_HARMLESS_COMMANDS = ("jupyterhub-singleuser", "jupyter-labhub", "jupyter labhub")
_OF_SINGLEUSER = {
    "cpu_limit": ("cpu", "limit"),
    "cpu_guarantee": ("cpu", "guarantee"),
    "mem_limit": ("memory", "limit"),
    "mem_guarantee": ("memory", "guarantee"),
    "extra_resource_limits": ("extraResource", "limits"),
    "extra_resource_guarantees": ("extraResource", "guarantees"),
    "environment": ("extraEnv",),
    "storage_capacity": ("storage", "capacity"),
    "default_url": ("defaultUrl",),
    "node_selector": ("nodeSelector",),
    "tolerations": ("extraTolerations",),
    "cmd": ("cmd",),
}
"""Setting of KubeSpawner → its keys below `singleuser`."""
_TEXT_ONLY = "Only text can be imported. Use data roles for credentials."
_WHY_NOT = {
    "lifecycle_hooks": "A profile cannot run commands: put them into the image.",
    "init_containers": "A profile cannot add containers.",
    "extra_containers": "A profile cannot add containers.",
    "volumes": "Use a data role with a binding to a volume. Its owner grants it.",
    "volume_mounts": "Use a data role with a binding to a volume. Its owner grants it.",
    "service_account": "Use data roles for credentials.",
    "extra_pod_config": "A profile has a fixed set of settings. Only the platform configures pods.",
    "extra_container_config": "A profile has a fixed set of settings. Only the platform configures pods.",
    "working_dir": "Sessions start in the home folder.",
    "notebook_dir": "Sessions start in the home folder.",
    "args": "A profile has no command line: put the options into the configuration of the image.",
    "image_pull_secrets": "The platform configures credentials of registries: singleuser.image.pullSecrets.",
    "image_pull_policy": "The platform configures how images are pulled: singleuser.image.pullPolicy.",
    "storage_class": "The platform configures where home folders are stored: singleuser.storage.",
    "storage_pvc_ensure": "The platform configures where home folders are stored: singleuser.storage.",
    "pvc_name_template": "The platform configures where home folders are stored: singleuser.storage.",
    "node_affinity_required": "Add the nodes to policy.yaml as a node pool, by their labels.",
    "node_affinity_preferred": "Add the nodes to policy.yaml as a node pool, by their labels.",
    "uid": "The platform configures the user that a session runs as.",
    "gid": "The platform configures the user that a session runs as.",
    "fs_gid": "The platform configures the user that a session runs as.",
    "supplemental_gids": "The platform configures the user that a session runs as.",
    "privileged": "Sessions are never privileged.",
    "allow_privilege_escalation": "Sessions cannot gain privileges.",
    "environment": _TEXT_ONLY,
}


@dataclass(frozen=True)
class KubeSpawnerSettings:
    """The settings in one part of the values. None or empty: not set."""

    image: str | None = None
    cpu_guarantee: int | None = None
    cpu_limit: int | None = None
    memory_guarantee: int | None = None
    memory_limit: int | None = None
    home: int | None = None
    gpu: int | None = None
    gpu_resource: str | None = None
    environment: Mapping[str, str] = field(default_factory=dict)
    app: str | None = None
    """A built-in app, or the path of a tool, which begins with a slash."""
    labels: Mapping[str, str] = field(default_factory=dict)
    tolerations: tuple[Mapping[str, str], ...] | None = None
    sources: Mapping[str, Node] = field(default_factory=dict)
    """Field → where it is set. Entries of mappings are `environment.NAME`."""

    def over(self, below: "KubeSpawnerSettings") -> "KubeSpawnerSettings":
        """Merge these settings over others, as KubeSpawner does: mappings are merged, other values are replaced."""
        given = {name: value for name, value in vars(self).items() if value is not None}
        given["environment"] = {**below.environment, **self.environment}
        given["labels"] = {**below.labels, **self.labels}
        given["sources"] = {**below.sources, **self.sources}
        return replace(below, **given)


def read_override(node: Node, ledger: Ledger, *, choice: bool = False, for_all: bool = False) -> KubeSpawnerSettings:
    """Read a `kubespawner_override`, or `hub.config.KubeSpawner`, which is for all sessions."""
    reader = _SettingsReader(ledger, choice, for_all)
    if not isinstance(node.value, Mapping):
        if not node.is_empty:
            ledger.lost(node, "This is not a mapping of settings.")
        return KubeSpawnerSettings()
    settings = {current_name(name): setting for name, setting in node.mapping.items()}
    for name, setting in node.mapping.items():
        if settings[current_name(name)] is not setting:
            ledger.lost(setting, f"{current_name(name)} is set here as well, and takes precedence.")
    for name, setting in settings.items():
        reader.read(name, setting)
    return reader.settings()


def read_defaults(singleuser: Node, ledger: Ledger) -> KubeSpawnerSettings:
    """Read the settings of `singleuser`, which apply to every session."""
    reader, storage = _SettingsReader(ledger, choice=False, for_all=True), singleuser.at("storage", "type")
    for name, keys in _OF_SINGLEUSER.items():
        node = singleuser.at(*keys)
        if node is None or node.is_empty:
            continue
        if name == "storage_capacity" and storage and storage.value in ("static", "none"):
            ledger.stays(node, "With this type of storage it has no effect.")
        else:
            reader.read(name, node)
    reader.read_image(singleuser.at("image"))
    taken = {keys[0] for keys in _OF_SINGLEUSER.values()} | {"profileList", "image"}
    for name, node in singleuser.mapping.items():
        if name in ("storage", "image"):
            for key, setting in node.mapping.items():
                if key not in ("capacity", "name", "tag"):
                    ledger.stays(setting, STAYS)
        elif name not in taken and not node.is_empty:
            ledger.stays(node, STAYS)
    if singleuser.at("memory", "guarantee") is None:
        reader.values["memory_guarantee"] = CHART_GUARANTEE
    return reader.settings()


def current_name(name: str) -> str:
    """Return the current name of a setting that may have an older one."""
    for prefix in ("singleuser_", "user_"):
        if name.startswith(prefix) and name not in ("user_namespace_labels", "user_namespace_annotations"):
            name = name.removeprefix(prefix)
    return _RENAMED.get(name, name)


class _SettingsReader:
    """Reads the settings of one part of the values."""

    def __init__(self, ledger: Ledger, choice: bool, for_all: bool) -> None:
        self.values: dict[str, Any] = {}
        self.sources: dict[str, Node] = {}
        self._ledger, self._choice, self._for_all = ledger, choice, for_all
        self._readers: dict[str, Callable[[Node], None]] = {
            "image": self._image,
            "cpu_limit": lambda node: self._amount(node, "cpu_limit", amounts.cpu),
            "cpu_guarantee": lambda node: self._amount(node, "cpu_guarantee", amounts.cpu),
            "mem_limit": lambda node: self._amount(node, "memory_limit", amounts.memory),
            "mem_guarantee": lambda node: self._amount(node, "memory_guarantee", amounts.memory),
            "storage_capacity": self._storage,
            "extra_resource_limits": self._resources,
            "extra_resource_guarantees": self._resources,
            "environment": self._environment,
            "default_url": self._address,
            "cmd": self._command,
            "node_selector": self._labels,
            "tolerations": self._tolerations,
        }

    def settings(self) -> KubeSpawnerSettings:
        """Return what has been read."""
        return KubeSpawnerSettings(**self.values, sources=self.sources)

    def read(self, name: str, node: Node) -> None:
        """Read one setting."""
        if name not in self._readers:
            why = "Profiles have no such setting. Keep it in the values of the chart if all sessions need it."
            self._ledger.lost(node, _WHY_NOT.get(name, why))
        elif node.value is None:
            self._ledger.lost(node, "A profile cannot remove a setting that applies to all sessions.")
        else:
            self._readers[name](node)

    def read_image(self, node: Node | None) -> None:
        """Read `singleuser.image`, which has a name and a tag."""
        name, tag = (node.at("name"), node.at("tag")) if node else (None, None)
        if name is None or not isinstance(name.value, str) or not name.value:
            if tag is not None and not tag.is_empty:
                self._ledger.lost(tag, "This tag has no image name.")
            return
        tagged = bool(tag and isinstance(tag.value, str | int | float) and tag.text)
        whole = Node(f"{name.value}:{tag.text}" if tag and tagged else name.value, name.path, name.line, name.column)
        self._image(whole)
        if tag and "image" in self.values:
            self._ledger.carried(tag)

    def _image(self, node: Node) -> None:
        if not isinstance(node.value, str):
            self._ledger.lost(node, "This is not the name of an image.")
            return
        image, added = _whole_image(node.value.strip())
        why = validation_error(Image, image)
        if why:
            self._ledger.lost(node, why)
            return
        self.values["image"] = image
        self.sources["image"] = node
        if added:
            self._ledger.changed(node, f"Its default was added: {' and '.join(added)}.")
        else:
            self._ledger.carried(node)

    def _amount(self, node: Node, name: str, read: Callable[[object], int | None]) -> None:
        value = node.text if isinstance(node.value, str) else node.value
        amount = read(value)
        if amount is None:
            self._ledger.lost(node, "This is not a possible amount.")
            return
        self.values[name] = amount
        self.sources[name] = node
        self._ledger.carried(node)

    def _storage(self, node: Node) -> None:
        if self._choice:
            self._ledger.lost(node, "A choice cannot change the home folder: write `storage` in a profile.")
            return
        self._amount(node, "home", lambda value: amounts.memory(value, decimal=True))

    def _resources(self, node: Node) -> None:
        for name, entry in _entries(node, self._ledger):
            number = amounts.whole(entry.value)
            if not any(word in name.lower() for word in _GPU_WORDS):
                self._ledger.lost(entry, "Profiles have CPUs, memory and GPUs, but no other resources.")
            elif number is None or not _GPU.fullmatch(name):
                self._ledger.lost(entry, "This is not a whole number of GPUs.")
            elif self.values.get("gpu_resource", name) != name:
                self._ledger.lost(entry, "A session has GPUs of one kind.")
            elif self.values.get("gpu", number) != number:
                self._ledger.lost(entry, "The guarantee of GPUs equals their limit: the other number is used.")
            else:
                self.values |= {"gpu": number, "gpu_resource": name}
                self.sources["gpu"] = entry
                self._ledger.carried(entry)

    def _environment(self, node: Node) -> None:
        variables: dict[str, str] = {}
        for name, entry in _entries(node, self._ledger):
            if self._for_all and (expanded := _expanded(entry)):
                self._ledger.stays(entry, f"It is filled in for each user ({expanded}), which no profile can do.")
                continue
            why = _why_no_variable(name, entry)
            if why is None and len(variables) >= 50:
                why = "A profile has at most fifty variables."
            if why:
                self._ledger.lost(entry, why)
            else:
                variables[name] = _as_text(entry)
                self.sources[f"environment.{name}"] = entry
                self._ledger.carried(entry)
        self.values["environment"] = variables

    def _address(self, node: Node) -> None:
        if not isinstance(node.value, str):
            self._ledger.lost(node, "This is not a URL.")
            return
        address = node.value.split("?")[0].split("#")[0].strip("/")
        first = address.split("/")[0].lower()
        app, path = _app(first), f"/{address}/"
        if app:
            self.values["app"] = app
            self.sources["app"] = node
            is_exact = address.lower() == first and "?" not in node.value and "#" not in node.value
            if is_exact and first not in ("tree", "nbclassic", "retro"):
                self._ledger.carried(node)
            else:
                self._ledger.changed(node, f"The session opens {app}, without a path or another interface in it.")
        elif "/lab/" in path or validation_error(UrlPath, path):
            self._ledger.lost(node, "This is not the URL of a program.")
        else:
            self.values["app"] = path
            self.sources["app"] = node
            self._ledger.changed(node, "It is now a tool of policy.yaml: give it a title there.")

    def _command(self, node: Node) -> None:
        words = [entry.value for entry in node.entries] or [node.value]
        if " ".join(str(word) for word in words) in _HARMLESS_COMMANDS:
            self._ledger.carried(node)
        else:
            self._ledger.lost(node, "A profile has no command line: put the program into the image.")

    def _labels(self, node: Node) -> None:
        labels: dict[str, str] = {}
        for name, entry in _entries(node, self._ledger):
            value = _as_text(entry)
            why = validation_error(LabelKey, name) or validation_error(Label, value)
            if isinstance(entry.value, Mapping | list) or entry.value is None:
                why = "This is not the value of a label."
            if why or len(labels) >= 10:
                self._ledger.lost(entry, why or "A node pool has at most ten labels.")
            else:
                labels[name] = value
                self.sources[f"labels.{name}"] = entry
                self._ledger.carried(entry)
        self.values["labels"] = labels

    def _tolerations(self, node: Node) -> None:
        if not isinstance(node.value, list):
            self._ledger.lost(node, "This is not a list.")
            return
        tolerations: list[Mapping[str, str]] = []
        for entry in node.entries:
            toleration, dropped = _toleration(entry)
            why = None if toleration.get("key") else "It has no key, so it tolerates every taint."
            why = why or validation_error(Toleration, toleration)
            if why or len(tolerations) >= 10:
                self._ledger.lost(entry, why or "A node pool has at most ten tolerations.")
                continue
            tolerations.append(toleration)
            if dropped:
                self._ledger.changed(entry, f"Imported without {', '.join(dropped)}.")
            else:
                self._ledger.carried(entry)
        self.values["tolerations"] = tuple(tolerations)
        self.sources["tolerations"] = node


def _entries(node: Node, ledger: Ledger) -> Iterable[tuple[str, Node]]:
    """Return the entries of a mapping. Another value is recorded as lost."""
    if not isinstance(node.value, Mapping) and not node.is_empty:
        ledger.lost(node, "This is not a mapping.")
    return node.mapping.items()


def _as_text(node: Node) -> str:
    return node.value if isinstance(node.value, str) else node.text


def _why_no_variable(name: str, node: Node) -> str | None:
    """Return why an environment variable cannot be imported, or None."""
    if isinstance(node.value, Mapping | list) or node.value is None:
        return _TEXT_ONLY
    expanded = _expanded(node)
    if expanded:
        where = "if all sessions may have it, set it in singleuser.extraEnv"
        return f"It is filled in for each user ({expanded}), but a profile's text is taken as it is: {where}."
    return validation_error(Variable, name) or validation_error(VariableValue, _as_text(node))


def _expanded(node: Node) -> str:
    """Return the first part of a variable that KubeSpawner or Kubernetes replaces when a session starts."""
    text = "" if isinstance(node.value, Mapping | list) else _as_text(node)
    found = _TEMPLATE.search(text) or _VARIABLE.search(text)
    return found[0] if found else ""


def _toleration(node: Node) -> tuple[dict[str, str], list[str]]:
    """Return a toleration for the policy, and the names of the parts that it does not have."""
    texts = {name: part.text for name, part in node.mapping.items() if not isinstance(part.value, Mapping | list)}
    toleration = {name: texts[name] for name in ("key", "value", "effect") if texts.get(name)}
    dropped = sorted(
        "".join(char if char.isalnum() else "?" for char in name[:40])
        for name, part in node.mapping.items()
        if name not in ("key", "value", "effect", "operator") and not part.is_empty
    )
    if texts.get("operator", "Equal") == "Exists":
        toleration.pop("value", None)
    if "effect" not in toleration:
        dropped.append("the effects other than NoSchedule")
    return toleration, dropped


def _whole_image(image: str) -> tuple[str, list[str]]:
    """Add the default registry and tag to an image. Also returns what was added."""
    added = []
    first, slash, _ = image.partition("/")
    if not slash or not ("." in first or ":" in first or first == "localhost"):
        added.append("the registry docker.io")
        image = f"docker.io/{image}" if slash else f"docker.io/library/{image}"
    if ":" not in image.rpartition("/")[2] and "@" not in image:
        added.append("the tag latest")
        image += ":latest"
    return image, added


def _app(first: str) -> str | None:
    """Return the built-in app for the first part of a path, or None."""
    if first in ("", "lab", "tree", "nbclassic", "retro", "notebooks", "doc"):
        return "jupyterlab"
    if first.startswith(("rstudio", "rserver")):
        return "rstudio"
    if first.startswith(("vscode", "code-server", "codeserver", "openvscode")):
        return "vscode"
    return None
