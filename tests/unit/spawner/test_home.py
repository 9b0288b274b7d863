"""A user's home folder on a laptop, and the links to data in it."""

import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from allotment_profiles.model import Volume
from allotment_profiles.model.problems import RefusedError
from allotment_spawner.local.home import folder_name, link_team, make_home

RAIL = Volume(claim="open-data", sub_path="rail")
WEATHER = Volume(claim="open-data", sub_path="weather")


@pytest.fixture
def volumes(tmp_path: Path) -> Path:
    for name in ("rail", "weather"):
        (tmp_path / "volumes" / "open-data" / name).mkdir(parents=True)
    (tmp_path / "volumes" / "open-data" / "rail" / "lines.csv").write_text("line\n")
    return tmp_path / "volumes"


@pytest.fixture
def home(tmp_path: Path) -> Path:
    return tmp_path / "homes" / "ann"


def links(home: Path) -> set[str]:
    return {entry.name for entry in (home / "data").iterdir()} if (home / "data").exists() else set()


def refusal_of(home: Path, volumes: Path, data: dict[str, Volume]) -> str:
    with pytest.raises(RefusedError) as caught:
        make_home(home, volumes, data)
    return caught.value.refusal.code


def test_each_data_role_is_a_link_to_its_folder(home: Path, volumes: Path) -> None:
    make_home(home, volumes, {"rail-open": RAIL, "weather-open": WEATHER})
    assert (home / "data" / "rail-open" / "lines.csv").read_text() == "line\n"
    assert links(home) == {"rail-open", "weather-open"}
    assert home.stat().st_mode & 0o777 == 0o700


def test_links_of_earlier_launches_go_and_those_of_another_session_stay(home: Path, volumes: Path) -> None:
    make_home(home, volumes, {"rail-open": RAIL, "weather-open": WEATHER})
    make_home(home, volumes, {"rail-open": RAIL}, in_use={"weather-open"})
    assert links(home) == {"rail-open", "weather-open"}
    make_home(home, volumes, {"rail-open": RAIL})
    assert links(home) == {"rail-open"}
    make_home(home, volumes, {})
    assert links(home) == set()


def test_a_link_follows_when_the_binding_changes(home: Path, volumes: Path) -> None:
    make_home(home, volumes, {"rail-open": RAIL})
    make_home(home, volumes, {"rail-open": WEATHER})
    assert (home / "data" / "rail-open").resolve() == (volumes / "open-data" / "weather").resolve()


def test_a_users_own_files_and_links_are_never_deleted(home: Path, volumes: Path, tmp_path: Path) -> None:
    (home / "data" / "mine").mkdir(parents=True)
    (home / "data" / "notes.txt").write_text("mine")
    (home / "data" / "away").symlink_to(tmp_path)
    make_home(home, volumes, {"rail-open": RAIL})
    make_home(home, volumes, {})
    assert links(home) == {"mine", "notes.txt", "away"}


@pytest.mark.parametrize("place", ["data", "data/rail-open"])
def test_a_users_own_file_in_the_way_is_a_refusal_and_stays(home: Path, volumes: Path, place: str) -> None:
    (home / place).parent.mkdir(parents=True)
    (home / place).write_text("mine")
    assert refusal_of(home, volumes, {"rail-open": RAIL}) == "data-place-taken"
    assert (home / place).read_text() == "mine"
    make_home(home, volumes, {})
    assert (home / place).read_text() == "mine"


def test_a_data_folder_that_leads_elsewhere_is_not_written_into(home: Path, volumes: Path, tmp_path: Path) -> None:
    home.mkdir(parents=True)
    (home / "data").symlink_to(tmp_path / "volumes")
    assert refusal_of(home, volumes, {"rail-open": RAIL}) == "data-place-taken"
    assert {entry.name for entry in (tmp_path / "volumes").iterdir()} == {"open-data"}


def test_data_that_is_not_there_or_lies_outside_its_volume_is_a_refusal(home: Path, volumes: Path) -> None:
    assert refusal_of(home, volumes, {"x": Volume(claim="open-data", sub_path="gone")}) == "data-missing"
    (volumes / "open-data" / "escape").symlink_to("/etc")
    assert refusal_of(home, volumes, {"x": Volume(claim="open-data", sub_path="escape")}) == "data-missing"
    (volumes / "other" / "private").mkdir(parents=True)
    (volumes / "open-data" / "aside").symlink_to(volumes / "other" / "private")
    assert refusal_of(home, volumes, {"x": Volume(claim="open-data", sub_path="aside")}) == "data-missing"


@pytest.mark.parametrize("sub_path", ["shared/link", "shared/link/deeper", "shared/around"])
def test_no_link_inside_a_volume_leads_to_the_data_of_another_role(home: Path, volumes: Path, sub_path: str) -> None:
    (volumes / "open-data" / "secret" / "deeper").mkdir(parents=True)
    (volumes / "open-data" / "shared").mkdir()
    (volumes / "open-data" / "shared" / "link").symlink_to("../secret")
    (volumes / "open-data" / "shared" / "around").symlink_to("around")
    assert refusal_of(home, volumes, {"x": Volume(claim="open-data", sub_path=sub_path)}) == "data-missing"
    assert not home.exists()


def test_a_teams_folder_is_one_folder_for_all_of_its_sessions(tmp_path: Path, home: Path) -> None:
    teams, other = tmp_path / "teams", tmp_path / "homes" / "bob"
    for each in (home, other):
        each.mkdir(parents=True)
        link_team(each, teams, "red")
    (home / "team-red" / "plan.txt").write_text("ours")
    assert (other / "team-red" / "plan.txt").read_text() == "ours"
    assert (teams / "red").stat().st_mode & 0o777 == 0o700


def test_a_link_to_a_teams_folder_goes_with_its_last_session_and_nothing_else_does(tmp_path: Path, home: Path) -> None:
    teams = tmp_path / "teams"
    (home / "team-mine").mkdir(parents=True)
    (home / "team-away").symlink_to(tmp_path)
    link_team(home, teams, "red")
    link_team(home, teams, "blue", in_use={"red"})
    assert {entry.name for entry in home.iterdir()} == {"team-mine", "team-away", "team-red", "team-blue"}
    (home / "team-red" / "plan.txt").write_text("ours")
    link_team(home, teams, None)
    assert {entry.name for entry in home.iterdir()} == {"team-mine", "team-away"}
    assert (teams / "red" / "plan.txt").read_text() == "ours"


def test_a_users_own_folder_in_the_place_of_the_teams_is_a_refusal_and_stays(tmp_path: Path, home: Path) -> None:
    (home / "team-red").mkdir(parents=True)
    with pytest.raises(RefusedError) as caught:
        link_team(home, tmp_path / "teams", "red")
    assert caught.value.refusal.code == "team-place-taken"
    assert not (home / "team-red").is_symlink()


@given(st.text(min_size=1), st.text(min_size=1))
def test_every_user_has_one_safe_folder_of_their_own(one: str, other: str) -> None:
    name = folder_name(one)
    assert Path("/homes", name).resolve() == Path("/homes") / name
    assert os.fsencode(name).isascii()
    assert not name.startswith(("-", "."))
    assert len(name) <= 64
    assert (folder_name(other) == name) is (one == other)


def test_a_name_cannot_be_chosen_to_meet_the_folder_of_another() -> None:
    taken = folder_name("Ann Smith")
    assert taken.startswith("ann-smith--")
    assert folder_name(taken) != taken
    assert folder_name("..") not in ("", ".", "..")
    assert folder_name("ann") == "ann"
