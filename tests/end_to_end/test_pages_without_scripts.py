"""The pages as a browser without scripts gets them, under a base URL: every link and form stays below it."""

import csv
import io
import itertools
import subprocess
from pathlib import Path
from urllib.parse import urljoin, urlsplit

import httpx
import pytest
from bs4 import BeautifulSoup, Tag
from support.servers.deployment import Deployment, Person

BASE = "/some/where/"
pytestmark = pytest.mark.deployment(base_url=BASE)
PREFIX = "services/allotment/"
PAGES = (
    "profiles", "profiles/housing-statistics/register", "propose", "propose?empty=1",
    "propose?from=transport-analysis/delays",
    "propose?path=teams/transport-analysis/team.yaml", "data-roles", "data-roles/housing-register",
    "data-roles/housing-register/ask?team=transport-analysis", "proposals",
    "profiles/transport-analysis/scratch/retire", "teams/housing-statistics", "nothing/of/the/kind",
)  # fmt: skip


def opened(person: Person, path: str) -> BeautifulSoup:
    return BeautifulSoup(person.page(PREFIX + path).text, "html.parser")


def filled(page: BeautifulSoup, action: str) -> tuple[str, list[tuple[str, str]]]:
    """Give where a form goes and what a browser would send of it, without any button."""
    form = next(form for form in page.find_all("form", method="post") if str(form["action"]).endswith(action))
    sent = []
    for control in form.find_all(["input", "textarea", "select"]):
        if not control.get("name") or (control.get("type") == "checkbox" and not control.has_attr("checked")):
            continue
        sent.append((str(control["name"]), _value(control)))
    return str(form["action"]), sent


def _value(control: Tag) -> str:
    if control.name == "textarea":
        return control.text.removeprefix("\n").replace("\n", "\r\n")
    if control.name == "select":
        option = control.find("option", selected=True) or control.find("option")
        return str(option.get("value", option.text)) if option else ""
    return str(control.get("value", "on"))


def send(person: Person, form: tuple[str, list[tuple[str, str]]], **changed: str | list[str]) -> httpx.Response:
    """Send a form with some fields changed; `__` stands for a dot."""
    action, fields = form
    body: dict[str, list[str]] = {}
    for name, value in fields:
        body.setdefault(name, []).append(value)
    for name, new in changed.items():
        body[name.replace("__", ".")] = new if isinstance(new, list) else [new]
    return person.client.post(urljoin(person.deployment.url, action), data=body)


@pytest.mark.parametrize("path", PAGES)
def test_everything_that_a_page_points_to_lies_below_the_base_url(analyst: Person, path: str) -> None:
    page = opened(analyst, path)
    named = [
        str(element[attribute])
        for element in page.find_all(True)
        for attribute in ("href", "src", "action")
        if element.has_attr(attribute)
    ]
    assert named
    assert [each for each in named if not each.startswith((BASE, "#", "https://"))] == []


def test_the_page_of_a_profile_leads_to_its_card_on_the_start_page(analyst: Person) -> None:
    link = opened(analyst, "profiles/transport-analysis/delays").find("a", string="Start")
    assert isinstance(link, Tag)
    page = BeautifulSoup(analyst.client.get(urljoin(analyst.deployment.url, str(link["href"]))).text, "html.parser")
    chosen = page.select_one(".allotment-last")
    assert chosen is not None
    assert "Chosen by a link" in chosen.text
    assert chosen.select_one("button[value='transport-analysis/delays']")


@pytest.mark.parametrize("path", PAGES)
def test_no_script_or_style_stands_in_a_page_and_none_may(analyst: Person, path: str) -> None:
    answer = analyst.page(PREFIX + path)
    policy = answer.headers["Content-Security-Policy"]
    assert "script-src 'nonce-" in policy
    assert "style-src 'nonce-" in policy
    assert "unsafe" not in policy
    page = BeautifulSoup(answer.text, "html.parser")
    assert [script for script in page.find_all("script") if not script.get("src") or script.text] == []
    assert page.find("style") is None
    handlers = [
        name for element in page.find_all(True) for name in element.attrs if name.startswith("on") or name == "style"
    ]
    assert handlers == []


@pytest.mark.parametrize("path", PAGES)
def test_headings_come_in_order_and_every_field_has_a_label(analyst: Person, path: str) -> None:
    page = opened(analyst, path)
    levels = [int(heading.name[1]) for heading in page.find_all(["h1", "h2", "h3", "h4"])]
    assert levels[0] == 1
    assert levels.count(1) == 1
    assert all(after - before <= 1 for before, after in itertools.pairwise(levels))
    labelled = {str(label["for"]) for label in page.find_all("label")}
    fields = [
        field
        for field in page.find_all(["input", "select", "textarea"])
        if field.get("type") != "hidden" and not field.has_attr("hidden")
    ]
    assert [str(field.get("id")) for field in fields if field.get("id") not in labelled] == []
    identifiers = [str(element["id"]) for element in page.find_all(id=True)]
    assert len(set(identifiers)) == len(identifiers)


