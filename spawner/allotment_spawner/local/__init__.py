"""Sessions as processes of this machine: a translation of a Launch, thin over SimpleLocalProcessSpawner."""

from allotment_spawner.local.spawner import LocalProfileSpawner

__all__ = ["LocalProfileSpawner"]
