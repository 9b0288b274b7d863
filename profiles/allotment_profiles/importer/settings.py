"""What KubeSpawner is told, as our files say it: `singleuser.*`, `hub.config.KubeSpawner` and every override.

One reader for all of them; each takes a mapping apart, notes what became of every key, and gives Settings.
"""

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from allotment_profiles.importer import amounts
from allotment_profiles.importer.formatting import refused
from allotment_profiles.importer.ledger import Ledger
from allotment_profiles.importer.values import Node
from allotment_profiles.model import Toleration
from allotment_profiles.model.texts import Image, Label, LabelKey, UrlPath, Variable, VariableValue

CHART_GUARANTEE = 1024**3
"""The memory that the chart guarantees where its values do not say."""
_TEMPLATE = re.compile(
    r"\{(unescaped_|escaped_)?(username|servername|user_server|userid|pod_name|pvc_name|namespace|hubnamespace)\}"
)
_GPU = re.compile(r"[a-z0-9.-]{1,80}/[A-Za-z0-9._-]{1,60}", re.ASCII)
_GPU_WORDS = ("gpu", "nvidia.com/", "habana.ai/", "/i915", "amd.com/")
_RENAMED = {"image_spec": "image"}
STAYS = "This is not what a profile says: it stays in the values of the chart, for all sessions."
_HARMLESS_COMMANDS = ("jupyterhub-singleuser", "jupyter-labhub", "jupyter labhub")
_WHY = {
    "lifecycle_hooks": "A profile runs no commands: put them into the image.",
    "init_containers": "A profile has no further containers.",
    "extra_containers": "A profile has no further containers.",
    "volumes": "Data comes through a data role with a binding to a volume, which its owner grants.",
    "volume_mounts": "Data comes through a data role with a binding to a volume, which its owner grants.",
    "service_account": "Credentials come through data roles, never through a profile.",
    "extra_pod_config": "A profile is a closed set of settings: what a pod may be is the platform's.",
    "extra_container_config": "A profile is a closed set of settings: what a pod may be is the platform's.",
    "working_dir": "Sessions start in the home folder.",
    "notebook_dir": "Sessions start in the home folder.",
    "args": "A profile has no command line: put the options into the image's configuration.",
    "image_pull_secrets": "Credentials of registries are the platform's: singleuser.image.pullSecrets.",
    "image_pull_policy": "How images are pulled is the platform's: singleuser.image.pullPolicy.",
    "storage_class": "Where home folders lie is the platform's: singleuser.storage.",
    "storage_pvc_ensure": "Where home folders lie is the platform's: singleuser.storage.",
    "pvc_name_template": "Where home folders lie is the platform's: singleuser.storage.",
    "node_affinity_required": "Name the nodes by labels as a node pool in policy.yaml.",
    "node_affinity_preferred": "Name the nodes by labels as a node pool in policy.yaml.",
    "uid": "Who a session runs as is the platform's.",
    "gid": "Who a session runs as is the platform's.",
    "fs_gid": "Who a session runs as is the platform's.",
    "supplemental_gids": "Who a session runs as is the platform's.",
    "privileged": "Sessions are never privileged.",
    "allow_privilege_escalation": "Sessions never get more rights than they start with.",
    "environment": "Only texts can be carried over: credentials come through data roles.",
}


@dataclass(frozen=True)
class KubeSpawnerSettings:
    """What one place says; None and empty where it says nothing."""

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
    """An app of ours, or the path below which a tool answers: it begins with a slash."""
    labels: Mapping[str, str] = field(default_factory=dict)
    """Of the nodes."""
    tolerations: tuple[Mapping[str, str], ...] | None = None
    places: Mapping[str, Node] = field(default_factory=dict)
    """Where each of them stands; entries of mappings as `environment.NAME`."""

    def over(self, below: "KubeSpawnerSettings") -> "KubeSpawnerSettings":
        """Lay these settings over others, as KubeSpawner does: mappings are merged, the rest is replaced."""
        given = {name: value for name, value in vars(self).items() if value is not None}
        given["environment"] = {**below.environment, **self.environment}
        given["labels"] = {**below.labels, **self.labels}
        given["places"] = {**below.places, **self.places}
        return replace(below, **given)