def test_somebody_who_is_not_signed_in_is_sent_to_the_sign_in_and_back(allotment: Deployment) -> None:
    path = f"{PREFIX}profiles?q=rail"
    with httpx.Client(base_url=allotment.url, trust_env=False) as stranger:
        answer = stranger.get(path)
        assert answer.status_code == 302
        assert urlsplit(answer.headers["Location"]).path == f"{BASE}hub/api/oauth2/authorize"
        assert stranger.get(path, headers={"Authorization": "token wrong"}).status_code == 403


def test_the_filter_works_without_a_script(analyst: Person) -> None:
    rows = opened(analyst, "profiles?q=transport+RSTUDIO").select("#profiles tbody tr")
    assert [row.a.text for row in rows if row.a] == ["Maps in RStudio"]
    assert not opened(analyst, "profiles?q=nobody").select("#profiles tbody tr, #profiles-nothing[hidden]")


def test_the_table_can_be_saved(analyst: Person) -> None:
    rows = list(csv.DictReader(io.StringIO(analyst.page(f"{PREFIX}profiles.csv").text)))
    saved = analyst.page(f"{PREFIX}profiles.json").json()["profiles"]
    assert [row["id"] for row in rows] == [each["id"] for each in saved]
    assert len(rows) > 9


def test_the_form_goes_through_both_tabs_and_becomes_a_proposal_with_its_request_for_data(analyst: Person) -> None:
    page = opened(analyst, "propose?team=transport-analysis")
    title = "Rail <b>bulletin</b> {{ 7 * 7 }}"
    answer = send(
        analyst, filled(page, "propose"), name="bulletin", title=title, purpose="One line\r\nand another", do="file",
        data_roles=["rail-open", "housing-open"], grant__housing_open__until="x",
    )  # fmt: skip
    page = BeautifulSoup(answer.text, "html.parser")
    editor = page.find("textarea", id="content")
    assert isinstance(editor, Tag)
    assert f"title: {title}" in editor.text
    answer = send(
        analyst, filled(page, "propose"), content=editor.text + "environment: {TZ: Europe/London}\n", do="form"
    )
    page = BeautifulSoup(answer.text, "html.parser")
    form = filled(page, "propose")
    assert ("title", title) in form[1]
    assert ("environment", "TZ=Europe/London") in form[1]
    answer = send(analyst, form, reason="We publish it", do="propose")
    assert answer.status_code == 200
    proposal = urlsplit(str(answer.url)).path.removeprefix(f"{BASE}{PREFIX}proposals/")
    page = BeautifulSoup(answer.text, "html.parser")
    assert page.h1 is not None
    assert page.h1.text == f"Add transport-analysis/bulletin: {title}"
    assert "Open data" in page.select(".allotment-requirements")[0].text
    files = [summary.code.text for summary in page.select(".allotment-difference summary") if summary.code]
    # The data role's file holds its binding: that is not the analyst's to see.
    assert files == ["teams/transport-analysis/profiles/bulletin.yaml"]
    assert page.find("code", string="data-roles/housing-open.yaml")
    # It opens again as it was, and somebody else cannot have the same profile at the same time.
    again = filled(opened(analyst, f"propose?proposal={proposal}"), "propose")[1]
    assert ("reason", "We publish it") in again
    assert ("grant.housing-open.reason", "We publish it") in again


def test_a_first_proposal_begins_with_a_profile_that_is_nearly_right_and_asks_once_why(analyst: Person) -> None:
    page = opened(analyst, "propose?q=delays")
    (link,) = [link for link in page.find_all("a", class_="btn") if link.text == "A new one like it"]
    page = BeautifulSoup(analyst.client.get(urljoin(analyst.deployment.url, str(link["href"]))).text, "html.parser")
    folded = {each.find("summary").text.split()[0]: not each.has_attr("open") for each in page.select("form details")}
    shut = {"Program": True, "Data": True, "Time": True, "Options": True, "More": True}
    assert folded == {"Description": False, "Size": False, **shut}
    form = filled(page, "propose")
    changed = {"name": "delays-large", "resources__memory__limit": "60 GiB", "reason": "All years at once"}
    changed |= {"option__added__title": "Years", "option__added__choice__title": "One year"}
    answer = send(analyst, form, **changed, do="propose")
    assert answer.status_code == 422
    assert "acceptance-needed" in answer.text
    page = BeautifulSoup(answer.text, "html.parser")
    form = filled(page, "propose")
    assert ("accept.memory-envelope.wanted", "yes") in form[1]
    # Without a reason of its own, that of the proposal stands for it.
    answer = send(analyst, form, do="propose")
    assert urlsplit(str(answer.url)).path.startswith(f"{BASE}{PREFIX}proposals/")
    difference = BeautifulSoup(answer.text, "html.parser").select(".allotment-difference")[0].text
    assert "All years at once" in difference
    assert "one-year" in difference


