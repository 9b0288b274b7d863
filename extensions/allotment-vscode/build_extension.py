"""Pack the extension into `allotment-vscode.vsix`, unless what is there was packed from these sources.

Runs with the Python of an environment that has JupyterLab, or `jupyter-builder` alone, and finds Node as the build of
JupyterLab's panel does. With arguments, runs `jlpm` with them instead. `--install PROGRAM` puts the packed extension
beside those that come with a code-server, so that every user of an image has it.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "jupyterlab-allotment"))

from build_panel import digest, jlpm  # noqa: E402 - it is in the folder that was just added

PACKED = HERE / "allotment-vscode.vsix"
STAMP = HERE / "out" / "sources.sha256"
SOURCES = (
    *("package.json", "package.nls.json", "yarn.lock", ".yarnrc.yml", "tsconfig.json", "src", "l10n"),
    *("README.md", "LICENSE"),
)
"""What the extension is made from."""


def is_packed() -> bool:
    """Whether the extension is there, made from these sources."""
    made = digest(HERE, SOURCES)
    return PACKED.is_file() and STAMP.is_file() and STAMP.read_text(encoding="utf-8").strip() == made


def pack() -> None:
    """Pack the extension. Raise OSError or CalledProcessError."""
    say("packing it, which takes about a minute when it is done for the first time")
    jlpm("install", "--immutable", folder=HERE)
    shutil.rmtree(HERE / "out", ignore_errors=True)
    jlpm("package", folder=HERE)
    STAMP.write_text(digest(HERE, SOURCES) + "\n", encoding="utf-8")


def install(program: str) -> None:
    """Unpack the extension among those that come with code-server. Raise OSError."""
    found = shutil.which(program)
    if found is None:
        raise FileNotFoundError(f"there is no {program}")
    # Its program is out/node/entry.js in the folder of its package.
    folder = Path(found).resolve().parents[2] / "lib" / "vscode" / "extensions"
    if not (folder.parent / "product.json").is_file():
        raise FileNotFoundError(f"{found} is not code-server as npm installs it")
    target = folder / json.loads((HERE / "package.json").read_text(encoding="utf-8"))["name"]
    shutil.rmtree(target, ignore_errors=True)
    with zipfile.ZipFile(PACKED) as packed:
        for name in packed.namelist():
            path = target / name.removeprefix("extension/")
            if name.startswith("extension/") and not name.endswith("/"):
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_bytes(packed.read(name))
    say(f"installed in {target}")


def say(what: str) -> None:
    """Print a line."""
    sys.stderr.write(f"VS Code's extension: {what}\n")
    sys.stderr.flush()


def main(arguments: list[str]) -> int:
    """Pack if that is needed, install, or run jlpm with the arguments, and return the exit code."""
    try:
        if arguments and arguments[0] != "--install":
            jlpm(*arguments, folder=HERE, quiet=False)
            return 0
        if not is_packed():
            pack()
        if arguments:
            install(*arguments[1:])
    except (OSError, subprocess.CalledProcessError) as error:
        say(f"that failed: {error}")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
