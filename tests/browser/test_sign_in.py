"""Sign-in through a real Gitea on a laptop's deployment: groups arrive, and their loss counts without a new sign-in."""

import json
import sqlite3
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from playwright.sync_api import Browser, BrowserContext, expect
from support.browsing import needs_browser, opened, signed_in_with_forge
from support.servers.deployment import Deployment, Person
from support.servers.door import Door, State
from support.servers.forge import Forge, ForgePerson, needs_forge
from support.starting import ask, commit, stop_all

pytestmark = [needs_forge, needs_browser, pytest.mark.timeout(300)]
PROFILE = "housing-statistics/notebook"
TEAM = """\
title: Housing statistics
members: {groups: ["%(members)s"]}
leads: {groups: ["%(leads)s"]}
envelope: {cpu: 8, memory: 32 GiB, images: [quay.io/jupyter/*]}
"""


@pytest.fixture(scope="module")
def forge() -> Forge:
    return Forge()


@pytest.fixture(scope="module")
def people(forge: Forge) -> dict[str, Any]:
    """An analyst, a lead and an administrator of the platform, and the groups that they are in."""
    analyst, lead, groups = forge.people()
    root = next(name for name in forge.passwords if name.startswith("root"))
    return {"analyst": analyst, "lead": lead, "root": root, "groups": groups}


@pytest.fixture(scope="module")
def door(forge: Forge) -> Iterator[Door]:
    with Door.opened(forge.url) as door:
        yield door


@pytest.fixture(scope="module")
def allotment(
    forge: Forge, door: Door, people: dict[str, Any], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Deployment]:
    """A deployment whose people sign in with the forge. The hub asks it through the door."""
    folder = tmp_path_factory.mktemp("sign-in")
    deployment = Deployment(folder / "state", kept={"spawner_class": "support.fakes.spawning.AnsweringSpawner"})
    options = forge.sign_in(f"http://127.0.0.1:{deployment.port}/", people["groups"], through=door.url)
    options["GenericOAuthenticator"]["admin_users"] = [chief(forge)]
    options["CheckedIdentity"] |= {"answer_seconds": 2, "maximum_age": 3600, "user_tokens": True}
    file = folder / "sign-in.yaml"
    file.write_text(json.dumps(options))
    deployment.options += ["--config", str(file)]
    deployment.forge = forge  # type: ignore[attr-defined]
    with deployment.started():
        commit(deployment, {"teams/housing-statistics/team.yaml": TEAM % people["groups"]})
        yield deployment


def chief(forge: Forge) -> str:
    """Name an administrator by name, who has no account at the provider."""
    return f"chief-{forge.mark}"


@pytest.fixture(scope="module")
def analyst(allotment: Deployment, people: dict[str, Any]) -> Person:
    return signed_in(allotment, people["analyst"])


@pytest.fixture(scope="module")
def lead(allotment: Deployment, people: dict[str, Any]) -> Person:
    return signed_in(allotment, people["lead"])


def signed_in(allotment: Deployment, name: str) -> Person:
    person = ForgePerson(allotment, name)
    person.sign_in(allotment.forge.passwords[name])  # type: ignore[attr-defined]
    return person


def refused_sign_in(allotment: Deployment, name: str) -> httpx.Response:
    person = ForgePerson(allotment, name)
    return person.try_to_sign_in(allotment.forge.passwords[name])  # type: ignore[attr-defined]


@pytest.fixture(autouse=True)
def _as_before(forge: Forge, people: dict[str, Any], analyst: Person) -> Iterator[None]:
    """Leave everybody in the groups they were in, at the provider, and no session."""
    yield
    forge.add(people["analyst"], people["groups"]["members"])
    forge.add(people["lead"], people["groups"]["members"])
    forge.add(people["lead"], people["groups"]["leads"])
    stop_all(analyst)


def identity(allotment: Deployment, name: str, *, ask: bool = True) -> httpx.Response:
    """Ask as the service does."""
    token = json.loads((allotment.folder / "laptop.json").read_text())["service_token"]
    return allotment.hub("POST", "allotment/identities", token=token, json={"user": name, "ask": ask})