def test_what_an_administrator_would_have_to_accept_is_not_asked_for_unseen(analyst: Person) -> None:
    form = filled(opened(analyst, "propose?from=transport-analysis/delays"), "propose")
    changed = {"resources__memory__limit": "60 GiB", "reason": "All years at once"}
    refused = filled(BeautifulSoup(send(analyst, form, **changed, do="propose").text, "html.parser"), "propose")
    unticked = [(name, value) for name, value in refused[1] if name != "accept.memory-envelope.wanted"]
    answer = send(analyst, (refused[0], unticked), do="propose")
    assert answer.status_code == 422


def test_a_problem_stands_beside_its_field_and_nothing_typed_is_lost(analyst: Person) -> None:
    form = filled(opened(analyst, "propose?from=transport-analysis/delays"), "propose")
    answer = send(
        analyst, form, resources__memory__limit="100 GB", resources__cpu__limit="many", reason="", do="propose"
    )
    assert answer.status_code == 422
    page = BeautifulSoup(answer.text, "html.parser")
    memory = page.find(id="resources.memory.limit")
    assert isinstance(memory, Tag)
    assert (memory["value"], memory["aria-invalid"]) == ("100 GB", "true")
    assert "problem-resources.cpu.limit" in str(page.find(id="resources.cpu.limit"))
    assert "many" in page.select("[id='problem-resources.cpu.limit']")[0].text


def test_a_second_proposal_for_a_profile_shows_the_first_one(analyst: Person, lead: Person) -> None:
    form = filled(opened(analyst, "propose?from=housing-statistics/vscode"), "propose")
    answer = send(analyst, form, description="Mine", reason="First", do="propose")
    assert answer.status_code == 200
    first = urlsplit(str(answer.url)).path
    form = filled(opened(lead, "propose?from=housing-statistics/vscode"), "propose")
    for answer in (
        send(lead, form, description="Other", reason="Second", do="check"),
        send(lead, form, description="Other", reason="Second", do="propose"),
    ):
        assert answer.status_code == 200
        assert BeautifulSoup(answer.text, "html.parser").select(f'.alert a[href="{first}"]')


def test_asking_rejecting_and_why_not(analyst: Person, lead: Person) -> None:
    form = filled(opened(analyst, "profiles/housing-statistics/notebook-r/retire"), "retire")
    assert send(analyst, form, reason="").status_code == 422
    answer = send(analyst, form, reason="Nobody starts it")
    assert "own-proposal" in answer.text
    path = urlsplit(str(answer.url)).path.partition(PREFIX)[2]
    assert path.startswith("proposals/")
    # The button of a page counts for the head that the page showed.
    approve = filled(opened(lead, path), "/approve")
    assert "page-outdated" in send(lead, approve, head="0" * 40).text
    reject = filled(opened(lead, path), "/reject")
    answer = send(lead, reject, reason="I start <i>it</i> every day")
    assert "I start &lt;i&gt;it&lt;/i&gt; every day" in answer.text
    assert not BeautifulSoup(answer.text, "html.parser").find_all(
        "form", action=lambda each: str(each).endswith("/merge")
    )


def test_a_form_without_its_token_or_from_another_site_does_nothing(analyst: Person) -> None:
    form = filled(opened(analyst, "data-roles/rail-open/ask?team=housing-statistics"), "ask")
    assert send(analyst, form, _xsrf="", reason="x", do="propose").status_code == 403
    url = urljoin(analyst.deployment.url, form[0])
    foreign = analyst.client.post(url, data=dict(form[1]), headers={"Origin": "https://elsewhere.example"})
    assert foreign.status_code == 403
    assert "other-origin" in foreign.text


def test_a_refusal_says_what_why_what_helps_and_who_decides(analyst: Person) -> None:
    answer = analyst.page(f"{PREFIX}profiles/housing-statistics/notebook?user=lead")
    assert answer.status_code == 200
    assert "explain-others" in answer.text
    answer = analyst.page(f"{PREFIX}profiles/nobody/nothing")
    assert answer.status_code == 404
    page = BeautifulSoup(answer.text, "html.parser")
    what, remedy, code = (part.text for part in page.select(".allotment-refusal :is(h1, dd)"))
    assert what
    assert remedy
    assert code == "profile-unknown (404)"


def test_the_file_of_a_data_role_is_opened_for_its_owner_alone(analyst: Person) -> None:
    answer = analyst.page(f"{PREFIX}propose?path=data-roles/housing-register.yaml")
    assert answer.status_code == 403
    assert "file-private" in answer.text
    assert "arn:aws" not in answer.text


def test_administrators_see_a_branch_that_was_pushed_past_the_page(allotment: Deployment, analyst: Person) -> None:
    repository = str(Path(allotment.folder) / "profiles.git")
    subprocess.run(["git", "-C", repository, "branch", "propose/by-hand", "main"], check=True)
    assert "propose/by-hand" not in opened(analyst, "proposals").text
    page = opened(allotment.sign_in("admin"), "proposals")
    assert "propose/by-hand" in page.text
    assert not page.select("a[href*='proposals/by-hand']")
