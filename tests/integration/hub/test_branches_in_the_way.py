"""A branch in whose place git cannot have those of the service: it is named, and deleting it is all that helps."""

from pathlib import Path

import pytest
from support.fakes.platform import NOTEBOOK, NOTEBOOK_PATH, Platform
from support.fakes.web_service import WebService
from support.servers.git_server import git

from allotment_profiles.git.repository import NO_OBJECT, RefUpdate

HEADS = "refs/heads/"


@pytest.mark.parametrize("name", ["propose", "allotment", "allotment/records/mine"])
async def test_who_proposes_and_the_health_hear_of_it(platform: Platform, tmp_path: Path, name: str) -> None:
    await platform.watcher.refresh()
    repository, branch = platform.repository, HEADS + name
    repository.update_references([RefUpdate(branch, platform.forge.main(), NO_OBJECT)])
    body = {"files": [{"path": NOTEBOOK_PATH, "content": NOTEBOOK.decode() + "#\n"}], "reason": "Needed"}
    async with WebService.opened(platform, tmp_path) as service:
        ana = service.program("ana")
        answer = await ana.post("api/v1/proposals", json=body)
        assert (answer.status_code, answer.json()["code"]) == (503, "branch-in-the-way")
        assert f"'{name}'" in answer.json()["detail"]
        assert "push" in answer.json()["decides"]
        health = (await ana.get("api/v1/health")).json()
        assert (health["ok"], health["proposals"]["in_the_way"], health["standstill"]) == (False, [name], None)
        repository.update_references([RefUpdate(branch, NO_OBJECT, platform.forge.main())])
        assert (await ana.post("api/v1/proposals", json=body)).status_code == 201
        health = (await ana.get("api/v1/health")).json()
        assert (health["ok"], health["proposals"]["in_the_way"]) == (True, [])


async def test_a_tag_is_in_nobodys_way(platform: Platform) -> None:
    await platform.watcher.refresh()
    for name in ("propose", "allotment", "main"):
        git(platform.repository.path, "update-ref", f"refs/tags/{name}", platform.forge.main())
    assert platform.forge.in_the_way() == ()
    await platform.merged(await platform.proposed({NOTEBOOK_PATH: NOTEBOOK + b"#\n"}))
