"""GitHub, GitLab, Azure AD, Google and an OpenID Connect provider, as far as signing in and asking again goes.

They stand where oauthenticator sends its requests, and keep users, groups and tokens. Answers have the shapes of the
providers' documents.
"""

import json
import secrets
from dataclasses import dataclass, field
from io import BytesIO
from typing import Any
from urllib.parse import parse_qs, urlsplit

import jwt
from tornado.httpclient import HTTPClientError, HTTPRequest, HTTPResponse
from tornado.httputil import HTTPHeaders

CLIENT = "allotment"


@dataclass
class ProviderUser:
    """A user of a provider."""

    id: str
    login: str
    groups: Any = field(default_factory=list)
    """As the provider sends them."""


class IdentityProvider:
    """All providers at once: they differ in their addresses."""

    def __init__(self) -> None:
        self.users: dict[str, ProviderUser] = {}
        """By id."""
        self.tokens: dict[str, str] = {}
        """Access tokens, refresh tokens and codes → the id of their user."""
        self.refreshing = True
        """Whether tokens come with a refresh token."""
        self.failing: tuple[int, dict[str, str]] | Exception | None = None
        """What becomes of every request."""
        self.requests: list[str] = []
        self.members: set[str] = set()
        """The logins of who is a member of every organisation of GitHub's."""

    def user(self, id_: str, login: str, groups: Any) -> ProviderUser:
        """Make a user."""
        self.users[id_] = ProviderUser(id_, login, groups)
        return self.users[id_]

    def code(self, user: ProviderUser) -> str:
        """Give a code, as after somebody has signed in."""
        return self._issue(user.id)

    def end_access_tokens(self) -> None:
        """End all access tokens, as time does."""
        self.tokens = {token: id_ for token, id_ in self.tokens.items() if not token.startswith("access-")}

    def _issue(self, id_: str, kind: str = "") -> str:
        token = f"{kind}{secrets.token_hex(8)}"
        self.tokens[token] = id_
        return token

    # -- the client of oauthenticator

    async def fetch(self, request: HTTPRequest, raise_error: bool = True, **_: Any) -> HTTPResponse:
        """Answer a request as tornado's client does."""
        address = urlsplit(request.url)
        self.requests.append(address.path)
        if isinstance(self.failing, Exception):
            raise self.failing
        status, headers, content = (*self.failing, {}) if self.failing else self._answer(request, address.path)
        body = BytesIO(json.dumps(content).encode())
        response = HTTPResponse(request, status, headers=HTTPHeaders(headers), buffer=body)
        if status >= 400 and raise_error:
            raise HTTPClientError(status, response=response)
        return response

    def _answer(self, request: HTTPRequest, path: str) -> tuple[int, dict[str, str], Any]:
        if "token" in path.rpartition("/")[2]:
            return self._tokens(parse_qs((request.body or b"").decode()))
        if path == "/admin/directory/v1/groups":  # of a service account, not of the user
            email = parse_qs(urlsplit(request.url).query)["userKey"][0]
            (groups,) = (user.groups for user in self.users.values() if user.login == email)
            return 200, {}, {"groups": [{"email": name} for name in groups]}
        id_ = self.tokens.get(request.headers.get("Authorization", "").split()[-1])
        user = self.users.get(id_ or "")
        if user is None:
            return 401, {}, {"message": "Bad credentials"}
        if "/members/" in path:
            return (204 if path.rpartition("/")[2] in self.members else 404), {}, {}
        claims = {"sub": user.id, "preferred_username": user.login, "name": user.login, "groups": user.groups}
        return 200, {}, {
            "/user": {"id": int(user.id) if user.id.isdigit() else 0, "login": user.login, "email": "a@example.org"},
            "/user/teams": user.groups,
            "/oauth2/v1/userinfo": {"id": user.id, "email": user.login, "verified_email": True, "hd": "example.org"},
        }.get(path, claims)  # fmt: skip

    def _tokens(self, form: dict[str, list[str]]) -> tuple[int, dict[str, str], Any]:
        given = form.get("code") or form.get("refresh_token") or [""]
        id_ = self.tokens.pop(given[0], "")  # a code and a refresh token count once
        user = self.users.get(id_)
        if user is None:
            return 400, {}, {"error": "invalid_grant"}
        claims = {"aud": CLIENT, "oid": id_, "sub": "pairwise", "preferred_username": user.login}
        more = {"refresh_token": self._issue(id_, "refresh-")} if self.refreshing else {}
        return 200, {}, {
            "access_token": self._issue(id_, "access-"), "token_type": "bearer", "scope": "read:org",
            "id_token": jwt.encode({**claims, "groups": user.groups}, "k" * 32), **more,
        }  # fmt: skip