def test_the_service_alone_gets_the_token_of_a_user(
    allotment: Deployment, forge: Forge, people: dict[str, Any], analyst: Person
) -> None:
    token = json.loads((allotment.folder / "laptop.json").read_text())["service_token"]
    asked = {"user": people["analyst"], "provider": "gitea", "host": httpx.URL(forge.url).netloc.decode()}
    answer = allotment.hub("POST", "allotment/user-tokens", token=token, json=asked)
    assert answer.headers["Cache-Control"] == "no-store"
    own = {"Authorization": f"Bearer {answer.json()['token']}"}
    said = httpx.get(f"{forge.url}/login/oauth/userinfo", headers=own, trust_env=False)
    assert said.json()["preferred_username"] == people["analyst"]
    repositories = httpx.get(f"{forge.url}/api/v1/repos/search", headers=own, trust_env=False)
    assert repositories.status_code == 403, "the scopes of the guide"
    for other in ({"provider": "github"}, {"host": "git.example.org"}):
        assert allotment.hub("POST", "allotment/user-tokens", token=token, json=asked | other).json() == {"token": ""}
    for wrong in ({}, [], {"user": 5, "provider": "gitea", "host": ""}):
        assert allotment.hub("POST", "allotment/user-tokens", token=token, json=wrong).status_code == 400
    nobody = allotment.hub("POST", "allotment/user-tokens", token=token, json=asked | {"user": "nobody"})
    assert nobody.status_code == 404
    assert analyst.hub("POST", "allotment/user-tokens", json=asked).status_code == 403
    logs = "".join(path.read_text() for path in (allotment.folder / "logs").glob("*.log"))
    assert answer.json()["token"] not in logs


def age(allotment: Deployment, seconds: float) -> None:
    """Let the provider's last answers be older."""
    with sqlite3.connect(allotment.folder / "jupyterhub.sqlite", timeout=30) as database:
        database.execute("UPDATE allotment_identities SET answered = answered - ?", (seconds,))


def window_of(chromium: Browser, allotment: Deployment, name: str) -> BrowserContext:
    """Sign in with the forge in a browser."""
    forge: Forge = allotment.forge  # type: ignore[attr-defined]
    return signed_in_with_forge(chromium, allotment, name, forge.passwords[name])


def proposed(analyst: Person, reason: str) -> dict[str, Any]:
    """Propose a smaller profile."""
    body = {"team": "housing-statistics", "name": f"small-{reason}", "reason": reason, "profile": {
        "title": f"Small {reason}", "purpose": "A test", "app": "jupyterlab",
        "image": "quay.io/jupyter/scipy-notebook:2025-11-24",
        "resources": {"cpu": {"limit": 1}, "memory": {"limit": "1 GiB"}},
    }}  # fmt: skip
    made = analyst.service("POST", "proposals", json=body)
    assert made.status_code == 201, made.text
    answer: dict[str, Any] = made.json()
    return answer


def approve(person: Person, proposal: dict[str, Any]) -> tuple[int, str]:
    """Approve; give status and code."""
    stored = person.service("GET", f"proposals/{proposal['id']}").json()
    looked_at = {"head": stored["head"], "digest": stored["digest"]}
    answer = person.service("POST", f"proposals/{proposal['id']}/approvals", json=looked_at)
    return answer.status_code, answer.json().get("code", "")


def test_whoever_loses_a_group_at_the_provider_starts_and_decides_nothing_any_more(
    allotment: Deployment, forge: Forge, people: dict[str, Any], chromium: Browser
) -> None:
    window = window_of(chromium, allotment, people["analyst"])
    start = opened(window, allotment, "hub/spawn")
    start.get_by_role("button", name="Start Notebook in Python, Housing statistics").first.click()
    start.wait_for_url(f"**/user/{people['analyst']}/**", timeout=60_000)
    profile = opened(window, allotment, f"services/allotment/profiles/{PROFILE}")
    profile.get_by_text("Groups that the hub received").click()
    expect(profile.get_by_text(people["groups"]["members"], exact=True).last).to_be_visible()
    forge.remove(people["analyst"], people["groups"]["members"])
    # Without a new sign-in: the same window, and a token that was made before.
    token = signed_in(allotment, people["analyst"])
    stop_all(token)
    assert "not-a-member" in ask(token, {"profile": PROFILE})[1]
    profile.reload()
    expect(profile.get_by_text("not-a-member").first).to_be_visible()
    window.close()


def test_a_decision_asks_the_provider_at_that_moment(
    allotment: Deployment, forge: Forge, people: dict[str, Any], analyst: Person, lead: Person, door: Door
) -> None:
    proposal = proposed(analyst, "asked")
    assert identity(allotment, people["lead"], ask=False).json()["groups"]
    forge.remove(people["lead"], people["groups"]["leads"])
    assert approve(lead, proposal) == (403, "not-a-reviewer")
    forge.add(people["lead"], people["groups"]["leads"])
    assert approve(lead, proposal) == (201, "")
    forge.remove(people["lead"], people["groups"]["leads"])
    root = signed_in(allotment, people["root"])
    stored = root.service("GET", f"proposals/{proposal['id']}").json()
    looked_at = {"head": stored["head"], "digest": stored["digest"]}
    merged = root.service("POST", f"proposals/{proposal['id']}/merge", json=looked_at)
    assert (merged.status_code, merged.json()["code"]) == (409, "approvals-missing")


