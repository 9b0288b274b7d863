"""The public keys whose signatures count: a file in git's allowed-signers format, which may also have certificates.

A former key has a line that git takes for a comment: its name, the key, and the commits up to which it counts,

    #former allotment@localhost ssh-ed25519 AAAA… 3f2a… 90be…

Such a signature counts only in the history of these commits. The date that a commit claims decides nothing there:
whoever has stolen the key can write any date, but cannot put a commit into a history that existed before.
"""

import base64
import binascii
import datetime as dt
import fnmatch
import hashlib
import re
import struct
from collections.abc import Iterator
from dataclasses import dataclass

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from cryptography.x509 import load_pem_x509_certificates

_KIND = "ssh-ed25519"
_FORMER = "#former"
_COMMIT = re.compile(r"[0-9a-f]{40}|[0-9a-f]{64}")
_OPTION = re.compile(r'([A-Za-z-]+)(?:=("[^"]*"|[^",]*))?(?:,|$)')
_DATES = {8: "%Y%m%d", 12: "%Y%m%d%H%M", 14: "%Y%m%d%H%M%S"}
_FIRST, _LAST = dt.datetime.min.replace(tzinfo=dt.UTC), dt.datetime.max.replace(tzinfo=dt.UTC)


@dataclass(frozen=True, slots=True)
class PublicKey:
    """An ed25519 key, and which of its signatures count."""

    blob: bytes
    """The key as SSH writes it."""
    principal: str
    """The name of whoever signs with it."""
    after: dt.datetime = _FIRST
    before: dt.datetime = _LAST
    """Between these times, as the commits say themselves: `valid-after` and `valid-before`."""
    former: tuple[str, ...] | None = None
    """Only in the history of these commits; None: everywhere."""

    @property
    def fingerprint(self) -> str:
        """The fingerprint as `ssh-keygen -l` shows it."""
        return "SHA256:" + base64.b64encode(hashlib.sha256(self.blob).digest()).decode().rstrip("=")

    def line(self) -> str:
        """Format the line of the file."""
        key, name = f"{_KIND} {base64.b64encode(self.blob).decode()}", re.sub(r"\s+", "_", self.principal)
        if self.former is not None:
            return " ".join([_FORMER, name, key, *self.former]) + "\n"
        times = {"valid-after": self.after, "valid-before": self.before}
        options = ['namespaces="git"']
        options += [
            f'{option}="{time.astimezone(dt.UTC):%Y%m%d%H%M%SZ}"'
            for option, time in times.items()
            if time not in (_FIRST, _LAST)
        ]
        return f"{name} {','.join(options)} {key}\n"


def blob_of(key: Ed25519PublicKey) -> bytes:
    """Format a public key as SSH does."""
    return b"".join(
        struct.pack(">I", len(part)) + part
        for part in (_KIND.encode(), key.public_bytes(Encoding.Raw, PublicFormat.Raw))
    )


def parse_keys(text: str) -> list[PublicKey]:
    """Parse a file. Lines without an ed25519 key, or with an option that is not known here, are ignored.

    A PEM certificate counts as its key: a Helm chart can generate a certificate, but no allowed-signers file. A key
    that is there twice is a former one if one of its lines says so.
    """
    keys: dict[bytes, PublicKey] = {}
    for key in (*_certified(text), *filter(None, map(_line, text.splitlines()))):
        known = keys.get(key.blob)
        if known is None or known.former is None:
            keys[key.blob] = key
    return list(keys.values())


def _certified(text: str) -> Iterator[PublicKey]:
    if "-----BEGIN CERTIFICATE-----" not in text:
        return
    for certificate in load_pem_x509_certificates(text.encode()):
        key = certificate.public_key()
        if isinstance(key, Ed25519PublicKey):
            yield PublicKey(blob_of(key), certificate.subject.rfc4514_string())


def _line(line: str) -> PublicKey | None:
    words = line.split()
    if words[:1] == [_FORMER] and words[2:3] == [_KIND] and len(words) > 3:
        blob, commits = _blob(words[3]), words[4:]
        return PublicKey(blob, words[1], former=tuple(filter(_COMMIT.fullmatch, commits))) if blob else None
    if _KIND not in words[1:-1] or line.startswith("#"):
        return None
    position = words.index(_KIND, 1)
    blob, limits = _blob(words[position + 1]), _limits(" ".join(words[1:position]))
    return PublicKey(blob, words[0], *limits) if blob and limits else None


def _blob(text: str) -> bytes | None:
    try:
        return base64.b64decode(text, validate=True)
    except (ValueError, binascii.Error):  # not base64, or not ASCII
        return None


def _limits(options: str) -> tuple[dt.datetime, dt.datetime] | None:
    """Return from when and until when a line is valid; None where it says something that is not known here."""
    found = [(match[1].lower(), (match[2] or "").strip('"')) for match in _OPTION.finditer(options)]
    if "".join(match[0] for match in _OPTION.finditer(options)) != options:
        return None
    times = {"valid-after": _FIRST, "valid-before": _LAST}
    for name, value in found:
        if name in times:
            time = _time(value)
            if time is None:
                return None
            times[name] = time
        elif name != "namespaces" or not any(fnmatch.fnmatchcase("git", each.strip()) for each in value.split(",")):
            return None
    return times["valid-after"], times["valid-before"]


def _time(text: str) -> dt.datetime | None:
    """Parse a time of OpenSSH: without a Z it is that of this machine."""
    digits, utc = text.removesuffix("Z"), text.endswith("Z")
    try:
        time = dt.datetime.strptime(digits, _DATES[len(digits)])
        return time.replace(tzinfo=dt.UTC) if utc else time.astimezone()
    except (KeyError, ValueError, OverflowError):
        return None
