"""JupyterLab's panel, in a browser: what runs, and the way to a proposal without leaving JupyterLab."""

import re
from collections.abc import Iterator

import pytest
from playwright.sync_api import BrowserContext, Page, expect
from support.browsing import needs_browser, picture, violations
from support.clones import Clone
from support.servers.deployment import Deployment, Person
from support.starting import stop_all

pytestmark = [
    needs_browser,
    pytest.mark.timeout(300),  # a deployment, and a start of JupyterLab
]
pytest.importorskip("jupyterlab_allotment", reason="JupyterLab's panel is not installed here")

NOTEBOOK = "housing-statistics/notebook"


@pytest.fixture(scope="module")
def at_work(analyst: Person, lead: Person) -> Iterator[Person]:
    """The analyst, with a running session. The hub knows a lead, too."""
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
    panel = lab.get_by_role("region", name="Allotment", exact=True)
    expect(panel.get_by_role("heading", name="Notebook in Python")).to_be_visible()
    expect(panel.get_by_text(NOTEBOOK)).to_be_visible()
    expect(panel.get_by_text("Producing the quarterly house price statistics")).to_be_visible()
    expect(panel.get_by_text("housing-open")).to_be_visible()
    expect(panel.get_by_role("button", name="Copy the path of housing-open")).to_be_visible()
    expect(panel.get_by_role("meter", name="Memory")).to_have_attribute("aria-valuetext", re.compile(r"iB / 4 GiB$"))
    expect(panel.get_by_text(re.compile("It is stopped in 1[12] h"))).to_be_visible()
    status = lab.get_by_role("button", name=re.compile(r"^Memory .* left$"))
    lab.get_by_role("tab", name="File Browser").click()
    expect(panel).to_be_hidden()
    status.press("Enter")
    expect(panel).to_be_visible()
    assert violations(lab) == []


def test_a_change_is_proposed_and_tried_without_leaving_jupyterlab(lab: Page, analyst: Person) -> None:
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
    form.get_by_role("button", name="Try it before you propose it").click()
    expect(form.get_by_role("link", name="Open the trial")).to_be_visible()
    expect(panel.get_by_text("A draft that you try:")).to_be_visible()
    form.get_by_role("button", name="End the trial").click()
    expect(form.get_by_text("The trial has ended.")).to_be_visible()
    propose = form.get_by_role("button", name="Propose", exact=True)
    expect(propose).to_be_disabled()
    form.get_by_label("Reason").fill("Joining ten years of prices")
    propose.click()
    expect(lab.get_by_role("heading", name="Proposed", exact=True)).to_be_visible()
    own = panel.get_by_role("listitem").filter(has_text="Notebook for <b>joins</b>")
    expect(own).to_contain_text("open")
    own.get_by_role("button", name="Try ").click()
    expect(own).to_contain_text(re.compile(r"The trial runs\. It started in \d+ s\."))
    trial = own.get_by_role("link", name="Open the trial")
    assert str(trial.get_attribute("href")).endswith("/user/analyst/trial/")
    assert (trial.get_attribute("target"), trial.get_attribute("rel")) == ("_blank", "noopener noreferrer")
    assert "trial" in analyst.sessions()
    own.get_by_role("button", name="End the trial").click()
    expect(own).to_contain_text("The trial has ended.")
    own.get_by_role("button", name="Withdraw").click()
    expect(own).to_contain_text("withdrawn")


def test_what_runs_is_proposed_with_evidence_and_the_user_is_told_until_it_can_be_restarted_into(
    lab: Page, analyst: Person, lead: Person, clone: Clone
) -> None:
    panel = lab.get_by_role("region", name="Allotment", exact=True)
    with clone.restored():
        panel.get_by_role("button", name="Propose what I am running").click()
        form = lab.locator(".jp-AllotmentForm")
        expect(form.get_by_text("Reviewers see this as your claim")).to_be_visible()
        expect(form.get_by_text("Memory, peak")).to_be_visible()
        form.get_by_role("group", name="Memory").first.get_by_label("Limit").fill("6 GiB")
        form.get_by_label("Reason").fill("The join of two quarters")
        expect(form.get_by_text("It can be proposed.")).to_be_visible()
        lab.get_by_role("button", name="No", exact=True).click()  # JupyterLab asks about its news
        expect(lab.get_by_text("official Jupyter news")).to_have_count(0)
        form.get_by_role("heading", name="Propose what I am running").scroll_into_view_if_needed()
        picture(lab, "panel")
        form.get_by_role("button", name="Propose", exact=True).click()
        expect(lab.get_by_role("heading", name="Proposed", exact=True)).to_be_visible()
        own = panel.locator("li[data-state=open]")
        expect(own).to_contain_text("waits for")
        (line,) = analyst.service("GET", "proposals", params={"state": "open"}).json()["proposals"]
        proposal = analyst.service("GET", f"proposals/{line['id']}").json()
        (evidence,) = proposal["evidence"]
        assert evidence["session"]["use"]["memory_peak"] > 0
        looked_at = {"head": proposal["head"], "digest": proposal["digest"]}
        assert lead.service("POST", f"proposals/{line['id']}/approvals", json=looked_at).status_code == 201
        # It asks by itself, too, but not so soon.
        refresh = panel.get_by_role("button", name="Ask the service again")
        refresh.click()
        expect(lab.get_by_text(re.compile("Approved: Change housing-statistics/notebook")).first).to_be_visible()
        assert lead.service("POST", f"proposals/{line['id']}/merge", json=looked_at).status_code == 200
        refresh.click()
        expect(lab.get_by_text(re.compile("Live: Change housing-statistics/notebook")).first).to_be_visible()
        expect(panel.get_by_text("A newer revision of this profile exists.")).to_be_visible()
        restart = panel.get_by_role("link", name="Restart into it")
        assert restart.get_attribute("href") == f"{analyst.deployment.url}hub/allotment/restart/analyst"
