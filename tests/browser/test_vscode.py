"""VS Code's extension in a real code-server: the profile in the status bar, and the way to a proposal."""

import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import httpx
import pytest
from playwright.sync_api import Browser, Page, expect
from support.browsing import needs_browser, picture
from support.conditions import until
from support.folders import ROOT
from support.servers.deployment import Deployment, Person
from support.starting import stop_all

from allotment_hub.laptop.processes import ports

PROGRAM = Path(sys.prefix) / "code-server" / "code-server"
PACKED = ROOT / "extensions" / "allotment-vscode" / "allotment-vscode.vsix"
QUIET = {"chat.disableAIFeatures": True, "workbench.startupEditor": "none", "extensions.ignoreRecommendations": True}
"""What VS Code does not show, so that the tests and the picture have only what they are about."""
VSCODE = "housing-statistics/vscode"
FILE = """\
title: "$(zap) <b>[x](command:workbench.action.quit)</b>"
purpose: Maintaining the programs behind the quarterly statistics
app: vscode
image: docker.io/codercom/code-server:4.106.3
resources: {{cpu: {{guarantee: 0.5, limit: 2}}, memory: {{guarantee: 1 GiB, limit: {limit}}}}}
"""
"""A file without indentation, which VS Code would change."""
pytestmark = [
    needs_browser,
    pytest.mark.timeout(300),  # a session, and a start of VS Code
    pytest.mark.skipif(not PROGRAM.exists(), reason="code-server is not installed here: `make code-server` does it"),
    pytest.mark.skipif(not PACKED.exists(), reason="VS Code's extension is not packed here: `make vscode` says why"),
]


def answers(process: subprocess.Popen[bytes], address: str) -> bool:
    assert process.poll() is None, "code-server has ended"
    with suppress(httpx.TransportError):
        return httpx.get(f"{address}healthz", trust_env=False).status_code == 200
    return False


