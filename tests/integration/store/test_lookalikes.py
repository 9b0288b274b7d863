"""Names that people take for each other: the one that came first stays, in a repository and in a folder."""

from pathlib import Path

import pytest
from support.repositories import Content, ProfilesRepository, data_role, profile, small, team, write_folder

from allotment_profiles.store.loading import load
from allotment_profiles.store.snapshot import in_folder

NOTEBOOK = "teams/red/profiles/notebook.yaml"
TABLES = "data-roles/tables.yaml"
RED = "teams/red/team.yaml"


@pytest.mark.parametrize(
    ("first", "second", "content"),
    [
        ("teams/blue/team.yaml", "teams/b1ue/team.yaml", team("b1ue")),
        (NOTEBOOK, "teams/red/profiles/n0tebook.yaml", profile()),
        (TABLES, "data-roles/tab1es.yaml", data_role("blue")),
        (RED, "teams/Red/team.yaml", "x"),
        (RED, "Teams/red/team.yaml", "x"),
        (NOTEBOOK, "teams/red/profiles/Notebook.yaml", "x"),
    ],
)
def test_names_that_people_take_for_each_other_are_refused_to_the_one_that_came_later(
    profiles: ProfilesRepository, tmp_path: Path, first: str, second: str, content: Content
) -> None:
    profiles.commit(small())
    profiles.push({second: content})
    for _ in range(2):
        catalog = profiles.catalog()
        assert not [each for each in catalog.problems_of(first) if each.blocks]
        found = next(each for each in catalog.problems_of(second) if each.code == "name-collision")
        assert found.level == "hard"
        assert first in found.message
        profiles.push({first: small()[first]})  # written again, and still the first
    both = load(in_folder(write_folder(tmp_path / "folder", {**small(), second: content})))
    assert "name-collision" in {each.code for each in both.problems}
    profiles.push({second: None})
    assert profiles.catalog().problems == ()


def test_a_name_is_free_again_when_the_first_one_goes(profiles: ProfilesRepository) -> None:
    profiles.commit(small())
    profiles.push({"teams/red/profiles/n0tebook.yaml": profile()})
    assert "red/n0tebook" not in profiles.catalog().profiles
    profiles.push({NOTEBOOK: None})
    assert "red/n0tebook" in profiles.catalog().profiles
