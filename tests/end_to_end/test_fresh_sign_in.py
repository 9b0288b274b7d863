"""Where the policy asks for a fresh sign-in, a real hub knows when somebody signed in, and offers to sign in anew."""

import copy
import sqlite3
from collections.abc import Iterator
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest
from bs4 import BeautifulSoup
from support.clones import Clone
from support.servers.deployment import Deployment, Person

GRANTS = "data-roles/housing-open.yaml"
SERVICE = "services/allotment/"
COOKIE = "allotment-sign-in"


@pytest.fixture
def proposal(clone: Clone, analyst: Person) -> Iterator[str]:
    """A proposal that gives data, while the policy asks for a sign-in within the last hour."""
    with clone.restored():
        clone.push({"policy.yaml": clone.text("policy.yaml") + "\nfresh_sign_in: 1 h\n"})
        text = clone.text(GRANTS).replace("granted_to:\n", "granted_to:\n  transport-analysis: {until: 2029-12-31}\n")
        body = {"files": [{"path": GRANTS, "content": text}], "reason": "For a test"}
        made = analyst.service("POST", "proposals", json=body)
        assert made.status_code == 201, made.text
        yield made.json()["id"]
        analyst.service("POST", f"proposals/{made.json()['id']}/withdrawal")


def age(allotment: Deployment, hours: float) -> None:
    """Let all sign-ins be older."""
    with sqlite3.connect(allotment.folder / "jupyterhub.sqlite", timeout=30) as database:
        database.execute("UPDATE allotment_sign_ins SET time = time - ?", (hours * 3600,))


def secret_of(client: httpx.Client) -> str:
    """Return the secret of a browser's sign-in."""
    return next(str(cookie.value) for cookie in client.cookies.jar if cookie.name == COOKIE)


def thief_of(client: httpx.Client, *names: str) -> httpx.Client:
    """Return a browser with copies of the cookies of another, or of some of them."""
    thief = httpx.Client(trust_env=False, follow_redirects=True, timeout=30)
    for cookie in client.cookies.jar:
        if not names or any(name in cookie.name for name in names):
            thief.cookies.jar.set_cookie(copy.copy(cookie))
    return thief


def sign_in_again(allotment: Deployment, client: httpx.Client) -> None:
    """Type the password, as after the hub's cookie has expired."""
    for cookie in list(client.cookies.jar):
        if "hub-login" in cookie.name or cookie.name == "service-allotment":
            client.cookies.jar.clear(cookie.domain, cookie.path, cookie.name)
    page = client.get(f"{allotment.url}hub/login")
    form = BeautifulSoup(page.text, "html.parser").find("form")
    assert form is not None
    fields = {str(each["name"]): str(each.get("value", "")) for each in form.find_all("input", attrs={"name": True})}
    account = {"username": "admin", "password": allotment.access["accounts"]["admin"]}
    assert client.post(f"{allotment.url}hub/login", data={**fields, **account}).status_code == 200


def test_what_was_copied_before_a_sign_in_does_not_become_fresh(allotment: Deployment, proposal: str) -> None:
    admin, page = allotment.sign_in("admin"), f"{allotment.url}{SERVICE}proposals/{proposal}"
    admin.client.get(page)
    before = secret_of(admin.client)
    with thief_of(admin.client) as everything, thief_of(admin.client, "hub-login", "session-id") as login:
        age(allotment, 2)
        sign_in_again(allotment, admin.client)
        assert secret_of(admin.client) != before
        for thief in (everything, login):
            opened = thief.get(page)
            assert "A new sign-in is needed first" in opened.text
            assert pressed(thief, opened)[:2] == (403, "sign-in-too-old")
    assert pressed(admin.client, admin.client.get(page))[0] == 303


def approve(person: Person, page: httpx.Response) -> tuple[int, str, str]:
    """Press the button; give status, code and link of the answer."""
    return pressed(person.client, page)


def pressed(client: httpx.Client, page: httpx.Response) -> tuple[int, str, str]:
    """Press the button in a browser."""
    form = next(
        form for form in BeautifulSoup(page.text, "html.parser").find_all("form") if form["action"].endswith("/approve")
    )
    fields = {str(each["name"]): str(each["value"]) for each in form.find_all("input", type="hidden")}
    answer = client.post(str(page.url.join(str(form["action"]))), data=fields, follow_redirects=False)
    shown = BeautifulSoup(answer.text, "html.parser")
    code, link = shown.select("dd code"), shown.select_one(".allotment-refusal a.btn-primary")
    return answer.status_code, code[-1].text if code else "", str(link["href"]) if link else ""


def test_whoever_signed_in_long_ago_is_led_through_a_sign_in_and_back(allotment: Deployment, proposal: str) -> None:
    admin, page = allotment.sign_in("admin"), f"{SERVICE}proposals/{proposal}"
    admin.page(page)
    age(allotment, 2)
    # Neither a restart of the hub, nor the hub's sign-in page, a new token of the service or a refresh is a sign-in.
    allotment.kill("hub")
    allotment.wait_until_well()
    admin.page("hub/login")
    admin.client.cookies.delete("service-allotment", domain=urlsplit(allotment.url).hostname, path=f"/plot/{SERVICE}")
    assert admin.page("hub/spawn").status_code == 200
    status, code, link = approve(admin, admin.page(page))
    assert (status, code) == (403, "sign-in-too-old")
    signing_in = admin.client.get(link)
    assert (signing_in.status_code, signing_in.url.path) == (200, "/plot/hub/login")
    assert parse_qs(signing_in.url.query.decode()) == {"next": [f"/plot/{page}"]}
    form = BeautifulSoup(signing_in.text, "html.parser").find("form")
    assert form is not None
    fields = {str(each["name"]): str(each.get("value", "")) for each in form.find_all("input", attrs={"name": True})}
    account = {"username": "admin", "password": allotment.access["accounts"]["admin"]}
    back = admin.client.post(str(signing_in.url), data={**fields, **account})
    assert str(back.url) == allotment.url + page
    assert approve(admin, back)[0] == 303


def test_a_token_has_no_sign_in_and_only_the_service_may_ask_for_one(allotment: Deployment, proposal: str) -> None:
    admin = allotment.sign_in("admin")
    stored = admin.service("GET", f"proposals/{proposal}").json()
    looked_at = {"head": stored["head"], "digest": stored["digest"]}
    answer = admin.service("POST", f"proposals/{proposal}/approvals", json=looked_at)
    assert (answer.status_code, answer.json()["code"]) == (403, "sign-in-unknown")
    assert answer.json()["link"] == f"{allotment.url}{SERVICE}proposals/{proposal}"
    asked = {"user": "admin", "session": secret_of(admin.client)}
    assert admin.hub("POST", "allotment/sign-ins", json=asked).status_code == 403


@pytest.mark.parametrize("page", ["//evil.example.org", "https://evil.example.org", "../../hub/home", "a?next=//b", ""])
def test_the_sign_in_leads_nowhere_but_to_the_service(allotment: Deployment, page: str) -> None:
    with httpx.Client(trust_env=False) as client:
        answer = client.get(f"{allotment.url}hub/allotment/sign-in", params={"page": page})
    assert answer.status_code == 302
    assert parse_qs(urlsplit(answer.headers["Location"]).query) == {"next": [f"/plot/{SERVICE}profiles"]}
