"""What the whole format means for a session, on a real hub: who may start it, how many, and what lies in its home."""

import json
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from bs4 import BeautifulSoup
from support.conditions import until
from support.repositories import Content, profile, size_option
from support.servers.deployment import Deployment, Person
from support.servers.git_server import GitServer
from support.starting import ask, assert_calm, commit, events, hub_log, source, stop_all

pytestmark = pytest.mark.deployment(
    kept={"service_module": "support.fakes.quiet_service", "spawner_class": "support.fakes.spawning.TrustingSpawner"}
)
TEAM = "transport-analysis"
PLACE = f"teams/{TEAM}/profiles"
IMAGE = "quay.io/jupyter/scipy-notebook:2025-01-06"
GOOD: dict[str, Any] = {"profile": f"{TEAM}/scratch", "options": {}}
SIZES = size_option("2 GiB")


@pytest.fixture(scope="module", autouse=True)
def server(allotment: Deployment, tmp_path_factory: pytest.TempPathFactory) -> Iterator[GitServer]:
    """A git server that the policy lets code come from; the policy has a tool, too."""
    with GitServer(tmp_path_factory.mktemp("git") / "server") as server:
        server.create("transport/bulletin", {"bulletin.py": "print()\n"})
        (allotment.folder / "git-ca.pem").write_bytes(server.ca_file.read_bytes())
        more = (
            f"\ntools: {{files: {{title: Files, address: /tree/, folder: work}}}}\nrepositories: [{server.url('')}*]\n"
        )
        commit(allotment, {"policy.yaml": source(allotment, "policy.yaml") + more})
        yield server


def made(**changes: Any) -> dict[str, Any]:
    return profile(image=IMAGE, resources={"cpu": {"limit": 1}, "memory": {"limit": "1 GiB"}}, **changes)


def refused(person: Person, body: dict[str, Any], status: int, code: str) -> str:
    """See that a start is refused with this status and code; give what is said."""
    got, said = ask(person, body)
    assert (got, said.rpartition(" ")[2]) == (status, f"[{code}]"), said
    return said


def form_of(person: Person, server: str = "") -> BeautifulSoup:
    path = f"hub/spawn/{person.name}/{server}" if server else "hub/spawn"
    return BeautifulSoup(person.page(path).text, "html.parser")


def press(person: Person, form: BeautifulSoup, profile_id: str) -> Any:
    """Press the start button of a card on a page that was loaded a while ago."""
    button = form.select_one(f'#spawn_form button[value="{profile_id}"]')
    found = button and button.find_parent("form")
    assert found
    fields = {str(one["name"]): str(one["value"]) for one in found.select("input[type=radio][checked]")}
    address = person.client.base_url.join(str(found["action"]))
    return person.client.post(address, data={**fields, "profile": profile_id}, follow_redirects=False)


def last_choice(person: Person) -> str:
    section = form_of(person).select_one(".allotment-last button")
    assert section
    return str(section["value"])


def test_what_changed_since_the_form_or_the_last_time_is_refused_and_the_last_good_choice_stays(
    allotment: Deployment, idle: Person
) -> None:
    names = ("gone", "old", "draft", "choice", "accepted")
    commit(allotment, {f"{PLACE}/{name}.yaml": made(title=name, options={"size": SIZES}) for name in names})
    idle.start_session(GOOD)
    idle.stop_session()
    form = form_of(idle)
    only = {**SIZES["choices"]["large"], "only": ["/example/transport-analysis/leads"]}
    changed: dict[str, Content] = {
        f"{PLACE}/gone.yaml": None,
        f"{PLACE}/old.yaml": made(title="Old one", retired_from="2026-01-01", successor=f"{TEAM}/choice"),
        f"{PLACE}/draft.yaml": made(title="draft", visibility="draft"),
        f"{PLACE}/choice.yaml": made(
            title="New one",
            options={"size": {**SIZES, "choices": {**SIZES["choices"], "large": only}}},
        ),
        f"{PLACE}/accepted.yaml": {
            **made(title="accepted", accepted={"cpu-envelope": {"reason": "A census", "until": "2026-01-01"}}),
            "resources": {"cpu": {"limit": 12}, "memory": {"limit": "1 GiB"}},
        },
    }
    commit(allotment, changed)
    answers = {
        "gone": (404, "profile-unknown"),
        "old": (410, "profile-retired"),
        "draft": (404, "profile-unknown"),
        "accepted": (403, "acceptance-ended"),
    }
    for name, (status, code) in answers.items():
        page = press(idle, form, f"{TEAM}/{name}")
        assert (page.status_code, f"[{code}]" in page.text) == (status, True), name
        refused(idle, {"profile": f"{TEAM}/{name}"}, status, code)
        assert last_choice(idle) == GOOD["profile"]
    refused(idle, {"profile": f"{TEAM}/choice", "options": {"size": "large"}}, 403, "choice-only")
    assert "New one" in refused(idle, {"profile": f"{TEAM}/old"}, 410, "profile-retired")
    assert_calm(allotment)


