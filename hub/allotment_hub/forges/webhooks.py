"""Webhooks of forges: they hurry the next look, and decide nothing.

So one that is replayed, late or never sent changes nothing but the moment. What is in one is only read after its
signature, and only as the number of a pull request and whether main may have moved.
"""

import base64
import binascii
import contextlib
import datetime as dt
import hashlib
import hmac
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from pydantic_core import from_json

from allotment_hub.errors import refused
from allotment_hub.forges.pull_requests.credentials import read_secret
from allotment_hub.forges.pull_requests.errors import ForgeCredentialError
from allotment_profiles.git.repository import MAIN

LARGEST_WEBHOOK = 1024 * 1024
"""Bytes. What is longer is refused; the poll sees it."""
_LARGEST_NUMBER = 2**31

ForgeKind = Literal["gitea", "github", "gitlab"]


@dataclass(frozen=True, slots=True)
class Look:
    """What a webhook asks for: to look again."""

    number: int | None = None
    """The pull request to look at; None: everything."""
    main: bool = False
    """Whether main may have moved on the git server: by a push to it, or by a merge."""


@dataclass(slots=True)
class Deliveries:
    """When webhooks came, since the service started."""

    accepted: dt.datetime | None = None
    """When the last one came that the forge had signed."""
    refused: dt.datetime | None = None
    """When the last one came without such a signature. Anybody can send one."""


class Webhooks:
    """Checks the webhooks of one forge."""

    def __init__(self, kind: ForgeKind, secrets_file: Path) -> None:
        """Use the secrets in a file: one, or two on two lines while one replaces the other."""
        self._kind = kind
        self._secrets_file = secrets_file

    def look(self, headers: Mapping[str, str], body: bytes) -> Look:
        """Return what to look at. Raise ServiceError for what the forge did not sign, ForgeCredentialError."""
        if len(body) > LARGEST_WEBHOOK:
            raise refused(
                413, "webhook-large", "This webhook is not read.", f"It is longer than {LARGEST_WEBHOOK >> 10} KiB."
            )
        proofs = list(_proofs(self._kind, headers))
        # Every secret is compared with every proof: how long it takes tells nothing.
        matches = [
            hmac.compare_digest(proof, given)
            for secret in self._secrets()
            for given, make in proofs
            for proof in (make(secret, body, headers),)
        ]
        if not any(matches):
            why = "It has no signature of this forge's secret." if proofs else "It has no signature."
            remedy = "The secret of the webhook on the forge is the one in the service's file."
            raise refused(401, "webhook-unsigned", "This webhook is not read.", why, remedy, "An administrator")
        return _look(body)

    def _secrets(self) -> list[bytes]:
        secrets = read_secret(self._secrets_file).split()
        if len(secrets) > 2:
            raise ForgeCredentialError(f"The file {self._secrets_file} holds more than two secrets.")
        return [secret.encode() for secret in secrets]


def _hex(secret: bytes, body: bytes, _headers: Mapping[str, str]) -> bytes:
    return hmac.digest(secret, body, hashlib.sha256).hex().encode()


def _standard(secret: bytes, body: bytes, headers: Mapping[str, str]) -> bytes:
    """Return the signature of the Standard Webhooks, which newer versions of GitLab send."""
    if secret.startswith(b"whsec_"):
        with contextlib.suppress(binascii.Error):
            secret = base64.b64decode(secret.removeprefix(b"whsec_"), validate=True)
    signed = f"{headers.get('webhook-id', '')}.{headers.get('webhook-timestamp', '')}.".encode() + body
    return base64.b64encode(hmac.digest(secret, signed, hashlib.sha256))


def _itself(secret: bytes, _body: bytes, _headers: Mapping[str, str]) -> bytes:
    return secret


def _proofs(kind: ForgeKind, headers: Mapping[str, str]) -> Iterator[tuple[bytes, Any]]:
    """Yield what the forge proves itself with, and the function that makes the same of a secret."""
    if kind == "github" and (given := headers.get("X-Hub-Signature-256", "")).startswith("sha256="):
        yield given.removeprefix("sha256=").encode(), _hex
    if kind == "gitea" and (given := headers.get("X-Gitea-Signature", "")):
        yield given.encode(), _hex
    if kind == "gitlab":
        for part in headers.get("webhook-signature", "").split()[:4]:
            if part.startswith("v1,"):
                yield part.removeprefix("v1,").encode(), _standard
        if given := headers.get("X-Gitlab-Token", ""):
            yield given.encode(), _itself


def _look(body: bytes) -> Look:
    """Return which pull request a webhook is about, if any, and whether it tells of a push to main or of a merge."""
    try:
        event = from_json(body)
    except ValueError:
        return Look()
    of_merge_request = _at(event, "object_kind") == "merge_request"
    candidates = [
        _at(event, "pull_request", "number"),
        _at(event, "issue", "number") if _at(event, "issue", "pull_request") is not None else None,
        _at(event, "merge_request", "iid"),
        _at(event, "object_attributes", "iid") if of_merge_request else None,
    ]
    numbers = (each for each in candidates if type(each) is int and 0 < each < _LARGEST_NUMBER)
    merged = _at(event, "action") == "closed" and _at(event, "pull_request", "merged") is True
    merged_there = of_merge_request and _at(event, "object_attributes", "action") == "merge"
    return Look(next(numbers, None), main=_at(event, "ref") == MAIN or merged or merged_there)


def _at(value: Any, *keys: str) -> Any:
    for key in keys:
        value = value.get(key) if isinstance(value, dict) else None
    return value
