"""Launches without a repository, for tests of what a cluster makes of them."""

from collections.abc import Mapping
from typing import Any

from allotment_profiles.access.cost import cost_of
from allotment_profiles.access.launch import Launch, Request
from allotment_profiles.model import Binding, Policy, Storage
from allotment_profiles.model.sizes import Size

_POLICY = Policy.model_validate(
    {"format": 1, "ceilings": {"cpu": 16, "memory": "64 GiB"}, "registries": ["registry.example.org/*"]}
)
_SIZE = Size(500, 2000, 1024**3, 4 * 1024**3, 0)


def launch(bindings: Mapping[str, dict[str, Any]] | None = None, **changes: Any) -> Launch:
    """Give a launch of `red/notebook` with some fields replaced."""
    size = changes.get("size", _SIZE)
    values: dict[str, Any] = {
        "profile_id": "red/notebook",
        "team": "red",
        "title": "Notebook",
        "commit": "a" * 40,
        "app": "jupyterlab",
        "image": "registry.example.org/analysis/notebook:1",
        "size": size,
        "environment": {},
        "bindings": {role: Binding.model_validate(value) for role, value in (bindings or {}).items()},
        "idle": 7200,
        "total": 43200,
        "request": Request("red/notebook", {}),
        "cost": cost_of(size, _POLICY),
        "gpu": None,
        "node_pool": None,
        "tool": None,
        "storage": Storage(),
        "checkout": None,
        "cost_centre": None,
    }
    return Launch(**{**values, **changes})