@pytest.mark.parametrize("state", ["broken", "limited", "slow", "nonsense"])
def test_without_an_answer_nothing_is_decided_and_sessions_start_for_a_while(
    allotment: Deployment, people: dict[str, Any], analyst: Person, lead: Person, door: Door, state: State
) -> None:
    proposal = proposed(analyst, state)
    assert identity(allotment, people["analyst"]).json()["answer"] == "confirmed"
    with door.being(state):
        assert approve(lead, proposal) == (503, "identity-unavailable")
        assert ask(analyst, {"profile": PROFILE}) == (201, "")
        stop_all(analyst)
        age(allotment, 3600)
        status, message = ask(analyst, {"profile": PROFILE})
        assert status == 503
        assert "[identity-unavailable]" in message
        assert analyst.page("hub/home").status_code == 200
    assert ask(analyst, {"profile": PROFILE}) == (201, "")
    assert approve(lead, proposal) == (201, "")


def test_a_provider_that_is_away_keeps_a_sign_in_waiting_and_says_so(
    allotment: Deployment, people: dict[str, Any], door: Door
) -> None:
    with door.being("broken"):
        answer = refused_sign_in(allotment, people["analyst"])
    assert answer.status_code == 503
    assert "[identity-unavailable]" in answer.text


def test_a_user_whom_the_provider_deletes_starts_and_decides_nothing(
    allotment: Deployment, forge: Forge, people: dict[str, Any]
) -> None:
    name = forge.user("gone")
    forge.add(name, people["groups"]["members"])
    gone = signed_in(allotment, name)
    token = gone.new_token()
    assert identity(allotment, name).json()["answer"] == "confirmed"
    forge.delete(name)
    refused = identity(allotment, name).json()
    assert refused["answer"] == "refused"
    path = f"users/{name}/server"
    answer = allotment.hub("POST", path, token=token, json={"profile": PROFILE})
    assert answer.status_code == 403
    assert "[identity-refused]" in answer.json()["message"]


def test_a_renamed_user_stays_the_same_and_nobody_gets_their_name(
    allotment: Deployment, forge: Forge, people: dict[str, Any]
) -> None:
    old = forge.user("olga")
    signed_in(allotment, old)
    account = identity(allotment, old).json()["account"]
    assert account == {"provider": "gitea", "host": forge.url.partition("://")[2], "id": account["id"], "login": old}
    new = f"new-{old}"
    forge.rename(old, new)
    again = signed_in(allotment, new)
    assert again.hub("GET", "user").json()["name"] == old
    assert identity(allotment, old).json()["account"] == {**account, "login": new}
    token = json.loads((allotment.folder / "laptop.json").read_text())["service_token"]
    where = {name: account[name] for name in ("provider", "host", "id")}
    assert allotment.hub("GET", "allotment/accounts", token=token, params=where).json()["users"] == [old]
    # Somebody else gets the name that is free at the provider now.
    forge.take(old)
    answer = refused_sign_in(allotment, old)
    assert answer.status_code == 403
    assert "[account-of-another]" in answer.text


def test_a_renamed_user_does_not_become_an_administrator_of_that_name(allotment: Deployment, forge: Forge) -> None:
    old = forge.user("mel")
    token = signed_in(allotment, old).new_token()
    forge.rename(old, chief(forge))
    asked = identity(allotment, old).json()
    assert (asked["answer"], asked["account"]["login"], asked["admin"]) == ("confirmed", chief(forge), False)
    again = signed_in(allotment, chief(forge)).hub("GET", "user").json()
    assert (again["name"], again["admin"]) == (old, False)
    assert identity(allotment, old).json()["admin"] is False
    assert allotment.hub("GET", "users", token=token).status_code == 403


def test_an_explanation_shows_what_was_received_to_the_user_and_to_administrators(
    allotment: Deployment, people: dict[str, Any], analyst: Person, lead: Person
) -> None:
    assert identity(allotment, people["analyst"]).json()["answer"] == "confirmed"
    path = f"explain?profile={PROFILE}&user={people['analyst']}"
    received = analyst.service("GET", path).json()["identity"]
    group = people["groups"]["members"]
    assert received["groups"] == [group.partition(":")[0], group]
    assert received["age"] < 60
    assert (received["maximum_age"], received["why_not_asked"], received["unusable"]) == (3600, "", [])
    assert lead.service("GET", path).json()["identity"] is None
    assert signed_in(allotment, people["root"]).service("GET", path).json()["identity"]["groups"] == received["groups"]


def test_nobody_gets_a_local_account_by_having_its_name(allotment: Deployment, forge: Forge) -> None:
    forge.take("analyst")
    try:
        assert refused_sign_in(allotment, "analyst").status_code == 403
    finally:
        forge.delete("analyst")


def test_only_the_service_may_ask(allotment: Deployment, people: dict[str, Any], analyst: Person) -> None:
    assert analyst.hub("POST", "allotment/identities", json={"user": people["lead"]}).status_code == 403
    assert analyst.hub("GET", "allotment/accounts?provider=gitea&host=x&id=1").status_code == 403
