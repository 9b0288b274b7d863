"""Requests as they come from pages, programs, sessions and attackers, to the real hub, proxy and service."""

import datetime as dt
import json
from typing import Any

import httpx
import pytest
from bs4 import BeautifulSoup
from jsonschema import Draft202012Validator
from openapi_spec_validator import validate
from support.servers.deployment import Deployment, Person

NOTEBOOK = "housing-statistics/notebook"
PAGES = "services/allotment/"
BROKEN = "http://[::1"
NEW = "teams/housing-statistics/profiles"


def copied(analyst: Person, name: str, **changes: Any) -> dict[str, Any]:
    """Give the body of a proposal for a copy of the notebook."""
    settings = analyst.service("GET", f"profiles/{NOTEBOOK}").json()["settings"]
    return {
        "team": "housing-statistics",
        "name": name,
        "profile": {**settings, **changes},
        "reason": "For a test",
    }


def proposed(person: Person, name: str = "", **changes: Any) -> dict[str, Any]:
    """Propose a copy of the notebook, or files."""
    body = copied(person, name, **changes) if name else {"reason": "For a test", **changes}
    answer = person.service("POST", "proposals", json=body)
    assert answer.status_code == 201, answer.text
    proposal: dict[str, Any] = answer.json()
    return proposal


def withdrawn(person: Person, proposal: dict[str, Any]) -> None:
    answer = person.service("POST", f"proposals/{proposal['id']}/withdrawal")
    assert answer.json()["state"] == "withdrawn", answer.text


def refused(answer: httpx.Response, status: int, code: str) -> None:
    assert answer.status_code == status, answer.text
    assert answer.headers["Content-Type"].startswith("application/problem+json")
    problem = answer.json()
    assert problem["code"] == code
    assert problem["title"]
    assert problem["status"] == status


def test_the_description_of_the_api_is_valid_and_answers_follow_it(allotment: Deployment, analyst: Person) -> None:
    description = httpx.get(f"{allotment.url}services/allotment/api/v1/openapi.json").json()
    validate(description)
    schemas = {"components": description["components"]}
    for path, name in (("profiles", "ProfileAnswer"), (f"profiles/{NOTEBOOK}", "ProfileDetails")):
        answer = analyst.service("GET", path).json()
        schema = {**schemas, "$ref": f"#/components/schemas/{name}"}
        for each in answer.get("profiles", [answer]):
            Draft202012Validator(schema).validate(each)


def test_health_and_metrics_are_for_everyone_and_say_the_revision(allotment: Deployment) -> None:
    health = httpx.get(f"{allotment.url}services/allotment/api/v1/health").json()
    assert health["ok"]
    assert health["applied"]["revision"] == health["attempted"]["revision"]
    for name in ("attempted", "applied"):
        assert {"revision", "time", "seconds", "failed", "problems", "rewound"} <= set(health[name])
    metrics = httpx.get(f"{allotment.url}services/allotment/api/v1/metrics").text
    for name in ("applied_seconds", "attempted_problems", "applied_rewound", "held", "profiles"):
        assert f"\nallotment_catalog_{name}" in metrics, name
    assert "python_info" in metrics
    assert health["applied"]["revision"] in metrics


def test_nobody_reads_without_a_sign_in(allotment: Deployment) -> None:
    for path in ("profiles", "proposals", f"profiles/{NOTEBOOK}", "schema", f"explain?profile={NOTEBOOK}"):
        refused(httpx.get(f"{allotment.url}services/allotment/api/v1/{path}"), 403, "not-signed-in")
    wrong = {"Authorization": "token 0123456789abcdef"}
    refused(httpx.get(f"{allotment.url}services/allotment/api/v1/profiles", headers=wrong), 403, "not-signed-in")


def test_a_post_without_its_xsrf_token_is_refused(analyst: Person) -> None:
    analyst.service("GET", "profiles")
    answer = analyst.client.post("services/allotment/api/v1/checks", json={"files": []})
    refused(answer, 403, "xsrf")


def test_a_post_from_another_site_is_refused_even_with_the_token(analyst: Person) -> None:
    for origin in ("https://evil.example", "null"):
        answer = analyst.service("POST", "checks", json={"files": []}, headers={"Origin": origin})
        refused(answer, 403, "other-origin")


def test_the_token_of_another_service_is_refused(allotment: Deployment) -> None:
    kept = json.loads((allotment.folder / "laptop.json").read_text())
    headers = {"Authorization": f"token {kept['service_token']}"}
    answer = httpx.get(f"{allotment.url}services/allotment/api/v1/profiles", headers=headers)
    assert answer.status_code == 403


def test_a_token_that_may_not_use_the_service_is_refused(allotment: Deployment, analyst: Person) -> None:
    token = analyst.new_token(scopes=["read:users!user"])
    headers = {"Authorization": f"token {token}"}
    refused(httpx.get(f"{allotment.url}services/allotment/api/v1/profiles", headers=headers), 403, "not-allowed")


