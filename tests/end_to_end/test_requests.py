"""Requests as they come from pages, programs, sessions and attackers, to the real hub, proxy and service."""

import json
from typing import Any

import httpx
import pytest
from jsonschema import Draft202012Validator
from openapi_spec_validator import validate
from support.servers.deployment import Deployment, Person

NOTEBOOK = "housing-statistics/notebook"
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


def proposed(analyst: Person, name: str) -> dict[str, Any]:
    answer = analyst.service("POST", "proposals", json=copied(analyst, name))
    assert answer.status_code == 201, answer.text
    body: dict[str, Any] = answer.json()
    return body


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
    assert "python_info" in httpx.get(f"{allotment.url}services/allotment/api/v1/metrics").text


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
    assert [change["text"] for change in answer.json()["changes"]] == ["title Notebook in Python → Another title"]
    assert analyst.service("POST", f"proposals/{answer.json()['id']}/withdrawal").status_code == 200


def test_hostile_settings_give_problems_and_never_an_error(analyst: Person) -> None:
    deep: Any = "x"
    for _ in range(200):
        deep = [deep]
    for name, value in (
        ("title", "\ud800"), ("title", {"a": deep}), ("title", 10**400), ("title", "{username.__class__}\x00"),
        ("image", "a" * 100_000), ("resources", None), ("environment", {"LD_PRELOAD": "x"}), ("options", [1]),
        ("data_roles", ["../../x"]), ("review_by", "2027-02-30"), ("lifetime", {"idle": "9" * 5000 + " h"}),
    ):  # fmt: skip
        body = copied(analyst, "hostile", **{name: value})
        answer = analyst.service("POST", "checks", content=json.dumps({**body, "reason": None} | {}).encode())
        assert answer.status_code == 422, (name, answer.text[:300])
        del body["reason"]
        answer = analyst.service("POST", "checks", content=json.dumps(body).encode())
        assert answer.status_code in (200, 422), (name, answer.text[:300])
        if answer.status_code == 200:
            assert not answer.json()["ok"], name
        existing = analyst.service("POST", "checks", content=json.dumps({**body, "name": "notebook"}).encode())
        assert existing.status_code in (200, 422), (name, existing.text[:300])


def test_more_than_a_megabyte_is_not_taken(analyst: Person) -> None:
    content = json.dumps({"files": [{"path": f"{NEW}/big.yaml", "content": "x" * 1_500_000}]})
    try:
        answer = analyst.service("POST", "checks", content=content)
    except httpx.TransportError:
        pass  # the service hangs up before the whole body was sent
    else:
        assert answer.status_code in (400, 413, 502)
    assert analyst.service("GET", "profiles").status_code == 200


def test_the_token_of_a_session_reads_checks_and_proposes_but_decides_nothing(
    allotment: Deployment, analyst: Person, lead: Person, admin: Person
) -> None:
    proposal = proposed(analyst, "for-a-session")
    for person in (lead, admin):
        person.start_session({"profile": NOTEBOOK if person is lead else "open-data/publishing"})
        environment = person.session_environment()
        headers = {"Authorization": f"token {environment['JUPYTERHUB_API_TOKEN']}"}
        with httpx.Client(base_url=environment["ALLOTMENT_URL"] + "/", headers=headers) as session:
            assert session.get("profiles").status_code == 200
            body = copied(analyst, "checked")
            del body["reason"]
            assert session.post("checks", json=body).json()["ok"]
            path, head = f"proposals/{proposal['id']}", {"head": proposal["head"]}
            refused(session.post(f"{path}/approvals", json=head), 403, "scope-missing")
            refused(session.post(f"{path}/merge", json=head), 403, "scope-missing")
            refused(session.post(f"{path}/rejection", json={"reason": "no"}), 403, "scope-missing")
            mine = session.post("proposals", json=copied(analyst, f"by-{person.name}"))
            assert mine.status_code == 201
            assert session.post(f"proposals/{mine.json()['id']}/withdrawal").json()["state"] == "withdrawn"
            refused(session.post(f"{path}/withdrawal"), 403, "not-the-proposer")
        person.stop_session()
    assert analyst.service("POST", f"proposals/{proposal['id']}/withdrawal").json()["state"] == "withdrawn"


def test_reviews_that_are_not_ones_own_to_give_are_refused(analyst: Person, lead: Person, admin: Person) -> None:
    proposal = proposed(analyst, "reviewed")
    path, head = f"proposals/{proposal['id']}", {"head": proposal["head"]}
    refused(analyst.service("POST", f"{path}/approvals", json=head), 403, "own-proposal")
    refused(analyst.service("POST", f"{path}/merge", json=head), 403, "own-proposal")
    refused(admin.service("POST", f"{path}/approvals", json=head), 403, "not-a-reviewer")
    refused(lead.service("POST", f"{path}/merge", json=head), 409, "approvals-missing")
    refused(lead.service("POST", f"{path}/approvals", json={"head": "0" * 40}), 409, "head-moved")
    refused(lead.service("POST", f"{path}/approvals", json={"head": "--output=x"}), 422, "request")
    refused(lead.service("POST", "proposals", json=copied(analyst, "reviewed")), 409, "proposal-exists")
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