@pytest.fixture(scope="module")
def code_server(allotment: Deployment, analyst: Person, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Start code-server as a session does, with the extension installed, and give its address."""
    stop_all(analyst)
    analyst.start_session({"profile": VSCODE})
    environment = analyst.session_environment()
    folder, port = tmp_path_factory.mktemp("code-server"), ports.any_free()
    options = [f"--{name}={folder / name}" for name in ("user-data-dir", "extensions-dir", "config")]
    settings = folder / "user-data-dir" / "User" / "settings.json"
    settings.parent.mkdir(parents=True)
    settings.write_text(json.dumps(QUIET))
    install = [PROGRAM, *options, "--install-extension", PACKED]
    subprocess.run(install, env=environment, capture_output=True, timeout=120, check=True)
    address = f"http://127.0.0.1:{port}/"
    offline = ["--disable-telemetry", "--disable-update-check"]
    with (folder / "log").open("w") as log:
        process = subprocess.Popen(
            [PROGRAM, *options, *offline, "--auth=none", f"--bind-addr=127.0.0.1:{port}"],
            env=environment, cwd=environment["HOME"], stdout=log, stderr=log, start_new_session=True,
        )  # fmt: skip

        try:
            until(lambda: answers(process, address), within=90, what="an answer of code-server")
            yield address
        finally:
            os.killpg(process.pid, signal.SIGTERM)
            process.wait(30)
    analyst.stop_session()


@pytest.fixture
def editor(chromium: Browser, code_server: str) -> Iterator[Page]:
    """VS Code in a new window, once its status bar shows the profile, the memory of its limit and the time left."""
    window = chromium.new_context(viewport={"width": 1280, "height": 900})
    window.set_default_timeout(60_000)
    page = window.new_page()
    page.goto(code_server)
    status = page.get_by_role("button", name=re.compile(r"^Allotment: VS Code.*iB . 4 GiB.*left$"))
    expect(status).to_be_visible(timeout=60_000)
    yield page
    window.close()


def run(page: Page, command: str) -> None:
    """Run a command as people do: by its name in the palette."""
    page.keyboard.press("F1")
    page.locator(".quick-input-widget input").first.fill(f">Allotment: {command}")
    page.get_by_role("option", name=f"Allotment: {command}").first.wait_for()
    page.keyboard.press("Enter")


def answer(page: Page, title: str, text: str) -> None:
    """Fill the field that VS Code asks with."""
    asked = page.locator(".quick-input-widget").filter(has_text=title)
    asked.wait_for()
    asked.locator("input").first.fill(text)
    page.keyboard.press("Enter")


def open_proposals(person: Person) -> dict[str, str]:
    """Return the titles of a person's open proposals, by their ids."""
    answer = person.service("GET", "proposals", params={"state": "open", "proposer": person.name})
    return {line["id"]: line["title"] for line in answer.json()["proposals"]}


def test_what_runs_is_proposed_from_vs_code(editor: Page, analyst: Person) -> None:
    before = open_proposals(analyst)
    run(editor, "Propose what I am running")
    answer(editor, "How much memory is needed?", "6 GiB")
    answer(editor, "Why is it needed?", "The join of two quarters")
    editor.get_by_role("button", name="Propose", exact=True).hover()
    picture(editor, "vscode")
    shown = editor.locator(".monaco-editor .view-lines").first
    expect(shown).to_contain_text("Nothing is sent yet")
    expect(shown).to_contain_text("memory limit 4 GiB → 6 GiB")
    assert not open_proposals(analyst).keys() - before.keys()
    editor.keyboard.press("Control+Enter")
    expect(shown).to_contain_text("This was proposed as")
    expect(shown).not_to_contain_text("Nothing is sent yet")
    now = open_proposals(analyst)
    (number,) = now.keys() - before.keys()
    proposal = analyst.service("GET", f"proposals/{number}").json()
    assert proposal["reason"] == "The join of two quarters"
    (evidence,) = proposal["evidence"]
    assert evidence["session"]["use"]["memory_peak"] > 0
    run(editor, "Status of my proposals")
    expect(editor.get_by_role("option", name=now[number])).to_be_visible()
    editor.keyboard.press("Escape")
    run(editor, "Try …")
    expect(editor.get_by_role("option", name=now[number])).to_be_visible()
    expect(editor.get_by_role("option", name="End the trial that runs")).to_be_visible()
    editor.keyboard.press("Escape")
    run(editor, "My profile")
    expect(editor.locator(".monaco-editor .view-lines").filter(has_text=f"Profile: {VSCODE}")).to_be_visible()
    assert analyst.service("POST", f"proposals/{number}/withdrawal", json={}).status_code == 200


def test_a_file_is_checked_before_it_can_be_proposed_and_a_hostile_one_is_only_text(
    editor: Page, analyst: Person
) -> None:
    before = open_proposals(analyst)
    run(editor, "Propose a change")
    file = editor.locator(".monaco-editor .view-lines").first
    expect(file).to_contain_text("Maintaining the programs behind the quarterly statistics")
    file.click()
    editor.keyboard.press("Control+A")
    editor.keyboard.insert_text(FILE.format(limit="6 GB"))
    editor.keyboard.press("Control+Enter")
    answer(editor, "Which profile is this file for?", "housing-statistics/vscode-b")
    shown = editor.locator(".monaco-editor .view-lines").filter(has_text="Nothing can be proposed yet.")
    expect(shown).to_contain_text("Did you mean GiB?")
    editor.keyboard.press("Control+Enter")
    expect(editor.get_by_text("There is nothing here that could be proposed.").first).to_be_visible()
    editor.keyboard.press("Control+W")
    file.click()
    editor.keyboard.press("Control+A")
    editor.keyboard.insert_text(FILE.format(limit="6 GiB"))
    editor.keyboard.press("Control+Enter")
    answer(editor, "Which profile is this file for?", "housing-statistics/vscode-b")
    answer(editor, "Why is it needed?", "$(zap) <b>[x](command:workbench.action.quit)</b>")
    shown = editor.locator(".monaco-editor .view-lines").filter(has_text="Nothing is sent yet")
    expect(shown).to_contain_text("[x](command:workbench.action.quit)")
    editor.keyboard.press("Control+Enter")
    expect(editor.locator(".monaco-editor .view-lines").first).to_contain_text("This was proposed as")
    (number,) = open_proposals(analyst).keys() - before.keys()
    run(editor, "Status of my proposals")
    expect(editor.get_by_role("option", name="$ (zap) <b>[x] (command:workbench.action.quit)</b>")).to_be_visible()
    assert analyst.service("POST", f"proposals/{number}/withdrawal", json={}).status_code == 200
