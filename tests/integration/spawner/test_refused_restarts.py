"""A restart that the hub's limits, or the identity provider, would refuse costs nobody the session that runs."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from bs4 import BeautifulSoup
from support.conditions import eventually
from support.fakes.small_hub import NOTEBOOK
from support.fakes.whole_hub import WholeHub
from support.repositories import ProfilesRepository, small

PAGE = "hub/allotment/restart/ann/second"


class Ann:
    """Her browser, and her session."""

    def __init__(self, hub: WholeHub, browser: httpx.AsyncClient) -> None:
        self.hub = hub
        self.browser = browser

    @property
    def session(self) -> Any:
        return self.hub.spawner("ann", "second")

    async def fields(self) -> dict[str, str]:
        page = BeautifulSoup((await self.browser.get(PAGE)).text, "html.parser")
        return {str(each["name"]): str(each["value"]) for each in page.select("main form input")}

    async def presses(self) -> httpx.Response:
        return await self.browser.post(PAGE, data=await self.fields())


@pytest.fixture
async def hub(tmp_path: Path) -> AsyncIterator[WholeHub]:
    profiles = ProfilesRepository(tmp_path)
    profiles.commit(small())
    made = WholeHub(profiles, "ann", "bob")
    await made.open()
    yield made
    await made.close()


@pytest.fixture
async def ann(hub: WholeHub) -> Ann:
    made = Ann(hub, await hub.sign_in("ann"))
    await hub.app.users["ann"].spawn("second", options=NOTEBOOK)
    assert made.session.ready
    return made


def going_on(ann: Ann, answer: httpx.Response, status: int, code: str) -> None:
    assert (answer.status_code, f"[{code}]" in answer.text) == (status, True), answer.text
    assert "The session goes on as it is." in answer.text
    assert ann.session.ready
    assert not ann.session.ended


@pytest.mark.parametrize(
    ("limit", "code"), [("concurrent_spawn_limit", "hub-busy"), ("active_server_limit", "hub-full")]
)
async def test_where_the_hub_starts_no_more_the_session_goes_on(ann: Ann, limit: str, code: str) -> None:
    ann.hub.settings[limit] = 1
    ann.hub.spawner("bob")._spawn_pending = True  # as JupyterHub notes it
    going_on(ann, await ann.presses(), 429, code)


async def test_where_the_provider_confirms_nobody_the_session_goes_on(ann: Ann) -> None:
    ann.hub.app.authenticator.confirms = False
    going_on(ann, await ann.presses(), 403, "identity-refused")


async def test_its_own_place_is_free_and_two_presses_restart_it_once(ann: Ann) -> None:
    ann.hub.settings["active_server_limit"] = 1
    before, fields, provider = ann.session.orm_spawner.started, await ann.fields(), ann.hub.app.authenticator
    provider.answers.clear()
    presses = [asyncio.create_task(ann.browser.post(PAGE, data=fields)) for _ in range(2)]
    await eventually(lambda: provider.asked == 2, "both presses wait for the provider")
    provider.answers.set()
    answers = await asyncio.gather(*presses)
    assert [answer.status_code for answer in answers] == [302, 302], [answer.text for answer in answers]
    await eventually(lambda: ann.session.ready, "the session, again")
    assert ann.session.orm_spawner.started > before
