"""What a session says about itself is read from files of the kernel and of package managers, whatever is in them."""

import os
import time
from pathlib import Path
from typing import Any

import pytest
from allotment_session.capture import cgroup, packages, processes
from allotment_session.capture.evidence import MAXIMUM_PACKAGES, Use, evidence_of, observed
from allotment_session.running import short_of_memory

from allotment_profiles.records.evidence import SessionEvidence

GIB = 1024**3
SESSION: dict[str, Any] = {
    "profile": "housing/notebook", "revision": "a" * 40, "options": {"size": "normal"}, "memory": 4 * GIB, "cpu": 2.0,
    "gpu": 0, "image": "quay.io/jupyter/scipy-notebook:1", "digest": "", "data_roles": [{"name": "prices"}],
}  # fmt: skip


def write(folder: Path, **files: str) -> Path:
    for name, text in files.items():
        path = folder / name.replace("__", "/")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return folder


def container(folder: Path, path: str = "/", **files: str) -> tuple[Path, Path]:
    """Plant a control group, and a /proc whose first process began 3,600 seconds ago."""
    stat = "1 (tini (x) y) S 0 " + "0 " * 17 + "100 0 0"
    proc = write(folder / "proc", self__cgroup=f"0::{path}\n", uptime="3601.00 5.00\n")
    write(proc / "1", stat=stat)
    usual = {
        "memory.max": f"{4 * GIB}\n", "memory.current": f"{3 * GIB}\n", "memory.peak": f"{4 * GIB}\n",
        "memory.events": "low 0\noom 3\noom_kill 2\n", "memory.stat": f"anon 5\ninactive_file {GIB}\n",
        "cpu.stat": "usage_usec 1800000000\nnr_periods 100\nnr_throttled 30\n", "cpu.max": "200000 100000\n",
    }  # fmt: skip
    root = folder / "cgroup"
    for name, text in {**usual, **files}.items():
        write(root / path.lstrip("/"), **{name: text})
    return proc, root


def test_a_container_is_read_by_its_control_group(tmp_path: Path) -> None:
    use = observed(*container(tmp_path))
    assert use.values == {
        "source": "session", "seconds": 3600, "memory_limit": 4 * GIB, "memory_now": 2 * GIB, "memory_peak": 4 * GIB,
        "out_of_memory": 2, "cpu_limit": 2.0, "cpu_typical": 0.5, "cpu_throttled": 0.3,
    }  # fmt: skip
    assert use.unknown == ""


def test_no_limit_and_an_old_kernel_are_not_known_and_nothing_is_invented(tmp_path: Path) -> None:
    proc, root = container(tmp_path, **{"memory.max": "max\n", "cpu.max": "max 100000\n", "memory.events": "oom 1\n"})
    (root / "memory.peak").unlink()
    use = observed(proc, root)
    assert use.sent == {
        "source": "session",
        "seconds": 3600,
        "cpu_typical": 0.5,
        "cpu_throttled": 0.3,
        "out_of_memory": 0,
    }
    assert "does not count the peak" in use.unknown


@pytest.mark.parametrize("path", ["/user.slice/session-1.scope", "/../..", "/system.slice/jupyterhub.service"])
def test_the_group_of_a_login_or_a_service_is_not_the_sessions(tmp_path: Path, path: str) -> None:
    proc = write(tmp_path / "proc", self__cgroup=f"0::{path}\n")
    write(tmp_path / "cgroup" / path.lstrip("/"), **{"memory.max": "max\n"})
    assert cgroup.folder_of(proc, tmp_path / "cgroup") is None


@pytest.mark.parametrize("files", [{}, {"memory.max": "\0\xff", "cpu.max": "200000 0", "cpu.stat": "usage_usec -5\nx"}])
def test_files_of_anything_else_break_nothing(tmp_path: Path, files: dict[str, str]) -> None:
    proc, root = container(tmp_path, **dict.fromkeys(("memory.current", "memory.peak", "memory.events"), "x\n") | files)
    assert observed(proc, root).values["memory_peak"] is None


