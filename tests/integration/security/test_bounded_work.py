"""What somebody sends is read, searched and listed beside the event loop, with a bounded amount of work."""

import asyncio
import json
import re
import threading
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pytest
from support.fakes.platform import NOTEBOOK, NOTEBOOK_PATH, Platform
from support.fakes.web_service import Visitor, WebService
from support.loop_watch import LoopWatch

from allotment_hub.api.openapi import HANDLERS
from allotment_hub.http.application import MAXIMUM_BODY
from allotment_hub.services.browse.search import MAXIMUM_WORDS
from allotment_profiles.access.people import User

MAXIMUM_STEPS = 60_000
"""What the event loop may do for one request: an ordinary one takes some thousands, 1 MiB read there takes millions."""
READING = ("/yaml/", "/allotment_profiles/documents/", "/api/serializers.py", "/api/requests.py", "/services/drafts/")
"""Where files, bodies and forms are read and written."""
KEYS = ",".join(f'"{number:x}":0' for number in range(105_000))
BODIES: Mapping[str, str] = {
    "unknown keys": f"{{{KEYS}}}",
    "a profile of unknown keys": f'{{"team": "housing", "name": "x", "profile": {{{KEYS}}}}}',
    "files that are none": json.dumps({"reason": "x", "files": [0] * 300_000}),
    "values in a profile": json.dumps({"team": "housing", "name": "x", "profile": {"only": ["a"] * 200_000}}),
    "long text": json.dumps({"reason": "x" * 1_000_000, "text": "x"}),
    "nested": "[" * 500_000 + "]" * 500_000,
    "no JSON": "{" * 1_000_000,
}
FORM = "application/x-www-form-urlencoded"
LONG_LIST = ",".join(f"g{number:x}" for number in range(90_000))


@pytest.fixture
async def web(platform: Platform, tmp_path: Path) -> Any:
    """Serve a platform, and let a visitor have asked once: what is imported and read then is read."""
    await platform.watcher.refresh()
    async with WebService.opened(platform, tmp_path) as web:
        await web.program("ana").get("profiles")
        yield web


def posts() -> Iterator[str]:
    """Give the address of each call of the API with a body."""
    for path, handler in HANDLERS.items():
        described = handler.operations().get("post")
        if described and described.body:
            yield re.sub(r"\{\w+\}", lambda name: "a" * 40 if name[0] == "{commit}" else "nothing", path)


@pytest.mark.parametrize("shape", BODIES)
async def test_a_body_of_any_shape_is_read_beside_the_event_loop(web: WebService, shape: str) -> None:
    assert len(BODIES[shape]) <= MAXIMUM_BODY
    sent = {"content": BODIES[shape], "headers": {"Content-Type": "application/json"}}
    for path in posts():
        session = web.program("ana")
        with LoopWatch() as watch:
            answer = await session.post(f"api/v1/{path}", **sent)
        assert 400 <= answer.status_code < 500, (path, answer.text[:200])
        assert len(answer.content) < 20_000, path
        assert watch.steps < MAXIMUM_STEPS, path
        assert watch.in_files(*READING) == set(), path


async def test_a_body_has_a_bounded_number_of_values_and_of_mistakes_that_are_told(web: WebService) -> None:
    problem = (await web.program("ana").post("api/v1/checks", content=BODIES["unknown keys"])).json()
    assert (problem["code"], problem["problems"]) == ("request", [])
    assert re.fullmatch(r"Its body has 105\d{3} mistakes\.", problem["detail"])
    many = {"team": "housing", "name": "x", "profile": {"only": [""] * 2001}}
    problem = (await web.program("ana").post("api/v1/checks", json=many)).json()
    assert "more keys and entries than a file may have" in problem["detail"]
    few = (await web.program("ana").post("api/v1/checks", json={"reason": "x", "name": 1})).json()
    assert {each["field"] for each in few["problems"]} == {"reason", "name"}


def form(**fields: str) -> dict[str, str]:
    """Give the fields of the form for a new profile."""
    usual = {"with_profile": "yes", "team": "housing", "name": "x", "new": "yes", "tab": "form", "do": "check"}
    return {**usual, "title": "New", "reason": "x", **fields}


