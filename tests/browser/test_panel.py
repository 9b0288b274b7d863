"""JupyterLab's panel, in a browser: what runs, and the way to a proposal without leaving JupyterLab."""

import re
import signal
from collections.abc import Iterator
from urllib.parse import quote

import pytest
from playwright.sync_api import BrowserContext, Page, expect
from support.browsing import needs_browser, opened, picture, violations
from support.clones import Clone
from support.conditions import until
from support.servers.deployment import Deployment, Person
from support.starting import stop_all

pytestmark = [
    needs_browser,
    pytest.mark.timeout(300),  # a deployment, and a start of JupyterLab
]
pytest.importorskip("jupyterlab_allotment", reason="JupyterLab's panel is not installed here")

NOTEBOOK = "housing-statistics/notebook"


@pytest.fixture(scope="module")
def at_work(analyst: Person, lead: Person, clone: Clone) -> Iterator[Person]:
    """The analyst, with a running session that has little memory. The hub knows a lead, too."""
    stop_all(analyst)
    with clone.restored():
        path = f"teams/{NOTEBOOK.replace('/', '/profiles/')}.yaml"
        usual = "memory: {guarantee: 1 GiB, limit: 4 GiB}"
        assert usual in clone.text(path)
        revision = clone.push({path: clone.text(path).replace(usual, "memory: {guarantee: 256 MiB, limit: 512 MiB}")})
        until(lambda: "512 MiB" in analyst.page("hub/spawn").text, what=f"{revision} in the hub")
        analyst.start_session({"profile": NOTEBOOK})
        yield analyst
        analyst.stop_session(within=150)


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
    expect(panel.get_by_role("meter", name="Memory")).to_have_attribute("aria-valuetext", re.compile(r"iB / 512 MiB$"))
    expect(panel.get_by_text(re.compile("It is stopped in 1[12] h"))).to_be_visible()
    status = lab.get_by_role("button", name=re.compile(r"^Memory .* left$"))
    lab.get_by_role("tab", name="File Browser").click()
    expect(panel).to_be_hidden()
    status.press("Enter")
    expect(panel).to_be_visible()
    assert violations(lab) == []


def test_notebook_7_has_the_panel_and_the_form_in_its_palette(
    allotment: Deployment, at_work: Person, analyst_window: BrowserContext
) -> None:
    page = analyst_window.new_page()
    page.goto(f"{allotment.url}user/analyst/tree")
    _chosen_in_the_palette(page, "Show my profile and proposals")
    panel = page.get_by_role("region", name="Allotment", exact=True)
    expect(panel.get_by_role("heading", name="Notebook in Python")).to_be_visible()
    expect(panel.get_by_role("meter", name="Memory")).to_have_attribute("aria-valuetext", re.compile(r"iB / 512 MiB$"))
    panel.get_by_role("button", name="Propose a change").click()
    expect(page.locator(".jp-AllotmentForm").get_by_text("Nothing would change.")).to_be_visible()
    page.close()


def _chosen_in_the_palette(page: Page, command: str) -> None:
    expect(page.get_by_role("listitem", name="Name: data")).to_be_visible(timeout=60_000)
    palette = page.locator(".lm-CommandPalette-input")

    def shown() -> bool:  # the shortcut does nothing before Notebook 7 is ready
        page.keyboard.press("ControlOrMeta+Shift+C")
        return palette.is_visible()

    until(shown, what="the palette")
    palette.fill(command)
    page.locator(".lm-CommandPalette-item").filter(has_text=command).click()


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