def test_the_group_of_this_machine_is_read_where_there_is_one() -> None:
    use = observed()
    assert use.values["seconds"] >= 0
    assert use.unknown or use.values["memory_peak"]


def test_without_a_container_the_processes_of_the_session_count_and_no_others(tmp_path: Path) -> None:
    def process(number: int, parent: int, memory: int, mark: str) -> None:
        stat = f"{number} (python) S {parent} " + "0 " * 9 + "100 0 0 0 0 0 0 0 100 0 0"
        status = f"Name: python\nVmHWM:\t{memory * 2} kB\nVmRSS:\t{memory} kB\n"
        write(tmp_path / str(number), stat=stat, status=status, environ=f"A=secret\0JUPYTERHUB_SERVICE_PREFIX={mark}\0")

    process(10, 1, 5000, "")
    process(20, 10, 1000, "/user/ana/")
    process(21, 20, 300, "/user/ana/")
    process(22, 21, 50, "/user/ana/")
    process(30, 10, 7000, "/user/ben/")
    known = processes.processes(tmp_path)
    found = processes.of_session(tmp_path, 22, known)
    assert {each.number for each in found} == {20, 21, 22}
    use = processes.use(found, now=101.0)
    assert use["memory_now"] == 1350 * 1024
    assert use["memory_peak"] == 2000 * 1024
    assert use["cpu_typical"] == pytest.approx(3 * 100 / os.sysconf("SC_CLK_TCK") / 100, rel=0.1)
    assert processes.of_session(tmp_path, 99, known) == []
    # RStudio starts R without a mark.
    process(23, 21, 40, "")
    (tmp_path / "23" / "environ").write_text("A=b\0")
    process(24, 23, 7, "")
    (tmp_path / "24" / "environ").write_text("")
    found = processes.of_session(tmp_path, 24, processes.processes(tmp_path))
    assert {each.number for each in found} == {20, 21, 22, 23, 24}
    assert processes.processes(tmp_path / "missing") == {}


def dist(folder: Path, name: str, version: str, installer: str = "pip") -> Path:
    metadata = f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n\nName: not-this\n"
    return write(folder / f"{name}-{version}.dist-info", METADATA=metadata, INSTALLER=f"{installer}\n")


def test_what_a_user_has_added_is_found_and_what_the_image_has_is_not(tmp_path: Path) -> None:
    home, root = tmp_path / "home", tmp_path / "root"
    image = root / "opt/conda/lib/python3.11/site-packages"
    dist(image, "numpy", "2.0")
    write(root / "opt/conda/conda-meta", **{"zlib-1.3-h1.json": '{"name": "zlib", "version": "1.3"}'})
    write(root / "usr/lib/R/library/stats", DESCRIPTION="Package: stats\nVersion: 4.4.1\n")
    since = max(path.stat().st_ctime for path in root.rglob("*"))
    while time.time() <= since + 0.01:  # the clock of files is coarse
        pass
    dist(home / ".local/lib/python3.11/site-packages", "polars", "1.2.3")
    dist(image, "duckdb", "1.1.0", "uv")
    dist(image, "xarray", "2024.1", "conda")
    write(root / "opt/conda/conda-meta", **{"xarray-2024.1-py_0.json": '{"name": "xarray", "version": "2024.1"}'})
    write(home / "R/x86_64-pc-linux-gnu-library/4.4/data.table", DESCRIPTION="Package: data.table\nVersion: 1.15-2\n")
    found = packages.added(home, {}, since, root)
    assert [tuple(each.values()) for each in found] == [
        ("conda", "xarray", "2024.1"), ("pip", "polars", "1.2.3"), ("r", "data.table", "1.15-2"),
        ("uv", "duckdb", "1.1.0"),
    ]  # fmt: skip


