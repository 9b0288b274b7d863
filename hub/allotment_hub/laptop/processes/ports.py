"""Ports on 127.0.0.1: which are free, and which to take."""

import secrets
import socket
from collections.abc import Collection, Iterable

from allotment_hub.laptop.errors import LaptopError

ADDRESS = "127.0.0.1"

# Below the range from which systems take ports for outgoing connections: a port that is free for a second, while its
# process is restarted, is then not handed to somebody else.
_INTERNAL_FIRST, _INTERNAL_LAST = 18000, 32000


def is_free(port: int) -> bool:
    """Say whether a server could listen on this port now."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as listener:
        # As servers do: connections that linger after an earlier run are no obstacle.
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind((ADDRESS, port))
            listener.listen(1)
        except OSError:
            return False
    return True


def next_free(port: int, *, taken: Collection[int] = ()) -> int:
    """Give the port, or the next one above it that is free."""
    return _first_free(range(port, min(port + 500, 65536)), taken)


def any_free(*, taken: Collection[int] = ()) -> int:
    """Give a free port that only processes on this machine need to know."""
    start = _INTERNAL_FIRST + secrets.randbelow(_INTERNAL_LAST - _INTERNAL_FIRST)
    return _first_free([*range(start, _INTERNAL_LAST), *range(_INTERNAL_FIRST, start)], taken)


def _first_free(candidates: Iterable[int], taken: Collection[int]) -> int:
    for port in candidates:
        if port not in taken and is_free(port):
            return port
    raise LaptopError("No free port was found on 127.0.0.1. Name another one with --port.")
