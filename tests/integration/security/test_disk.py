"""The health and the metrics tell that the disk of the repository is nearly full, before nothing can be written."""

from pathlib import Path

import pytest
from support.fakes.platform import Platform
from support.fakes.web_service import WebService

from allotment_hub.services import disk
from allotment_hub.services.disk import Disk

GIB = 2**30


@pytest.mark.parametrize(
    ("space", "nearly_full"),
    [
        (Disk(GIB // 20, GIB, 60_000, 65_536), True),
        (Disk(GIB // 5, GIB, 60_000, 65_536), False),
        (Disk(20 * GIB, 1000 * GIB, 10**7, 10**8), False),
        (Disk(GIB // 2, 1000 * GIB, 10**7, 10**8), True),
        (Disk(GIB // 2, GIB, 5_000, 65_536), True),
        (Disk(GIB // 2, GIB, 0, 0), False),
    ],
)
def test_a_disk_is_nearly_full_when_a_small_share_and_few_bytes_or_files_are_free(
    space: Disk, nearly_full: bool
) -> None:
    assert space.nearly_full == nearly_full


def test_a_disk_that_cannot_be_asked_is_not_said_to_be_full(tmp_path: Path) -> None:
    assert not Disk.of(tmp_path / "gone").nearly_full
    assert Disk.of(tmp_path).free > 0


async def test_health_and_metrics_tell_it(
    platform: Platform, service: WebService, monkeypatch: pytest.MonkeyPatch
) -> None:
    await platform.watcher.refresh()
    visitor = service.program("ana")
    for share, full in ((0.0, False), (2.0, True)):
        monkeypatch.setattr(disk, "SHARE", share)
        monkeypatch.setattr(disk, "BYTES", 2**80)
        answer = await visitor.get("api/v1/health")
        assert (answer.status_code, answer.json()["ok"], answer.json()["disk"]["nearly_full"]) == (200, not full, full)
        assert answer.json()["disk"]["free"] > 0
        metrics = (await visitor.get("api/v1/metrics")).text
        assert f"allotment_disk_nearly_full {float(full)}" in metrics
        assert "allotment_disk_free_bytes" in metrics
