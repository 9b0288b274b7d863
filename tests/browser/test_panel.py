"""JupyterLab's panel, in a browser: what runs, and the way to a proposal without leaving JupyterLab."""

from collections.abc import Iterator

import pytest
from playwright.sync_api import BrowserContext, Page, expect
from support.browsing import needs_browser, violations
from support.servers.deployment import Deployment, Person
from support.starting import stop_all

pytestmark = [
    needs_browser,
    pytest.mark.timeout(300),  # a deployment, and a start of JupyterLab
]
pytest.importorskip("jupyterlab_allotment", reason="JupyterLab's panel is not installed here")

NOTEBOOK = "housing-statistics/notebook"


@pytest.fixture(scope="module")
def at_work(analyst: Person) -> Iterator[Person]:
    """The analyst, with a running session."""
    stop_all(analyst)
    analyst.start_session({"profile": NOTEBOOK})
    yield analyst
    analyst.stop_session()


@pytest.fixture
def lab(allotment: Deployment, at_work: Person, analyst_window: BrowserContext) -> Iterator[Page]:
    """JupyterLab with the panel open."""
    page = analyst_window.new_page()
    page.goto(f"{allotment.url}user/analyst/lab?reset")
    page.get_by_role("tab", name="Allotment").click(timeout=60_000)
    yield page
    page.close()


def test_the_panel_shows_the_profile_that_runs(lab: Page) -> None:
    panel = lab.get_by_role("region", name="Allotment")
    expect(panel.get_by_role("heading", name="Notebook in Python")).to_be_visible()
    expect(panel.get_by_text(NOTEBOOK)).to_be_visible()
    expect(panel.get_by_text("Producing the quarterly house price statistics")).to_be_visible()
    expect(panel.get_by_text("housing-open")).to_be_visible()
    expect(panel.get_by_role("button", name="Copy the path of housing-open")).to_be_visible()
    expect(panel.get_by_text("You have proposed nothing yet.")).to_be_visible()


def test_a_change_is_proposed_without_leaving_jupyterlab(lab: Page) -> None:
    panel = lab.get_by_role("region", name="Allotment", exact=True)
    panel.get_by_role("button", name="Propose a change").click()
    form = lab.locator(".jp-AllotmentForm")
    form.get_by_label("Name", exact=True).fill("notebook-in-lab")
    form.get_by_label("Title").first.fill("Notebook for <b>joins</b>")
    memory = form.get_by_role("group", name="Memory").get_by_label("Limit")
    memory.fill("24 GB")
    expect(form.get_by_text("Did you mean GiB?").first).to_be_visible()
    memory.fill("24 GiB")
    expect(form.get_by_text("It can be proposed.")).to_be_visible()
    expect(form.get_by_text("memory limit: 24 GiB")).to_be_visible()
    assert violations(lab) == []
    propose = form.get_by_role("button", name="Propose", exact=True)
    expect(propose).to_be_disabled()
    form.get_by_label("Reason").fill("Joining ten years of prices")
    propose.click()
    expect(lab.get_by_role("heading", name="Proposed", exact=True)).to_be_visible()
    own = panel.get_by_role("listitem").filter(has_text="Notebook for <b>joins</b>")
    expect(own).to_contain_text("open")
    own.get_by_role("button", name="Withdraw").click()
    expect(own).to_contain_text("withdrawn")