def read_override(node: Node, ledger: Ledger, *, choice: bool = False) -> KubeSpawnerSettings:
    """Read a `kubespawner_override`, or `hub.config.KubeSpawner`."""
    reading = _Reading(ledger, choice)
    if not isinstance(node.value, Mapping):
        if not node.says_nothing:
            ledger.lost(node, "This is not a mapping of settings.")
        return KubeSpawnerSettings()
    known = {_modern(name): each for name, each in node.mapping.items()}
    for name, each in node.mapping.items():
        if known[_modern(name)] is not each:
            ledger.lost(each, f"{_modern(name)} stands here as well, and goes before it.")
    for name, each in known.items():
        reading.take(name, each)
    return KubeSpawnerSettings(**reading.found, places=reading.places)


def read_defaults(singleuser: Node, ledger: Ledger) -> KubeSpawnerSettings:
    """Read what `singleuser` says for every session."""
    reading = _Reading(ledger, choice=False)
    for name, keys in (
        ("cpu_limit", ("cpu", "limit")),
        ("cpu_guarantee", ("cpu", "guarantee")),
        ("mem_limit", ("memory", "limit")),
        ("mem_guarantee", ("memory", "guarantee")),
        ("extra_resource_limits", ("extraResource", "limits")),
        ("extra_resource_guarantees", ("extraResource", "guarantees")),
        ("environment", ("extraEnv",)),
        ("storage_capacity", ("storage", "capacity")),
        ("default_url", ("defaultUrl",)),
        ("node_selector", ("nodeSelector",)),
        ("tolerations", ("extraTolerations",)),
        ("cmd", ("cmd",)),
    ):
        node = singleuser.at(*keys)
        if node is None or node.says_nothing:
            continue
        if name == "storage_capacity" and _text(singleuser.at("storage", "type")) in ("static", "none"):
            ledger.stays(node, "With this type of storage it has no effect.")
        else:
            reading.take(name, node)
    reading.take_image(singleuser.at("image"))
    taken = ("cpu", "memory", "extraResource", "extraEnv", "defaultUrl", "nodeSelector", "extraTolerations", "cmd")
    for name, node in singleuser.mapping.items():
        if name in ("storage", "image"):
            for below, each in node.mapping.items():
                if below not in ("capacity", "name", "tag"):
                    ledger.stays(each, STAYS)
        elif name not in (*taken, "profileList") and not node.says_nothing:
            ledger.stays(node, STAYS)
    if singleuser.at("memory", "guarantee") is None:
        reading.found["memory_guarantee"] = CHART_GUARANTEE
    return KubeSpawnerSettings(**reading.found, places=reading.places)


def _text(node: Node | None) -> str:
    return node.value if node and isinstance(node.value, str) else ""


def _modern(name: str) -> str:
    """Give today's name of a setting that has had others."""
    for prefix in ("singleuser_", "user_"):
        if name.startswith(prefix) and name not in ("user_namespace_labels", "user_namespace_annotations"):
            name = name.removeprefix(prefix)
    return _RENAMED.get(name, name)


