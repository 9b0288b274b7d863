"""Starting, refusing and ending on a real hub behind its real proxy. The service is not needed to start a session."""

import re
from pathlib import Path
from typing import Any

import pytest
from bs4 import BeautifulSoup
from support.conditions import until
from support.servers.deployment import Deployment, Person
from support.starting import ask, assert_calm, commit, events, hub_log, source, stop_all

from allotment_profiles.git.repository import Repository

pytestmark = pytest.mark.deployment(
    base_url="/plot",
    kept={"service_module": "support.fakes.quiet_service", "spawner_class": "support.fakes.spawning.AnsweringSpawner"},
)
LARGE: dict[str, Any] = {"profile": "transport-analysis/delays", "options": {"size": "large"}}
TRANSPORT = "teams/transport-analysis/profiles"

REFUSED: dict[str, tuple[Any, int, str]] = {
    "an unknown profile": ({"profile": "transport-analysis/gone"}, 404, "profile-unknown"),
    "another team's profile": ({"profile": "open-data/publishing"}, 403, "not-a-member"),
    "data that a laptop does not have": ({"profile": "housing-statistics/register"}, 403, "binding-unavailable"),
    "an unknown option": ({**LARGE, "options": {"colour": "red"}}, 400, "option-unknown"),
    "a wrong type": ({"profile": ["transport-analysis/delays"]}, 400, "request-malformed"),
    "a wrong type of options": ({**LARGE, "options": [1]}, 400, "request-malformed"),
    "a wrong type of choice": ({**LARGE, "options": {"size": {"a": None}}}, 400, "request-malformed"),
    "half a character": ({"profile": "\ud800"}, 404, "profile-unknown"),
    "bytes as the hub writes them": ({"__jupyterhub_bytes__": True, "data": "AAAA"}, 400, "request-malformed"),
    "a megabyte": ({"profile": "x" * 1_000_000}, 400, "request-malformed"),
    "no profile": ({"options": {"size": "large"}}, 400, "request-malformed"),
    "nothing as the profile": ({"profile": None}, 400, "request-malformed"),
    "an empty profile": ({"profile": ""}, 400, "request-malformed"),
    "a number as the profile": ({"profile": 7}, 400, "request-malformed"),
    "yes as the profile": ({"profile": True}, 400, "request-malformed"),
    "a path": ({"profile": "../../etc/passwd"}, 404, "profile-unknown"),
    "a path of a file": ({"profile": "teams/transport-analysis/profiles/delays.yaml"}, 404, "profile-unknown"),
    "a revision": ({"profile": "HEAD:policy.yaml"}, 404, "profile-unknown"),
    "another case": ({"profile": "Transport-Analysis/Delays"}, 404, "profile-unknown"),
    "a line break": ({"profile": "transport-analysis/delays\n"}, 404, "profile-unknown"),
    "a NUL": ({"profile": "transport-analysis/delays\0"}, 404, "profile-unknown"),
    "a template": ({"profile": "{{ 7 * 7 }}{username}%(user)s$(HOME)"}, 404, "profile-unknown"),
    "a script": ({"profile": "<script>alert(1)</script>"}, 404, "profile-unknown"),
    "turned text": ({"profile": "\u202etransport-analysis/delays"}, 404, "profile-unknown"),
    "two profiles": ({"profile": ["transport-analysis/delays", "transport-analysis/delays"]}, 400, "request-malformed"),
    "an unknown choice": ({**LARGE, "options": {"size": "huge"}}, 400, "choice-unknown"),
    "a choice with another case": ({**LARGE, "options": {"size": "LARGE"}}, 400, "choice-unknown"),
    "an empty choice": ({**LARGE, "options": {"size": ""}}, 400, "choice-unknown"),
    "two choices": ({**LARGE, "options": {"size": ["large", "large"]}}, 400, "request-malformed"),
    "an option of Python": ({**LARGE, "options": {"__class__": "large"}}, 400, "option-unknown"),
    "an option without a name": ({**LARGE, "options": {"": "large"}}, 400, "option-unknown"),
    "an image": ({**LARGE, "image": "evil.example/image:1"}, 400, "request-malformed"),
    "a trait of the spawner": ({**LARGE, "cmd": ["sh"], "environment": {"LD_PRELOAD": "x"}}, 400, "request-malformed"),
    "a profile of KubeSpawner": (
        {"profile": "transport-analysis/delays", "profile_list": [{"slug": "x"}]},
        400,
        "request-malformed",
    ),
    "another user": ({**LARGE, "user": "admin"}, 400, "request-malformed"),
    "a number that is none": ({**LARGE, "options": {"size": float("nan")}}, 400, "request-malformed"),
    "a megabyte of options": ({**LARGE, "options": {str(n): "x" for n in range(90_000)}}, 400, "request-malformed"),
}


