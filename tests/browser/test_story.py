"""The main job, whole, in a browser: from a profile to a session, from a proposal to a new profile."""

import subprocess
from collections.abc import Iterator

import pytest
from playwright.sync_api import BrowserContext, Page, expect
from support.browsing import needs_browser, opened, picture
from support.clones import Clone
from support.conditions import until
from support.servers.deployment import Deployment, Person
from support.starting import stop_all

pytestmark = [
    needs_browser,
    pytest.mark.timeout(400),  # a deployment, and starts of JupyterLab
]

SERVICE = "services/allotment/"
NEW = "housing-statistics/notebook-joins"


@pytest.fixture(scope="module", params=["root", "base-url"])
def allotment(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Deployment]:
    """A deployment at the root of its host, and the shared one, which has a base URL."""
    if request.param == "base-url":
        yield request.getfixturevalue("shared_allotment")
        return
    with Deployment(tmp_path_factory.mktemp("root") / "state").started() as deployment:
        yield deployment


@pytest.fixture(autouse=True)
def _restored(clone: Clone, idle: Person) -> Iterator[None]:
    """Leave main as it was, and no session."""
    with clone.restored():
        yield
    stop_all(idle)


def begun(window: BrowserContext, allotment: Deployment, profile: str) -> None:
    """Press Start on a card and wait for JupyterLab."""
    page = opened(window, allotment, "hub/spawn")
    page.get_by_role("button", name=f"Start {profile}").first.click()
    page.wait_for_url("**/user/analyst/lab**", timeout=60_000)
    expect(page.get_by_role("listitem", name="Name: data")).to_be_visible(timeout=60_000)
    picture(page, "session")
    page.close()


def propose_larger(window: BrowserContext, allotment: Deployment) -> str:
    """Propose a larger notebook with the form; gives the address of the proposal."""
    page = opened(window, allotment, f"{SERVICE}profiles/housing-statistics/notebook")
    page.get_by_role("link", name="Propose one like it").click()
    page.get_by_label("Name", exact=True).fill("notebook-joins")
    page.get_by_label("Title").fill("Notebook for joins")
    page.get_by_label("Memory limit").fill("24 GB")
    expect(page.locator("[id='problem-resources.memory.limit']")).to_contain_text("GiB")
    page.get_by_label("Memory limit").fill("2400 GiB")
    expect(page.locator("[id='problem-resources.memory.limit']")).to_contain_text("envelope")
    page.get_by_label("Memory limit").fill("24 GiB")
    expect(page.locator("[id='problem-resources.memory.limit']")).to_be_empty()
    expect(page.locator("#panel .allotment-requirements")).to_contain_text("Housing statistics")
    page.get_by_label("Reason").fill("Joining ten years of prices needs more memory")
    expect(page.locator(".allotment-verdict.is-ready")).to_be_visible()
    page.evaluate("window.scrollTo(0, 0)")
    picture(page, "propose")
    page.get_by_role("button", name="Propose", exact=True).click()
    page.wait_for_url("**/proposals/*")
    expect(page.get_by_role("button", name="Approve")).to_have_count(0)
    expect(page.get_by_text("own-proposal")).to_be_visible()
    address = page.url
    page.close()
    return address


def found_and_started(window: BrowserContext, allotment: Deployment) -> None:
    """Look at the start page, start a session from it, and look at the list of profiles."""
    page = opened(window, allotment, "hub/spawn")
    for told in ("Notebook in Python", "House prices, open data", "quay.io/jupyter/scipy-notebook", "CPU", "an hour"):
        expect(page.get_by_text(told).first).to_be_visible()
    expect(page.get_by_role("heading", name="Not available")).to_be_visible()
    expect(page.locator("#allotment-notice")).to_be_visible()
    picture(page, "start")
    page.close()
    if allotment.url == f"{allotment.origin}/":  # below a base URL, the session of the new profile is enough
        begun(window, allotment, "Notebook in Python, Housing statistics")

    profiles = opened(window, allotment, "hub/home")
    profiles.get_by_role("link", name="Profiles", exact=True).click()
    expect(profiles.get_by_role("heading", name="Profiles")).to_be_visible()
    expect(profiles.get_by_text("Producing the quarterly house price statistics")).to_be_visible()
    picture(profiles, "profiles")
    profiles.close()


def reviewed(window: BrowserContext, allotment: Deployment) -> None:
    """Comment on the proposal, approve it and merge it."""
    review = opened(window, allotment, f"{SERVICE}proposals")
    review.get_by_role("link", name="Notebook for joins").first.click()
    expect(review.get_by_role("row").filter(has_text="memory limit").filter(has_text="24 GiB").first).to_be_visible()
    expect(review.get_by_text("Joining ten years of prices needs more memory").first).to_be_visible()
    picture(review, "proposal")
    review.get_by_label("Your comment").fill("<b>Good</b> {username.__class__}")
    review.get_by_role("button", name="Comment").click()
    expect(review.get_by_text("<b>Good</b> {username.__class__}")).to_be_visible()
    review.get_by_role("button", name="Approve").click()
    review.get_by_role("button", name="Merge").click()
    expect(review.get_by_text("live", exact=True).first).to_be_visible()
    review.close()


def test_from_a_profile_to_a_session_and_from_a_proposal_to_a_new_profile(
    allotment: Deployment, analyst_window: BrowserContext, lead_window: BrowserContext
) -> None:
    found_and_started(analyst_window, allotment)
    address = propose_larger(analyst_window, allotment)
    reviewed(lead_window, allotment)
    start = opened(analyst_window, allotment, "hub/home")
    start.request.delete(f"{allotment.url}hub/api/users/analyst/server", headers=_xsrf(analyst_window, allotment))

    def offered() -> bool:
        answer = start.request.get(f"{allotment.url}hub/spawn/analyst/next")
        return "Notebook for joins" in answer.text()

    # How long that takes is measured by `make bench`.
    until(offered, what="the new profile on the start page")
    until(lambda: "Stop My Server" not in _home(start, allotment), what="the end of the first session")
    begun(analyst_window, allotment, "Notebook for joins")
    start.close()

    done = opened(analyst_window, allotment, address.removeprefix(allotment.url))
    expect(done.get_by_text("by analyst").nth(1)).to_be_visible()
    done.close()
    log = subprocess.run(
        ["git", "log", "-1", "--format=%an%n%B", "main"], cwd=allotment.repository, capture_output=True, text=True,
        check=True,
    ).stdout  # fmt: skip
    for trailer in (
        "Proposed-by: analyst",
        "Approved-by: lead",
        "Reason: Joining ten years of prices needs more memory",
    ):
        assert trailer in log
    history = opened(analyst_window, allotment, f"{SERVICE}profiles/{NEW}")
    for told in ("analyst", "lead", "Joining ten years of prices needs more memory"):
        expect(history.get_by_text(told).first).to_be_visible()
    history.close()


def _xsrf(window: BrowserContext, allotment: Deployment) -> dict[str, str]:
    tokens = [each["value"] for each in window.cookies(f"{allotment.url}hub/home") if each.get("name") == "_xsrf"]
    return {"X-XSRFToken": tokens[0]}


def _home(page: Page, allotment: Deployment) -> str:
    return page.request.get(f"{allotment.url}hub/home").text()
