"""Every route, asked by every kind of reader, gives no value to those who may not see it: in no answer and no log."""

import logging
from collections.abc import AsyncIterator, Iterable, Iterator
from dataclasses import dataclass, replace
from typing import Any

import httpx
import pytest
import pytest_asyncio
from support.fakes.platform import HOUSING, NOTEBOOK, NOTEBOOK_PATH, POLICY, PRICES, Platform
from support.fakes.web_service import WebService
from support.planted import (
    BAD_PATH,
    DESK_PATH,
    GONE_PATH,
    HELD_PATH,
    LOST_PATH,
    MOVED_PATH,
    ODD_PATH,
    OPEN_PATH,
    PLAN_PATH,
    RAIL_PATH,
    RENTS_PATH,
    SKETCH_PATH,
    SOLD_PATH,
    Planted,
    planted,
)

from allotment_hub.api.openapi import HANDLERS
from allotment_hub.pages.routes import PAGES

pytestmark = pytest.mark.timeout(300)  # thousands of requests

PROFILES = ("notebook", "desk", "sketch", "opening", "lost", "gone", "odd", "nothing")
ROLES = ("rents", "sold", "moved", "bad", "held", "nothing")
PATHS = (
    NOTEBOOK_PATH, DESK_PATH, SKETCH_PATH, OPEN_PATH, LOST_PATH, GONE_PATH, ODD_PATH, PLAN_PATH, RAIL_PATH,
    RENTS_PATH, SOLD_PATH, MOVED_PATH, BAD_PATH, HELD_PATH, "teams/housing/team.yaml", "policy.yaml",
)  # fmt: skip
HEAD = "0" * 40
STOPPED = (
    *(f"profile=housing/{name}" for name in PROFILES), *(f"data_role={name}" for name in ROLES), "user=ben", "image=x",
)  # fmt: skip


@dataclass(frozen=True)
class Asked:
    """One request."""

    method: str
    url: str
    json: Any = None
    data: Any = None
    but_not: str = ""
    """Who is not to ask it, since they would change their own proposal."""


def get(*urls: str) -> list[Asked]:
    return [Asked("GET", url) for url in urls]


def content(path: str) -> str:
    others = {
        "teams/housing/team.yaml": HOUSING.replace(b"groups: [/housing]", b"users: [ben]"),
        "policy.yaml": POLICY.replace(b"cpu: 16", b"cpu: 1"),
    }
    return others.get(path, PRICES if path.startswith("data-roles/") else NOTEBOOK).decode()


def sent(path: str, text: str | None) -> dict[str, Any]:
    return {"files": [{"path": path, "content": text}]}


def checks() -> Iterator[dict[str, Any]]:
    """Yield what somebody may have compared: something else, something broken, nothing, and what moves."""
    yield from (sent(path, content(path)) for path in PATHS)
    yield from (sent(path, "title: [\n") for path in (NOTEBOOK_PATH, RENTS_PATH))
    yield from (sent(path, None) for path in (NOTEBOOK_PATH, SKETCH_PATH, RENTS_PATH, "teams/housing/team.yaml"))
    for old, new in ((NOTEBOOK_PATH, RAIL_PATH), (RENTS_PATH, "data-roles/mine.yaml"), (SKETCH_PATH, PLAN_PATH)):
        yield {"files": [*sent(old, None)["files"], *sent(new, content(new))["files"]]}
    yield {"team": "housing", "name": "notebook", "profile": {"title": "Mine"}}
    asked = {"data_role": "rents", "until": "2999-12-31", "reason": "Needed"}
    yield {"team": "transport", "name": "new", "content": NOTEBOOK.decode(), "grants": [asked]}


def form(team: str, name: str, **more: str) -> dict[str, str]:
    return {"team": team, "name": name, "new": "no", "tab": "file", "content": NOTEBOOK.decode(), **more}