@pytest.fixture
def busy(analyst: Person) -> Person:
    """The analyst, in a session of LARGE."""
    if analyst.sessions().get("", {}).get("user_options") != LARGE:
        stop_all(analyst)
        analyst.start_session(LARGE)
    return analyst


def test_nothing_before_any_choice_is_a_clear_refusal(allotment: Deployment) -> None:
    admin = allotment.sign_in("admin")
    for body in ("", "{}", "[]", '{"user_options": {}}', '{"user_options": null}'):
        status, message = ask(admin, body)
        assert (status, message[-16:]) == (400, "[nothing-chosen]"), body


@pytest.mark.parametrize("what", REFUSED)
def test_a_mistake_is_a_4xx_that_says_what_is_wrong(idle: Person, what: str) -> None:
    body, status, code = REFUSED[what]
    got, message = ask(idle, body)
    assert got == status, message
    assert message.endswith(f"[{code}]")
    assert len(message) < 1000


def test_fifty_refusals_in_a_row_leave_the_hub_as_it_was(allotment: Deployment, idle: Person) -> None:
    for number in range(50):
        body, status, _ = list(REFUSED.values())[number % 7]
        assert ask(idle, body)[0] == status
    page = idle.page("hub/spawn?opt-profile=open-data/publishing")
    assert page.status_code == 403
    assert "[not-a-member]" in page.text
    assert allotment.hub("GET", "", token=idle.new_token()).status_code == 200
    assert_calm(allotment)


@pytest.mark.parametrize("path", ["hub/spawn", "hub/spawn/analyst", "hub/spawn/analyst/linked"])
def test_a_link_shows_what_it_chose_and_starts_nothing(allotment: Deployment, idle: Person, path: str) -> None:
    before = idle.sessions()
    for query in ("opt-profile=transport-analysis/notebook&opt-size=large", "profile=transport-analysis/notebook"):
        for site in ("cross-site", "same-origin"):
            answer = idle.client.get(f"{path}?{query}", headers={"Sec-Fetch-Site": site})
            assert answer.status_code == 200
            page = BeautifulSoup(answer.text, "html.parser")
            last = page.select_one(".allotment-last")
            assert last is not None
            assert "Chosen by a link" in last.text
            assert last.select_one("button[value='transport-analysis/notebook']")
            assert not page.select(".spawn-error-msg")
    assert idle.sessions() == before
    assert "Chosen by a link" not in idle.page(path).text
    assert_calm(allotment)


def test_the_hubs_log_says_with_time_and_level_what_applies(allotment: Deployment, busy: Person) -> None:
    busy.page("hub/spawn")
    line = r"^\[I \d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.\d+ allotment_profiles\S* .*\] catalog at [0-9a-f]{12}: "
    assert re.search(line, hub_log(allotment), re.MULTILINE)


def test_a_session_is_stamped_and_knows_nothing_of_the_hub(allotment: Deployment, busy: Person) -> None:
    environment = busy.session_environment()
    head = Repository(allotment.repository).resolve("refs/heads/main")
    home = allotment.folder / "homes" / "analyst"
    assert {name: value for name, value in environment.items() if name.startswith("ALLOTMENT_")} == {
        "ALLOTMENT_PROFILE": "transport-analysis/delays",
        "ALLOTMENT_TEAM": "transport-analysis",
        "ALLOTMENT_COMMIT": head,
        "ALLOTMENT_DATA_ROLES": "rail-open,weather-open",
        "ALLOTMENT_URL": f"{allotment.url}services/allotment/api/v1",
    }
    assert environment["HOME"] == environment["JUPYTERHUB_ROOT_DIR"] == str(home)
    assert (environment["TZ"], environment["OMP_NUM_THREADS"]) == ("Europe/London", "4")
    ours = ("ALLOTMENT_", "JUPYTERHUB_")
    rest = {name for name in environment if not name.startswith(ours)}
    assert rest <= {"HOME", "JPY_API_TOKEN", "LANG", "LC_ALL", "OMP_NUM_THREADS", "PATH", "SHELL", "TZ", "USER"}
    assert {entry.name for entry in (home / "data").iterdir()} == {"rail-open", "weather-open"}


