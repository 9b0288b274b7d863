"""A git server as organisations have them: over TLS, with a certificate of an authority that nobody else knows.

with GitServer(tmp_path) as server:
    server.create("red/bulletin", {"main.py": "print()"})
    git clone server.url("red/bulletin")     # with server.ca_file
"""

import base64
import datetime as dt
import http.server
import ipaddress
import os
import ssl
import subprocess
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Self

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID
from support.repositories import Content, ProfilesRepository

_ISOLATED = {"GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_NOSYSTEM": "1", "GIT_TERMINAL_PROMPT": "0"}
_PERSON = {
    "GIT_AUTHOR_NAME": "Somebody", "GIT_AUTHOR_EMAIL": "somebody@example.org",
    "GIT_COMMITTER_NAME": "Somebody", "GIT_COMMITTER_EMAIL": "somebody@example.org",
}  # fmt: skip
_HOST = "127.0.0.1"


def git(folder: Path, *arguments: str) -> str:
    """Run git in a folder and give what it says."""
    environment = {"PATH": os.environ["PATH"], "HOME": str(folder), **_ISOLATED, **_PERSON}
    done = subprocess.run(["git", *arguments], cwd=folder, env=environment, capture_output=True, text=True, check=True)
    return done.stdout.strip()


class GitServer:
    """Serves the repositories of a folder with git's own program for it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.ca_file = folder / "ca.pem"
        self.answering = threading.Event()
        """While it is clear the server takes requests and answers nothing."""
        self.answering.set()
        self.token = ""
        """What a request has to have as its password; empty: nothing. Only with one may anybody push."""
        self.status = 0
        """What every request is answered with, as by a server that refuses or is broken; 0: the server works."""
        self.requests: list[str] = []
        self.asked = threading.Event()
        """Set with the first request."""
        (folder / "repositories").mkdir(parents=True)
        certificate = write_certificates(folder)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate)
        self._context = context
        self._listen(0)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.answering.set()
        self._close()

    @contextmanager
    def away(self) -> Iterator[None]:
        """Take no connection meanwhile."""
        self._close()
        try:
            yield
        finally:
            self._listen(self._server.server_port)
            self._thread.start()

    @contextmanager
    def hanging(self) -> Iterator[None]:
        """Take connections and answer nothing meanwhile; `asked` tells of the first request."""
        self.asked.clear()
        self.answering.clear()
        try:
            yield
        finally:
            self.answering.set()

    def _listen(self, port: int) -> None:
        self._server = _Server((_HOST, port), _Handler)
        self._server.owner = self
        self._server.socket = self._context.wrap_socket(
            self._server.socket, server_side=True, do_handshake_on_connect=False
        )
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)

    def _close(self) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join(10)

    def url(self, name: str) -> str:
        """Give the address of a repository."""
        return f"https://{_HOST}:{self._server.server_port}/{name}"

    def create(self, name: str, files: Mapping[str, str]) -> Path:
        """Make a repository with one commit on main, and give its work tree: commit there and `git push` more."""
        bare, work = self.folder / "repositories" / name, self.folder / "work" / name
        bare.mkdir(parents=True)
        git(bare, "init", "--quiet", "--bare", "--initial-branch=main")
        work.mkdir(parents=True)
        git(work, "init", "--quiet", "--initial-branch=main")
        git(work, "remote", "add", "origin", str(bare))
        if files:
            self.commit(name, files)
        return work

    def commit(self, name: str, files: Mapping[str, str], branch: str = "main") -> str:
        """Commit files and push; give the commit."""
        work = self.folder / "work" / name
        for path, text in files.items():
            (work / path).parent.mkdir(parents=True, exist_ok=True)
            (work / path).write_text(text)
        git(work, "add", "--all")
        git(work, "commit", "--quiet", "--message=Change")
        git(work, "push", "--quiet", "origin", f"HEAD:refs/heads/{branch}")
        return git(work, "rev-parse", "HEAD")


class _Server(http.server.ThreadingHTTPServer):
    daemon_threads = True
    owner: GitServer

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Say nothing: a client that is killed, or does not trust the certificate, just goes away."""


