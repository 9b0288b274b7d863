"""A stranger's page, served by a session, in the browser of a lead: it reads, rewrites and decides nothing."""

from collections.abc import Iterator
from typing import Any

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, expect
from support.browsing import needs_browser, opened, signed_in
from support.servers.deployment import Deployment, Person

pytestmark = [
    needs_browser,
    pytest.mark.deployment(base_url="/plot/", kept={"spawner_class": "support.fakes.strange_session.StrangeSpawner"}),
]

SERVICE = "services/allotment/"
NOTHING = ("", "TypeError")
"""An answer that the page may not look into, or none."""

FRAMED = """
async address => {
    const frame = document.createElement("iframe")
    const loaded = new Promise(resolve => frame.addEventListener("load", resolve))
    frame.src = address
    document.body.append(frame)
    await loaded
    try { return frame.contentWindow.document.cookie } catch (error) { return error.name }
}
"""
FETCHED = """
async ([address, options]) => {
    try { return await (await fetch(address, {credentials: "include", ...options})).text() }
    catch (error) { return error.name }
}
"""
POSTED = """
([address, fields]) => {
    const form = document.createElement("form")
    form.method = "post"
    form.action = address
    for (const [name, value] of Object.entries(fields)) {
        const field = document.createElement("input")
        field.name = name
        field.value = value
        form.append(field)
    }
    document.body.append(form)
    form.submit()
}
"""
WORKER = """
async address => {
    await navigator.serviceWorker.register(address, {scope: "/"})
    await navigator.serviceWorker.ready
}
"""
TOSSED = """
names => {
    for (const name of names) for (const domain of ["localhost", ".localhost", "127.0.0.1"])
        for (const path of ["/", "/plot/", "/plot/hub/", "/plot/services/allotment/"])
            document.cookie = `${name}=tossed; Domain=${domain}; Path=${path}`
}
"""


@pytest.fixture(scope="module")
def stranger(analyst: Person) -> Iterator[str]:
    """The address of the analyst's session."""
    yield analyst.start_session()
    analyst.stop_session()


@pytest.fixture
def window(chromium: Browser, allotment: Deployment) -> Iterator[BrowserContext]:
    """The lead's browser, signed in to the hub and to the service."""
    window = signed_in(chromium, allotment, "lead")
    opened(window, allotment, f"{SERVICE}proposals").close()
    yield window
    window.close()


@pytest.fixture
def page(window: BrowserContext, stranger: str) -> Page:
    """The stranger's page."""
    page = window.new_page()
    page.goto(stranger)
    expect(page).to_have_title("Strange")
    return page


@pytest.fixture
def proposal(analyst: Person) -> Iterator[dict[str, Any]]:
    """A proposal that waits for the lead."""
    change = {"team": "housing-statistics", "name": "strange", "reason": "Mine"}
    profile = analyst.service("GET", "profiles/housing-statistics/notebook").json()["settings"]
    answer = analyst.service("POST", "proposals", json={**change, "profile": {**profile, "title": "Strange"}})
    assert answer.status_code in (200, 201), answer.text
    yield answer.json()
    analyst.service("POST", f"proposals/{answer.json()['id']}/withdrawal")


def test_sessions_have_a_host_for_each_user_and_hub_and_service_another(allotment: Deployment, stranger: str) -> None:
    assert stranger == f"http://analyst.localhost:{allotment.port}/plot/user/analyst/"
    assert allotment.url == f"http://127.0.0.1:{allotment.port}/plot/"


@pytest.mark.parametrize("path", ["hub/home", f"{SERVICE}proposals", f"{SERVICE}static/pages.js", "hub/logo"])
def test_it_reads_nothing_of_the_hub_and_the_service(allotment: Deployment, page: Page, path: str) -> None:
    assert page.evaluate(FRAMED, allotment.url + path) == "SecurityError"
    assert page.evaluate(FETCHED, [allotment.url + path, {}]) == "TypeError"
    assert page.evaluate(FETCHED, [allotment.url + path, {"mode": "no-cors"}]) in NOTHING
    # Neither do they answer at the session's own address.
    assert page.evaluate(FETCHED, [f"/plot/{path}", {}]) == "TypeError"


def test_it_decides_nothing(
    allotment: Deployment, page: Page, analyst: Person, proposal: dict[str, Any], window: BrowserContext
) -> None:
    (token,) = (each["value"] for each in window.cookies(f"{allotment.url}{SERVICE}") if each.get("name") == "_xsrf")
    address = f"{allotment.url}{SERVICE}proposals/{proposal['id']}"
    body = {"method": "POST", "headers": {"Content-Type": "text/plain"}, "body": f'{{"head": "{proposal["head"]}"}}'}
    api = f"{allotment.url}{SERVICE}api/v1/proposals/{proposal['id']}/approvals?_xsrf={token}"
    assert page.evaluate(FETCHED, [api, body]) == "TypeError"
    assert page.evaluate(FETCHED, [api, {**body, "mode": "no-cors"}]) in NOTHING
    # Even with the lead's own token, which it cannot know.
    for action in ("approve", "merge"):
        with page.expect_navigation():
            page.evaluate(POSTED, [f"{address}/{action}", {"_xsrf": token, "head": proposal["head"]}])
        page.go_back()
    seen = analyst.service("GET", f"proposals/{proposal['id']}").json()
    assert seen["state"] == proposal["state"]
    assert not [requirement for requirement in seen["requirements"] if requirement["met_by"]]
    assert {record["by"] for record in seen["records"]} <= {"analyst"}


def test_its_worker_rules_only_its_own_host(allotment: Deployment, page: Page, window: BrowserContext) -> None:
    page.evaluate(WORKER, page.url + "worker.js")
    page.goto(page.url)
    expect(page.locator("body")).to_have_text("taken over")
    for path in ("hub/home", f"{SERVICE}proposals"):
        other = opened(window, allotment, path)
        expect(other.get_by_text("lead", exact=True)).to_be_visible()
        other.close()


def test_cookies_that_it_tosses_do_not_reach_the_hub(allotment: Deployment, page: Page, window: BrowserContext) -> None:
    def sent() -> set[tuple[str, str, str]]:
        cookies = window.cookies([f"{allotment.url}hub/home", f"{allotment.url}{SERVICE}proposals"])
        return {(each.get("name", ""), each.get("path", ""), each.get("value", "")) for each in cookies}

    before = sent()
    names = {name for name, *_ in before}
    assert {"_xsrf", "jupyterhub-hub-login", "service-allotment", "jupyterhub-session-id"} <= names
    page.evaluate(TOSSED, sorted(names))
    assert sent() == before
    for path in ("hub/home", f"{SERVICE}proposals"):
        other = opened(window, allotment, path)
        expect(other.get_by_text("lead", exact=True)).to_be_visible()
        other.close()