def api(plant: Planted) -> dict[str, list[Asked]]:
    """Return what is asked of each path of the API."""
    ids = [*plant.proposals, "nothing-1"]
    each = {id_: f"api/v1/proposals/{id_}" for id_ in ids}
    return {
        "profiles": get("api/v1/profiles"),
        "profiles/{team}/{name}": get(*(f"api/v1/profiles/housing/{name}" for name in PROFILES)),
        "explain": get(
            *(f"api/v1/explain?profile=housing/{name}" for name in PROFILES),
            "api/v1/explain?profile=housing/sketch&user=max",
        ),
        "data-roles/{name}/readers": get(*(f"api/v1/data-roles/{name}/readers" for name in ROLES)),
        "teams/{name}": get(*(f"api/v1/teams/{name}" for name in ("housing", "transport", "open-data", "nothing"))),
        "schema": get("api/v1/schema"),
        "checks": [Asked("POST", "api/v1/checks", json=body) for body in checks()],
        "proposals": [
            *get("api/v1/proposals", "api/v1/proposals?state=all"),
            # With an error nothing is proposed, and the problems are told.
            *(
                Asked("POST", "api/v1/proposals", json={**sent(path, text), "reason": "Needed"})
                for path, text in (
                    (NOTEBOOK_PATH, NOTEBOOK.decode() + "x: 1\n"),
                    (RENTS_PATH, "x: 1"),
                    (ODD_PATH, "x: 1"),
                )
            ),
            Asked(
                "POST",
                "api/v1/proposals",
                json={**sent(PLAN_PATH, NOTEBOOK.decode()), "reason": "Needed"},
                but_not="tess",
            ),
        ],
        "proposals/{id}": get(*each.values()),
        "proposals/{id}/comments": [Asked("POST", f"{url}/comments", json={"text": ""}) for url in each.values()],
        "proposals/{id}/update": [Asked("POST", f"{url}/update", json={}) for url in each.values()],
        "proposals/{id}/withdrawal": [Asked("POST", f"{each['nothing-1']}/withdrawal", json={})],
        "proposals/{id}/approvals": [
            Asked("POST", f"{url}/approvals", json={"head": HEAD, "digest": "0" * 64}) for url in each.values()
        ],
        "proposals/{id}/rejection": [Asked("POST", f"{url}/rejection", json={"reason": ""}) for url in each.values()],
        "proposals/{id}/merge": [
            Asked("POST", f"{url}/merge", json={"head": HEAD, "digest": "0" * 64}) for url in each.values()
        ],
        "proposals/{id}/revert": [Asked("POST", f"{url}/revert", json={"reason": "Needed"}) for url in each.values()],
        "proposals/{id}/trial": [
            Asked(method, f"{url}/trial", json={} if method == "POST" else None)
            for url in each.values()
            for method in ("GET", "POST", "DELETE")
        ],
        "trials": [
            *get("api/v1/trials"),
            Asked("DELETE", "api/v1/trials"),
            *(Asked("POST", "api/v1/trials", json=body) for body in checks()),
        ],
        "drafts": [
            *get("api/v1/drafts"),
            *(Asked("POST", "api/v1/drafts", json={**body, "reason": "Needed"}) for body in checks()),
        ],
        "session": get("api/v1/session"),
        "waiting": get("api/v1/waiting"),
        "proposals/{id}/redactions": [
            Asked("POST", f"{url}/redactions", json={"record": HEAD, "reason": "Needed"}) for url in each.values()
        ],
        "holds": get("api/v1/holds"),
        "holds/{commit}/confirmation": [
            Asked("POST", f"api/v1/holds/{commit}/confirmation", json={"reason": ""}) for commit in plant.commits
        ],
        "stops": [
            *get(*(f"api/v1/stops?{query}" for query in STOPPED)),
            *(Asked("POST", "api/v1/stops", json={**dict([query.split("=")]), "reason": ""}) for query in STOPPED),
        ],
        "webhooks/forge": [Asked("POST", "api/v1/webhooks/forge", json={})],
        "health": get("api/v1/health"),
        "metrics": get("api/v1/metrics"),
    }


