"""Pages as people use them: forms for data, without scripts, on a phone, in the dark, with a screen reader."""

import re

from playwright.sync_api import Browser, BrowserContext, Page, expect
from support.browsing import barriers, needs_browser, opened, signed_in
from support.conditions import until
from support.servers.deployment import Deployment, Person

pytestmark = needs_browser

SERVICE = "services/allotment/"


def test_data_that_the_team_does_not_have_is_asked_for_in_the_same_proposal(
    allotment: Deployment, analyst_window: BrowserContext
) -> None:
    page = opened(analyst_window, allotment, f"{SERVICE}propose?from=transport-analysis/scratch")
    page.locator("summary").filter(has_text=re.compile("^Data")).click()
    page.get_by_label("House prices, open data").check()
    expect(page.locator("#panel .allotment-requirements")).to_contain_text("Open data")
    page.get_by_label("Reason").fill("House prices along railway lines")
    expect(page.locator(".allotment-verdict.is-ready")).to_be_visible()
    page.get_by_role("button", name="Propose", exact=True).click()
    page.wait_for_url("**/proposals/*")
    expect(page.locator(".allotment-access .gains").first).to_contain_text("housing-open")
    page.get_by_role("button", name="Withdraw").click()
    expect(page.get_by_text("withdrawn").first).to_be_visible()
    page.close()


def test_asking_for_data_and_renewing_are_forms(allotment: Deployment, analyst_window: BrowserContext) -> None:
    for role, team in (("weather-open", "housing-statistics"), ("housing-open", "housing-statistics")):
        page = opened(analyst_window, allotment, f"{SERVICE}data-roles/{role}/ask?team={team}")
        page.get_by_label("Until").fill("2030-06-30")
        page.get_by_label("Why the team needs it").fill("Seasonal effects")
        page.get_by_role("button", name=re.compile("Ask for it|Ask to renew it")).click()
        page.wait_for_url("**/proposals/**")
        expect(page.get_by_text("2030-06-30").first).to_be_visible()
        page.get_by_role("button", name="Withdraw").click()
        expect(page.get_by_text("withdrawn").first).to_be_visible()
        page.close()


def test_what_waits_is_a_number_in_the_bar_of_the_hub_too(
    allotment: Deployment, analyst_window: BrowserContext, lead_window: BrowserContext
) -> None:
    def number(page: Page) -> int:
        badge = page.locator("[data-waiting]")
        return int(badge.locator("span").first.inner_text()) if badge.is_visible() else 0

    page = opened(lead_window, allotment, f"{SERVICE}profiles")  # the service knows them from now on
    until(lambda: page.locator("[data-waiting][data-known]").count() or page.reload(), what="the number of before")
    before = number(page)
    form = opened(analyst_window, allotment, f"{SERVICE}propose?from=housing-statistics/notebook")
    form.get_by_label("Memory limit").fill("5 GiB")
    form.get_by_label("Reason").fill("Larger tables")
    form.get_by_role("button", name="Propose", exact=True).click()
    form.wait_for_url("**/proposals/*")
    home = opened(lead_window, allotment, "hub/home")
    expect(home.get_by_role("link", name=re.compile(rf"Proposals {before + 1} waits? for you"))).to_be_visible()
    form.get_by_role("button", name="Withdraw").click()
    expect(form.get_by_text("withdrawn").first).to_be_visible()
    for each in (page, form, home):
        each.close()


def test_pages_have_no_serious_barrier(allotment: Deployment, lead_window: BrowserContext) -> None:
    paths = [
        "hub/spawn/lead/other", f"{SERVICE}profiles", f"{SERVICE}profiles/housing-statistics/notebook",
        f"{SERVICE}profiles/housing-statistics/register", f"{SERVICE}propose", f"{SERVICE}propose?empty=1",
        f"{SERVICE}propose?from=housing-statistics/notebook", f"{SERVICE}proposals", f"{SERVICE}data-roles",
        f"{SERVICE}data-roles/housing-open", f"{SERVICE}data-roles/weather-open/ask?team=housing-statistics",
        f"{SERVICE}notifications", f"{SERVICE}stop", f"{SERVICE}stop?kind=profile&name=housing-statistics/notebook",
    ]  # fmt: skip
    assert not barriers(lead_window, allotment, paths)


