"""The first step of a proposal: the profiles that its reader can start, and no work for those of others."""

from collections.abc import Sequence
from pathlib import Path

import pytest
from support.fakes.platform import NOTEBOOK, Platform
from support.fakes.web_service import WebService

from allotment_hub.services.browse.profiles import ProfileRow, Profiles
from allotment_profiles.access.people import User


async def test_rows_are_made_for_those_alone_that_the_page_shows(
    platform: Platform, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    of_others = {f"teams/open-data/profiles/prices-{number}.yaml": NOTEBOOK for number in range(70)}
    own = {f"teams/housing/profiles/many-{number}.yaml": NOTEBOOK for number in range(40)}
    platform.push({**of_others, **own})
    await platform.watcher.refresh()
    made: list[int] = []
    rows = Profiles.rows

    async def counted(self: Profiles, user: User, ids: Sequence[str] | None = None) -> list[ProfileRow]:
        found = await rows(self, user, ids)
        made.append(len(found))
        return found

    monkeypatch.setattr(Profiles, "rows", counted)
    async with WebService.opened(platform, tmp_path, platform.directory) as service:
        ana = service.browser("ana")
        page = await ana.get("propose")
        assert (page.status_code, made) == (200, [30])
        assert "There are more" in page.text
        assert "open-data/prices-1" not in page.text
        made.clear()
        assert "housing/many-39" in (await ana.get("propose?q=many-39")).text
        assert made == [1]
        made.clear()
        nothing = await ana.get("propose?q=prices-1")
        assert "No profile that you can start has these words." in nothing.text
        assert made == [0]