class _Handler(http.server.BaseHTTPRequestHandler):
    server: _Server
    protocol_version = "HTTP/1.0"

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002  the name is http.server's
        """Say nothing."""

    def do_GET(self) -> None:
        owner = self.server.owner
        owner.requests.append(self.path)
        owner.asked.set()
        owner.answering.wait()
        if owner.status:
            self._answer(owner.status, {})
            return
        if self.path.startswith("/moved/"):
            self._answer(301, {"Location": owner.url(self.path.removeprefix("/moved/"))})
            return
        given = self.headers.get("Authorization", "").removeprefix("Basic ")
        if owner.token and base64.b64decode(given).decode().partition(":")[2] != owner.token:
            self._answer(401, {"WWW-Authenticate": "Basic"})
            return
        path, _, query = self.path.partition("?")
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        environment = {
            "PATH": os.environ["PATH"], **_ISOLATED,
            "GIT_PROJECT_ROOT": str(owner.folder / "repositories"), "GIT_HTTP_EXPORT_ALL": "1",
            "REQUEST_METHOD": self.command, "PATH_INFO": path, "QUERY_STRING": query,
            "CONTENT_TYPE": self.headers.get("Content-Type", ""), "CONTENT_LENGTH": str(len(body)),
            "HTTP_CONTENT_ENCODING": self.headers.get("Content-Encoding", ""),
            "GIT_PROTOCOL": self.headers.get("Git-Protocol", ""),
            **({"REMOTE_USER": "somebody"} if owner.token else {}),
        }  # fmt: skip
        done = subprocess.run(["git", "http-backend"], input=body, env=environment, capture_output=True, check=False)
        head, _, content = done.stdout.partition(b"\r\n\r\n")
        fields = dict(line.split(": ", 1) for line in head.decode().split("\r\n") if ": " in line)
        self._answer(int(fields.pop("Status", "200").split()[0]), fields, content)

    def _answer(self, status: int, headers: Mapping[str, str], content: bytes = b"") -> None:
        self.send_response(status)
        for name, value in {**headers, "Content-Length": str(len(content))}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(content)

    def do_POST(self) -> None:
        self.do_GET()


def write_certificates(folder: Path) -> Path:
    """Make an authority, and a server's certificate by it; give the file with the server's key and certificate."""
    authority_key, key = ec.generate_private_key(ec.SECP256R1()), ec.generate_private_key(ec.SECP256R1())
    authority = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "Authority of a test")])
    server = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, _HOST)])
    root = (
        _certificate(authority, authority, authority_key.public_key())
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .sign(authority_key, hashes.SHA256())
    )
    leaf = (
        _certificate(server, authority, key.public_key())
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address(_HOST))]), critical=False)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        .sign(authority_key, hashes.SHA256())
    )
    (folder / "ca.pem").write_bytes(root.public_bytes(serialization.Encoding.PEM))
    both = folder / "server.pem"
    both.write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
        + leaf.public_bytes(serialization.Encoding.PEM)
    )
    return both


def _certificate(subject: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePublicKey) -> x509.CertificateBuilder:
    now = dt.datetime.now(dt.UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - dt.timedelta(hours=1))
        .not_valid_after(now + dt.timedelta(days=1))
    )


class ServedProfiles:
    """A repository of profiles on a git server, and a file with the token that the server asks for."""

    TOKEN = "a-secret-token"

    def __init__(self, folder: Path, server: GitServer, files: Mapping[str, Content]) -> None:
        self.folder = folder
        self.server = server
        server.token = self.TOKEN
        self.token_file = folder / "token"
        self.token_file.write_text(f"{self.TOKEN}\n")
        (folder / "origin").mkdir()
        self.origin = ProfilesRepository(folder / "origin")
        (server.folder / "repositories" / "profiles.git").symlink_to(self.origin.path)
        self.origin.commit(files)
