"""VS Code's extension as it is packed and installed, and the tests of its own logic; tests/browser opens it."""

import os
import re
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
from support.folders import ROOT

EXTENSION = ROOT / "extensions" / "allotment-vscode"
BUILD = EXTENSION / "build_extension.py"
PACKED = EXTENSION / "allotment-vscode.vsix"

needs_extension = pytest.mark.skipif(
    not PACKED.exists() or not (EXTENSION / "node_modules").exists(),
    reason="VS Code's extension is not packed here: `make vscode` says why",
)


def build(*arguments: str, path: str = "") -> str:
    environment = {**os.environ, "PATH": f"{path}{os.pathsep}{os.environ['PATH']}"}
    done = subprocess.run(
        [sys.executable, str(BUILD), *arguments],
        capture_output=True, text=True, timeout=170, check=False, env=environment,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout + done.stderr


def test_the_lock_names_no_registry() -> None:
    assert re.findall(r"https?://", (EXTENSION / "yarn.lock").read_text()) == []


@needs_extension
def test_what_is_packed_was_made_from_these_sources_and_is_small() -> None:
    before = PACKED.stat().st_mtime_ns
    assert build() == ""
    assert PACKED.stat().st_mtime_ns == before
    with zipfile.ZipFile(PACKED) as packed:
        names = packed.namelist()
    assert "extension/out/extension.js" in names
    assert [name for name in names if "test" in name or "node_modules" in name or "src" in name] == []


@needs_extension
def test_its_logic_passes_its_own_tests() -> None:
    assert re.search(r"^# fail 0$", build("test"), re.MULTILINE)


@needs_extension
def test_an_image_has_it_among_the_extensions_of_code_server(tmp_path: Path) -> None:
    package, programs = tmp_path / "lib" / "node_modules" / "code-server", tmp_path / "bin"
    for folder in (programs, package / "out" / "node", package / "lib" / "vscode" / "extensions"):
        folder.mkdir(parents=True)
    (package / "lib" / "vscode" / "product.json").write_text("{}")
    (package / "out" / "node" / "entry.js").touch(mode=0o755)
    (programs / "code-server").symlink_to("../lib/node_modules/code-server/out/node/entry.js")
    build("--install", "code-server", path=str(programs))
    installed = package / "lib" / "vscode" / "extensions" / "allotment-vscode"
    assert {"package.json", "package.nls.json", "out", "l10n"} <= {each.name for each in installed.iterdir()}