@pytest.mark.parametrize(
    "body",
    [b"", b"{", b"[]", b"null", b'{"files": 3}', b"\xff\xfe", b"[" * 5000, b'{"files": [{"path": 1}]}', b"1" * 5000],
)
def test_a_body_that_is_no_request_is_a_clear_4xx(analyst: Person, body: bytes) -> None:
    answer = analyst.service("POST", "checks", content=body)
    assert 400 <= answer.status_code < 500, answer.text
    assert answer.json()["code"] in ("not-json", "request", "no-files")


def test_a_change_sent_as_data_keeps_what_people_wrote_around_it(analyst: Person) -> None:
    shown = analyst.service("GET", f"profiles/{NOTEBOOK}").json()
    comments = [line for line in shown["content"].splitlines() if line.lstrip().startswith("#")]
    assert comments
    answer = analyst.service("POST", "proposals", json=copied(analyst, "notebook", title="Another title"))
    assert answer.status_code == 201, answer.text
    (file,) = answer.json()["files"]
    assert all(comment in file["content"] for comment in comments)
    (change,) = answer.json()["changes"]
    assert (change["field"], change["after"]) == ("title", "Another title")
    withdrawn(analyst, answer.json())


def nested(depth: int) -> Any:
    return [nested(depth - 1)] if depth else "x"


@pytest.mark.parametrize(
    ("name", "value", "code"),
    [
        ("title", {"a": nested(200)}, "request"), ("image", "a" * 100_000, "request"), ("title", "\ud800", "syntax"),
        ("title", 10**400, "too-long"), ("title", "{username.__class__}\x00", "text-character"),
        ("resources", None, "mapping"), ("environment", {"LD_PRELOAD": "x"}, "environment-forbidden"),
        ("options", [1], "mapping"), ("data_roles", ["../../x"], "name"), ("review_by", "2027-02-30", "date"),
        ("lifetime", {"idle": "9" * 5000 + " h"}, "duration-unit"),
    ],
    ids=lambda value: value if isinstance(value, str) and value.isidentifier() else "",
)  # fmt: skip
def test_hostile_settings_give_problems_and_never_an_error(analyst: Person, name: str, value: Any, code: str) -> None:
    body = copied(analyst, "hostile", **{name: value})
    content = json.dumps({**body, "reason": None}).encode()
    refused(analyst.service("POST", "checks", content=content), 422, "request")  # a check has no reason
    del body["reason"]
    for profile in ("hostile", "notebook"):
        answer = analyst.service("POST", "checks", content=json.dumps({**body, "name": profile}).encode())
        assert answer.status_code == (422 if code == "request" else 200), answer.text[:300]
        assert code in {problem["code"] for problem in answer.json()["problems"]}
        assert not answer.json().get("ok")


def test_more_than_a_megabyte_is_not_taken(analyst: Person) -> None:
    content = json.dumps({"files": [{"path": f"{NEW}/big.yaml", "content": "x" * 1_500_000}]})
    refused(analyst.service("POST", "checks", content=content), 413, "too-large")
    refused(analyst.service("POST", "proposals", content=iter([content.encode()] * 4)), 413, "too-large")
    assert analyst.service("GET", "profiles").status_code == 200


def test_the_token_of_a_session_reads_checks_and_proposes_but_decides_nothing(
    allotment: Deployment, analyst: Person, lead: Person, admin: Person
) -> None:
    proposal = proposed(analyst, "for-a-session")
    for person in (lead, admin):
        profile = NOTEBOOK if person is lead else "open-data/publishing"
        person.start_session({"profile": profile}, server="quick")
        environment = person.session_environment("quick")
        headers = {"Authorization": f"token {environment['JUPYTERHUB_API_TOKEN']}"}
        with httpx.Client(base_url=environment["ALLOTMENT_URL"] + "/", headers=headers) as session:
            assert session.get("profiles").status_code == 200
            body = copied(analyst, "checked")
            del body["reason"]
            assert session.post("checks", json=body).json()["ok"]
            path, head = f"proposals/{proposal['id']}", {"head": proposal["head"], "digest": proposal["digest"]}
            refused(session.post(f"{path}/approvals", json=head), 403, "scope-missing")
            refused(session.post(f"{path}/merge", json=head), 403, "scope-missing")
            refused(session.post(f"{path}/rejection", json={"reason": "no"}), 403, "scope-missing")
            mine = session.post("proposals", json=copied(analyst, f"by-{person.name}"))
            assert mine.status_code == 201
            assert session.post(f"proposals/{mine.json()['id']}/withdrawal").json()["state"] == "withdrawn"
            refused(session.post(f"{path}/withdrawal"), 403, "not-the-proposer")
        person.stop_session(server="quick")
    withdrawn(analyst, proposal)