def pages(plant: Planted) -> dict[str, list[Asked]]:
    """Return what is asked of each page."""
    each = [f"proposals/{id_}" for id_ in (*plant.proposals, "nothing-1")]
    return {
        r"": get(""),
        r"profiles": get("profiles", "profiles?q=planted", "profiles?q=quay.io"),
        r"profiles\.(csv|json)": get("profiles.csv", "profiles.json"),
        r"profiles/([^/]+)/([^/]+)": get(
            *(f"profiles/housing/{name}" for name in PROFILES), "profiles/transport/rail", "profiles/transport/plan"
        ),
        r"profiles/([^/]+)/([^/]+)/retire": [
            *get("profiles/housing/notebook/retire", "profiles/housing/sketch/retire"),
            Asked("POST", "profiles/housing/sketch/retire", data={"reason": ""}),
        ],
        r"propose": [
            *get(
                *(f"propose?path={path}" for path in (RENTS_PATH, BAD_PATH, "teams/housing/team.yaml")),
                *(f"propose?from=housing/{name}" for name in ("notebook", "sketch", "odd")),
                "propose?from=housing/notebook&copy=1",
                *(f"propose?{name}={id_}" for id_ in plant.proposals for name in ("proposal", "again", "undo")),
                *(f"propose?draft={id_}" for id_ in plant.drafts),
                "propose?team=housing",
            ),
            Asked("POST", "propose", data=form("housing", "notebook", do="check")),
            Asked("POST", "propose", data=form("housing", "sketch", do="propose")),
        ],
        r"drafts/([^/]+)": get(*(f"drafts/{id_}" for id_ in (*plant.drafts, "nothing"))),
        r"drafts/([^/]+)/(propose|discard)": [
            Asked("POST", f"drafts/{id_}/{action}", data={"digest": "0" * 64})
            for id_ in (*plant.drafts, "nothing")
            for action in ("propose", "discard")
        ],
        r"proposals": get("proposals"),
        r"proposals/([^/]+)": get(*each),
        r"proposals/([^/]+)/(approve|merge|reject|update|withdraw|comment|revert|redact)": [
            Asked("POST", f"{url}/{action}", data={"head": HEAD})
            for url in each
            for action in ("approve", "update", "revert", "redact")
        ],
        r"proposals/([^/]+)/(try|end-trial)": [
            Asked("POST", f"{url}/{action}", data={"head": HEAD}) for url in each for action in ("try", "end-trial")
        ],
        r"pull-requests/([1-9][0-9]{0,9})": [
            *get("pull-requests/1"),
            Asked("POST", "pull-requests/1", data={"head": HEAD}),
        ],
        r"holds/([0-9a-f]{40,64})/confirm": [
            Asked("POST", f"holds/{commit}/confirm", data={"reason": ""}) for commit in plant.commits
        ],
        r"teams/([^/]+)": get("teams/housing", "teams/transport", "teams/open-data"),
        r"data-roles": get("data-roles"),
        r"data-roles/([^/]+)": get(*(f"data-roles/{name}" for name in ROLES)),
        r"data-roles/([^/]+)/ask": [
            *get("data-roles/rents/ask?team=housing", "data-roles/prices/ask?team=transport", "data-roles/bad/ask"),
            Asked("POST", "data-roles/rents/ask", data={"team": "housing", "until": "2999-12-31", "do": "check"}),
            Asked("POST", "data-roles/rents/ask", data={"team": "housing", "until": "odd", "do": "propose"}),
        ],
        r"data-roles/([^/]+)/end": [
            *get("data-roles/rents/end?team=housing", "data-roles/prices/end?team=transport", "data-roles/bad/end"),
            Asked("POST", "data-roles/rents/end", data={"team": "housing", "until": "", "do": "check"}),
            Asked("POST", "data-roles/rents/end", data={"team": "housing", "until": "odd", "do": "propose"}),
        ],
        r"stop": [
            *get("stop", *(f"stop?kind={query.replace('_', '-').replace('=', '&name=')}" for query in STOPPED)),
            Asked("POST", "stop", data={"kind": "profile", "name": "housing/sketch", "reason": ""}),
        ],
        r"notifications": [*get("notifications"), Asked("POST", "notifications", data={"on": "planted"})],
        r"(.*)": get("nowhere"),
    }


