"""One call stops all sessions of a profile on the real hub: their user is told, and it is recorded."""

from bs4 import BeautifulSoup
from support.conditions import until
from support.servers.deployment import Deployment, Person
from support.starting import events

NOTEBOOK = "housing-statistics/notebook"
BODY = {"profile": NOTEBOOK, "reason": "Its image has a <b>weakness</b> & more"}


def test_a_lead_stops_the_sessions_of_a_profile_and_their_user_is_told(
    allotment: Deployment, idle: Person, lead: Person
) -> None:
    for server in ("", "second"):
        idle.start_session({"profile": NOTEBOOK}, server=server)
    refused = idle.service("POST", "stops", json=BODY)
    assert (refused.status_code, refused.json()["code"]) == (403, "not-yours-to-stop")
    inside = idle.session_environment()["JUPYTERHUB_API_TOKEN"]
    refused = allotment.hub("POST", "allotment/stops", token=inside, json={"kind": "profile", "name": NOTEBOOK})
    assert refused.status_code == 403
    shown = lead.service("GET", f"stops?profile={NOTEBOOK}").json()["sessions"]
    assert [(each["user"], each["server"], each["profile"]) for each in shown] == [
        (idle.name, "", NOTEBOOK), (idle.name, "second", NOTEBOOK),
    ]  # fmt: skip
    done = lead.service("POST", "stops", json=BODY)
    assert done.status_code == 200, done.text
    assert sorted(each["server"] for each in done.json()["stopped"]) == ["", "second"], done.text
    until(lambda: not idle.sessions(), what="the hub forgets the sessions")
    for path in ("hub/home", f"hub/user/{idle.name}/lab"):
        notes = BeautifulSoup(idle.page(path).text, "html.parser").select(".alert-warning")
        told = [note.get_text(" ", strip=True) for note in notes if "stopped by" in note.text]
        assert len(told) == 2, path
        assert all(lead.name in note and BODY["reason"] in note for note in told)
    again = lead.service("POST", "stops", json=BODY).json()
    assert (again["stopped"], again["ended"], again["failed"]) == ([], [], [])
    order = done.json()["order"]

    def recorded() -> list[str]:
        return sorted(kind for kind, details in events(allotment, NOTEBOOK) if details.get("order") == order)

    until(lambda: recorded() == ["end", "end", "stop-order"], what="the events")
    idle.hub("DELETE", f"users/{idle.name}/servers/second", json={"remove": True})