def test_a_stored_choice_that_was_retired_is_refused_and_its_successor_is_what_the_page_offers_first(
    allotment: Deployment, idle: Person
) -> None:
    commit(allotment, {f"{PLACE}/soon.yaml": made(title="Soon old"), f"{PLACE}/new.yaml": made(title="New one")})
    idle.start_session({"profile": f"{TEAM}/soon"})
    idle.stop_session()
    retired = made(title="Soon old", retired_from="2026-01-01", successor=f"{TEAM}/new")
    commit(allotment, {f"{PLACE}/soon.yaml": retired})
    refused(idle, {}, 410, "profile-retired")
    assert last_choice(idle) == f"{TEAM}/new"
    commit(allotment, {f"{PLACE}/soon.yaml": made(title="Soon old")})
    assert last_choice(idle) == f"{TEAM}/soon"


def test_a_tool_opens_at_its_address_with_the_code_and_the_teams_folder_in_the_home(
    allotment: Deployment, idle: Person, server: GitServer
) -> None:
    code = {"repository": server.url("transport/bulletin"), "folder": "bulletin"}
    tool = made(title="Files", app="files", storage={"team": "read-write"}, checkout=code)
    commit(allotment, {f"{PLACE}/files.yaml": tool})
    idle.start_session({"profile": f"{TEAM}/files"})
    home = allotment.folder / "homes" / "analyst"
    environment = idle.session_environment()
    assert environment["JUPYTERHUB_DEFAULT_URL"] == "/tree/"
    assert environment["JUPYTERHUB_ROOT_DIR"] == str(home / "work")
    assert (home / "bulletin" / "bulletin.py").read_text() == "print()\n"
    (home / f"team-{TEAM}" / "plan.txt").write_text("ours")
    assert (allotment.folder / "teams" / TEAM / "plan.txt").read_text() == "ours"
    idle.stop_session()
    idle.start_session(GOOD)
    assert not (home / f"team-{TEAM}").exists()
    assert (home / "bulletin" / "bulletin.py").exists()


def test_code_that_cannot_be_fetched_stops_no_session_and_says_so(
    allotment: Deployment, idle: Person, server: GitServer
) -> None:
    code = {"repository": server.url("transport/away"), "folder": "away"}
    commit(allotment, {f"{PLACE}/away.yaml": made(title="Away", checkout=code)})
    server.asked.clear()
    server.answering.clear()
    said: list[str] = []
    try:
        start = threading.Thread(target=ask, args=(idle, {"profile": f"{TEAM}/away"}))
        start.start()
        assert server.asked.wait(30)
        with idle.client.stream("GET", f"hub/api/users/{idle.name}/server/progress") as progress:
            for line in progress.iter_lines():
                if line.startswith("data:"):
                    said.append(json.loads(line.removeprefix("data:"))["message"])
                if said and server.url("transport/away") in said[-1]:
                    server.answering.set()
    finally:
        server.answering.set()
    start.join(60)
    until(idle.session, within=60, what="the session")
    assert any("not found" in line for line in said)
    note = (allotment.folder / "homes" / "analyst" / "away-was-not-fetched.txt").read_text()
    assert "not found" in note
    assert "Traceback" not in hub_log(allotment)


def test_of_many_starts_at_one_time_as_many_start_as_there_is_room_for_and_a_restart_changes_nothing(
    allotment: Deployment, idle: Person
) -> None:
    team = (
        "title: Everyone\nmembers: {everyone: true}\nleads: {users: [lead]}\nbudget: {sessions: 3}\n"
        "envelope: {cpu: 2, memory: 4 GiB, images: [quay.io/jupyter/*]}\n"
    )
    small = made(title="For everyone")
    commit(allotment, {"teams/everyone/team.yaml": team, "teams/everyone/profiles/notebook.yaml": small})
    everyone = {"profile": "everyone/notebook"}
    people = [idle, allotment.sign_in("lead"), allotment.sign_in("admin")]
    asked = [(person, server) for server in ("", *(f"s{number}x" for number in range(3))) for person in people]
    with ThreadPoolExecutor(len(asked)) as threads:
        answers = list(threads.map(lambda one: ask(one[0], everyone, one[1]), asked))
    refusals = [said for status, said in answers if status == 409]
    assert {status for status, _ in answers} <= {201, 202, 409}
    assert len(refusals) == len(asked) - 3
    assert all(said.endswith("[budget-team]") for said in refusals)
    until(lambda: sum(one["ready"] for each in people for one in each.sessions().values()) == 3, within=90)
    started = [(person, server) for person in people for server in person.sessions()]

    allotment.kill("hub")
    allotment.wait_until_well()
    free = next(one for one in asked if one not in started)
    assert ask(free[0], everyone, free[1])[0] == 409
    assert form_of(*free).select(".allotment-full")
    started[0][0].stop_session(server=started[0][1])
    assert ask(free[0], everyone, free[1])[0] in (201, 202)
    for person in people:
        until(lambda person=person: all(one["ready"] for one in person.sessions().values()), within=90)
        stop_all(person)
    assert [kind for kind, _ in events(allotment, "everyone/notebook")].count("start") == 4
    assert_calm(allotment)
