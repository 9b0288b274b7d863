"""Sign and verify commits with git's SSH signatures (the SSHSIG format), inside the process.

The format is OpenSSH's `PROTOCOL.sshsig`; `git verify-commit` and `ssh-keygen -Y verify` accept these signatures. This
needs no ssh-keygen on the machine, and verifies thousands of commits in the time that a few processes would take.
"""

import base64
import binascii
import hashlib
import os
import struct
from collections.abc import Iterator
from pathlib import Path

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_pem_private_key,
    load_ssh_private_key,
)
from cryptography.x509 import load_pem_x509_certificates

_MAGIC = b"SSHSIG"
_NAMESPACE = b"git"
_BEGIN, _END = "-----BEGIN SSH SIGNATURE-----", "-----END SSH SIGNATURE-----"


def _string(data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + data


def _wrapped(payload: bytes) -> bytes:
    digest = hashlib.sha512(payload).digest()
    return _MAGIC + _string(_NAMESPACE) + _string(b"") + _string(b"sha512") + _string(digest)


def _public_blob(key: Ed25519PublicKey) -> bytes:
    return _string(b"ssh-ed25519") + _string(key.public_bytes(Encoding.Raw, PublicFormat.Raw))


def generate_key(private: Path, principal: str) -> str:
    """Write a new ed25519 key in OpenSSH's format, readable only by its owner. Return its allowed-signers line."""
    key = Ed25519PrivateKey.generate()
    descriptor = os.open(private, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(key.private_bytes(Encoding.PEM, PrivateFormat.OpenSSH, NoEncryption()))
    public = key.public_key().public_bytes(Encoding.OpenSSH, PublicFormat.OpenSSH).decode()
    private.with_name(private.name + ".pub").write_text(f"{public} {principal}\n")
    return f'{principal} namespaces="git" {public}\n'


class Signer:
    """Sign with an ed25519 key."""

    def __init__(self, private: Path) -> None:
        """Load the key. Raise ValueError if the file is not an unencrypted ed25519 key."""
        data = private.read_bytes()
        load = load_ssh_private_key if b"OPENSSH" in data[:60] else load_pem_private_key
        key = load(data, password=None)
        if not isinstance(key, Ed25519PrivateKey):
            raise ValueError(f"{private} is not an ed25519 key")
        self._key = key

    def sign(self, payload: bytes) -> str:
        """Return the armored signature of a payload."""
        signature = _string(b"ssh-ed25519") + _string(self._key.sign(_wrapped(payload)))
        parts = _public_blob(self._key.public_key()), _NAMESPACE, b"", b"sha512", signature
        blob = _MAGIC + struct.pack(">I", 1) + b"".join(map(_string, parts))
        text = base64.b64encode(blob).decode()
        lines = [text[start : start + 70] for start in range(0, len(text), 70)]
        return "\n".join([_BEGIN, *lines, _END])


class Verifier:
    """Verify signatures against the keys of an allowed-signers file."""

    def __init__(self, allowed_signers: str) -> None:
        """Parse the text of the file. Lines without an ed25519 key are ignored.

        A PEM certificate counts as its key: a Helm chart can generate a certificate, but no allowed-signers file.
        """
        self._principals: dict[bytes, str] = dict(_certified(allowed_signers))
        for line in allowed_signers.splitlines():
            words = line.split()
            if "ssh-ed25519" in words[1:-1] and not line.startswith("#"):
                position = words.index("ssh-ed25519", 1)
                try:
                    self._principals[base64.b64decode(words[position + 1], validate=True)] = words[0]
                except ValueError:  # not base64, or not ASCII
                    continue

    @property
    def fingerprint(self) -> str:
        """A hash of the keys and their principals."""
        keys = sorted(f"{base64.b64encode(key).decode()} {name}" for key, name in self._principals.items())
        return hashlib.sha256("\n".join(keys).encode()).hexdigest()

    def verify(self, payload: bytes, armored: str) -> str | None:
        """Return the principal whose key signed the payload, or None."""
        lines = armored.strip().splitlines()
        if len(lines) < 3 or lines[0] != _BEGIN or lines[-1] != _END:
            return None
        try:
            blob = base64.b64decode("".join(lines[1:-1]), validate=True)
            parts = _parts(blob)
        except (binascii.Error, ValueError, struct.error):
            return None
        public, namespace, _, algorithm, signature = parts
        principal = self._principals.get(public)
        if principal is None or namespace != _NAMESPACE or algorithm != b"sha512":
            return None
        try:
            kind, raw = _strings(signature, 2)
            key = Ed25519PublicKey.from_public_bytes(_strings(public, 2)[1])
            key.verify(raw, _wrapped(payload))
        except (InvalidSignature, ValueError, struct.error):
            return None
        return principal if kind == b"ssh-ed25519" else None


def _certified(text: str) -> Iterator[tuple[bytes, str]]:
    if "-----BEGIN CERTIFICATE-----" not in text:
        return
    for certificate in load_pem_x509_certificates(text.encode()):
        key = certificate.public_key()
        if isinstance(key, Ed25519PublicKey):
            yield _public_blob(key), certificate.subject.rfc4514_string()


def _parts(blob: bytes) -> list[bytes]:
    if blob[:6] != _MAGIC or struct.unpack(">I", blob[6:10])[0] != 1:
        raise ValueError("not an SSH signature of version 1")
    return _strings(blob[10:], 5)


def _strings(data: bytes, count: int) -> list[bytes]:
    strings = []
    for _ in range(count):
        (length,) = struct.unpack(">I", data[:4])
        if length > len(data) - 4:
            raise ValueError("a string is longer than the data")
        strings.append(data[4 : 4 + length])
        data = data[4 + length :]
    return strings
