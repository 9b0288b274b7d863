"""Sessions as pods of a Kubernetes cluster."""

from allotment_spawner.kubernetes.spawner import KubernetesProfileSpawner

__all__ = ["KubernetesProfileSpawner"]
