"""A page of a session against the service, in a browser in which a lead is signed in.

The page is served from the origin of hub and service, as where sessions have no host of their own: what it may not do
there it may do nowhere. It stands below `/user/analyst/`, answered in the place of the session's own program.
"""

import json

import httpx
import pytest
from playwright.sync_api import BrowserContext, Route, expect
from support.browsing import needs_browser, opened
from support.servers.deployment import Deployment, Person

pytestmark = needs_browser

SERVICE = "services/allotment/"
ATTACK = """
async ({service, proposal, head, digest, leaked}) => {
  const seen = {};
  const framed = (path) => new Promise((resolve) => {
    const frame = document.createElement("iframe");
    frame.onload = () => resolve(frame);
    frame.src = service + path;
    document.body.append(frame);
  });
  // 1. Read the path's XSRF token out of frames of the service.
  for (const path of ["static/pages.js", "static/allotment.css", "api/v1/health", "oauth_callback", "profiles"]) {
    try {
      seen[path] = (await framed(path)).contentDocument.cookie;
    } catch (error) {
      seen[path] = error.name;
    }
  }
  // 2. Or out of a document whose address pretends to be below the path.
  history.replaceState(null, "", service + "profiles");
  seen.pretended = document.cookie;
  // 3. Have it from elsewhere. Fetch the page for the tokens of its buttons, and send its forms.
  const options = {headers: {"X-XSRFToken": leaked}, redirect: "manual"};
  const fetched = await fetch(service + "proposals/" + proposal, options);
  const page = new DOMParser().parseFromString(await fetched.text(), "text/html");
  const answers = {};
  for (const action of ["approve", "merge"]) {
    const once = page.querySelector(`form[action$="/${action}"] [name=one_time]`);
    const body = new URLSearchParams({_xsrf: leaked, head, digest, one_time: once ? once.value : ""});
    const answer = await fetch(`${service}proposals/${proposal}/${action}`, {method: "POST", body, redirect: "manual"});
    answers[action] = [answer.status, (await answer.text()).match(/<code>([a-z-]+)<\\/code>/)?.[1]];
    // With cookies, the API decides nothing either.
    const call = await fetch(`${service}api/v1/proposals/${proposal}/${action === "merge" ? "merge" : "approvals"}`, {
      method: "POST", body: JSON.stringify({head, digest}), headers: {"X-XSRFToken": leaked},
    });
    answers["api " + action] = [call.status, (await call.json()).code];
  }
  return {seen, answers, fetched: fetched.status};
}
"""
WORKER = """
async ({service}) => {
  const told = {};
  for (const script of ["static/pages.js", "static/none.js", "profiles", "api/v1/openapi.json"]) {
    for (const scope of [service, service + "static/"]) {
      try {
        await navigator.serviceWorker.register(service + script, {scope});
        told[script + " " + scope] = "registered";
      } catch (error) {
        told[script + " " + scope] = error.name;
      }
    }
  }
  return {told, registered: (await navigator.serviceWorker.getRegistrations()).length};
}
"""


@pytest.fixture
def hostile(allotment: Deployment, lead_window: BrowserContext) -> str:
    """Serve a page of a session on the origin of the service; give its path."""
    path = "user/analyst/page"

    def answer(route: Route) -> None:
        route.fulfill(status=200, content_type="text/html", body="<!DOCTYPE html><title>Nice</title>")

    lead_window.route(f"{allotment.url}{path}", answer)
    return path


def test_a_page_of_a_session_decides_nothing_in_the_name_of_a_lead(
    allotment: Deployment, lead_window: BrowserContext, analyst: Person, lead: Person, hostile: str
) -> None:
    settings = analyst.service("GET", "profiles/housing-statistics/notebook").json()["settings"]
    body = {"team": "housing-statistics", "name": "attacked", "profile": settings, "reason": "For the owner"}
    proposal = analyst.service("POST", "proposals", json=body).json()
    visited = opened(lead_window, allotment, f"{SERVICE}proposals/{proposal['id']}")
    expect(visited.get_by_role("button", name="Approve")).to_be_visible()
    digest = visited.locator("form[action$='/approve'] [name=digest]").get_attribute("value")
    visited.close()
    page = opened(lead_window, allotment, hostile)
    address = f"{allotment.url}{SERVICE}"
    (leaked,) = (each["value"] for each in lead_window.cookies(address) if each["name"] == "_xsrf")
    target = {"proposal": proposal["id"], "head": proposal["head"], "digest": digest, "leaked": leaked}
    result = page.evaluate(ATTACK, {"service": httpx.URL(address).path, **target})
    page.close()
    assert all("_xsrf" not in cookie for cookie in result["seen"].values()), result
    assert result["fetched"] == 200, result
    assert result["answers"] == {
        "approve": [403, "page-outdated"],
        "merge": [403, "page-outdated"],
        "api approve": [403, "token-needed"],
        "api merge": [403, "token-needed"],
    }
    state = lead.service("GET", f"proposals/{proposal['id']}").json()
    assert state["state"] != "merged"
    assert "approved" not in json.dumps(state.get("records", []))
    # The lead decides all the same.
    decided = opened(lead_window, allotment, f"{SERVICE}proposals/{proposal['id']}")
    decided.get_by_label("Reason for rejecting it").fill("It is not needed")
    decided.get_by_role("button", name="Reject").click()
    expect(decided.get_by_text("rejected").first).to_be_visible()
    decided.close()


def test_no_service_worker_comes_between_people_and_the_service(
    allotment: Deployment, lead_window: BrowserContext, hostile: str
) -> None:
    page = opened(lead_window, allotment, hostile)
    path = httpx.URL(allotment.url).path + SERVICE
    result = page.evaluate(WORKER, {"service": path})
    page.close()
    assert result["registered"] == 0
    assert "registered" not in result["told"].values()