class _Reading:
    """The settings of one place while its keys are taken one by one."""

    def __init__(self, ledger: Ledger, choice: bool) -> None:
        self.found: dict[str, Any] = {}
        self.places: dict[str, Node] = {}
        self._ledger, self._choice = ledger, choice
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

    def take(self, name: str, node: Node) -> None:
        """Take one setting."""
        if name not in self._readers:
            why = "Profiles have no such setting; where all sessions need it, it stays in the values of the chart."
            self._ledger.lost(node, _WHY.get(name, why))
        elif node.value is None:
            self._ledger.lost(node, "A profile cannot take back what holds for all sessions.")
        else:
            self._readers[name](node)

    def take_image(self, node: Node | None) -> None:
        """Take the image of `singleuser.image`, which is in two parts."""
        name, tag = (node.at("name"), node.at("tag")) if node else (None, None)
        if name is None or not isinstance(name.value, str) or not name.value:
            if tag is not None and not tag.says_nothing:
                self._ledger.lost(tag, "The image of this tag is not named.")
            return
        tagged = bool(tag and isinstance(tag.value, str | int | float) and tag.text)
        whole = Node(f"{name.value}:{tag.text}" if tag and tagged else name.value, name.path, name.line, name.column)
        self._image(whole)
        if tag and "image" in self.found:
            self._ledger.carried(tag)

    def _image(self, node: Node) -> None:
        if not isinstance(node.value, str):
            self._ledger.lost(node, "This is not the name of an image.")
            return
        image, added = _whole_image(node.value.strip())
        why = refused(Image, image)
        if why:
            self._ledger.lost(node, why)
            return
        self.found["image"] = image
        self.places["image"] = node
        if added:
            self._ledger.changed(node, f"Written out with {' and '.join(added)}: that is what it means.")
        else:
            self._ledger.carried(node)

    def _amount(self, node: Node, name: str, read: Callable[[object], int | None]) -> None:
        value = node.text if isinstance(node.value, str) else node.value
        amount = read(value)
        if amount is None:
            self._ledger.lost(node, "This is not a possible amount.")
            return
        self.found[name] = amount
        self.places[name] = node
        self._ledger.carried(node)

    def _storage(self, node: Node) -> None:
        if self._choice:
            self._ledger.lost(node, "A choice does not change the home folder: write `storage` in a profile.")
            return
        self._amount(node, "home", lambda value: amounts.memory(value, decimal=True))

    def _resources(self, node: Node) -> None:
        for name, each in _below(node, self._ledger):
            if not any(word in name.lower() for word in _GPU_WORDS):
                self._ledger.lost(each, "Profiles ask for CPUs, memory and GPUs, for no other resource.")
                continue
            number = amounts.whole(each.value)
            if number is None or not _GPU.fullmatch(name):
                self._ledger.lost(each, "This is not a whole number of GPUs of a resource.")
            elif self.found.get("gpu_resource", name) != name:
                self._ledger.lost(each, "A session has GPUs of one kind.")
            elif self.found.get("gpu", number) != number:
                self._ledger.lost(each, "GPUs are guaranteed as they are limited: the other number counts.")
            else:
                self.found |= {"gpu": number, "gpu_resource": name}
                self.places["gpu"] = each
                self._ledger.carried(each)

    def _environment(self, node: Node) -> None:
        kept: dict[str, str] = {}
        for name, each in _below(node, self._ledger):
            if isinstance(each.value, Mapping | list) or each.value is None:
                self._ledger.lost(each, "Only texts can be carried over: credentials come through data roles.")
                continue
            value = each.value if isinstance(each.value, str) else each.text
            template = _TEMPLATE.search(value)
            why = refused(Variable, name) or refused(VariableValue, value)
            if template:
                why = f"It is filled in for each user ({template[0]}), and in a profile a text is only a text."
            if why:
                self._ledger.lost(each, why)
            elif len(kept) >= 50:
                self._ledger.lost(each, "A profile has at most fifty variables.")
            else:
                kept[name] = value
                self.places[f"environment.{name}"] = each
                self._ledger.carried(each)
        self.found["environment"] = kept

    def _address(self, node: Node) -> None:
        if not isinstance(node.value, str):
            self._ledger.lost(node, "This is not an address.")
            return
        address = node.value.split("?")[0].split("#")[0]
        first = address.strip("/").split("/")[0].lower()
        app = _app(first)
        if app:
            self.found["app"] = app
            self.places["app"] = node
            if address.strip("/").lower() != first or address != node.value or first in ("tree", "nbclassic", "retro"):
                self._ledger.changed(node, f"The session opens {app}, not a place in it or another look.")
            else:
                self._ledger.carried(node)
            return
        address = f"/{address.strip('/')}/"
        if "/lab/" in address or refused(UrlPath, address):
            self._ledger.lost(node, "This is not the address of a program.")
            return
        self.found["app"] = address
        self.places["app"] = node
        self._ledger.changed(node, "It is a tool of policy.yaml now: give it a title there.")

    def _command(self, node: Node) -> None:
        words = [each.value for each in node.entries] or [node.value]
        if " ".join(str(word) for word in words) in _HARMLESS_COMMANDS:
            self._ledger.carried(node)
        else:
            self._ledger.lost(node, "A profile has no command line: put the program into the image.")

    def _labels(self, node: Node) -> None:
        kept: dict[str, str] = {}
        for name, each in _below(node, self._ledger):
            value = each.value if isinstance(each.value, str) else each.text
            why = refused(LabelKey, name) or refused(Label, value)
            if isinstance(each.value, Mapping | list) or each.value is None:
                why = "This is not the value of a label."
            if why or len(kept) >= 10:
                self._ledger.lost(each, why or "A node pool has at most ten labels.")
            else:
                kept[name] = value
                self.places[f"labels.{name}"] = each
                self._ledger.carried(each)
        self.found["labels"] = kept

    def _tolerations(self, node: Node) -> None:
        if not isinstance(node.value, list):
            self._ledger.lost(node, "This is not a list.")
            return
        kept: list[Mapping[str, str]] = []
        for each in node.entries:
            toleration, dropped = _toleration(each)
            why = "It has no key, and so puts up with every taint." if not toleration.get("key") else None
            why = why or refused(Toleration, toleration)
            if why or len(kept) >= 10:
                self._ledger.lost(each, why or "A node pool has at most ten tolerations.")
                continue
            kept.append(toleration)
            if dropped:
                self._ledger.changed(each, f"Carried over without {', '.join(dropped)}.")
            else:
                self._ledger.carried(each)
        self.found["tolerations"] = tuple(kept)
        self.places["tolerations"] = node


