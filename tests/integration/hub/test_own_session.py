"""What a session is told about itself, with its own token: what it has, when it ends, and what is larger."""

from typing import Any

import pytest
from support.fakes.platform import NOTEBOOK, NOTEBOOK_PATH, Platform
from support.fakes.web_service import WebService

GIB = 1024**3
SIZES = (
    NOTEBOOK
    + b"""\
data_roles: [prices]
options:
  size:
    title: Size
    default: normal
    choices:
      normal: {title: Normal}
      large: {title: Large, resources: {memory: {limit: 8 GiB}}}
      huge: {title: Huge, resources: {memory: {limit: 12 GiB}}}
"""
)
OTHER_PATH = "teams/housing/profiles/wide.yaml"
OTHER = NOTEBOOK.replace(b"4 GiB", b"6 GiB")
SIZE = {"cpu": 2000, "cpu_guarantee": 500, "memory": 4 * GIB, "memory_guarantee": GIB, "gpu": 0, "gpu_kind": None}


async def running(platform: Platform, **changed: Any) -> None:
    platform.push({NOTEBOOK_PATH: SIZES, OTHER_PATH: OTHER, "teams/housing/profiles/r.yaml": _rstudio()}, signed=True)
    await platform.watcher.refresh()
    session: dict[str, Any] = {
        "user": "ana", "server": "", "profile": "housing/notebook", "team": "housing",
        "commit": platform.forge.main(), "options": {"size": "normal"}, "data_roles": ["prices"],
        "image": "quay.io/jupyter/scipy-notebook:1", "digest": "", "size": SIZE, "access_lost": [],
        "started": "2999-01-01T08:00:00+00:00", "idle": 7200, "total": 43200,
    }  # fmt: skip
    platform.people.sessions = [session | changed]


def _rstudio() -> bytes:
    return OTHER.replace(b"jupyterlab", b"rstudio").replace(b"6 GiB", b"16 GiB")


async def test_a_session_is_told_what_it_has_and_when_it_ends(platform: Platform, service: WebService) -> None:
    await running(platform, digest=f"sha256:{'a' * 64}")
    told = (await service.program("ana", session=True).get("api/v1/session")).json()
    assert (told["profile"], told["team"], told["title"]) == ("housing/notebook", "housing", "Notebook")
    assert (told["cpu"], told["memory"], told["options"]) == (2.0, 4 * GIB, {"size": "normal"})
    assert told["digest"] == f"sha256:{'a' * 64}"
    assert told["ends"] == [{"kind": "total", "at": "2999-01-01T20:00:00Z", "text": "Its time is over."}]
    assert [(each["name"], each["until"], each["state"]) for each in told["data_roles"]] == [
        ("prices", "2999-12-31", "")
    ]
    assert told["newer"] is False
    assert told["url"].endswith("/services/allotment/profiles/housing/notebook")
    assert told["restart"].endswith("/hub/allotment/restart/ana")


async def test_the_next_larger_size_of_each_profile_with_the_same_app_is_named(
    platform: Platform, service: WebService
) -> None:
    await running(platform)
    told = (await service.program("ana", session=True).get("api/v1/session")).json()
    assert [(each["profile"], each["options"], each["memory"] // GIB) for each in told["larger"]] == [
        ("housing/notebook", {"size": "large"}, 8),
        ("housing/wide", {}, 6),
    ]
    assert told["larger"][0]["url"].endswith("/hub/allotment/restart/ana?opt-profile=housing%2Fnotebook&opt-size=large")
    await running(platform, server="second", size=SIZE | {"memory": 12 * GIB})
    answer = await service.program("ana", session=True).get("api/v1/session")
    assert answer.json()["code"] == "session-unknown"  # its token is that of the default one


async def test_a_newer_version_and_access_that_ends_are_told(platform: Platform, service: WebService) -> None:
    lost = {"data_role": "prices", "why": "The grant has ended.", "ends": "2999-01-01T09:00:00+00:00"}
    await running(platform, access_lost=[lost])
    platform.push({NOTEBOOK_PATH: SIZES.replace(b"Counting", b"Recounting")}, signed=True)
    await platform.watcher.refresh()
    told = (await service.program("ana", session=True).get("api/v1/session")).json()
    assert told["newer"] is True
    assert [each["kind"] for each in told["ends"]] == ["access-ended", "total"]


async def test_how_the_last_session_of_this_user_ended_is_told(platform: Platform, service: WebService) -> None:
    await running(platform)
    ana = service.program("ana", session=True)
    assert (await ana.get("api/v1/session")).json()["last"] is None
    end = {"kind": "end", "profile": "housing/notebook"}
    platform.events.append(**end, user="ana", reason="out-of-memory", memory=4 * GIB)
    platform.events.append(**end, user="ben", reason="idle")
    last = (await ana.get("api/v1/session")).json()["last"]
    assert (last["reason"], last["memory"]) == ("out-of-memory", 4 * GIB)


@pytest.mark.parametrize("sessions", [[], [{"user": "ana", "server": "", "profile": ""}], [{"profile": "a/b"}]])
async def test_only_a_session_of_a_profile_is_told_anything(
    platform: Platform, service: WebService, sessions: list[dict[str, Any]]
) -> None:
    platform.people.sessions = sessions
    for visitor, code in (
        (service.program("ana"), "not-a-session"),
        (service.browser("ana"), "not-a-session"),
        (service.program("ana", session=True), "session-unknown"),
    ):
        answer = await visitor.get("api/v1/session")
        assert (answer.status_code, answer.json()["code"]) == (404, code)
    assert (await service.stranger().get("api/v1/session")).status_code == 403


@pytest.mark.parametrize("changed", [{"started": "soon"}, {"size": {}}, {"options": None}, {"access_lost": [{}]}])
async def test_an_answer_of_the_hub_that_describes_no_session_is_not_the_users_fault(
    platform: Platform, service: WebService, changed: dict[str, Any]
) -> None:
    await running(platform, **changed)
    answer = await service.program("ana", session=True).get("api/v1/session")
    assert (answer.status_code, answer.json()["code"]) == (503, "hub-unavailable")