def test_pages_work_without_javascript(chromium: Browser, allotment: Deployment) -> None:
    with_scripts = signed_in(chromium, allotment, "analyst")
    window = chromium.new_context(java_script_enabled=False, storage_state=with_scripts.storage_state())
    with_scripts.close()
    page = opened(window, allotment, f"{SERVICE}propose?from=transport-analysis/notebook")
    page.get_by_label("Memory limit").fill("6 GB")
    page.get_by_label("Reason").fill("Without scripts")
    page.get_by_role("button", name="Propose", exact=True).click()
    expect(page.locator("[id='problem-resources.memory.limit']")).to_contain_text("GiB")
    page.get_by_label("Memory limit").fill("6 GiB")
    page.get_by_role("button", name="Propose", exact=True).click()
    expect(page.get_by_text("memory limit").first).to_be_visible()
    assert "/proposals/" in page.url
    page.get_by_role("button", name="Withdraw").click()
    expect(page.get_by_text("withdrawn").first).to_be_visible()
    window.close()


def test_a_page_of_the_same_address_gets_no_hold_of_what_it_opens(
    allotment: Deployment, analyst_window: BrowserContext
) -> None:
    session = f"{allotment.url}user/analyst/page"  # a page of a session: it is served from here, too
    analyst_window.route(session, lambda route: route.fulfill(status=200, content_type="text/html", body="<title>x"))
    page = opened(analyst_window, allotment, "user/analyst/page")
    with analyst_window.expect_page() as popup:
        page.evaluate("address => { window.got = window.open(address) }", f"{allotment.url}{SERVICE}proposals")
    popup.value.wait_for_load_state()
    assert popup.value.url.endswith("/proposals")
    reached = page.evaluate("() => { try { return window.got.document.title } catch (error) { return error.name } }")
    assert reached == "SecurityError"
    popup.value.close()
    page.close()


def test_what_an_assistant_drafts_is_proposed_by_its_user_alone(
    allotment: Deployment, analyst_window: BrowserContext, analyst: Person
) -> None:
    # What tells a session's token from others, without a session.
    token = analyst.new_token(scopes=["access:servers!server=analyst/", "access:services!service=allotment"])
    content = allotment.service("GET", "profiles/housing-statistics/notebook", token=token).json()["content"]
    draft = {"team": "housing-statistics", "name": "drafted", "reason": "<b>Bold</b> words of an assistant"}
    sent = {**draft, "content": f"{content}# {'a long line ' * 30}\n"}
    answer = allotment.service("POST", "drafts", token=token, json=sent)
    assert answer.status_code == 201, answer.text
    path = f"{SERVICE}drafts/{answer.json()['id']}"
    assert not barriers(analyst_window, allotment, [path, f"{SERVICE}proposals"])
    page = opened(analyst_window, allotment, path)
    expect(page.locator("blockquote")).to_have_text("<b>Bold</b> words of an assistant")
    whole = page.locator("pre.allotment-file")
    expect(whole).to_contain_text("a long line")
    # Nothing of it is out of sight, beyond the edge of a box.
    assert whole.evaluate("each => each.scrollWidth <= each.clientWidth && each.scrollHeight <= each.clientHeight")
    page.get_by_role("link", name="Edit in the form").click()
    expect(page.get_by_label("Reason", exact=True)).to_have_value("<b>Bold</b> words of an assistant")
    page.go_back()
    page.get_by_role("button", name="Propose this").click()
    page.wait_for_url("**/proposals/*")
    expect(page.locator("#drafted")).to_have_text("An assistant drafted it, and analyst confirmed it.")
    page.get_by_role("button", name="Withdraw").click()
    expect(page.get_by_text("withdrawn").first).to_be_visible()
    page.close()
