"""Find free ports on 127.0.0.1."""

import secrets
import socket
from collections.abc import Collection, Iterable

from allotment_hub.laptop.folder import LaptopError

ADDRESS = "127.0.0.1"

# Below the range that systems use for outgoing connections, so that no connection takes the port of a program while
# that program restarts.
_INTERNAL_FIRST, _INTERNAL_LAST = 18000, 32000


def is_free(port: int) -> bool:
    """Whether a server could listen on this port now."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as listener:
        # As servers do: connections of an earlier run in TIME_WAIT do not block the port.
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind((ADDRESS, port))
            listener.listen(1)
        except OSError:
            return False
    return True


def next_free(port: int, *, taken: Collection[int] = ()) -> int:
    """Return the port, or the next free one above it."""
    return _first_free(range(port, min(port + 500, 65536)), taken)


def any_free(*, taken: Collection[int] = ()) -> int:
    """Return a free port for connections between our own processes."""
    start = _INTERNAL_FIRST + secrets.randbelow(_INTERNAL_LAST - _INTERNAL_FIRST)
    return _first_free([*range(start, _INTERNAL_LAST), *range(_INTERNAL_FIRST, start)], taken)


def _first_free(candidates: Iterable[int], taken: Collection[int]) -> int:
    for port in candidates:
        if port not in taken and is_free(port):
            return port
    raise LaptopError("No free port was found on 127.0.0.1. Name another one with --port.")
