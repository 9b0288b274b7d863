"""What monitoring is told: the process, how the catalog stands, and the images that are pulled ahead."""

import datetime as dt
from collections.abc import Iterable

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import REGISTRY, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from allotment_hub.services.images import ImagePuller
from allotment_profiles.store.watcher import CatalogWatcher


class CatalogCollector(Collector):
    """Reads the catalog's standing when it is asked for."""

    def __init__(self, watcher: CatalogWatcher) -> None:
        self._watcher = watcher

    def collect(self) -> Iterable[Metric]:
        """Give the figures of the last look, and of the one that applies."""
        for name, attempt in (("attempted", self._watcher.attempted), ("applied", self._watcher.applied)):
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
        catalog = self._watcher.catalog
        yield _gauge("allotment_catalog_profiles", "Profiles that apply.", len(catalog.profiles))
        yield _gauge("allotment_catalog_held", "Changes of main that do not apply yet.", len(catalog.quarantined))


class PullCollector(Collector):
    """Reads how pulling ahead stands when it is asked for."""

    def __init__(self, pulling: ImagePuller) -> None:
        self._pulling = pulling

    def collect(self) -> Iterable[Metric]:
        """Give the figures of the last attempt."""
        last = self._pulling.last
        if last is None:
            return
        images, left_out = len(last.wanted.images), len(last.wanted.left_out)
        yield _gauge("allotment_puller_images", "Images that are to be on the nodes.", images)
        yield _gauge("allotment_puller_left_out", "Images that are more than there may be.", left_out)
        yield _gauge("allotment_puller_failed", "Whether the cluster could not be told.", last.error is not None)
        yield _gauge("allotment_puller_timestamp_seconds", "When it was last tried.", last.time.timestamp())


def _gauge(name: str, text: str, value: float, **labels: str) -> GaugeMetricFamily:
    family = GaugeMetricFamily(name, text, labels=list(labels))
    family.add_metric(list(labels.values()), value)
    return family


def exposition(watcher: CatalogWatcher, pulling: ImagePuller | None) -> bytes:
    """Write everything in Prometheus's own form."""
    registry = CollectorRegistry()
    registry.register(CatalogCollector(watcher))
    if pulling:
        registry.register(PullCollector(pulling))
    return generate_latest(REGISTRY) + generate_latest(registry)


def pulls_in_brief(pulling: ImagePuller | None) -> dict[str, object] | None:
    """Say for `GET health` how pulling ahead stands; None where nothing is pulled, or not yet."""
    last = pulling.last if pulling else None
    if last is None:
        return None
    return {
        "time": last.time.astimezone(dt.UTC).isoformat(),
        "images": len(last.wanted.images),
        "left_out": len(last.wanted.left_out),
        # What the cluster says is for the log.
        "failed": last.error is not None,
        "failing_since": last.since.astimezone(dt.UTC).isoformat() if last.since else None,
    }
