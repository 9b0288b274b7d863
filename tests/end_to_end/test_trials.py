"""A proposal and a draft are tried before they are merged: on a real hub, as a server of its own that gets less."""

from pathlib import Path
from typing import Any

import httpx
from bs4 import BeautifulSoup
from support.conditions import until
from support.servers.deployment import Deployment, Person
from support.starting import assert_calm, events, stop_all

from allotment_spawner.hub.trials import TOKEN_SCOPES

NOTEBOOK = "housing-statistics/notebook"
SERVER = "trial"


def content(allotment: Deployment, person: Person, **changes: str) -> str:
    text = str(person.service("GET", f"profiles/{NOTEBOOK}").json()["content"])
    for before, after in changes.items():
        assert before in text
        text = text.replace(before, after)
    return text


def proposed(allotment: Deployment, person: Person, title: str = "Tried notebook") -> dict[str, Any]:
    lines = content(allotment, person).splitlines()
    changed = [f"title: {title}" if line.startswith("title:") else line for line in lines]
    team, name = NOTEBOOK.split("/")
    body = {"team": team, "name": name, "content": "\n".join(changed) + "\n", "reason": "It is needed"}
    answer = person.service("POST", "proposals", json=body)
    assert answer.status_code in (200, 201), answer.text
    found: dict[str, Any] = answer.json()
    return found


def trial(person: Person, proposal: str) -> dict[str, Any]:
    found: dict[str, Any] = person.service("GET", f"proposals/{proposal}/trial").json()
    return found


def tried(person: Person, proposal: str, **body: Any) -> httpx.Response:
    return person.service("POST", f"proposals/{proposal}/trial", json=body)


def withdraw(person: Person, proposal: str) -> None:
    assert person.service("POST", f"proposals/{proposal}/withdrawal").status_code == 200


def home_of(allotment: Deployment, person: Person) -> Path:
    return allotment.folder / "trials" / person.name


def test_a_proposal_is_tried_in_an_empty_home_and_ends_with_the_proposal(allotment: Deployment, idle: Person) -> None:
    idle.start_session({"profile": NOTEBOOK}, server="second")
    (allotment.folder / "homes" / idle.name / "mine.txt").write_text("mine")
    proposal = proposed(allotment, idle)
    done = tried(idle, proposal["id"])
    assert done.status_code == 202, done.text
    until(lambda: trial(idle, proposal["id"])["state"] == "running", what="the trial")
    found = trial(idle, proposal["id"])
    assert (found["proposal"], found["head"], found["profile"]) == (proposal["id"], proposal["head"], NOTEBOOK)
    assert found["started_in"] is not None
    environment = idle.session_environment(SERVER)
    assert environment["ALLOTMENT_TRIAL"] == proposal["id"]
    assert environment["ALLOTMENT_DATA_ROLES"] == ""
    assert environment["HOME"] == str(home_of(allotment, idle))
    assert "ALLOTMENT_URL" not in environment
    assert not [path for path in home_of(allotment, idle).iterdir() if not path.name.startswith(".")]
    # Its token reads nothing but who its user is.
    token = environment["JUPYTERHUB_API_TOKEN"]
    user = allotment.hub("GET", "user", token=token).json()
    assert set(user["scopes"]) <= {
        f"access:servers!server={idle.name}/{SERVER}",
        f"users:activity!user={idle.name}",
        *(f"read:users:{what}!user={idle.name}" for what in ("activity", "groups", "name")),
    }
    assert len(TOKEN_SCOPES) == 2
    for path in ("profiles", f"proposals/{proposal['id']}"):
        assert allotment.service("GET", path, token=token).status_code == 403
    assert allotment.hub("DELETE", f"users/{idle.name}/servers/second", token=token).status_code in (403, 404)
    # One at a time.
    again = tried(idle, proposal["id"])
    assert (again.status_code, again.json()["code"]) == (409, "trial-running")
    assert idle.page(f"hub/allotment/restart/{idle.name}/{SERVER}").status_code == 409
    # Both the hub's home and the proposal's page call it a trial.
    assert f"trial of {proposal['id']}" in idle.page("hub/home").text
    shown = BeautifulSoup(idle.page(f"services/allotment/proposals/{proposal['id']}").text, "html.parser")
    assert "Your trial is running" in shown.select_one("#trial").get_text(" ", strip=True)  # type: ignore[union-attr]
    assert f"/{SERVER}" in str(shown.select_one("#trial a")["href"])  # type: ignore[index]
    withdraw(idle, proposal["id"])
    until(lambda: SERVER not in idle.sessions(), what="the end of the trial")
    assert "second" in idle.sessions()
    assert not home_of(allotment, idle).exists()
    assert (allotment.folder / "homes" / idle.name / "mine.txt").read_text() == "mine"

    def outcome() -> str:
        page = BeautifulSoup(idle.page(f"services/allotment/proposals/{proposal['id']}").text, "html.parser")
        part = page.select_one(".allotment-evidence-item")
        return part.get_text(" ", strip=True) if part else ""

    until(outcome, what="the outcome")
    assert "started in" in outcome()
    assert "withdrawn" in outcome()
    until(lambda: "trial-end" in dict(events(allotment, NOTEBOOK)), what="the events")
    kinds = [kind for kind, details in events(allotment, NOTEBOOK) if details.get("trial") == proposal["id"]]
    assert kinds == ["trial-start", "trial-ready", "trial-end"]
    stop_all(idle)
    assert_calm(allotment)


