"""Sign and verify commits with git's SSH signatures (the SSHSIG format), inside the process.

The format is OpenSSH's `PROTOCOL.sshsig`; `git verify-commit` and `ssh-keygen -Y verify` accept these signatures. This
needs no ssh-keygen on the machine, and verifies thousands of commits in the time that a few processes would take.
"""

import base64
import binascii
import functools
import hashlib
import hmac
import logging
import os
import re
import struct
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

from allotment_profiles.git.keys import PublicKey, blob_of, parse_keys
from allotment_profiles.git.process import GitError

log = logging.getLogger(__name__)

_MAGIC = b"SSHSIG"
_NAMESPACE = b"git"
_BEGIN, _END = "-----BEGIN SSH SIGNATURE-----", "-----END SSH SIGNATURE-----"


def _string(data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + data


# A signature of ed25519 for git: only the 32 bytes of the key and the 64 of the signature differ from one to the next.
_SIGNED = _MAGIC + b"".join(map(_string, (_NAMESPACE, b"", b"sha512"))) + struct.pack(">I", 64)
_KEY_PREFIX = _string(b"ssh-ed25519") + struct.pack(">I", 32)
_BEFORE_KEY = _MAGIC + struct.pack(">II", 1, 51)
_AFTER_KEY = b"".join(
    [*map(_string, (_NAMESPACE, b"", b"sha512")), struct.pack(">I", 83), _string(b"ssh-ed25519"), struct.pack(">I", 64)]
)
_FORM = re.compile(b"%s(%s.{32})%s(.{64})" % tuple(map(re.escape, (_BEFORE_KEY, _KEY_PREFIX, _AFTER_KEY))), re.DOTALL)


def _wrapped(payload: bytes) -> bytes:
    return _SIGNED + hashlib.sha512(payload).digest()


def generate_key(private: Path, principal: str) -> str:
    """Write a new ed25519 key in OpenSSH's format, readable only by its owner. Return its allowed-signers line."""
    key = Ed25519PrivateKey.generate()
    descriptor = os.open(private, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(key.private_bytes(Encoding.PEM, PrivateFormat.OpenSSH, NoEncryption()))
    public = key.public_key().public_bytes(Encoding.OpenSSH, PublicFormat.OpenSSH).decode()
    private.with_name(private.name + ".pub").write_text(f"{public} {principal}\n")
    return f'{principal} namespaces="git" {public}\n'


class SignerError(GitError):
    """What is signed with the key that there is would not count: it was revoked, or its public key is not known."""


class Signer:
    """Sign with an ed25519 key."""

    def __init__(self, private: Path, verifier: "Verifier | None" = None) -> None:
        """Load the key. Raise ValueError if the file is not an unencrypted ed25519 key.

        With `verifier`, nothing is signed that would not count.
        """
        self._verifier = verifier
        self.load(private)

    def load(self, private: Path) -> None:
        """Sign with another key from now on. Raise ValueError as above."""
        key = _private_key(private)
        self._key = key

    @property
    def public(self) -> bytes:
        """The public key as SSH writes it."""
        return blob_of(self._key.public_key())

    def sealed(self, text: str) -> str:
        """Return 64 hexadecimal digits that stand for a text, and that nobody can compute without the key."""
        private = self._key.private_bytes(Encoding.Raw, PrivateFormat.Raw, NoEncryption())
        return hmac.new(private, b"allotment sealed\0" + text.encode(), hashlib.sha256).hexdigest()

    def sign(self, payload: bytes) -> str:
        """Return the armored signature of a payload. Raise SignerError where it would not count."""
        key = self._key
        if self._verifier and not self._verifier.knows(blob_of(key.public_key())):
            raise SignerError("the key of this installation is not among the keys whose signatures count")
        blob = _BEFORE_KEY + blob_of(key.public_key()) + _AFTER_KEY + key.sign(_wrapped(payload))
        text = base64.b64encode(blob).decode()
        lines = [text[start : start + 70] for start in range(0, len(text), 70)]
        return "\n".join([_BEGIN, *lines, _END])


def _private_key(private: Path) -> Ed25519PrivateKey:
    data = private.read_bytes()
    load = load_ssh_private_key if b"OPENSSH" in data[:60] else load_pem_private_key
    key = load(data, password=None)
    if not isinstance(key, Ed25519PrivateKey):
        raise ValueError(f"{private} is not an ed25519 key")
    return key


class Verifier:
    """Verify signatures against the keys of an allowed-signers file."""

    def __init__(self, allowed_signers: str) -> None:
        """Parse the text of the file."""
        self.load(allowed_signers)

    def load(self, allowed_signers: str) -> None:
        """Verify against the keys of another text from now on."""
        keys = parse_keys(allowed_signers)
        self.lines = frozenset(key.line().strip() for key in keys)
        """The keys with their principals and their limits."""
        self._keys = {key.blob: key for key in keys}
        self.fingerprint = hashlib.sha256("\n".join(sorted(self.lines)).encode()).hexdigest()
        """A hash of the keys, their principals and their limits."""

    def knows(self, public: bytes) -> bool:
        """Return whether what a key signs from now on counts."""
        key = self._keys.get(public)
        return key is not None and key.former is None

    def verify(self, payload: bytes, armored: str) -> PublicKey | None:
        """Return the known key that signed the payload, or None. Its limits are not checked."""
        key = signed_with(payload, armored)
        return self._keys.get(key) if key else None


def signed_with(payload: bytes, armored: str) -> bytes | None:
    """Return the ed25519 key, known or not, that signed the payload; None where nothing good did."""
    begin, _, text = armored.strip().partition("\n")
    text, _, end = text.rpartition("\n")
    if begin.strip() != _BEGIN or end.strip() != _END:
        return None
    try:
        form = _FORM.fullmatch(base64.b64decode("".join(text.split()), validate=True))
        if form is None:
            return None
        _public_key(form[1]).verify(form[2], _wrapped(payload))
    except (binascii.Error, InvalidSignature, ValueError):
        return None
    return form[1]


@functools.lru_cache(maxsize=64)
def _public_key(public: bytes) -> Ed25519PublicKey:
    """Return the key that SSH writes so."""
    return Ed25519PublicKey.from_public_bytes(public[-32:])


class Keyring:
    """The keys of a deployment. They are read anew where their files have changed, so that nothing has to restart."""

    def __init__(self, allowed_signers: Path) -> None:
        """Read the file. Without it, no signature counts until it is there."""
        self._allowed_signers = allowed_signers
        self._private: Path | None = None
        self._signer: Signer | None = None
        self._read = self._states()
        try:
            self.verifier = Verifier(allowed_signers.read_text())
        except OSError as error:
            log.warning("cannot read the allowed signers: %s", error)
            self.verifier = Verifier("")

    def signer(self, private: Path) -> Signer:
        """Return who signs with a key, and with the next ones in its file. Raise ValueError if it would not count."""
        self._signer, self._private = Signer(private, self.verifier), private
        if not self.verifier.knows(self._signer.public):
            raise ValueError(f"signatures of {private} would not count: {self._allowed_signers} has no line for it")
        self._read = self._states()
        return self._signer

    def refresh(self) -> None:
        """Read the files if they have changed. A file that is missing or cannot be read is as it was before."""
        states = self._states()
        if states == self._read or None in states:
            return
        try:
            self._load()
        except (OSError, ValueError) as error:
            log.warning("the keys were not read anew: %s", error)
        self._read = states

    def _load(self) -> None:
        self.verifier.load(self._allowed_signers.read_text())
        if self._signer and self._private:
            self._signer.load(self._private)
            if not self.verifier.knows(self._signer.public):
                raise ValueError("the key to sign with is not among the keys that count")
        log.warning("the keys were read anew")

    def _states(self) -> list[tuple[int, int, int] | None]:
        return [_state(path) for path in (self._allowed_signers, self._private) if path]


def _state(path: Path) -> tuple[int, int, int] | None:
    try:
        state = path.stat()
    except OSError:
        return None
    return state.st_ino, state.st_mtime_ns, state.st_size