def test_no_route_is_forgotten() -> None:
    assert api(Planted()).keys() == HANDLERS.keys()
    assert pages(Planted()).keys() == {pattern for pattern, _ in PAGES}


READERS = ("", "olaf", "ben", "lena", "dan", "max", "dora", "ana", "tom", "tess", "session of lena")
"""Nobody, an outsider, a member, a lead, a deputy, a maintainer, an owner of the data, proposers of their own team's
files and of those of others, the lead of the latter, and a token that may not review."""
ADMINISTRATOR = "adam"


@dataclass(frozen=True)
class Opened:
    """The service over a repository with planted values."""

    service: WebService
    plant: Planted
    listing: str

    async def told(self, reader: str) -> tuple[set[tuple[str, str]], set[str]]:
        """Ask everything as a reader. Return what was told to them and by which request, and what failed."""
        if not reader:
            caller = self.service.stranger()
        else:
            caller = self.service.program(reader.rpartition(" ")[2], session=reader.startswith("session"))
        told, failed = set(), set()
        for requests in (*api(self.plant).values(), *pages(self.plant).values()):
            for asked in (each for each in requests if each.but_not != reader):
                answer = await caller.request(asked.method, asked.url, json=asked.json, data=asked.data)
                told |= {(value, f"{asked}") for value in found_in(answer, self.plant.seen_by)}
                if answer.status_code >= 500:
                    failed.add(f"{asked}: {answer.text[:300]}")
        return told, failed


@pytest_asyncio.fixture(scope="module", loop_scope="module", params=["all", "own"])
async def opened(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Opened]:
    folder = tmp_path_factory.mktemp("planted")
    platform = Platform(folder)
    await platform.watcher.refresh()
    plant = await planted(platform, request.param)
    # How the hub is asked for a user is not what thousands of requests are for: it answers from memory.
    async with WebService.opened(platform, folder, platform.directory) as service:
        session = replace(platform.people.actor(ADMINISTRATOR, session=True), server="")
        reason = plant.value("draft-of-an-assistant", frozenset({ADMINISTRATOR})).decode()
        draft = await service.services.assistant_drafts.add(session, {RAIL_PATH: NOTEBOOK}, reason)
        plant.drafts.append(draft.id)
        yield Opened(service, plant, request.param)
    await platform.close()


def found_in(answer: httpx.Response, values: Iterable[str]) -> set[str]:
    """Return the values that an answer gives, in its body or its headers."""
    text = f"{answer.text}\n{answer.headers}"
    return {value for value in values if value in text}


@pytest.mark.asyncio(loop_scope="module")
@pytest.mark.parametrize("reader", READERS)
async def test_no_route_gives_a_value_to_those_who_may_not_see_it(
    opened: Opened, reader: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    told, failed = await opened.told(reader)
    name = reader.rpartition(" ")[2]
    assert sorted(each for each in told if name not in opened.plant.readers(each[0], opened.listing)) == []
    assert failed == set()
    lines = [f"{record.getMessage()} {record.exc_text}" for record in caplog.records]
    assert [line for line in lines if any(value in line for value in opened.plant.seen_by)] == []


@pytest.mark.asyncio(loop_scope="module")
async def test_what_nobody_else_may_see_is_there_to_be_seen(opened: Opened) -> None:
    told, _ = await opened.told(ADMINISTRATOR)
    assert {value for value, _ in told} == {value for value, readers in opened.plant.seen_by.items() if readers}
