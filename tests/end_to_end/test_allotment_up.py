"""What `allotment up` promises, seen from outside: the real command, hub and proxy.

Sessions are JupyterHub's simplest and the service only says that it is well: the supervisor does not know what it
supervises, and what these are is told elsewhere.
"""

import json
import re
import socket
import stat
from pathlib import Path

import pytest
from support.conditions import until
from support.servers.deployment import PROGRAMS, Deployment, Person

SIMPLE = {
    "spawner_class": "jupyterhub.spawner.SimpleLocalProcessSpawner",
    "service_module": "support.fakes.quiet_service",
}
pytestmark = pytest.mark.deployment(base_url="/plot", kept=SIMPLE)  # every test leaves it well
REVIEW = "custom:allotment:review"


def session_of(person: Person) -> int:
    """Give the process of a person's session, and start one where there is none."""
    if person.session() is None:
        person.start_session()
    (process,) = (
        process
        for process in person.deployment.processes()
        if "jupyterhub-singleuser" in " ".join(process.cmdline())
        and process.environ()["JUPYTERHUB_USER"] == person.name
    )
    return process.pid


def test_the_command_says_the_address_and_the_passwords_and_writes_them_for_the_owner_alone(
    allotment: Deployment,
) -> None:
    access = allotment.access
    assert access["url"] == f"http://127.0.0.1:{allotment.port}/plot/"
    assert list(access["accounts"]) == ["analyst", "lead", "admin"]
    assert len(set(access["accounts"].values())) == 3
    for words in (access["url"], *access["accounts"], *access["accounts"].values()):
        assert words in allotment.output


def test_nobody_else_can_read_the_state(allotment: Deployment) -> None:
    assert stat.S_IMODE(allotment.folder.stat().st_mode) == 0o700
    for name in ("access.json", "laptop.json", "service.json", "keys/service", "proxy/routes.toml"):
        assert stat.S_IMODE((allotment.folder / name).stat().st_mode) == 0o600, name


def test_each_account_signs_in_with_its_groups_and_only_admin_administers(allotment: Deployment) -> None:
    seen = {name: allotment.sign_in(name).hub("GET", "user").json() for name in ("analyst", "lead", "admin")}
    assert {name: set(model["groups"]) for name, model in seen.items()} == {
        "analyst": {"/example/housing-statistics", "/example/transport-analysis"},
        "lead": {"/example/housing-statistics", "/example/housing-statistics/leads"},
        "admin": {"/example/open-data", "/example/open-data/leads"},
    }
    assert [name for name, model in seen.items() if model["admin"]] == ["admin"]


@pytest.mark.parametrize(("name", "password"), [("analyst", "guess"), ("analyst", ""), ("nobody", ""), ("nobody", "é")])
def test_a_wrong_password_or_an_unknown_account_is_refused(allotment: Deployment, name: str, password: str) -> None:
    stranger = Person(allotment, name)
    assert stranger.sign_in(password).status_code == 403
    assert stranger.hub("GET", "user").status_code == 403


def test_a_person_may_review_and_a_session_of_that_person_may_only_ask(allotment: Deployment) -> None:
    analyst = allotment.sign_in("analyst")
    session_of(analyst)
    own = allotment.hub("GET", "user", token=analyst.new_token()).json()["scopes"]
    token = analyst.session_environment()["JUPYTERHUB_API_TOKEN"]
    sessions = allotment.hub("GET", "user", token=token).json()["scopes"]
    assert REVIEW in own
    assert REVIEW not in sessions
    assert "access:services!service=allotment" in sessions
    assert "access:servers!server=analyst/" in sessions


def test_the_service_sees_the_groups_of_users_and_nothing_more(allotment: Deployment) -> None:
    allotment.sign_in("admin")
    token = json.loads((allotment.folder / "laptop.json").read_bytes())["service_token"]
    model = allotment.hub("GET", "users/admin", token=token).json()
    assert (model["admin"], sorted(model["groups"])) == (True, ["/example/open-data", "/example/open-data/leads"])
    assert allotment.hub("POST", "users/lead/server", token=token).status_code in (403, 404)
    assert allotment.hub("POST", "users/lead/tokens", token=token).status_code in (403, 404)


def test_a_second_start_with_the_same_folder_is_told_so(allotment: Deployment) -> None:
    second = Deployment(allotment.folder)
    second.begin()
    assert second.wait_for_end() == 1
    assert f"{allotment.folder} (process {allotment.pid})" in second.output
    allotment.wait_until_well()


@pytest.mark.parametrize("name", PROGRAMS)
def test_a_killed_program_comes_back_by_itself_and_sessions_go_on(allotment: Deployment, name: str) -> None:
    analyst = allotment.sign_in("analyst")
    session = session_of(analyst)
    allotment.kill(name)
    allotment.wait_until_well()
    assert re.search(rf"\b{name}\b.*\bSIGKILL\b", allotment.output)
    assert until(analyst.session)
    assert session_of(analyst) == session
    assert analyst.page("user/analyst/lab").url.path == "/plot/user/analyst/lab"


def test_after_the_supervisor_was_killed_the_next_start_ends_the_orphans_and_finds_the_sessions(
    allotment: Deployment,
) -> None:
    analyst = allotment.sign_in("analyst")
    session, passwords = session_of(analyst), allotment.access["accounts"]
    analyst.page("user/analyst/lab")
    orphans = [allotment.process("hub"), allotment.process("service")]
    allotment.kill("supervisor")
    allotment.kill("proxy")
    with socket.create_server(("127.0.0.1", allotment.port)) as stranger:
        allotment.start()
        assert stranger.fileno() > 0
        assert f"Port {allotment.port} " in allotment.output
        assert "Nobody can sign in any more to sessions that still run" in allotment.output
        assert not allotment.url.startswith(f"http://127.0.0.1:{allotment.port}/")
        assert not any(orphan.is_running() for orphan in orphans)
        assert allotment.access["accounts"] == passwords
        # Who has been in the session is still signed in there: cookies know no ports.
        analyst.client.base_url = allotment.url
        assert analyst.session() is not None
        assert session_of(analyst) == session
        assert analyst.page("user/analyst/lab").url.path == "/plot/user/analyst/lab"


def test_ctrl_c_leaves_nothing_and_the_next_start_continues(allotment: Deployment) -> None:
    analyst = allotment.sign_in("analyst")
    session_of(analyst)
    before = allotment.access
    allotment.stop()
    assert allotment.processes() == []
    assert list((allotment.folder / "pids").iterdir()) == []
    allotment.start()
    assert allotment.access == before
    # The cookie of before is still good, and the session is known to have ended.
    assert analyst.hub("GET", "user").json()["name"] == "analyst"
    assert analyst.sessions() == {}


def test_a_program_that_keeps_ending_ends_the_start_with_the_last_lines_of_its_log(tmp_path: Path) -> None:
    deployment = Deployment(tmp_path / "state", kept={**SIMPLE, "service_module": "no_such_module"})
    deployment.begin()
    try:
        assert deployment.wait_for_end() == 1
    finally:
        deployment.destroy()
    assert "No module named no_such_module" in deployment.output
    assert not (tmp_path / "state" / "access.json").exists()
    assert deployment.processes() == []
