"""What Prometheus is told: the process, and how the catalog stands."""

from collections.abc import Iterable

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import REGISTRY, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from allotment_profiles.following import CatalogFollower


class CatalogCollector(Collector):
    """Reads the catalog's standing when it is asked for."""

    def __init__(self, follower: CatalogFollower) -> None:
        self._follower = follower

    def collect(self) -> Iterable[Metric]:
        """Give the figures of the last look, and of the one that applies."""
        for name, attempt in (("attempted", self._follower.attempted), ("applied", self._follower.applied)):
            if attempt is None:
                continue
            about = f"of the revision last {name}"
            time, revision = attempt.time.timestamp(), attempt.revision
            yield _gauge(f"allotment_catalog_{name}_timestamp_seconds", f"When the look {about} began.", time)
            yield _gauge(f"allotment_catalog_{name}_seconds", f"How long the look {about} took.", attempt.seconds)
            yield _gauge(f"allotment_catalog_{name}_problems", f"Problems {about}.", attempt.problem_count)
            yield _gauge(
                f"allotment_catalog_{name}_failed", f"Whether the look {about} failed.", attempt.error is not None
            )
            yield _gauge(f"allotment_catalog_{name}_rewound", f"Whether main was rewound {about}.", attempt.rewound)
            yield _gauge(f"allotment_catalog_{name}_info", f"The id {about}.", 1, revision=revision)
        catalog = self._follower.catalog
        yield _gauge("allotment_catalog_profiles", "Profiles that apply.", len(catalog.profiles))
        yield _gauge("allotment_catalog_held", "Changes of main that do not apply yet.", len(catalog.held))


def _gauge(name: str, text: str, value: float, **labels: str) -> GaugeMetricFamily:
    family = GaugeMetricFamily(name, text, labels=list(labels))
    family.add_metric(list(labels.values()), value)
    return family


def exposition(follower: CatalogFollower) -> bytes:
    """Write everything in Prometheus's own form."""
    registry = CollectorRegistry()
    registry.register(CatalogCollector(follower))
    return generate_latest(REGISTRY) + generate_latest(registry)
