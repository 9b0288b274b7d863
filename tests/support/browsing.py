"""A real browser for the tests that look at pages as people do, and the pictures that the documents show."""

import os
import re
import shutil
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any, Literal
from urllib.parse import urlsplit

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, BrowserContext, Page, expect, sync_playwright
from support.conditions import until
from support.folders import ROOT
from support.servers.deployment import Deployment

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
PICTURES = ROOT / "docs" / "images"
_QUIET = (
    "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync",
)  # fmt: skip

expect.set_options(timeout=30_000)  # as long as for an action: on a busy machine a check takes longer than five seconds

needs_browser = pytest.mark.skipif(
    CHROMIUM is None, reason="no Chromium on this machine: install the package `chromium` to run the browser tests"
)


@contextmanager
def browser() -> Iterator[Browser]:
    """Start the system's Chromium."""
    with sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=CHROMIUM, args=list(_QUIET))
        yield started
        started.close()


def signed_in(browser: Browser, allotment: Deployment, name: str, **options: Any) -> BrowserContext:
    """Give a browser window in which somebody has signed in by the hub's own form."""
    window = browser.new_context(viewport={"width": 1280, "height": 900}, **options)
    window.set_default_timeout(30_000)
    page = window.new_page()
    page.goto(f"{allotment.url}hub/login?next={urlsplit(allotment.url).path}hub/home")
    page.get_by_label("Username").fill(name)
    page.get_by_label("Password").fill(allotment.access["accounts"][name])
    page.get_by_role("button", name="Sign in").click()
    page.wait_for_url("**/hub/home")
    page.close()
    return window


def signed_in_with_forge(browser: Browser, allotment: Deployment, name: str, password: str) -> BrowserContext:
    """Give a browser window in which somebody has signed in with a forge."""
    window = browser.new_context(viewport={"width": 1280, "height": 900})
    window.set_default_timeout(30_000)
    page = window.new_page()
    page.goto(f"{allotment.url}hub/login?next=/hub/home")
    page.get_by_role("button", name=re.compile("Sign in with")).click()
    page.locator("input[name=user_name]").fill(name)
    page.locator("input[name=password]").fill(password)
    page.locator("form[action*='/user/login'] button").first.click()
    grant = page.locator("button[name=granted][value=true]")
    page.wait_for_url(re.compile(r"/login/oauth/authorize|/hub/home"))
    if "/login/oauth/authorize" in page.url:
        grant.click()
    page.wait_for_url("**/hub/home")
    page.close()
    return window


def opened(window: BrowserContext, allotment: Deployment, path: str) -> Page:
    """Open a page below the base URL in a new tab, and see that it is there."""
    page = window.new_page()
    answer = page.goto(allotment.url + path)
    assert answer
    assert answer.status == 200, path
    return page


_OF_COLOURS = ["color-contrast", "link-in-text-block"]
"""axe's rules whose result depends on the colours."""


def violations(page: Page, rules: Iterable[str] = ()) -> list[str]:
    """Return what keeps people with a disability from the page, by axe's rules: by all, or by those that are named."""
    # What passes is not described: that takes as long as the rules themselves.
    options: dict[str, Any] = {"resultTypes": ["violations"]} | (
        {"runOnly": {"type": "rule", "values": [*rules]}} if rules else {}
    )
    response = Axe().run(page, options=options).response
    found = [each for each in response["violations"] if each["impact"] in ("serious", "critical")]
    return [f"{each['id']} {[node['target'] for node in each['nodes']][:3]}" for each in found]


def barriers(window: BrowserContext, allotment: Deployment, paths: Iterable[str]) -> list[str]:
    """Return what is wrong with pages on a desk and on a phone: what axe finds, and what is wider than the screen.

    Dark pages differ from light ones in their colours alone, and follow the system's choice without being loaded again.
    """
    found = []
    page = window.new_page()
    for path in paths:
        answer = page.goto(allotment.url + path)
        assert answer
        assert answer.status == 200, path
        for width in (1280, 390):
            page.set_viewport_size({"width": width, "height": 900})
            wide = page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
            found += [f"{path}, {width}: {wide} pixels wider than the screen"] if wide > 1 else []
            found += [f"{path}, {width}: {violation}" for violation in violations(page)]
            _show(page, "dark")
            found += [f"{path}, {width}, dark: {violation}" for violation in violations(page, _OF_COLOURS)]
            _show(page, "light")
    page.close()
    return found


def _show(page: Page, scheme: Literal["dark", "light"]) -> None:
    """Show a page in other colours, and wait until no part of it is on its way to them."""
    page.emulate_media(color_scheme=scheme)
    shown = (
        "scheme => document.documentElement.dataset.bsTheme === scheme"
        " && !document.getAnimations().some(each => each instanceof CSSTransition)"
    )
    until(lambda: page.evaluate(shown, scheme), what=f"a {scheme} page")


def picture(page: Page, name: str) -> None:
    """Keep what the page shows for the documents, where `make pictures` asks for it."""
    if os.environ.get("ALLOTMENT_PICTURES"):
        PICTURES.mkdir(parents=True, exist_ok=True)
        page.screenshot(path=PICTURES / f"{name}.png", full_page=False)