def _below(node: Node, ledger: Ledger) -> Iterator[tuple[str, Node]]:
    """Give the entries of what should be a mapping."""
    if not isinstance(node.value, Mapping) and not node.says_nothing:
        ledger.lost(node, "This is not a mapping.")
    yield from node.mapping.items()


def _toleration(node: Node) -> tuple[dict[str, str], list[str]]:
    """Give a toleration as the policy has it, and the names of its parts that are left out."""
    texts = {name: each.text for name, each in node.mapping.items() if not isinstance(each.value, Mapping | list)}
    kept = {name: texts[name] for name in ("key", "value", "effect") if texts.get(name)}
    dropped = sorted(
        "".join(each if each.isalnum() else "?" for each in name[:40])
        for name, each in node.mapping.items()
        if name not in ("key", "value", "effect", "operator") and not each.says_nothing
    )
    if texts.get("operator", "Equal") == "Exists":
        kept.pop("value", None)
    if "effect" not in kept:
        dropped.append("the other effects than NoSchedule")
    return kept, dropped


def _whole_image(image: str) -> tuple[str, list[str]]:
    """Write out the registry and the tag that an image without them means."""
    added = []
    first, slash, _ = image.partition("/")
    if not slash or not ("." in first or ":" in first or first == "localhost"):
        added.append("its registry, docker.io")
        image = f"docker.io/{image}" if slash else f"docker.io/library/{image}"
    if ":" not in image.rpartition("/")[2] and "@" not in image:
        added.append("its tag, latest")
        image += ":latest"
    return image, added


def _app(first: str) -> str | None:
    """Give the app of ours that answers below the first part of an address."""
    if first in ("", "lab", "tree", "nbclassic", "retro", "notebooks", "doc"):
        return "jupyterlab"
    if first.startswith(("rstudio", "rserver")):
        return "rstudio"
    if first.startswith(("vscode", "code-server", "codeserver", "openvscode")):
        return "vscode"
    return None
