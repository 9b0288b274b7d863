"""The start page with its own script and the hub's own colours, in a real browser, wide and narrow, light and dark."""

import datetime as dt
import sys
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, Route
from support.browsing import needs_browser
from support.repositories import ProfilesRepository, policy, profile, size_option, team

import allotment_spawner
from allotment_profiles.access.budgets import Usage
from allotment_profiles.access.deployments import Capabilities
from allotment_profiles.access.people import User
from allotment_profiles.model.sizes import Size
from allotment_spawner.start_page.cards import Viewer
from allotment_spawner.start_page.offers import start_page
from allotment_spawner.start_page.rendering import render

pytestmark = needs_browser
NOW = dt.datetime(2026, 6, 1, 12, tzinfo=dt.UTC)
RED = User("ann", frozenset({"/red", "/blue", "/red/leads"}))
TEMPLATES = Path(allotment_spawner.__file__).parent / "templates"
LONG = "x" * 70


@pytest.fixture(scope="module")
def html(tmp_path_factory: pytest.TempPathFactory) -> str:
    """Give the page with all that a card can have."""
    profiles = ProfilesRepository(tmp_path_factory.mktemp("profiles"))
    code = {"repository": f"https://git.example.org/{LONG}/{LONG}", "ref": LONG, "folder": "bulletin"}
    files: dict[str, Any] = {
        "policy.yaml": policy(repositories=["https://git.example.org/*"]),
        "teams/red/team.yaml": team("red", budget={"sessions": 1}),
        "teams/blue/team.yaml": team("blue"),
        "teams/red/profiles/wide.yaml": profile(title=LONG, description=LONG, purpose=LONG, checkout=code),
        "teams/red/profiles/draft.yaml": profile(title="Not yet", visibility="draft"),
        "teams/red/profiles/going.yaml": profile(title="Going", visibility="deprecated", successor="red/wide"),
        "teams/red/profiles/old.yaml": profile(title=LONG, retired_from="2026-01-01", successor="red/wide"),
        "teams/blue/profiles/sized.yaml": profile(title="Sized", options={"size": size_option("8 GiB")}),
        **{f"teams/blue/profiles/n{number}.yaml": profile(title=f"Weather {number}") for number in range(9)},
    }
    profiles.commit(files)
    running = [Usage("bob", "red", Size(1000, 1000, 1, 1, 0))]
    able = Capabilities("this test", frozenset(), {})
    inside = render(start_page(profiles.catalog(), Viewer(RED, "http://hub/"), None, NOW, able, running))
    hub = (Path(sys.prefix) / "share/jupyterhub/static/css/style.min.css").read_text("utf-8-sig")
    return (
        f"<!doctype html><html lang=en data-bs-theme=light><meta name=viewport content='width=device-width'>"
        f"<style>{hub}</style><style>{(TEMPLATES / 'start.css').read_text()}</style>"
        f"<main class='container allotment-start'><h1>Start</h1><div id=spawn_form>{inside}</div></main>"
        f"<script>{(TEMPLATES / 'start.js').read_text()}</script></html>"
    )


def shown(page: Page) -> int:
    return page.locator("article.card:visible").count()


def test_words_in_the_filter_leave_the_cards_that_have_them_all(chromium: Browser, html: str) -> None:
    page = chromium.new_page()
    page.set_content(html)
    field = page.get_by_label("Filter the profiles")
    expected = {"": 13, "weather": 9, "TEAM blue 3": 1, "blue/n4": 1, "draft": 1, "nothing such": 0}
    for words, count in expected.items():
        field.fill(words)
        assert shown(page) == count, words
    assert page.locator("#allotment-nothing").is_visible()
    assert not page.get_by_role("heading", name="Team red").is_visible()
    page.close()


@pytest.mark.parametrize("scripts", [True, False], ids=["scripts", "no-scripts"])
def test_the_enter_key_in_a_card_starts_that_card(chromium: Browser, html: str, scripts: bool) -> None:
    window = chromium.new_context(java_script_enabled=scripts)
    page = window.new_page()
    sent: list[str] = []

    def answer(route: Route) -> None:
        sent.extend(filter(None, [route.request.post_data]))
        route.fulfill(body=html if route.request.method == "GET" else "started", content_type="text/html")

    page.route("http://hub.test/**", answer)
    page.goto("http://hub.test/hub/spawn")
    page.get_by_role("article", name="Sized").get_by_role("radio").last.press("Enter")
    page.get_by_text("started").wait_for()
    (body,) = sent
    assert "blue/sized" in body
    assert "red/" not in body
    window.close()


def test_without_scripts_every_card_is_there_and_nothing_that_needs_them(chromium: Browser, html: str) -> None:
    window = chromium.new_context(java_script_enabled=False)
    page = window.new_page()
    page.set_content(html)
    assert shown(page) == 13
    assert not page.get_by_label("Filter the profiles").is_visible()
    window.close()


@pytest.mark.parametrize("width", [320, 390, 768, 1280])
def test_nothing_runs_out_of_the_page_however_long_its_words(chromium: Browser, html: str, width: int) -> None:
    page = chromium.new_page(viewport={"width": width, "height": 800})
    page.set_content(html)
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    overflowing = "[...document.querySelectorAll('.card *')].filter(e => e.scrollWidth > e.clientWidth + 1 && "
    overflowing += "getComputedStyle(e).display !== 'inline').map(e => e.outerHTML.slice(0, 80))"
    assert page.evaluate(overflowing) == []
    page.close()


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_marks_and_warnings_can_be_read(chromium: Browser, html: str, theme: str) -> None:
    page = chromium.new_page()
    page.set_content(html)
    page.evaluate("theme => { document.documentElement.dataset.bsTheme = theme }", theme)
    for selector in (".badge", ".allotment-full", ".allotment-place", ".allotment-notes li", ".allotment-facts dt"):
        assert page.locator(selector).first.evaluate(CONTRAST) >= 4.5, selector
    assert page.locator(".badge").first.evaluate("e => getComputedStyle(e).backgroundColor") != "rgba(0, 0, 0, 0)"
    page.close()


# WCAG's contrast of an element's text with the nearest background that is not transparent.
CONTRAST = """element => {
  const parts = colour => colour.match(/[0-9.]+/g).map(Number);
  const luminance = ([r, g, b]) => [r, g, b].map(v => v / 255)
    .map(v => v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4)
    .reduce((sum, v, i) => sum + v * [0.2126, 0.7152, 0.0722][i], 0);
  const front = parts(getComputedStyle(element).color);
  let behind = element, back;
  do {
    back = behind ? parts(getComputedStyle(behind).backgroundColor) : [255, 255, 255];
    behind = behind && behind.parentElement;
  } while (back.length === 4 && back[3] < 1);
  const alpha = front.length === 4 ? front[3] : 1;
  const mixed = front.slice(0, 3).map((v, i) => v * alpha + back[i] * (1 - alpha));
  const [high, low] = [luminance(mixed), luminance(back)].sort((a, b) => b - a);
  return (high + 0.05) / (low + 0.05);
}"""