def test_a_session_outlives_a_killed_hub_and_its_end_is_written_down(allotment: Deployment, busy: Person) -> None:
    token = busy.session_environment()["JUPYTERHUB_API_TOKEN"]
    allotment.kill("hub")
    allotment.wait_until_well()
    assert busy.session_environment()["JUPYTERHUB_API_TOKEN"] == token
    busy.stop_session()
    kinds = [kind for kind, _ in events(allotment, LARGE["profile"])]
    assert kinds[-3:] == ["start", "ready", "end"]


def test_the_last_good_choice_survives_refusals_the_end_of_its_session_and_a_killed_hub(
    allotment: Deployment, busy: Person
) -> None:
    stop_all(busy)
    for body, _, _ in REFUSED.values():
        assert ask(busy, body)[0] >= 400
    assert "allotment-last" in busy.page("hub/spawn").text
    allotment.kill("hub")
    allotment.wait_until_well()
    assert ask(busy, {"profile": "transport-analysis/gone"})[0] == 404
    busy.start_session({})
    assert busy.sessions()[""]["user_options"] == LARGE
    assert busy.session_environment()["ALLOTMENT_PROFILE"] == LARGE["profile"]


def test_a_second_session_shares_the_home_and_takes_no_data_from_the_first(allotment: Deployment, idle: Person) -> None:
    idle.start_session({"profile": "transport-analysis/notebook"})
    idle.start_session({"profile": "transport-analysis/scratch"}, server="second")
    assert idle.session_environment("second")["ALLOTMENT_DATA_ROLES"] == ""
    assert idle.session_environment("second")["HOME"] == idle.session_environment()["HOME"]
    assert (allotment.folder / "homes" / "analyst" / "data" / "rail-open").is_symlink()


def test_the_form_starts_a_session_without_any_script_and_it_ends_when_its_time_is_over(
    allotment: Deployment, idle: Person
) -> None:
    short = source(allotment, f"{TRANSPORT}/scratch.yaml").replace("{idle: 1 h, total: 8 h}", "{idle: 1 s, total: 1 s}")
    commit(allotment, {f"{TRANSPORT}/short.yaml": short})
    page = BeautifulSoup(idle.page("hub/spawn").text, "html.parser")
    button = page.select_one("#spawn_form form button[value='transport-analysis/short']")
    assert button is not None
    form = button.find_parent("form")
    assert form is not None
    address = idle.client.base_url.join(str(form["action"]))
    answer = idle.client.post(address, data={str(button["name"]): str(button["value"])}, follow_redirects=False)
    assert answer.status_code == 302, answer.text
    scratch = {"profile": "transport-analysis/scratch"}

    def next_one_runs() -> bool:
        """Ask for the next session: once the first is past its time, that makes the hub look, and starts the next."""
        idle.hub("POST", "users/analyst/server", json=scratch)
        options = idle.sessions().get("", {}).get("user_options") or {}
        return options.get("profile") == scratch["profile"] and idle.session() is not None

    until(next_one_runs, what="the next session")
    assert idle.session_environment()["ALLOTMENT_PROFILE"] == "transport-analysis/scratch"
    ended = [details for kind, details in events(allotment, "transport-analysis/short") if kind == "end"]
    assert [details["reason"] for details in ended] == ["total"]


def test_the_bar_leads_to_the_pages_of_the_service(idle: Person) -> None:
    for path in ("hub/home", "hub/spawn", "hub/no-such-page"):
        page = BeautifulSoup(idle.page(path).text, "html.parser")
        links = {link.get_text(strip=True): link["href"] for link in page.select("a.nav-link")}
        assert links["Profiles"] == "/plot/services/allotment/profiles", path
        assert {"Propose", "Proposals", "Data roles"} <= set(links)


def test_a_repository_that_is_away_stops_no_start(allotment: Deployment, idle: Person, tmp_path: Path) -> None:
    away = tmp_path / "away.git"
    until(lambda: "transport-analysis/scratch" in idle.page("hub/spawn").text, what="the first catalog")
    allotment.repository.rename(away)
    try:
        page = BeautifulSoup(idle.page("hub/spawn").text, "html.parser")
        assert page.select_one("div.alert.alert-warning")
        assert not page.select_one("div.alert.alert-danger")
        idle.start_session({"profile": "transport-analysis/scratch"})
    finally:
        away.rename(allotment.repository)
