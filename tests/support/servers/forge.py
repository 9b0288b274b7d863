"""A real forge for tests: users in groups, an OpenID Connect application, a repository, tokens.

Tests that need one read ALLOTMENT_TEST_FORGE, the path of a JSON file `{"url", "username", "password", "token"}` with
Gitea's address and its administrator. Where there is none they skip and say so.
"""

import atexit
import functools
import json
import os
import re
import secrets
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import httpx
import pytest
from bs4 import BeautifulSoup
from support.servers.deployment import Person

needs_forge = pytest.mark.skipif(
    not os.environ.get("ALLOTMENT_TEST_FORGE"),
    reason="no forge: set ALLOTMENT_TEST_FORGE to a JSON file with url, username, password and token of a Gitea's"
    " administrator",
)


@functools.cache
def _connection(url: str) -> httpx.Client:
    """Return the connection of all tests of this process: a new one takes 20 ms of processor time."""
    client = httpx.Client(base_url=f"{url}/api/v1/", timeout=30, trust_env=False)
    atexit.register(client.close)
    return client


SERVICE_SCOPES = ("write:repository", "write:issue", "read:user")
"""What the token of a service has to have that follows pull requests."""


class Forge:
    """What is made for one test has names of its own."""

    def __init__(self) -> None:
        access = json.loads(Path(os.environ["ALLOTMENT_TEST_FORGE"]).read_text())
        self.url: str = access["url"].rstrip("/")
        self.host = str(httpx.URL(self.url).host)
        self.mark = secrets.token_hex(3)
        self._token: str = access["token"]
        self._administrator: str = access["username"]
        self.passwords: dict[str, str] = {self._administrator: access["password"]}
        self.teams: dict[str, int] = {}
        """Groups → the ids of their teams."""

    def call(self, method: str, path: str, body: Mapping[str, Any] | None = None, **request: Any) -> Any:
        """Call the API; gives the answer's JSON. Raises AssertionError where it fails."""
        answer = self._answer(method, path, json=body, **request)
        assert answer.is_success, f"{method} {path}: {answer.status_code} {answer.text[:300]}"
        return answer.json() if answer.content else None

    def _answer(self, method: str, path: str, *, sudo: str = "", **request: Any) -> httpx.Response:
        if "auth" not in request:
            request["headers"] = {"Authorization": f"token {self._token}", **({"Sudo": sudo} if sudo else {})}
        return _connection(self.url).request(method, path, **request)

    def render(self, body: Mapping[str, Any]) -> str:
        """Render Markdown as the forge shows it; gives HTML."""
        answer = self._answer("POST", "markdown", json=body)
        assert answer.is_success, answer.text
        return answer.text

    def user(self, name: str) -> str:
        """Make a user; gives the name, which is this test's own."""
        return self.take(f"{name}-{self.mark}")

    def take(self, name: str) -> str:
        """Make a user with exactly this name."""
        self.passwords[name] = secrets.token_urlsafe(16)
        body = {
            "username": name, "email": f"{secrets.token_hex(6)}@example.org", "password": self.passwords[name],
            "must_change_password": False,
        }  # fmt: skip
        self.call("POST", "admin/users", body)
        return name

    def group(self, organisation: str, team: str, members: list[str]) -> str:
        """Make a team of an organisation; gives the group's name as the provider tells it."""
        organisation = f"{organisation}-{self.mark}"
        if self._answer("GET", f"orgs/{organisation}").status_code == 404:
            self.call("POST", "orgs", {"username": organisation})
        body = {"name": team, "permission": "read", "units": ["repo.code"]}
        made = self.call("POST", f"orgs/{organisation}/teams", body)
        self.teams[f"{organisation}:{team}"] = made["id"]
        for member in members:
            self.add(member, f"{organisation}:{team}")
        return f"{organisation}:{team}"

    def add(self, user: str, group: str) -> None:
        """Put a user into a group."""
        self.call("PUT", f"teams/{self.teams[group]}/members/{user}")

    def remove(self, user: str, group: str) -> None:
        """Take a user out of a group."""
        self.call("DELETE", f"teams/{self.teams[group]}/members/{user}")

    def delete(self, user: str) -> None:
        """Delete a user."""
        self.call("DELETE", f"admin/users/{user}", params={"purge": "true"})

    def rename(self, user: str, name: str) -> None:
        """Give a user another name."""
        self.call("POST", f"admin/users/{user}/rename", {"new_username": name})
        self.passwords[name] = self.passwords[user]

    def people(self) -> tuple[str, str, dict[str, str]]:
        """Make an analyst and their lead, and an administrator; gives the first two and the groups by what they are."""
        analyst, lead, root = (self.user(name) for name in ("ann", "lea", "root"))
        groups = {
            "members": self.group("red", "analysts", [analyst, lead]),
            "leads": self.group("red", "leads", [lead]),
            "administrators": self.group("platform", "administrators", [root]),
        }
        return analyst, lead, groups

    def sign_in(self, hub: str, groups: Mapping[str, str], through: str = "") -> dict[str, Any]:
        """Make an application for a hub; gives what `allotment up --config` has to know of it.

        `through` is the address by which the hub asks it, if that is not the forge's own.
        """
        client_id, client_secret = self.application(f"{hub}hub/oauth_callback")
        asked = through or self.url
        return {
            "JupyterHub": {"authenticator_class": "generic-oauth"},
            "GenericOAuthenticator": {
                "client_id": client_id, "client_secret": client_secret,
                # Without a scope of Gitea's own, the token could do everything that the user may.
                "scope": ["openid", "profile", "email", "groups", "read:user"],
                "authorize_url": f"{self.url}/login/oauth/authorize",
                "token_url": f"{asked}/login/oauth/access_token", "userdata_url": f"{asked}/login/oauth/userinfo",
                "username_claim": "preferred_username", "auth_state_groups_key": "oauth_user.groups",
                "manage_groups": True, "allow_all": True, "admin_groups": [groups["administrators"]],
            },
            "CheckedIdentity": {"provider": "gitea"},
        }  # fmt: skip

    def application(self, callback: str) -> tuple[str, str]:
        """Make an application that people sign in to; gives its id and its secret."""
        body = {
            "name": f"hub-{self.mark}", "redirect_uris": [callback], "confidential_client": True,
            "skip_secondary_authorization": True,
        }  # fmt: skip
        made = self.call("POST", "user/applications/oauth2", body)
        return made["client_id"], made["client_secret"]

    def repository(self) -> str:
        """Make an empty private repository; gives its address."""
        made = self.call("POST", "user/repos", {"name": f"profiles-{self.mark}", "private": True})
        return f"{self.url}/{made['full_name']}.git"

    def webhook(self, repository: str, address: str, secret: str) -> None:
        """Let a repository tell an address what happens on its pull requests."""
        config = {"url": address, "content_type": "json", "secret": secret}
        events = ["push", "pull_request", "pull_request_review", "pull_request_comment", "issue_comment"]
        body = {"type": "gitea", "active": True, "config": config, "events": events}
        self.call("POST", f"repos/{repository}/hooks", body)

    def share(self, repository: str, people: Mapping[str, str]) -> None:
        """Let people read or write a repository, and the service tell of merges."""
        self.call("PATCH", f"repos/{repository}", {"allow_manual_merge": True})
        for person, permission in people.items():
            self.call("PUT", f"repos/{repository}/collaborators/{person}", {"permission": permission})

    def as_person(
        self, person: str, method: str, path: str, body: Mapping[str, Any] | None = None, **request: Any
    ) -> Any:
        """Let somebody call the API, with what they may do; without their password, which takes long to check."""
        return self.call(method, path, body, sudo=person, **request)

    def token(self, *, write: bool, pull_requests: bool = False) -> str:
        """Make a token of the administrator's for repositories, and their pull requests."""
        scopes = ["write:repository" if write else "read:repository"]
        scopes += ["write:issue", "read:user"] if pull_requests else []
        return self.token_of(self._administrator, scopes)

    def token_of(self, user: str, scopes: Sequence[str] = SERVICE_SCOPES) -> str:
        """Make a token for somebody, which takes their password."""
        body = {"name": f"test-{secrets.token_hex(6)}", "scopes": list(scopes)}
        made = self.call("POST", f"users/{user}/tokens", body, auth=(user, self.passwords[user]))
        return str(made["sha1"])


