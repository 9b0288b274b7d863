"""What the service proves itself with: a token in a file, or the private key of a GitHub App in one.

Files are read at every use, so that a credential is replaced without a restart. What is in them is in no message.
"""

import asyncio
import base64
import datetime as dt
import json
import time
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.hazmat.primitives.serialization import load_pem_private_key
from pydantic import AwareDatetime, BaseModel

from allotment_hub.forges.pull_requests.errors import ForgeCredentialError

if TYPE_CHECKING:
    from allotment_hub.forges.pull_requests.client import ForgeClient

_LARGEST = 16 * 1024
_RENEW_BEFORE = dt.timedelta(minutes=5)


class Credential(Protocol):
    """Makes the token of a call."""

    async def token(self) -> str:
        """Return the token to send now. Raise ForgeCredentialError where there is none."""

    async def another(self, refused: str, date: str) -> bool:
        """Return whether there is another token than the one that the forge refused at that `Date` of its own."""


def read_secret(path: Path) -> str:
    """Return what a file holds, without the white space around it. Raise ForgeCredentialError."""
    try:
        with path.open("rb") as file:
            text = file.read(_LARGEST + 1).decode("ascii").strip()
    except OSError as error:
        raise ForgeCredentialError(f"The file {path} cannot be read: {error.strerror}.") from error
    except UnicodeDecodeError:
        raise ForgeCredentialError(f"The file {path} holds no credential: it is not ASCII text.") from None
    if not text or len(text) > _LARGEST:
        raise ForgeCredentialError(f"The file {path} holds no credential: it is {'too long' if text else 'empty'}.")
    return text


class TokenFile:
    """A token in a file."""

    def __init__(self, path: Path) -> None:
        self._path = path

    async def token(self) -> str:
        """Return the token of now."""
        text = read_secret(self._path)
        if len(text.split()) != 1 or not text.isprintable():
            raise ForgeCredentialError(f"The file {self._path} holds no token: it has more than one word.")
        return text

    async def another(self, refused: str, date: str) -> bool:
        """Return whether the file has been written since."""
        return await self.token() != refused


class GitHubAppKey:
    """Signs what GitHub takes as a GitHub App: a JSON Web Token that holds for some minutes."""

    def __init__(self, app_id: str, key_file: Path) -> None:
        self._app_id = app_id
        self._key_file = key_file
        self._read: tuple[str, rsa.RSAPrivateKey] | None = None
        self._skew = 0.0
        """Seconds that GitHub's clock is ahead of ours, as far as it mattered."""

    async def token(self) -> str:
        """Return a token that is signed now."""
        now = int(time.time() + self._skew)
        # GitHub takes ten minutes at most, and a clock that is a little behind ours.
        claims = {"iat": now - 60, "exp": now + 480, "iss": self._app_id}
        signed = f"{_encoded(_json({'alg': 'RS256', 'typ': 'JWT'}))}.{_encoded(_json(claims))}"
        return f"{signed}.{_encoded(self._key().sign(signed.encode(), padding.PKCS1v15(), hashes.SHA256()))}"

    async def another(self, refused: str, date: str) -> bool:
        """Return whether our clock was wrong; the next token is of GitHub's."""
        try:
            skew = parsedate_to_datetime(date).timestamp() - time.time()
        except ValueError:
            return False
        wrong = abs(skew - self._skew) > 30
        if wrong:
            self._skew = skew
        return wrong

    def _key(self) -> rsa.RSAPrivateKey:
        text = read_secret(self._key_file)
        if self._read and self._read[0] == text:
            return self._read[1]  # to check a key takes 50 ms
        try:
            key = load_pem_private_key(text.encode(), password=None)
        except (ValueError, TypeError):
            key = None
        if not isinstance(key, rsa.RSAPrivateKey):
            raise ForgeCredentialError(f"The file {self._key_file} holds no private key of a GitHub App.")
        self._read = text, key
        return key


def _json(value: object) -> bytes:
    return json.dumps(value, separators=(",", ":")).encode()


def _encoded(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


class _Installation(BaseModel):
    id: int


class _InstallationToken(BaseModel):
    token: str
    expires_at: AwareDatetime


class GitHubApp:
    """The installation of a GitHub App: its tokens hold for an hour, and for this repository alone."""

    def __init__(self, client: "ForgeClient", owner: str, name: str) -> None:
        """Use a client whose credential is the `GitHubAppKey`."""
        self.client = client
        self._repository = f"repos/{owner}/{name}"
        self._name = name
        self._token: _InstallationToken | None = None
        self._renewing = asyncio.Lock()

    async def token(self) -> str:
        """Return a token that holds for some minutes more."""
        async with self._renewing:
            if self._token is None or self._token.expires_at - _RENEW_BEFORE < dt.datetime.now(dt.UTC):
                found = await self.client.get(_Installation, f"{self._repository}/installation")
                path = f"app/installations/{found.id}/access_tokens"
                body = {"repositories": [self._name]}
                self._token = await self.client.send(_InstallationToken, "POST", path, body)
            return self._token.token

    async def another(self, refused: str, date: str) -> bool:
        """Return whether another token can be had for one that was refused."""
        async with self._renewing:
            if self._token is not None and self._token.token == refused:
                self._token = None
                return True
        return self._token is not None
