"""A session is restarted by the hub's page that it links to: only after asking, and only into what can be started."""

from collections.abc import Iterator

import httpx
import pytest
from bs4 import BeautifulSoup
from support.clones import Clone
from support.conditions import until
from support.servers.deployment import Deployment, Person
from support.starting import assert_calm, stop_all

NOTEBOOK = "housing-statistics/notebook"
PATH = f"teams/{NOTEBOOK.replace('/', '/profiles/')}.yaml"
PAGE = "hub/allotment/restart/analyst/second"


@pytest.fixture
def at_work(idle: Person, clone: Clone) -> Iterator[Person]:
    """The analyst, with a session that has a name. Main is as before afterwards."""
    with clone.restored():
        idle.start_session({"profile": NOTEBOOK}, server="second")
        yield idle
    stop_all(idle)


def larger(clone: Clone) -> str:
    clone.git("pull", "--quiet", "--rebase")
    before = clone.text(PATH)
    assert "limit: 4 GiB" in before
    return clone.push({PATH: before.replace("limit: 4 GiB", "limit: 6 GiB")})


def pressed(person: Person, page: httpx.Response, **changed: str) -> httpx.Response:
    """Press the button of the page."""
    (form,) = BeautifulSoup(page.text, "html.parser").select("main form")
    fields = {str(each["name"]): str(each["value"]) for each in form.select("input")}
    return person.client.post(page.url, data={**fields, **changed})


def commit_of(person: Person) -> str:
    return person.session_environment("second")["ALLOTMENT_COMMIT"] if person.session("second") else ""


def test_it_says_what_is_lost_and_restarts_into_the_newer_revision(at_work: Person, clone: Clone) -> None:
    before = commit_of(at_work)
    revision = larger(clone)
    until(lambda: "6 GiB" in at_work.page(PAGE).text, what="the newer revision in the hub")
    page = at_work.page(PAGE)
    shown = BeautifulSoup(page.text, "html.parser").get_text(" ", strip=True)
    assert "Save your work first." in shown
    assert f"{NOTEBOOK}, 0.5\N{EN DASH}2 CPU, 1\N{EN DASH}4 GiB memory, revision {before[:10]}" in shown
    assert f"1\N{EN DASH}6 GiB memory, revision {revision[:10]}" in shown
    assert commit_of(at_work) == before  # looking has stopped nothing
    pressed(at_work, page)
    until(lambda: commit_of(at_work) == revision, what="the session in the newer revision")
    assert list(at_work.sessions()) == ["second"]
    assert_calm(at_work.deployment)


def test_what_cannot_be_started_stops_nothing(at_work: Person) -> None:
    before = at_work.session_environment("second")["JUPYTERHUB_API_TOKEN"]
    refused = at_work.page(f"{PAGE}?opt-profile=open-data%2Fpublishing")
    assert refused.status_code == 403
    assert "not-a-member" in refused.text
    assert "<form method" not in refused.text
    refused = pressed(at_work, at_work.page(PAGE), profile="<b>gone</b>")
    assert refused.status_code == 404
    assert "profile-unknown" in refused.text
    assert "<b>gone" not in refused.text
    assert at_work.session_environment("second")["JUPYTERHUB_API_TOKEN"] == before


def test_nobody_else_and_no_session_restarts_it(allotment: Deployment, at_work: Person, lead: Person) -> None:
    environment = at_work.session_environment("second")
    token = {"Authorization": f"token {environment['JUPYTERHUB_API_TOKEN']}"}
    with httpx.Client(base_url=allotment.url, transport=at_work.client._transport) as session:
        for method in ("GET", "POST"):
            answer = session.request(method, PAGE, headers=token)
            assert answer.status_code in (302, 403), answer.text
            assert "login" in answer.headers.get("Location", "login")
    assert lead.page(PAGE).status_code == 404
    assert at_work.client.post(PAGE, data={"profile": NOTEBOOK}).status_code == 403  # as another site would send it
    assert at_work.session_environment("second") == environment


def test_where_nothing_runs_the_start_page_answers(idle: Person) -> None:
    answer = idle.page(f"hub/allotment/restart/analyst?opt-profile={NOTEBOOK}")
    assert answer.url.path.endswith("/hub/spawn/analyst")
    assert "Chosen by a link" in answer.text
    assert idle.sessions() == {}
