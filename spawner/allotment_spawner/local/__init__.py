"""Sessions as processes of this machine."""

from allotment_spawner.local.spawner import LocalProfileSpawner

__all__ = ["LocalProfileSpawner"]
