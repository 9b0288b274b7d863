"""RStudio and VS Code on a laptop, through hub, proxy and the proxies inside the session.

The programs themselves are stand-ins (`tests/support/programs`): they speak the command lines that the proxies use.
"""

import re

import psutil
from bs4 import BeautifulSoup
from support.conditions import until
from support.servers.deployment import Person
from support.starting import stop_all

RSTUDIO, VSCODE = "housing-statistics/rstudio", "housing-statistics/vscode"


def of_session(analyst: Person) -> list[psutil.Process]:
    """Give every process of the analyst's session, and what was started in it."""
    found = []
    for process in analyst.deployment.processes():
        try:
            mine = process.environ().get("JUPYTERHUB_USER") == analyst.name
        except psutil.Error:
            continue  # it has ended
        if mine:
            found.append(process)
    return found


def companion(text: str) -> int:
    """Read from a stand-in's page which process it has started beside itself."""
    (found,) = re.findall(r"(?:session|extension host) (\d+)", text)
    return int(found)


def test_the_start_page_offers_rstudio_and_vs_code(analyst: Person) -> None:
    page = BeautifulSoup(analyst.page("hub/spawn").text, "html.parser")
    for profile, app in ((RSTUDIO, "RStudio"), (VSCODE, "VS Code")):
        (button,) = page.select(f'button[name=profile][value="{profile}"]')
        card = button.find_parent("article") or button.find_parent("section")
        assert card
        assert app in card.get_text(" ", strip=True)
    assert "app-unavailable" not in page.get_text()


def opens(analyst: Person, path: str, words: str) -> None:
    """See that the session opens its app, and that what the app has started belongs to it."""
    expected = words.format(user=psutil.Process().username(), home=analyst.session_environment()["HOME"])

    # Where the hub sends a browser, and the address that people keep.
    for address in ("user/analyst/", f"user/analyst/{path}/"):
        page = analyst.page(address)
        assert page.status_code == 200, page.text
        assert page.url.path == f"/plot/user/analyst/{path}/"
        assert expected in page.text
    assert {companion(page.text)} < {process.pid for process in of_session(analyst)}


def test_a_session_opens_vs_code_and_leaves_nothing_behind(idle: Person) -> None:
    idle.start_session({"profile": VSCODE})
    opens(idle, "vscode", "VS Code's stand-in in {home},")
    idle.stop_session()
    assert of_session(idle) == []


def test_a_session_that_dies_takes_its_app_with_it_and_the_next_one_opens_rstudio(analyst: Person) -> None:
    stop_all(analyst)
    analyst.start_session({"profile": VSCODE})
    assert "VS Code's stand-in" in analyst.page("user/analyst/vscode/").text
    (server,) = (process for process in of_session(analyst) if "jupyterhub.singleuser" in process.cmdline())
    assert len(of_session(analyst)) == 3  # JupyterHub's server, code-server, what code-server started
    server.kill()

    # The hub looks when it is asked for the next start; until the process is gone to its last thread, it says no.
    def starts() -> bool:
        answer = analyst.hub("POST", "users/analyst/server", json={"profile": RSTUDIO})
        return answer.status_code in (201, 202)

    until(starts, what="another session")
    until(analyst.session, what="an answer of it")
    opens(analyst, "rstudio", "RStudio's stand-in for {user} below /plot/user/analyst/rstudio/ in {home},")
    assert not any("code-server" in " ".join(process.cmdline()) for process in of_session(analyst))
    analyst.stop_session()
    assert of_session(analyst) == []
