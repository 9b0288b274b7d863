"""Parse and write commit objects with their signatures. No process is started."""

import datetime as dt
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from allotment_profiles.git.signatures import Signer, Verifier, signed_with

# Its lines but the first begin with a space.
_SIGNATURE = re.compile(rb"\n(gpgsig(?:-sha256)?) ([^\n]*(?:\n [^\n]*)*)")
_LAST_SECOND = 253402300799  # the end of the year 9999, where Python's calendar ends


@dataclass(frozen=True, slots=True)
class Person:
    """An author or committer. Line breaks and angle brackets are removed when it is written."""

    name: str
    email: str


@dataclass(frozen=True, slots=True)
class Commit:
    """A commit as git stores it."""

    id: str
    tree: str
    parents: tuple[str, ...]
    author: Person
    committer: Person
    time: dt.datetime
    message: str
    signed_by: str | None
    """The principal of the key that signed it; None where this key is not known, or does not count for this commit."""

    @property
    def subject(self) -> str:
        """The first line of the message."""
        return self.message.partition("\n")[0]

    def trailers(self) -> dict[str, list[str]]:
        """Return the trailers in the message's last paragraph: key → values in their order."""
        last = self.message.rstrip().rpartition("\n\n")[2]
        trailers: dict[str, list[str]] = {}
        for line in last.splitlines():
            key, colon, value = line.partition(": ")
            if colon and re.fullmatch(r"[A-Z][A-Za-z-]{1,40}", key):
                trailers.setdefault(key, []).append(value)
        return trailers


def parse_commit(
    commit: str, raw: bytes, verifier: Verifier | None, is_within: Callable[[str, Sequence[str]], bool]
) -> Commit:
    """Parse a commit object and check its signature. `is_within` decides whether it is in the history of others."""
    fields, signature, payload, body = _split(raw)
    written = re.search(r"> (\d+) ", fields.get("committer", [""])[0])
    time, signed_by = moment(written[1] if written else ""), None
    if signature and verifier and (by := verifier.verify(payload, signature)):
        counts = by.after <= time < by.before if by.former is None else is_within(commit, by.former)
        signed_by = by.principal if counts else None
    return Commit(
        id=commit,
        tree=fields["tree"][0],
        parents=tuple(fields.get("parent", [])),
        author=_person(fields.get("author", [""])[0]),
        committer=_person(fields.get("committer", [""])[0]),
        time=time,
        message=body.decode(errors="replace"),
        signed_by=signed_by,
    )


def key_of(raw: bytes) -> bytes | None:
    """Return the key that signed a commit object, whether it is known or not; None where nothing good did."""
    _, signature, payload, _ = _split(raw)
    return signed_with(payload, signature) if signature else None


def _split(raw: bytes) -> tuple[dict[str, list[str]], str, bytes, bytes]:
    """Return the fields of a commit object, its signature or nothing, what this is of, and the message."""
    head, _, body = raw.partition(b"\n\n")
    signatures = [text for name, text in _SIGNATURE.findall(head) if name == b"gpgsig"]
    unsigned = _SIGNATURE.sub(b"", head)
    fields: dict[str, list[str]] = {}
    for line in unsigned.decode(errors="replace").split("\n"):
        key, _, value = line.partition(" ")
        fields.setdefault(key, []).append(value)
    signature = signatures[0].decode(errors="replace") if signatures else ""
    return fields, signature, unsigned + b"\n\n" + body, body


def _person(ident: str) -> Person:
    match = re.match(r"(.*?) ?<(.*?)>", ident)
    return Person(match[1], match[2]) if match else Person("unknown", "")


def commit_bytes(
    tree: str,
    parents: Sequence[str],
    message: str,
    author: Person,
    committer: Person,
    time: dt.datetime,
    signer: Signer | None,
) -> bytes:
    """Format a commit object, signed where there is a signer."""
    stamp = f"{int(time.timestamp())} +0000"
    head = [f"tree {tree}", *(f"parent {parent}" for parent in parents)]
    head += [f"author {_ident(author)} {stamp}", f"committer {_ident(committer)} {stamp}"]
    body = message.replace("\0", "").rstrip("\n") + "\n"
    if signer:
        signature = signer.sign(("\n".join(head) + "\n\n" + body).encode(errors="replace"))
        head.append("gpgsig " + signature.replace("\n", "\n "))
    return ("\n".join(head) + "\n\n" + body).encode(errors="replace")


def moment(seconds: str) -> dt.datetime:
    """Parse git's seconds. An impossible time, which a commit may contain, becomes the nearest end of the calendar."""
    value = int(seconds) if seconds.isdecimal() and len(seconds) < 15 else _LAST_SECOND if seconds else 0
    return dt.datetime.fromtimestamp(min(value, _LAST_SECOND), dt.UTC)


def _ident(person: Person) -> str:
    def clean(text: str) -> str:
        return re.sub(r"[\x00-\x1f<>]", "", text).strip()

    return f"{clean(person.name) or 'unknown'} <{clean(person.email)}>"