@pytest.mark.parametrize(
    ("path", "fields", "code"),
    [
        ("propose", form(**{"maintainers.groups": LONG_LIST}), "too-large"),
        ("propose", form(**{"maintainers.users": LONG_LIST[:60_000]}), "values-many"),
        ("propose", form(only=LONG_LIST, do="file"), "too-large"),
        ("propose", form(title="x" * 900_000, do="propose"), "too-large"),
        ("propose", form(tab="file", content=NOTEBOOK.decode(), **{"accept.x.reason": "x" * 900_000}), "too-large"),
        ("data-roles/prices/ask", {"team": "housing", "until": "2099-01-01", "reason": "x" * 900_000}, "too-large"),
        ("data-roles/prices/ask", {"team": "housing", "until": "9" * 900_000, "reason": "x"}, "too-large"),
    ],
)  # fmt: skip
async def test_a_form_with_more_than_a_file_may_have_is_refused_beside_the_event_loop(
    web: WebService, path: str, fields: dict[str, str], code: str
) -> None:
    session, content = web.program("ana", session=True), urlencode(fields, safe=",")
    with LoopWatch() as watch:
        answer = await session.post(path, content=content, headers={"Content-Type": FORM})
    assert answer.status_code == 422
    assert code in answer.text
    assert watch.steps < MAXIMUM_STEPS
    assert watch.in_files("/yaml/", "/allotment_profiles/documents/") == set()


async def test_files_are_read_and_made_beside_the_event_loop(platform: Platform, web: WebService) -> None:
    session = web.program("ana", session=True)
    stored = await platform.proposed({NOTEBOOK_PATH: NOTEBOOK.replace(b"4 GiB", b"8 GiB")})
    asked = [
        session.get(f"proposals/{stored.id}"),
        session.get(f"api/v1/proposals/{stored.id}"),
        session.get(f"propose?proposal={stored.id}"),
        session.get("proposals"),
        session.get("profiles/housing/notebook"),
        session.get("profiles/housing/notebook/retire"),
        session.get("teams/housing"),
        session.get("data-roles/prices"),
        session.post("propose", data=form(**{"maintainers.groups": "/housing"})),
        session.post("propose", data=form(tab="file", content=NOTEBOOK.decode(), do="form")),
        session.get("propose?from=housing/notebook"),
        session.get("propose?from=housing/notebook&copy=1"),
        session.get("propose"),
        session.get("data-roles/prices/ask?team=housing"),
        session.get("api/v1/profiles/housing/notebook"),
        session.get("api/v1/schema"),
    ]
    for each in asked:
        with LoopWatch() as watch:
            answer = await each
        assert answer.status_code == 200
        assert watch.in_files("/yaml/", "/allotment_profiles/documents/", "/api/serializers.py") == set()


async def steps_of(visitor: Visitor, path: str) -> int:
    """Count what the event loop does for an answer."""
    with LoopWatch() as watch:
        assert (await visitor.get(path)).status_code == 200
    return watch.steps


async def test_lists_are_made_beside_the_event_loop(platform: Platform, web: WebService) -> None:
    paths = (
        "profiles", "profiles.json", "profiles.csv", "teams/housing", "propose?team=housing", "data-roles", "proposals",
        *(f"api/v1/{path}" for path in ("profiles", "schema", "teams/housing", "proposals", "holds")),
    )  # fmt: skip
    session = web.program("adam")
    few = {path: await steps_of(session, path) for path in paths}
    platform.push({f"teams/housing/profiles/p{number}.yaml": NOTEBOOK for number in range(600)})
    await platform.watcher.refresh()
    for path in paths:
        await steps_of(session, path)  # what is kept is read
        assert await steps_of(session, path) < few[path] + 10_000, path


class HeldUser(User):
    """A user whom it takes long to look at."""

    may_go_on: threading.Event
    asked: threading.Event

    @property
    def admin(self) -> bool:  # type: ignore[override]
        """Whether they are an administrator."""
        self.asked.set()
        self.may_go_on.wait()
        return False


async def test_a_search_keeps_no_other_list_of_profiles_waiting(platform: Platform) -> None:
    await platform.watcher.refresh()
    held = object.__new__(HeldUser)
    for name, value in {
        "name": "x",
        "groups": frozenset(),
        "may_go_on": threading.Event(),
        "asked": threading.Event(),
    }.items():
        object.__setattr__(held, name, value)
    search = asyncio.create_task(platform.profiles.search(held, "houses"))
    try:
        await asyncio.to_thread(held.asked.wait)
        found = await asyncio.wait_for(platform.profiles.search(platform.people.actor("ben").user), 60)
    finally:
        held.may_go_on.set()
        await search
    assert "housing/notebook" in found


async def test_a_search_has_a_bounded_number_of_words(web: WebService) -> None:
    session = web.program("ana", session=True)
    words = [f"w{number}" for number in range(MAXIMUM_WORDS + 1)]
    for query in ("+".join(words), "x" * 2000):
        answer = await session.get(f"profiles?q={query}")
        assert (answer.status_code, "search-long" in answer.text) == (422, True)
    assert (await session.get("profiles?q=" + "+".join(words[1:] * 3))).status_code == 200
    assert (await session.get("profiles?q=" + "+".join(["houses"] * 9_000))).status_code == 200
