"""What a laptop can do; the proxies inside a session must find the same programs."""

import os
from pathlib import Path

import jupyter_rsession_proxy
import jupyter_vscode_proxy
import pytest

from allotment_profiles.access.deployments import LAPTOP_PROGRAMS, Program, laptop

SOMEWHERE = 4711


@pytest.fixture
def path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Give the only folder on the PATH."""
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.delenv("CODE_EXECUTABLE", raising=False)
    return tmp_path


def install(folder: Path, name: str, mode: int = 0o755) -> None:
    folder.mkdir(exist_ok=True)
    (folder / name).touch(mode)


def found_by_proxies() -> set[str]:
    """Ask the real proxies which programs they find."""
    found = set()
    try:
        jupyter_rsession_proxy.get_rstudio_executable("rserver")
        found.add("rstudio")
    except FileNotFoundError:
        pass
    try:
        jupyter_vscode_proxy.setup_vscode()["command"](SOMEWHERE, "")
        found.add("vscode")
    except FileNotFoundError:
        pass
    return found


@pytest.mark.parametrize(
    ("installed", "mode"),
    [((), 0o755), (("rserver",), 0o755), (("code-server",), 0o755), (("rserver", "code-server"), 0o755),
     (("rserver", "code-server"), 0o644)],
)  # fmt: skip
def test_an_app_is_offered_where_the_proxy_finds_its_program(path: Path, installed: tuple[str, ...], mode: int) -> None:
    for name in installed:
        install(path, name, mode)
    assert set(LAPTOP_PROGRAMS) - set(laptop().missing_apps) == found_by_proxies()


def test_rstudio_is_looked_for_in_the_folders_of_its_packages_as_the_proxy_does(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[Path] = []
    monkeypatch.setattr(os.path, "exists", lambda place: asked.append(Path(place)) or False)
    with pytest.raises(FileNotFoundError):
        jupyter_rsession_proxy.get_rstudio_executable("rserver")
    beside_the_path = [place for place in asked if place.parent != path]
    assert beside_the_path == [folder / "rserver" for folder in LAPTOP_PROGRAMS["rstudio"].folders]


def test_a_program_outside_the_path_counts_where_it_is_looked_for(path: Path, tmp_path: Path) -> None:
    program = Program("RStudio", "rserver", (tmp_path / "first", tmp_path / "second"))
    assert not program.installed
    assert all(text in program.missing for text in ("RStudio", "rserver", *map(str, program.folders)))
    install(tmp_path / "second", "rserver")
    assert program.installed


def test_a_laptop_has_folders_and_no_other_credential(path: Path) -> None:
    assert laptop().bindings == {"volume"}
