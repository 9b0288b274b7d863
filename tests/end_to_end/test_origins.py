"""Where hub, service and sessions are, as a browser sees it: with hosts of their own, and where they share one."""

import json
from collections.abc import Iterator
from itertools import permutations
from urllib.parse import urljoin

import httpx
import pytest
from bs4 import BeautifulSoup
from support.connections import PLAIN
from support.servers.deployment import Deployment, Loopback, Person

SERVICE = "services/allotment/"
NOTEBOOK = "housing-statistics/notebook"
SHARED = "Sessions share this site's address"


def health(allotment: Deployment) -> bool:
    """Tell what the service says about the origin of sessions."""
    shared = httpx.get(f"{allotment.url}{SERVICE}api/v1/health", trust_env=False).json()["shared_origin"]
    assert isinstance(shared, bool)
    return shared


def noted(person: Person) -> list[bool]:
    """Tell which pages of the hub and the service say that sessions share their origin."""
    return [SHARED in " ".join(person.page(path).text.split()) for path in ("hub/home", f"{SERVICE}profiles")]


def test_the_session_leads_back_to_the_hub_and_the_hub_to_the_session(allotment: Deployment, idle: Person) -> None:
    address = idle.start_session({"profile": NOTEBOOK})
    assert address == f"http://analyst.localhost:{allotment.port}/plot/user/analyst/"
    lab = idle.page("user/analyst/lab")
    assert (lab.status_code, str(lab.url).partition("?")[0]) == (200, f"{address}lab")
    page = BeautifulSoup(lab.text, "html.parser").find(id="jupyter-config-data")
    assert page is not None
    told = json.loads(page.get_text())
    assert told["hubHost"] + told["hubPrefix"] == f"{allotment.url}hub/"
    home = BeautifulSoup(idle.page("hub/home").text, "html.parser")
    opened = home.find(id="start")
    assert opened is not None
    assert str(idle.page(urljoin(allotment.origin, str(opened["href"]))).url).startswith(address)
    # What is no browser finds the service without a name below localhost.
    assert idle.session_environment()["ALLOTMENT_URL"].startswith(f"{allotment.url}{SERVICE}")
    idle.stop_session()
    stopped = idle.page("user/analyst/lab")
    assert str(stopped.url) == f"{allotment.url}hub/user/analyst/lab"


@pytest.mark.parametrize("path", ["hub/home", "hub/api/", f"{SERVICE}profiles?q=a", f"{SERVICE}api/v1/health"])
@pytest.mark.parametrize("host", ["analyst.localhost", "lead.localhost", "localhost"])
def test_hub_and_service_answer_at_one_address_only(allotment: Deployment, host: str, path: str) -> None:
    with httpx.Client(transport=Loopback(), trust_env=False) as client:
        answer = client.get(f"http://{host}:{allotment.port}/plot/{path}")
    assert (answer.status_code, answer.headers["Location"]) == (302, allotment.url + path)


def test_nobody_is_decided_for_with_cookies_that_a_session_tossed(
    allotment: Deployment, analyst: Person, lead: Person
) -> None:
    settings = analyst.service("GET", f"profiles/{NOTEBOOK}").json()["settings"]
    body = {"team": "housing-statistics", "name": "tossed", "profile": settings, "reason": "For a test"}
    proposal = analyst.service("POST", "proposals", json=body).json()
    api = f"{allotment.url}{SERVICE}api/v1/proposals/{proposal['id']}"
    lead.service("GET", "profiles")
    theirs, own = cookies_of(lead), cookies_of(analyst)
    # A page below the hub's domain can send the lead's browser with cookies of its own beside the lead's, in any order.
    for tossed in ({"_xsrf"}, {"_xsrf", "service-allotment"}, {"_xsrf", "service-allotment", "jupyterhub-session-id"}):
        pairs = [*theirs.items(), *((name, own[name]) for name in tossed)]
        for order in (pairs, pairs[::-1], *list(permutations(pairs))[:: max(1, len(pairs) * 7)]):
            headers = {"Cookie": "; ".join(f"{name}={value}" for name, value in order), "X-XSRFToken": own["_xsrf"]}
            answers = [
                httpx.post(f"{api}/{action}", headers=headers, json=body, trust_env=False, verify=PLAIN).status_code
                for action, body in (
                    ("approvals", {"head": proposal["head"], "digest": proposal["digest"]}),
                    ("comments", {"text": "Tossed"}),
                )
            ]
            # Either the token is not the lead's, or it is the analyst who asks.
            assert answers in ([403, 403], [403, 201]), answers
    seen = analyst.service("GET", f"proposals/{proposal['id']}").json()
    assert {record["by"] for record in seen["records"]} == {"analyst"}
    assert analyst.service("POST", f"proposals/{proposal['id']}/withdrawal").status_code == 200


def cookies_of(person: Person) -> dict[str, str]:
    """Give the cookies that a browser sends to the service."""
    at = f"/plot/{SERVICE}"
    return {
        str(cookie.name): str(cookie.value)
        for cookie in person.client.cookies.jar
        if at.startswith(cookie.path) and "127.0.0.1" in cookie.domain
    }


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Deployment]:
    """A deployment that was told to serve sessions at the hub's own address."""
    deployment = Deployment(tmp_path_factory.mktemp("one-origin") / "state")
    deployment.options.append("--shared-origin")
    with deployment.started():
        yield deployment


def test_pages_and_health_say_nothing_where_sessions_are_elsewhere(allotment: Deployment, analyst: Person) -> None:
    assert health(allotment) is False
    assert noted(analyst) == [False, False]


def test_pages_and_health_say_so_as_long_as_sessions_share_the_hubs_origin(shared: Deployment) -> None:
    analyst = shared.sign_in("analyst")
    assert health(shared) is True
    assert noted(analyst) == [True, True]
    assert analyst.start_session({"profile": NOTEBOOK}) == f"{shared.url}user/analyst/"
    assert analyst.page("user/analyst/lab").status_code == 200
    assert httpx.get(f"http://localhost:{shared.port}/hub/login", trust_env=False).status_code == 200


def test_sessions_have_hosts_of_their_own_again_when_that_is_asked_for(shared: Deployment) -> None:
    shared.options.remove("--shared-origin")
    shared.options.append("--own-origins")
    shared.restart()
    assert health(shared) is False
    assert noted(shared.sign_in("analyst")) == [False, False]
