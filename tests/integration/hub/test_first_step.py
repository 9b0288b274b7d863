"""The first step of a proposal: the profiles that its reader can start, and no work for those of others."""

from collections.abc import Sequence
from pathlib import Path

import pytest
from bs4 import BeautifulSoup
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


@pytest.mark.parametrize("do", ["propose", "try", "live"])
async def test_a_wrong_name_is_said_once_in_each_place_and_hides_no_other_problem(
    platform: Platform, tmp_path: Path, do: str
) -> None:
    async with WebService.opened(platform, tmp_path, platform.directory) as service:
        ana = service.browser("ana")
        page = BeautifulSoup((await ana.get("propose?from=housing/notebook&copy=1")).text, "html.parser")
        fields = {str(each["name"]): str(each.get("value", "")) for each in page.select("#proposal input[name]")}
        for each in page.select("#proposal textarea[name]"):
            fields[str(each["name"])] = each.text.removeprefix("\n")
        typed = {"team": "housing", "name": "Note Book", "app": "jupyterlab", "resources.memory.limit": "60", "do": do}
        answer = await ana.post("propose", data={**fields, **typed})
        shown = BeautifulSoup(answer.text, "html.parser")
        problems = [each.text for each in shown.select(".allotment-problems > li")]
        assert len(problems) == 2
        assert "'Note Book' is not a name" in problems[0]
        assert "GiB" in problems[1]
        assert "unnamed" not in answer.text
        assert "The reason is missing" in answer.text
        if do != "live":
            assert "GiB" in shown.select_one('[id="problem-resources.memory.limit"]').text  # type: ignore[union-attr]
            assert "is not a name" not in " ".join(each.text for each in shown.select("[role=alert]"))