def test_names_of_anything_else_are_left_out(tmp_path: Path) -> None:
    folder = tmp_path / ".local/lib/python3.11/site-packages"
    dist(folder, "good", "1.0")
    write(folder / "x-1.dist-info", METADATA="Name: <script>alert(1)</script>\nVersion: 1\n")
    write(folder / "y-1.dist-info", METADATA="Name: evil\nVersion: \u202e1\n")
    write(folder / "no-version.dist-info", METADATA="")
    write(folder, **{"file-1.dist-info": "no folder"})
    (folder / "loop-1.dist-info").symlink_to("loop-1.dist-info")
    write(tmp_path / ".conda/envs/mine/conda-meta", **{"a-1-0.json": "[" * 10_000, "b.json": "{}"})
    names = [each["name"] for each in packages.added(tmp_path, {}, 0, tmp_path / "none")]
    assert names == ["a", "file", "good"]


def test_folders_that_variables_name_outside_of_the_home_are_not_the_users(tmp_path: Path) -> None:
    dist(tmp_path / "elsewhere/lib/python3.11/site-packages", "other", "1.0")
    write(tmp_path / "elsewhere/abc", DESCRIPTION="Package: abc\nVersion: 1.0\n")
    named = {"PYTHONUSERBASE": str(tmp_path / "elsewhere"), "R_LIBS_USER": str(tmp_path / "elsewhere")}
    assert packages.added(tmp_path / "home", named, 0, tmp_path / "none") == []


def test_ten_thousand_packages_and_more_fit_into_what_is_sent(tmp_path: Path) -> None:
    folder = tmp_path / ".local/lib/python3.11/site-packages"
    for number in range(MAXIMUM_PACKAGES + 7):
        (folder / f"package_{number:05d}-1.0.dist-info").mkdir(parents=True)
    use = Use({"source": "session", "seconds": 1, "memory_peak": 1}, time.time())
    evidence, kept = evidence_of(SESSION, use, {}, tmp_path)
    said = SessionEvidence.model_validate(evidence)
    assert len(said.packages) == len(kept)
    assert said.packages_left_out == MAXIMUM_PACKAGES + 7 - len(kept)
    assert len(said.model_dump_json()) < 1_000_000


def test_nothing_of_the_environment_is_sent(tmp_path: Path) -> None:
    environment = {
        "AWS_SECRET_ACCESS_KEY": "planted-secret",
        "R_LIBS_USER": "planted-secret",
        "CONDA_PREFIX": "/planted-secret",
    }
    evidence, _ = evidence_of(SESSION, Use({"seconds": 0}, 0), environment, tmp_path)
    assert "planted" not in repr(evidence)
    said = SessionEvidence.model_validate(evidence)
    assert (said.use, said.data_roles, said.options) == (None, ["prices"], {"size": "normal"})


LARGER: dict[str, Any] = {
    "profile": "housing/notebook",
    "options": {"size": "large"},
    "memory": 8 * GIB,
    "url": "https://hub/spawn?x",
}


KILLED_TWICE = ["2 times, at its limit of 4 GiB", "start housing/notebook size: large with 8 GiB", LARGER["url"]]
SHORT = ["Memory is short: 3.9 GiB of 4 GiB", "propose --running"]


@pytest.mark.parametrize(
    ("values", "larger", "words"),
    [
        ({"out_of_memory": 2}, [LARGER], KILLED_TWICE),
        ({"out_of_memory": 1}, [], ["once", "allotment-session propose --running"]),
        ({"memory_now": 3.9 * GIB}, [], SHORT),
        ({"memory_now": 2 * GIB}, [LARGER], []),
    ],
)
def test_a_session_without_memory_says_one_step_that_helps(
    values: dict[str, Any], larger: list[dict[str, Any]], words: list[str]
) -> None:
    lines = short_of_memory({**SESSION, "larger": larger}, Use(values, 0))
    assert bool(lines) is bool(words)
    for word in words:
        assert word in "\n".join(lines)
