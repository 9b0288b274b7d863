"""The stages on which the contract of the adapters is tried."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from support.fakes.faulty_front import FaultyFront
from support.fakes.github_server import GitHubServer
from support.fakes.gitlab_server import GitLabServer
from support.forge_stages import GiteaRepository, GiteaStage, GitHubStage, GitLabStage, Stage
from support.servers.forge import needs_forge

from allotment_hub.forges.pull_requests.adapter import PullRequestAdapter


@pytest.fixture(scope="session")
def gitea_repository() -> GiteaRepository:
    return GiteaRepository()


@pytest_asyncio.fixture(params=[pytest.param("gitea", marks=needs_forge), "github", "github-app", "gitlab"])
async def stage(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Stage]:
    if request.param == "gitea":
        repository = request.getfixturevalue("gitea_repository")
        made = GiteaStage(FaultyFront(repository.gitea.url), repository, tmp_path)
        yield made
        await made.close()
        return
    async for stand_in in opened(request.param, tmp_path):
        yield stand_in


async def opened(kind: str, folder: Path) -> AsyncIterator[Any]:
    made: Stage
    if kind == "gitlab":
        gitlab = GitLabServer()
        made = GitLabStage(FaultyFront(gitlab.url), gitlab, folder)
    else:
        github = GitHubServer()
        made = GitHubStage(FaultyFront(github.url), github, folder, app=kind == "github-app")
    yield made
    await made.close()


@pytest_asyncio.fixture
async def app(tmp_path: Path) -> AsyncIterator[GitHubStage]:
    async for stage in opened("github-app", tmp_path):
        yield stage


@pytest_asyncio.fixture
async def github(tmp_path: Path) -> AsyncIterator[GitHubStage]:
    async for stage in opened("github", tmp_path):
        yield stage


@pytest_asyncio.fixture
async def gitlab(tmp_path: Path) -> AsyncIterator[GitLabStage]:
    async for stage in opened("gitlab", tmp_path):
        yield stage


@pytest.fixture
def forge(stage: Stage) -> PullRequestAdapter:
    return stage.forge()