def test_the_trial_outlives_a_killed_hub_and_ends_when_the_head_moves(allotment: Deployment, idle: Person) -> None:
    proposal = proposed(allotment, idle)
    assert tried(idle, proposal["id"]).status_code == 202
    until(lambda: trial(idle, proposal["id"])["state"] == "running", what="the trial")
    allotment.kill("hub")
    allotment.wait_until_well()
    until(lambda: trial(idle, proposal["id"]).get("state") == "running", what="the trial after a restart")
    assert home_of(allotment, idle).exists()
    assert proposed(allotment, idle, "Another title")["head"] != proposal["head"]
    until(lambda: SERVER not in idle.sessions(), what="the end of the trial")
    assert "changed" in trial(idle, proposal["id"])["why"]
    assert not home_of(allotment, idle).exists()
    withdraw(idle, proposal["id"])


def test_its_user_ends_it_and_is_not_told_of_that(allotment: Deployment, idle: Person) -> None:
    proposal = proposed(allotment, idle)
    assert tried(idle, proposal["id"]).status_code == 202
    until(lambda: trial(idle, proposal["id"])["state"] == "running", what="the trial")
    assert idle.service("DELETE", f"proposals/{proposal['id']}/trial").status_code == 200
    until(lambda: SERVER not in idle.sessions(), what="the end of the trial")
    assert trial(idle, proposal["id"])["state"] == "ended"
    assert f"was stopped by {idle.name}" not in idle.page("hub/home").text
    withdraw(idle, proposal["id"])


def test_nobody_but_the_proposer_tries_it_where_sessions_are_not_isolated(
    allotment: Deployment, idle: Person, lead: Person, admin: Person
) -> None:
    proposal = proposed(allotment, idle)
    refused = tried(lead, proposal["id"])
    assert (refused.status_code, refused.json()["code"]) == (409, "trial-not-isolated")
    assert "not isolated" in lead.page(f"services/allotment/proposals/{proposal['id']}").text
    refused = tried(admin, proposal["id"])
    assert (refused.status_code, refused.json()["code"]) == (403, "not-yours-to-try")
    withdraw(idle, proposal["id"])
    ended = tried(idle, proposal["id"])
    assert (ended.status_code, ended.json()["code"]) == (409, "proposal-ended")


def test_the_server_starts_nothing_else_and_a_user_cannot_ask_the_hub_for_a_trial(
    allotment: Deployment, idle: Person
) -> None:
    answer = idle.hub("POST", f"users/{idle.name}/servers/{SERVER}", json={"profile": NOTEBOOK})
    assert answer.status_code == 409
    assert "[trial-reserved]" in answer.json()["message"]
    body = {"user": idle.name, "proposal": "", "head": "a" * 40, "profile": NOTEBOOK, "options": {}, "data_roles": []}
    answer = idle.hub("POST", "allotment/trials", json={**body, "content": "title: x"})
    assert answer.status_code == 403
    assert_calm(allotment)


def test_a_draft_is_tried_on_the_same_terms(allotment: Deployment, idle: Person) -> None:
    text = content(allotment, idle)
    image = next(line for line in text.splitlines() if line.startswith("image:"))
    wrong = {"profile": NOTEBOOK, "content": text.replace(image, "image: evil.example.org/miner:1")}
    refused = idle.service("POST", "trials", json=wrong)
    assert (refused.status_code, refused.json()["code"]) == (409, "trial-problems")
    assert "image-registries" in refused.text
    other = "housing-statistics/only-tried"
    done = idle.service("POST", "trials", json={"profile": other, "content": text})
    assert done.status_code == 202, done.text
    until(lambda: idle.service("GET", "trials").json()["state"] == "running", what="the trial")
    assert idle.session_environment(SERVER)["ALLOTMENT_TRIAL"] == "draft"
    assert idle.service("DELETE", "trials").status_code == 200
    until(lambda: SERVER not in idle.sessions(), what="the end of the trial")
    assert_calm(allotment)
