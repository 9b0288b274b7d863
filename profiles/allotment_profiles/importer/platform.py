"""Kinds of GPU, node pools and tools that the imported profiles need in the policy."""

import re
from collections.abc import Mapping
from typing import Any

from allotment_profiles.importer.formatting import name_of, plain
from allotment_profiles.importer.kubespawner_settings import KubeSpawnerSettings
from allotment_profiles.model import BUILT_IN_APPS

MAXIMUM = 20
"""Largest number of kinds of GPU, of node pools and of tools in a policy."""
_ACCELERATOR = re.compile(r"(accelerator|gpu\.product|gpu-type|gpu_type)$", re.IGNORECASE)


class Platform:
    """Collects kinds of GPU, node pools and tools while profiles are imported."""

    def __init__(self) -> None:
        self.gpu_kinds: dict[str, dict[str, Any]] = {}
        self.node_pools: dict[str, dict[str, Any]] = {}
        self.tools: dict[str, dict[str, Any]] = {}
        self._kinds: dict[tuple[str, str], str] = {}
        self._pools: dict[str, str] = {}
        self._addresses: dict[str, str] = {}

    def app(self, address: str) -> str | None:
        """Return the app or tool for a path. None if there are too many tools."""
        if not address.startswith("/"):
            return address
        if address not in self._addresses and len(self.tools) < MAXIMUM:
            name = name_of(address, {*self.tools, *BUILT_IN_APPS}, "tool")
            self.tools[name] = {"title": plain(address.strip("/"), 80) or name, "address": address}
            self._addresses[address] = name
        return self._addresses.get(address)

    def gpu_kind(self, resource: str, labels: Mapping[str, str]) -> str | None:
        """Return the kind of GPU for a resource and the labels of nodes. None if there are too many kinds."""
        accelerator = next((value for key, value in labels.items() if value and _ACCELERATOR.search(key)), "")
        key = (resource, accelerator)
        if key not in self._kinds and len(self.gpu_kinds) < MAXIMUM:
            name = name_of(accelerator or resource, self.gpu_kinds, "gpu")
            self.gpu_kinds[name] = {"title": plain(accelerator or resource, 80), "resource": resource}
            self._kinds[key] = name
        return self._kinds.get(key)

    def node_pool(self, settings: KubeSpawnerSettings) -> str | None:
        """Return the node pool for labels and tolerations. None without labels, or if there are too many pools."""
        if not settings.labels:
            return None
        tolerations = [dict(toleration) for toleration in settings.tolerations or ()]
        key = repr((sorted(settings.labels.items()), tolerations))
        if key not in self._pools and len(self.node_pools) < MAXIMUM:
            words = " ".join(value for _, value in sorted(settings.labels.items()) if value not in ("", "true", "user"))
            name = name_of(words or " ".join(settings.labels.values()), self.node_pools, "pool")
            pool: dict[str, Any] = {"title": plain(words, 80) or name, "labels": dict(settings.labels)}
            self.node_pools[name] = pool | ({"tolerations": tolerations} if tolerations else {})
            self._pools[key] = name
        return self._pools.get(key)
