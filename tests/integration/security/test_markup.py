"""Markup, templates and ends of strings in every text that a user can write are text on every page."""

import json
from urllib.parse import quote

import httpx
from bs4 import BeautifulSoup
from support.fakes.platform import DATA, HOUSING, NOTEBOOK, NOTEBOOK_PATH, PRICES, PRICES_PATH, Platform
from support.fakes.web_service import WebService

TEXT = "\"'></textarea></title></script><allotted onfocus=x>{{7000*7}}{%raw%}"
USER = TEXT.replace("/", "")
QUOTED = json.dumps(TEXT)
OTHER_PATH, BROKEN_PATH = "teams/housing/profiles/other.yaml", "teams/housing/profiles/broken.yaml"
OPTIONS = f"""
description: {QUOTED}
environment: {{NOTE: {QUOTED}}}
data_roles: [prices]
options:
  size:
    title: {QUOTED}
    default: small
    choices:
      small: {{title: {QUOTED}}}
      large: {{title: {QUOTED}, resources: {{memory: {{limit: 8 GiB}}}}}}
"""


def filled(document: bytes, **values: str) -> bytes:
    """Return a document with other values for keys of its first level."""
    lines = document.decode().splitlines()
    for key, value in values.items():
        lines = [f"{key}: {value}" if line.startswith(f"{key}:") else line for line in lines]
    return ("\n".join(lines) + "\n").encode()


def assert_text(answer: httpx.Response) -> None:
    where = answer.request.url.path
    assert answer.status_code < 500, where
    assert "49000" not in answer.text, where
    if not answer.headers["Content-Type"].startswith("text/html"):
        return
    page = BeautifulSoup(answer.text, "html.parser")
    assert page.find("allotted") is None, where
    assert page.find(attrs={"onfocus": True}) is None, where
    for script in page.find_all("script"):
        assert "allotted" not in script.text, where


async def test_what_users_write_is_text_on_every_page(platform: Platform, service: WebService) -> None:
    notebook = filled(NOTEBOOK, title=QUOTED, purpose=QUOTED) + OPTIONS.encode()
    platform.push(
        {
            NOTEBOOK_PATH: notebook,
            "teams/housing/team.yaml": filled(HOUSING, title=QUOTED),
            "teams/open-data/team.yaml": filled(DATA, title=QUOTED),
            PRICES_PATH: filled(PRICES, title=QUOTED, purpose=QUOTED) + f"description: {QUOTED}\n".encode(),
            BROKEN_PATH: f"title: {QUOTED}\n{QUOTED}: 1\nimage: {QUOTED}\nresources: {{memory: {QUOTED}}}\n".encode(),
        },
        f"Pushed {TEXT}",
        by=TEXT.replace("<", "").replace(">", ""),
    )
    platform.people.groups[USER] = ["/housing"]
    catalog = await platform.watcher.refresh()
    assert catalog.profiles["housing/notebook"].value.title == TEXT, catalog.profiles["housing/notebook"].problems
    proposer = platform.people.actor(USER)
    other = filled(NOTEBOOK, title=json.dumps(TEXT + "2"))
    done = await platform.submissions.propose(proposer, {OTHER_PATH: other}, f"Because {TEXT}")
    lead = service.browser("lena")
    page = await lead.get(f"proposals/{done.proposal.id}")
    assert TEXT in BeautifulSoup(page.text, "html.parser").text
    await lead.press(page, "/comment", text=TEXT)
    asked = quote(TEXT, safe="")
    paths = [
        "", "profiles", f"profiles?q={asked}", f"profiles?user={asked}", "profiles.csv", "profiles.json",
        "profiles/housing/notebook", "profiles/housing/notebook/retire", f"profiles/{asked}/{asked}", "proposals",
        f"proposals/{done.proposal.id}", f"proposals/{asked}", "propose", f"propose?path={NOTEBOOK_PATH}",
        f"propose?path={OTHER_PATH}&path={BROKEN_PATH}", "propose?from=housing/notebook", f"propose?from={asked}",
        f"propose?team={asked}", f"propose?proposal={done.proposal.id}", "teams/housing", "teams/open-data",
        f"teams/{asked}", "data-roles", "data-roles/prices", "data-roles/prices/ask",
        f"data-roles/prices/ask?team={asked}", f"data-roles/{asked}", f"holds/{asked}/confirm", asked,
    ]  # fmt: skip
    for name in ("lena", "adam", "dora", USER):
        visitor = service.browser(name)
        for path in paths:
            assert_text(await visitor.get(path))
    form = BeautifulSoup((await lead.get(f"propose?path={NOTEBOOK_PATH}")).text, "html.parser").select_one(
        "form[method=post]"
    )
    assert form is not None
    kept = {str(each["name"]): str(each.get("value", "")) for each in form.select("input[type=hidden][name]")}
    typed = {str(each["name"]): TEXT for each in form.select("[name]:not([type=hidden])")}
    assert_text(await lead.post("propose", data={**typed, **kept}))
