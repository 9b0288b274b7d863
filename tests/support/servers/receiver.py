"""A web server that receives messages, as that of a chat does: `json://` of apprise. It can refuse and hang."""

import contextlib
import json
import socketserver
import threading
from collections.abc import Iterator
from email import message_from_bytes
from email.message import Message
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


class Receiver:
    """What was received."""

    def __init__(self, server: ThreadingHTTPServer) -> None:
        self.port = server.server_address[1]
        self.received: list[tuple[str, dict[str, Any]]] = []
        """Path and body of each message that was taken."""
        self.asked: list[str] = []
        """The path of each request."""
        self.status = 200
        self.may_answer = threading.Event()
        self.may_answer.set()

    def address(self, path: str) -> str:
        """Return the address of a path, as apprise has it."""
        return f"json://127.0.0.1:{self.port}/{path}"

    def texts(self, path: str) -> list[str]:
        """Return what was received at a path, each message as one text, and forget it."""
        found = [f"{body['title']}\n{body['message']}" for to, body in self.received if to == f"/{path}"]
        self.received = [each for each in self.received if each[0] != f"/{path}"]
        return found


@contextlib.contextmanager
def receiving() -> Iterator[Receiver]:
    """Serve until the end of the block."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            receiver.asked.append(self.path)
            receiver.may_answer.wait()
            if receiver.status == 200:
                receiver.received.append((self.path, body))
            with contextlib.suppress(OSError):  # it may have given up
                self.send_response(receiver.status)
                self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    receiver = Receiver(server)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield receiver
    finally:
        receiver.may_answer.set()
        server.shutdown()
        server.server_close()
        thread.join()


class _Mail(socketserver.StreamRequestHandler):
    """As much of SMTP as a message needs."""

    def handle(self) -> None:
        self.wfile.write(b"220 here\r\n")
        recipients: list[str] = []
        while line := self.rfile.readline().decode().strip():
            command = line[:4].upper()
            if command == "RCPT":
                recipients.append(line.partition("<")[2].partition(">")[0])
            if command == "DATA":
                self.wfile.write(b"354 go on\r\n")
                lines = list(iter(self.rfile.readline, b".\r\n"))
                self.server.mails.append((recipients, message_from_bytes(b"".join(lines))))  # type: ignore[attr-defined]
                recipients = []
            self.wfile.write(b"221 bye\r\n" if command == "QUIT" else b"250 fine\r\n")
            if command == "QUIT":
                return


@contextlib.contextmanager
def receiving_mail() -> Iterator[tuple[int, list[tuple[list[str], Message]]]]:
    """Receive e-mail until the end of the block: yield the port, and the list of recipients and messages."""
    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), _Mail) as server:
        server.daemon_threads = True
        mails: list[tuple[list[str], Message]] = []
        server.mails = mails  # type: ignore[attr-defined]
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        yield server.server_address[1], mails
        server.shutdown()
        thread.join()