def test_reviews_that_are_not_ones_own_to_give_are_refused(analyst: Person, lead: Person, admin: Person) -> None:
    proposal = proposed(analyst, "reviewed")
    path, head = f"proposals/{proposal['id']}", {"head": proposal["head"], "digest": proposal["digest"]}
    refused(analyst.service("POST", f"{path}/approvals", json=head), 403, "own-proposal")
    refused(analyst.service("POST", f"{path}/merge", json=head), 403, "own-proposal")
    refused(admin.service("POST", f"{path}/approvals", json=head), 403, "not-a-reviewer")
    refused(lead.service("POST", f"{path}/merge", json=head), 409, "approvals-missing")
    refused(lead.service("POST", f"{path}/approvals", json={"head": "0" * 40}), 409, "head-moved")
    refused(lead.service("POST", f"{path}/approvals", json={"head": "--output=x"}), 422, "request")
    again = analyst.service("POST", "proposals", json=copied(analyst, "reviewed", title="Another title"))
    assert again.status_code == 200
    refused(lead.service("POST", f"{path}/approvals", json=head), 409, "head-moved")
    rejected = lead.service("POST", f"{path}/rejection", json={"reason": "Not needed"})
    assert rejected.json()["state"] == "rejected"
    refused(lead.service("POST", f"{path}/merge", json={"head": again.json()["head"]}), 409, "proposal-ended")


def test_what_belongs_to_others_is_explained_and_listed_for_those_who_answer_for_it(
    analyst: Person, lead: Person, admin: Person
) -> None:
    mine = analyst.service("GET", f"explain?profile={NOTEBOOK}").json()
    assert mine["startable"]
    assert [step["rule"] for step in mine["steps"]][:3] == ["policy", "profile", "team"]
    refused(analyst.service("GET", f"explain?profile={NOTEBOOK}&user=lead"), 403, "explain-others")
    assert lead.service("GET", f"explain?profile={NOTEBOOK}&user=analyst").json()["startable"]
    assert not admin.service("GET", f"explain?profile={NOTEBOOK}&user=admin").json()["startable"]
    refused(analyst.service("GET", "data-roles/housing-open/readers"), 403, "readers-private")
    readers = admin.service("GET", "data-roles/housing-open/readers").json()
    assert {"analyst", "lead"} <= {user for grant in readers["grants"] for user in grant["users_seen"]}
    assert "content" in lead.service("GET", f"profiles/{NOTEBOOK}").json()
    foreign = analyst.service("GET", "profiles/open-data/publishing").json()
    assert foreign["content"] is None
    assert not any(foreign["settings"].get("environment", {}).values())


def test_there_is_nothing_where_there_is_nothing(analyst: Person) -> None:
    for path in (
        "profiles/no/such",
        "data-roles/none/readers",
        "proposals/none-1",
        "nothing",
        "proposals/..%2f..%2fmain",
    ):
        assert analyst.service("GET", path).status_code in (403, 404), path


def test_the_form_opens_nobody_elses_proposal(analyst: Person, lead: Person, admin: Person) -> None:
    role = (
        "title: House prices\nowner: open-data\npurpose: Reading\nsensitivity: public\n"
        "binding:\n  volume: {claim: marked-claim, sub_path: housing}\n"
    )
    theirs = (
        (admin, proposed(admin, files=[{"path": "data-roles/marked.yaml", "content": role}]), "marked-claim"),
        (lead, proposed(lead, "opened", title="Marked title"), "Marked title"),
    )
    for owner, proposal, mark in theirs:
        for person, status in ((analyst, 403), (owner, 200)):
            answer = person.page(f"{PAGES}propose?proposal={proposal['id']}")
            assert (answer.status_code, mark in answer.text) == (status, status == 200)
        withdrawn(owner, proposal)


def test_a_lock_that_was_left_behind_keeps_nobody_from_merging(
    allotment: Deployment, analyst: Person, lead: Person
) -> None:
    proposal = proposed(analyst, "locked")
    path, head = f"proposals/{proposal['id']}", {"head": proposal["head"], "digest": proposal["digest"]}
    assert lead.service("POST", f"{path}/approvals", json=head).status_code == 201
    lock = allotment.repository / "refs/heads/main.lock"
    lock.touch()
    assert lead.service("POST", f"{path}/merge", json=head).json()["state"] in ("merged", "live")
    assert not lock.exists()


def test_addresses_that_are_none_are_refused_and_break_nothing(analyst: Person, admin: Person) -> None:
    answer = analyst.service("POST", "checks", json={"files": []}, headers={"Origin": BROKEN})
    assert (answer.status_code, answer.json()["code"]) == (403, "other-origin")
    assert analyst.service("GET", "profiles", headers={"Origin": BROKEN}).status_code == 403
    page = analyst.client.get(f"{PAGES}nothing", headers={"Referer": BROKEN})
    assert page.status_code == 404
    assert BROKEN not in page.text
    admin.page(PAGES)  # signs in to the service
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


def test_pages_of_the_hub_can_neither_be_framed_nor_held(analyst: Person) -> None:
    for path in ("hub/home", "hub/spawn", "hub/token", "hub/login", "hub/no-such-page", "hub/api/user"):
        headers = analyst.page(path).headers
        assert "frame-ancestors 'none'" in headers["Content-Security-Policy"], path
        assert headers["Cross-Origin-Opener-Policy"] == "same-origin", path
        assert headers["X-Content-Type-Options"] == "nosniff", path
