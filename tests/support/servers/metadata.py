"""A stand-in for the metadata server of a cloud, which gives nodes their credentials, on the node of a test cluster."""

import os
import shutil
import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

_ADDRESS = "169.254.169.254"


@contextmanager
def metadata_server() -> Iterator[tuple[str, int]]:
    """Listen at the metadata server's address until the end of the block; the node has to be this machine."""
    ip = shutil.which("ip")
    if os.geteuid() != 0 or ip is None:
        pytest.skip("only root, with the program `ip`, can add the metadata server's address to this machine")
    subprocess.run([ip, "address", "replace", f"{_ADDRESS}/32", "dev", "lo"], check=True)
    try:
        with socket.create_server((_ADDRESS, 80)):
            yield _ADDRESS, 80
    finally:
        subprocess.run([ip, "address", "delete", f"{_ADDRESS}/32", "dev", "lo"], check=False)
