"""What a new user and an attacker found once, asked again of the real hub, proxy and service."""

import datetime as dt
from typing import Any

import httpx
from bs4 import BeautifulSoup
from support.conditions import until
from support.servers.deployment import Deployment, Person

NOTEBOOK = "housing-statistics/notebook"
PAGES = "services/allotment/"
BROKEN = "http://[::1"


def proposed(person: Person, **body: Any) -> dict[str, Any]:
    answer = person.service("POST", "proposals", json={"reason": "For a test", **body})
    assert answer.status_code == 201, answer.text
    proposal: dict[str, Any] = answer.json()
    return proposal


def new_profile(person: Person, name: str, **changes: Any) -> dict[str, Any]:
    """Give the body of a proposal for a copy of the notebook."""
    settings = person.service("GET", f"profiles/{NOTEBOOK}").json()["settings"]
    return {"team": "housing-statistics", "name": name, "profile": {**settings, **changes}}


def decided(person: Person, proposal: dict[str, Any], how: str) -> httpx.Response:
    return person.service("POST", f"proposals/{proposal['id']}/{how}", json={"head": proposal["head"]})


def withdrawn(person: Person, proposal: dict[str, Any]) -> None:
    answer = person.service("POST", f"proposals/{proposal['id']}/withdrawal")
    assert answer.json()["state"] == "withdrawn", answer.text


def test_the_form_opens_nobody_elses_proposal(analyst: Person, lead: Person, admin: Person) -> None:
    path = "data-roles/marked.yaml"
    role = (
        "title: House prices\nowner: open-data\npurpose: Reading\nsensitivity: public\n"
        "binding:\n  volume: {claim: marked-claim, sub_path: housing}\n"
    )
    theirs = (
        (admin, proposed(admin, files=[{"path": path, "content": role}]), "marked-claim"),
        (lead, proposed(lead, **new_profile(lead, "opened", title="Marked title")), "Marked title"),
    )
    for owner, proposal, mark in theirs:
        answer = analyst.page(f"{PAGES}propose?proposal={proposal['id']}")
        assert answer.status_code == 403
        assert mark not in answer.text
        own = owner.page(f"{PAGES}propose?proposal={proposal['id']}")
        assert own.status_code == 200
        assert mark in own.text
        withdrawn(owner, proposal)


def merged(admin: Person, proposal: dict[str, Any]) -> None:
    assert decided(admin, proposal, "approvals").status_code == 201
    answer = decided(admin, proposal, "merge")
    assert answer.status_code == 200, answer.text
    until(lambda: admin.service("GET", f"proposals/{proposal['id']}").json()["state"] == "live")


def test_a_profile_hides_its_values_from_strangers_and_says_afterwards_who_removed_it(
    analyst: Person, admin: Person
) -> None:
    choices = {"one": {"title": "One"}, "two": {"title": "Two", "environment": {"PLACE": "inner-value"}}}
    options = {"size": {"title": "Size", "default": "one", "choices": choices}}
    body = new_profile(analyst, "passing", environment={"PLACE": "outer-value"}, options=options, data_roles=[])
    merged(admin, proposed(analyst, **{**body, "team": "open-data"}))
    for person, sees in ((admin, True), (analyst, False)):
        for answer in (
            person.service("GET", "profiles/open-data/passing"),
            person.page(f"{PAGES}profiles/open-data/passing"),
        ):
            assert answer.status_code == 200
            assert "PLACE" in answer.text
            if person is analyst:
                assert "outer-value" not in answer.text
                assert "inner-value" not in answer.text
        assert ("inner-value" in person.service("GET", "profiles/open-data/passing").text) == sees
    removal = proposed(analyst, files=[{"path": "teams/open-data/profiles/passing.yaml", "content": None}])
    merged(admin, removal)
    steps = analyst.service("GET", f"proposals/{removal['id']}").json()["steps"]
    assert [step["name"] for step in steps] == ["proposed", "checked", "approved", "merged", "live"]
    gone = analyst.service("GET", "profiles/open-data/passing")
    assert gone.status_code == 404
    assert gone.json()["code"] == "profile-removed"
    link = gone.json()["link"]
    assert link.endswith(f"/plot/{PAGES}proposals/{removal['id']}")
    page = analyst.page(f"{PAGES}profiles/open-data/passing")
    assert page.status_code == 404
    assert link in {anchor["href"] for anchor in BeautifulSoup(page.text, "html.parser").find_all("a")}


def test_a_lock_that_was_left_behind_makes_the_repository_unavailable_and_nothing_is_half_done(
    allotment: Deployment, analyst: Person, lead: Person
) -> None:
    proposal = proposed(analyst, **new_profile(analyst, "locked"))
    assert decided(lead, proposal, "approvals").status_code == 201
    lock = allotment.repository / "refs/heads/main.lock"
    lock.touch()
    try:
        answer = decided(lead, proposal, "merge")
    finally:
        lock.unlink()
    assert answer.status_code == 503
    problem = answer.json()
    assert problem["code"] == "repository-unavailable"
    assert str(allotment.repository) not in answer.text
    after = lead.service("GET", f"proposals/{proposal['id']}").json()
    assert (after["state"], after["head"]) == ("approved", proposal["head"])
    assert [record["kind"] for record in after["records"]] == ["proposed", "approved"]
    assert after["actions"]["merge"] is None
    withdrawn(analyst, proposal)


def test_addresses_that_are_none_are_refused_and_break_nothing(analyst: Person, admin: Person) -> None:
    answer = analyst.service("POST", "checks", json={"files": []}, headers={"Origin": BROKEN})
    assert (answer.status_code, answer.json()["code"]) == (403, "other-origin")
    assert analyst.service("GET", "profiles", headers={"Origin": BROKEN}).status_code == 403
    page = analyst.client.get(f"{PAGES}nothing", headers={"Referer": BROKEN})
    assert page.status_code == 404
    assert "There is no page at this address." in page.text
    assert BROKEN not in page.text
    for name in ("..", ".", "../services", "%2e%2e", "a/../admin"):
        for person, status in ((analyst, 403), (admin, 404)):
            answer = person.client.get(f"{PAGES}api/v1/explain", params={"profile": NOTEBOOK, "user": name})
            assert answer.status_code == status, (name, answer.text)


def test_a_renewal_begins_with_a_day_after_the_end_of_the_grant(analyst: Person) -> None:
    role = "rail-open"
    page = BeautifulSoup(analyst.page(f"{PAGES}data-roles/{role}/ask?team=transport-analysis").text, "html.parser")
    field = page.find("input", id="until")
    assert field is not None
    assert dt.date.fromisoformat(str(field["value"])) > dt.date(2029, 12, 31)
    fresh = BeautifulSoup(analyst.page(f"{PAGES}data-roles/{role}/ask?team=housing-statistics").text, "html.parser")
    field = fresh.find("input", id="until")
    assert field is not None
    assert dt.datetime.now(dt.UTC).date() < dt.date.fromisoformat(str(field["value"]))