class ForgePerson(Person):
    """Somebody with an account of the forge."""

    def sign_in(self, password: str) -> httpx.Response:
        """Sign in, and see that the hub takes it."""
        answer = self.try_to_sign_in(password)
        assert str(answer.url) == f"{self.deployment.url}hub/home", f"{answer.url}: {answer.text[-800:]}"
        return answer

    def try_to_sign_in(self, password: str) -> httpx.Response:
        """Sign in to the forge on its form, then to the hub with it, and agree that the hub may know who it is."""
        page = self.client.get("hub/oauth_login")
        self._send(page, "/user/login", user_name=self.name, password=password)
        answer = self.client.get("hub/oauth_login", params={"next": "/hub/home"})
        if str(answer.url).startswith(f"{self._forge}/login/oauth/authorize"):
            answer = self._send(answer, "/login/oauth/grant", granted="true")
        return answer

    @property
    def _forge(self) -> str:
        return str(self.deployment.forge.url)  # type: ignore[attr-defined]

    def _send(self, page: httpx.Response, action: str, **values: str) -> httpx.Response:
        form = BeautifulSoup(page.text, "html.parser").find("form", attrs={"action": re.compile(action)})
        assert form is not None, f"{page.url} has no form {action}: {page.text[-800:]}"
        fields = {
            str(field["name"]): str(field.get("value", "")) for field in form.find_all("input", attrs={"name": True})
        }
        return self.client.post(page.url.join(str(form["action"])), data={**fields, **values})