def test_from_a_killed_kernel_by_evidence_and_a_trial_to_a_larger_session(
    lab: Page, analyst: Person, lead_window: BrowserContext, clone: Clone
) -> None:
    panel = lab.get_by_role("region", name="Allotment", exact=True)
    _use_memory_until_the_kernel_dies(lab, analyst)
    expect(panel.get_by_text("A kernel was killed. The system does that when memory runs out.")).to_be_visible()
    step = panel.get_by_role("link", name="Stop it and start Notebook in Python with 16 GiB")
    assert f"/hub/allotment/restart/analyst?opt-profile={quote(NOTEBOOK, safe='')}" in str(step.get_attribute("href"))
    expect(lab.get_by_role("button", name="Restart with 16 GiB").first).to_be_visible()
    picture(lab, "panel-memory")

    _propose_what_runs(lab)
    own = panel.locator("li[data-state=open]")
    expect(own).to_contain_text("waits for")
    (line,) = analyst.service("GET", "proposals", params={"state": "open"}).json()["proposals"]
    own.get_by_role("button", name="Try ").click()
    expect(own.get_by_role("link", name="Open the trial")).to_be_visible()
    assert violations(lab) == []
    own.get_by_role("button", name="End the trial").click()
    expect(own).to_contain_text("The trial has ended.")

    def outcome() -> bool:
        evidence = analyst.service("GET", f"proposals/{line['id']}").json()["evidence"]
        return any(each["trial"] for each in evidence)

    until(outcome, what="the outcome of the trial")
    _review(lead_window, analyst.deployment, line["id"])
    panel.get_by_role("button", name="Ask the service again").click()  # it asks by itself, too, but not so soon
    expect(lab.get_by_text(re.compile("Live: Change housing-statistics/notebook")).first).to_be_visible()
    expect(panel.locator("li[data-state=live]")).to_be_visible()

    expect(panel.get_by_text("A newer revision of this profile exists.")).to_be_visible()
    before = analyst.session_environment()["ALLOTMENT_COMMIT"]
    lab.once("dialog", lambda dialog: dialog.accept())  # the browser asks about the notebook that is not saved
    panel.get_by_role("link", name="Restart into it").click()
    expect(lab.get_by_text("Save your work first.")).to_be_visible()
    assert violations(lab) == []
    picture(lab, "restart")
    lab.get_by_role("button", name="Stop it and start it again").click()
    limit = lab.get_by_role("button", name=re.compile("^Memory .*iB . 1 GiB"))  # in the status bar
    expect(limit).to_be_visible(timeout=120_000)
    expect(lab.get_by_text("A newer revision of this profile exists.")).to_have_count(0)
    assert analyst.session_environment()["ALLOTMENT_COMMIT"] not in ("", before)


def _use_memory_until_the_kernel_dies(lab: Page, analyst: Person) -> None:
    """Use nearly all of the limit in a notebook, and kill its kernel.

    A laptop enforces no limit. So the test does what the system does with a container that reaches its limit: SIGKILL.
    """
    lab.locator(".jp-LauncherCard[data-category=Notebook]").first.click()
    expect(lab.get_by_role("button", name=re.compile(r"\| Idle$"))).to_be_visible(timeout=60_000)  # the kernel answers
    cell = lab.locator(".jp-Notebook .cm-content").first
    cell.click()
    cell.fill("used = bytes(1) * (400 * 2**20)")
    expect(cell).to_have_text("used = bytes(1) * (400 * 2**20)")
    cell.press("Shift+Enter")
    expect(lab.get_by_text("Memory is short.")).to_be_visible()
    kernels = [each for each in analyst.deployment.processes() if "ipykernel_launcher" in " ".join(each.cmdline())]
    for kernel in kernels:
        kernel.send_signal(signal.SIGKILL)
    lab.get_by_role("dialog").get_by_role("button", name="Ok").click()  # JupyterLab says that it has died


def _propose_what_runs(lab: Page) -> None:
    """Propose what is drafted from what the session used: a person only has to read it."""
    panel = lab.get_by_role("region", name="Allotment", exact=True)
    panel.get_by_role("button", name="Propose what I am running").click()
    form = lab.locator(".jp-AllotmentForm")
    expect(form.get_by_text("Reviewers see this as your claim")).to_be_visible()
    peak = form.locator("dt", has_text="Memory, peak").locator("xpath=following-sibling::dd[1]")
    expect(peak).to_have_text(re.compile(r"^[5-9]\d\d MiB$"))  # with that of the kernel that has died
    expect(form.get_by_role("group", name="Memory").first.get_by_label("Limit")).to_have_value("1 GiB")
    expect(form.get_by_label("Reason")).to_have_value(re.compile(r"^It used .* MiB, more than its limit of 512 MiB\.$"))
    expect(form.get_by_text("It can be proposed.")).to_be_visible()
    lab.get_by_role("button", name="No", exact=True).click()  # JupyterLab asks about its news
    expect(lab.get_by_text("official Jupyter news")).to_have_count(0)
    form.get_by_role("heading", name="Propose what I am running").scroll_into_view_if_needed()
    picture(lab, "panel")
    form.get_by_role("button", name="Propose", exact=True).click()
    expect(lab.get_by_role("heading", name="Proposed", exact=True)).to_be_visible()


def _review(window: BrowserContext, allotment: Deployment, proposal: str) -> None:
    """Look at the evidence as a lead, approve and merge."""
    review = opened(window, allotment, f"services/allotment/proposals/{proposal}")
    evidence = review.locator(".allotment-evidence-item")
    expect(evidence.filter(has_text="said this about itself").get_by_text("Proposed limit").first).to_be_visible()
    expect(evidence.filter(has_text="tried it")).to_contain_text("it started in")
    evidence.first.scroll_into_view_if_needed()
    picture(review, "evidence")
    review.get_by_role("button", name="Approve").click()
    review.get_by_role("button", name="Merge").click()
    expect(review.get_by_text("live", exact=True).first).to_be_visible()
    review.close()
