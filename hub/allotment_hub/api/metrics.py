"""Metrics for Prometheus: the process, the state of the catalog and the image puller."""

from collections.abc import Iterable

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import REGISTRY, CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from allotment_hub.forges.record_index import RecordIndex
from allotment_hub.forges.record_log import RecordLog
from allotment_hub.services.disk import Disk
from allotment_hub.services.image_puller import ImagePuller
from allotment_hub.services.notifications.notifier import Notifier
from allotment_hub.services.pull_requests.mirroring import PullRequests
from allotment_profiles.store.watcher import CatalogWatcher


class CatalogCollector(Collector):
    """Collects the state of the catalog at each scrape."""

    def __init__(self, watcher: CatalogWatcher) -> None:
        self._watcher = watcher

    def collect(self) -> Iterable[Metric]:
        """Yield the metrics of the last attempt to load a revision, and of the revision that applies."""
        for name, attempt in (("attempted", self._watcher.attempted), ("applied", self._watcher.applied)):
            if attempt is None:
                continue
            about = f"of the revision last {name}"
            time, revision = attempt.time.timestamp(), attempt.revision
            yield _gauge(f"allotment_catalog_{name}_timestamp_seconds", f"When loading {about} began.", time)
            yield _gauge(f"allotment_catalog_{name}_seconds", f"How long loading {about} took.", attempt.seconds)
            yield _gauge(f"allotment_catalog_{name}_problems", f"Problems {about}.", attempt.problem_count)
            yield _gauge(
                f"allotment_catalog_{name}_failed", f"Whether loading {about} failed.", attempt.error is not None
            )
            yield _gauge(f"allotment_catalog_{name}_rewound", f"Whether main was rewound {about}.", attempt.rewound)
            yield _gauge(f"allotment_catalog_{name}_info", f"The id {about}.", 1, revision=revision)
        standstill, watcher = self._watcher.standstill, self._watcher
        yield _gauge("allotment_main_standstill", "Whether main cannot move: alert on this.", standstill is not None)
        if standstill and standstill.since:
            since = standstill.since.timestamp()
            yield _gauge("allotment_main_standstill_timestamp_seconds", "Since when main cannot move.", since)
        failed = watcher.proposals_error is not None
        yield _gauge("allotment_proposals_fetch_failed", "Whether fetching the branches of proposals failed.", failed)
        yield _gauge("allotment_proposals_left_out", "Branches of proposals that are not mirrored.", watcher.left_out)
        disk = Disk.of(watcher.repository.path)
        yield _gauge("allotment_disk_nearly_full", "Whether the repository's disk is nearly full.", disk.nearly_full)
        yield _gauge("allotment_disk_free_bytes", "Free bytes of the repository's disk.", disk.free)
        catalog = watcher.catalog
        yield _gauge("allotment_catalog_profiles", "Profiles that apply.", len(catalog.profiles))
        yield _gauge("allotment_catalog_held", "Changes on main that are quarantined.", len(catalog.quarantined))


class RecordCollector(Collector):
    """Collects what the log of records says at each scrape."""

    def __init__(self, log: RecordLog) -> None:
        self._log = log

    def collect(self) -> Iterable[Metric]:
        """Yield the numbers of proposals, and whether the log can be used."""
        self._log.look()
        broken, reading = self._log.broken is not None, self._log.progress is not None
        yield _gauge("allotment_records_broken", "Whether the log is bad, so that nothing is decided.", broken)
        yield _gauge("allotment_records_reading", "Whether the log is being read from its beginning.", reading)
        if not reading:
            proposals = GaugeMetricFamily("allotment_proposals", "Proposals by state.", labels=["state"])
            for state, count in self._log.ask(RecordIndex.totals).items():
                proposals.add_metric([state], count)
            yield proposals


class ForgeCollector(Collector):
    """Collects how it went when the forge was asked, at each scrape."""

    def __init__(self, pull_requests: PullRequests) -> None:
        self._pull_requests = pull_requests

    def collect(self) -> Iterable[Metric]:
        """Yield the metrics of the last look."""
        status = self._pull_requests.status
        up = status.error is None and status.looked is not None
        yield _gauge("allotment_forge_up", "Whether the last look at the pull requests went well.", up)
        if status.looked:
            looked = status.looked.timestamp()
            yield _gauge("allotment_forge_looked_timestamp_seconds", "When all pull requests were last read.", looked)
        count = self._pull_requests.open_count
        yield _gauge("allotment_forge_open_pull_requests", "Open pull requests into main.", count)


class NotificationCollector(Collector):
    """Collects what became of messages to people at each scrape."""

    def __init__(self, notifier: Notifier) -> None:
        self._notifier = notifier

    def collect(self) -> Iterable[Metric]:
        """Yield how many messages were sent since the start, and how many notices wait."""
        result = self._notifier.sender.result
        counted = CounterMetricFamily("allotment_notifications", "Messages to people by result.", labels=["result"])
        for name in ("sent", "failed", "given_up"):
            counted.add_metric([name], getattr(result, name))
        yield counted
        waiting = self._notifier.outbox.waiting()
        yield _gauge("allotment_notifications_waiting", "Notices that are still to be sent.", waiting)


class PullCollector(Collector):
    """Collects the state of the image puller at each scrape."""

    def __init__(self, image_puller: ImagePuller) -> None:
        self._image_puller = image_puller

    def collect(self) -> Iterable[Metric]:
        """Yield the metrics of the last attempt."""
        last = self._image_puller.last
        if last is None:
            return
        images, left_out = len(last.desired.images), len(last.desired.left_out)
        yield _gauge("allotment_puller_images", "Images that the nodes should have.", images)
        yield _gauge("allotment_puller_left_out", "Images beyond the maximum.", left_out)
        yield _gauge("allotment_puller_failed", "Whether the last attempt failed.", last.error is not None)
        yield _gauge("allotment_puller_timestamp_seconds", "When the last attempt was made.", last.time.timestamp())


def _gauge(name: str, text: str, value: float, **labels: str) -> GaugeMetricFamily:
    family = GaugeMetricFamily(name, text, labels=list(labels))
    family.add_metric(list(labels.values()), value)
    return family


def exposition(*collectors: Collector) -> bytes:
    """Return the metrics of the process and of some collectors in the text format of Prometheus."""
    registry = CollectorRegistry()
    for collector in collectors:
        registry.register(collector)
    return generate_latest(REGISTRY) + generate_latest(registry)
