"""Whose a credential was, is asked when somebody names it again. What each file is, the history of main says."""

from collections.abc import Mapping
from typing import Any

import pytest
from support.repositories import Content, ProfilesRepository, data_role, small

from allotment_profiles.review.approvals import requirements_of
from allotment_profiles.review.changes import compare


def needs(profiles: ProfilesRepository, change: Mapping[str, Content]) -> set[str]:
    before = profiles.catalog()
    profiles.push(change)
    after = profiles.catalog()
    return {requirement.key for requirement in requirements_of(compare(before, after), before, after)}


OWN = {"volume": {"claim": "other", "sub_path": "main"}}
TABLES = "data-roles/tables.yaml"


@pytest.mark.parametrize(
    "ending",
    [
        [{TABLES: None}],
        [{TABLES: data_role("blue", binding=OWN)}],
        [{TABLES: None}, {TABLES: data_role("red", binding=OWN)}],
        [{TABLES: None}, {"data-roles/other.yaml": data_role("red")}, {"data-roles/other.yaml": None}],
        [{TABLES: None, "data-roles/other.yaml": data_role("red")}],
    ],
    ids=["removed", "rebound", "removed and named anew", "named by others meanwhile", "moved to others"],
)
def test_a_name_for_a_credential_asks_its_former_owner(profiles: ProfilesRepository, ending: list[Any]) -> None:
    """Whose a credential was, stays theirs, whatever files named it since."""
    profiles.commit(small())
    for files in ending:
        profiles.push(files)
    more = data_role("red", {"red": "2027-03-31"})
    assert needs(profiles, {"data-roles/more.yaml": more}) == {"owner:red", "owner:blue", "administrator"}
    # And from then on, whoever gains by it.
    longer = data_role("red", {"red": "2028-03-31"})
    assert needs(profiles, {"data-roles/more.yaml": longer}) == {"owner:red", "owner:blue"}
    other = data_role("red", {"red": "2027-03-31"}, binding={"volume": {"claim": "another", "sub_path": "x"}})
    assert needs(profiles, {"data-roles/others.yaml": other}) == {"owner:red", "administrator"}


@pytest.mark.parametrize(
    "ending",
    [
        [{TABLES: data_role("red")}],
        [{TABLES: None, "data-roles/other.yaml": data_role("blue")}, {"data-roles/other.yaml": data_role("red")}],
        [{TABLES: None}, {TABLES: data_role("blue")}, {TABLES: data_role("red")}],
        [{TABLES: b"oops"}, {TABLES: data_role("blue")}, {TABLES: data_role("red")}],
    ],
    ids=["handed over", "renamed first", "removed by mistake", "unreadable for a time"],
)
def test_an_owner_who_has_handed_over_the_data_is_not_asked(profiles: ProfilesRepository, ending: list[Any]) -> None:
    profiles.commit(small())
    for files in ending:
        profiles.push(files)
    more = data_role("red", {"red": "2027-03-31"})
    assert needs(profiles, {"data-roles/more.yaml": more}) == {"owner:red", "administrator"}


def test_an_owner_whose_team_has_gone_leaves_it_to_administrators(profiles: ProfilesRepository) -> None:
    profiles.commit(small())
    profiles.push({TABLES: None, "teams/blue/team.yaml": None})
    more = data_role("red", {"red": "2027-03-31"})
    assert needs(profiles, {"data-roles/more.yaml": more}) == {"owner:red", "administrator"}
