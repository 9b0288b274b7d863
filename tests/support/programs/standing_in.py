"""What the two stand-ins of this folder share: serving pages on a port or a socket, with a process beside them."""

import signal
import socketserver
import subprocess
import sys
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import NoReturn

# Deaf to the only signal that a stopped session passes on: like work that somebody left running.
_COMPANION = "import signal; signal.signal(signal.SIGINT, signal.SIG_IGN); print(flush=True); signal.pause()"


class Pages(BaseHTTPRequestHandler):
    """Answers with text or with the way to another page."""

    def show(self, text: str) -> None:
        """Answer with a page."""
        body = f"<!doctype html><title>Stand-in</title><pre>{text}</pre>".encode()
        self.send_response(200)
        self.send_header("Content-Type", "text/html; charset=utf-8")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def send_to(self, place: str, **headers: str) -> None:
        """Answer with the way to another page."""
        self.send_response(302)
        self.send_header("Location", place)
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def address_string(self) -> str:
        """Name the one who asks; on a socket there is nothing to name."""
        return str(self.client_address or "somebody")


class _OnPort(socketserver.ThreadingTCPServer):
    allow_reuse_address = True
    daemon_threads = True


class _OnSocket(socketserver.ThreadingUnixStreamServer):
    daemon_threads = True


def start_companion() -> int:
    """Start a process that outlives this program unless somebody ends it; give its id once it is deaf."""
    companion = subprocess.Popen([sys.executable, "-c", _COMPANION], stdout=subprocess.PIPE, start_new_session=True)
    assert companion.stdout
    companion.stdout.readline()
    return companion.pid


def serve(pages: type[Pages], *, port: int | None, socket: Path | None) -> NoReturn:
    """Serve until told to end."""
    signal.signal(signal.SIGINT, lambda *_: sys.exit(0))
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    with _OnSocket(str(socket), pages) if socket else _OnPort(("127.0.0.1", port or 0), pages) as server:
        server.serve_forever()
    raise AssertionError("serving ends by a signal")
