"""On a real hub: a grant that ends while a session runs is said to its user, and the session is stopped."""

import datetime as dt
import re
from collections.abc import Iterator

import pytest
from bs4 import BeautifulSoup, Tag
from playwright.sync_api import Browser
from support.browsing import needs_browser, opened, signed_in
from support.conditions import until
from support.servers.deployment import Deployment, Person
from support.starting import commit, events, hub_log, source

pytestmark = [
    pytest.mark.deployment(kept={"spawner_class": "support.fakes.spawning.WatchfulSpawner"}),
    pytest.mark.timeout(400),  # a deployment, three sessions, and a hub that is killed
]
WITH_DATA = "transport-analysis/notebook"
ROLE = "data-roles/rail-open.yaml"


@pytest.fixture(autouse=True)
def granted(allotment: Deployment) -> Iterator[None]:
    """Give the grant back after a test, however it ended."""
    was = source(allotment, ROLE)
    yield
    commit(allotment, {ROLE: was})


def warning(person: Person, path: str = "hub/home") -> Tag | None:
    """Find what a page of the hub says about a session that ends."""
    return BeautifulSoup(person.page(path).text, "html.parser").select_one("div.alert:has(time)")


def set_period(allotment: Deployment, time: str) -> None:
    was = source(allotment, "policy.yaml")
    now = re.sub("after_access_ends: [0-9]+ (h|s)", f"after_access_ends: {time}", was)
    if now != was:
        commit(allotment, {"policy.yaml": now})


def revoke(allotment: Deployment) -> str:
    """Take the grant away; give the file as it was."""
    was = source(allotment, ROLE)
    left = [line for line in was.splitlines(keepends=True) if not line.startswith("  transport-analysis:")]
    assert len(left) == len(was.splitlines()) - 1
    commit(allotment, {ROLE: "".join(left)})
    return was


def test_a_session_whose_grant_is_revoked_is_named_on_every_page_and_stopped_after_the_time_also_over_a_restart(
    allotment: Deployment, idle: Person
) -> None:
    set_period(allotment, "1 h")
    idle.start_session({"profile": WITH_DATA})
    idle.start_session({"profile": "transport-analysis/scratch"}, server="other")
    assert warning(idle) is None
    revoke(allotment)
    said = until(lambda: warning(idle), what="the warning")
    assert WITH_DATA in said.get_text()
    assert "[grant-missing]" in said.get_text()
    link = said.select_one("a.alert-link")
    assert link
    assert idle.client.get(str(link["href"])).status_code == 200
    at = said.select_one("time")
    assert at
    ends = dt.datetime.fromisoformat(str(at["datetime"]))
    assert dt.timedelta(minutes=50) < ends - dt.datetime.now(dt.UTC) < dt.timedelta(hours=1)
    assert warning(idle, "hub/spawn/analyst/third") == said
    assert warning(allotment.sign_in("lead")) is None

    allotment.kill("hub")
    allotment.wait_until_well()
    again = until(lambda: warning(idle), what="the warning after a restart")
    assert again.select_one("time") == at
    assert set(idle.sessions()) == {"", "other"}

    set_period(allotment, "1 s")
    until(lambda: set(idle.sessions()) == {"other"}, within=60, what="the end of the session")
    assert warning(idle) is None
    end = [details for kind, details in events(allotment, WITH_DATA) if kind == "end"]
    assert end[-1]["reason"] == "access-ended"
    with pytest.raises(AssertionError, match="has no session"):
        idle.session_environment()
    assert "Traceback" not in hub_log(allotment)


@needs_browser
def test_a_grant_that_is_given_again_takes_the_warning_away(
    chromium: Browser, allotment: Deployment, idle: Person
) -> None:
    set_period(allotment, "1 h")
    idle.start_session({"profile": WITH_DATA})
    was = revoke(allotment)
    until(lambda: warning(idle), what="the warning")
    window = signed_in(chromium, allotment, "analyst", java_script_enabled=False)
    page = opened(window, allotment, "hub/home")
    assert page.get_by_role("alert").locator("time").is_visible()
    window.close()
    commit(allotment, {ROLE: was})
    until(lambda: warning(idle) is None, what="no warning")
    assert idle.session()
