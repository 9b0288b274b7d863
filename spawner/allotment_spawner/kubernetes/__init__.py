"""Sessions as pods of a Kubernetes cluster: a translation of a Launch, thin over KubeSpawner."""

from allotment_spawner.kubernetes.spawner import KubernetesProfileSpawner

__all__ = ["KubernetesProfileSpawner"]
