"""A file that moves or gets another name is one change, and needs no fewer people than a removal and an addition."""
# ruff: noqa: E501  (the table of cases is read across)

import hashlib

import pytest
from hypothesis import given
from support.catalogs import catalog, entry, pairs
from support.repositories import Content, ProfilesRepository, data_role, profile, small, team

from allotment_profiles.catalog.catalog import Catalog
from allotment_profiles.model import Profile
from allotment_profiles.model.paths import profile_path
from allotment_profiles.review.approvals import requirements_of
from allotment_profiles.review.changes import Change, compare, compare_values
from allotment_profiles.review.renames import MAXIMUM_CANDIDATES, renamed

NOTEBOOK = "teams/red/profiles/notebook.yaml"
TABLES = "data-roles/tables.yaml"
BOTH = data_role("blue", {"red": "2027-03-31", "blue": "2027-03-31"})


def told(
    profiles: ProfilesRepository, change: dict[str, Content], first: dict[str, Content] | None = None
) -> list[Change]:
    profiles.commit(first or small())
    before = profiles.catalog()
    profiles.push(change)
    return compare(before, profiles.catalog())


def test_a_new_name_is_one_change(profiles: ProfilesRepository) -> None:
    (change,) = told(profiles, {NOTEBOOK: None, "teams/red/profiles/desk.yaml": profile(data_roles=["tables"])})
    assert (change.kind, change.category, change.before, change.after) == (
        "renamed", "renamed", "red/notebook", "red/desk",
    )  # fmt: skip
    assert change.moved_from == NOTEBOOK


def test_a_new_name_with_other_content_names_what_differs(profiles: ProfilesRepository) -> None:
    desk = profile(data_roles=["tables"], title="Desk")
    whole, title = told(profiles, {NOTEBOOK: None, "teams/red/profiles/desk.yaml": desk})
    assert (whole.kind, title.text, title.moved_from) == ("renamed", "title Notebook → Desk", NOTEBOOK)


def test_what_has_little_in_common_is_no_rename(profiles: ProfilesRepository) -> None:
    desk = profile(
        title="Desk", purpose="Else", app="rstudio", image="registry.example.org/analysis/desk:3",
        resources={"cpu": {"limit": 1}, "memory": {"limit": "1 GiB"}},
    )  # fmt: skip
    kinds = {
        (change.kind, change.path) for change in told(profiles, {NOTEBOOK: None, "teams/red/profiles/desk.yaml": desk})
    }
    assert kinds == {("removed", NOTEBOOK), ("added", "teams/red/profiles/desk.yaml")}


def test_a_profile_never_becomes_a_team_or_a_data_role(profiles: ProfilesRepository) -> None:
    changes = told(profiles, {NOTEBOOK: None, "teams/green/team.yaml": team("red"), "data-roles/more.yaml": BOTH})
    assert "renamed" not in {change.kind for change in changes}


def test_equal_files_keep_their_names_when_they_move() -> None:
    same = Profile.model_validate(profile())
    removed = {profile_path(each): entry(each, profile_path(each), same) for each in ("red/a", "red/b", "red/c")}
    added = {
        profile_path(each): entry(each, profile_path(each), same) for each in ("blue/b", "green/c", "red/z", "blue/x")
    }
    found = {new.split("/")[1] + new[-6]: old[-6] for new, old in renamed(removed, added).items()}
    assert found == {"blueb": "b", "greenc": "c", "redz": "a"}


def test_many_equal_files_are_paired_and_many_similar_ones_are_bounded() -> None:
    def many(where: str, **more: str) -> dict[str, Profile]:
        return {
            f"{where}/p{number}": Profile.model_validate(profile(title=f"T{number}", **more)) for number in range(300)
        }

    def entries(values: dict[str, Profile]) -> dict[str, object]:
        return {profile_path(each): entry(each, profile_path(each), value) for each, value in values.items()}

    removed, added = entries(many("red")), entries(many("blue"))
    assert renamed(removed, added) == {path: path.replace("blue", "red") for path in added}  # type: ignore[arg-type]
    moved = entries(many("blue", purpose="Else"))
    assert renamed(removed, moved) == {path: path.replace("blue", "red") for path in moved}  # type: ignore[arg-type]
    other = {path.replace("/p", "/q"): each for path, each in moved.items()}
    other = {path.replace("qrofiles", "profiles"): each for path, each in other.items()}
    assert len(renamed(removed, other)) == MAXIMUM_CANDIDATES  # type: ignore[arg-type]


def test_the_order_of_the_files_changes_nothing() -> None:
    values = {f"red/p{number}": profile(title=f"T{number % 3}", purpose=f"P{number % 4}") for number in range(12)}
    later = {f"blue/q{number}": profile(title=f"T{number % 3}", purpose=f"P{number % 5}") for number in range(12)}
    olds, news = catalog({}, {}, values).profiles, catalog({}, {}, later).profiles

    def shuffled(seed: int) -> dict[str, str]:
        names, others = (
            sorted(each, key=lambda name: hashlib.sha256(f"{seed}{name}".encode()).digest()) for each in (olds, news)
        )
        return renamed({olds[n].path: olds[n] for n in names}, {news[n].path: news[n] for n in others})

    assert shuffled(1) == shuffled(2) == shuffled(3)
    assert len(shuffled(1)) == 12


MOVES: list[tuple[str, dict[str, Content], set[str]]] = [
    ("within the team", {NOTEBOOK: None, "teams/red/profiles/desk.yaml": profile(data_roles=["tables"])}, {"lead:red"}),
    ("to a team that gains its data",
     {NOTEBOOK: None, "teams/blue/profiles/notebook.yaml": profile(data_roles=["tables"])},
     {"lead:red", "lead:blue", "owner:green"}),
    ("to a team that has its data anyway",
     {NOTEBOOK: None, "teams/grey/profiles/notebook.yaml": profile(data_roles=["tables"])}, {"lead:red", "lead:grey"}),
    ("a data role", {TABLES: None, "data-roles/prices.yaml": data_role("green", {"red": "2027-03-31"})},
     {"owner:green", "administrator"}),
    ("a data role to another owner", {TABLES: None, "data-roles/prices.yaml": data_role("red", {"red": "2027-03-31"})},
     {"owner:green", "owner:red", "administrator"}),
    ("a team", {"teams/red/team.yaml": None, NOTEBOOK: None, "teams/violet/team.yaml": team("red"),
                "teams/violet/profiles/notebook.yaml": profile(data_roles=["tables"])},
     {"lead:red", "administrator"}),
]  # fmt: skip


@pytest.mark.parametrize(("files", "keys"), [move[1:] for move in MOVES], ids=[move[0] for move in MOVES])
def test_a_move_is_routed_to_both_sides_and_to_the_owners_of_data_that_is_gained(
    profiles: ProfilesRepository, files: dict[str, Content], keys: set[str]
) -> None:
    profiles.commit(small(**{
        "teams/green/team.yaml": team("green"), "teams/grey/team.yaml": team("grey"),
        "teams/grey/profiles/other.yaml": profile(
            title="Other", purpose="Else", app="rstudio", image="registry.example.org/analysis/desk:3", data_roles=["tables"]
        ),
        TABLES: data_role("green", {"red": "2027-03-31", "blue": "2027-03-31", "grey": "2027-03-31"}),
    }))  # fmt: skip
    before = profiles.catalog()
    profiles.push(files)
    after = profiles.catalog()
    assert {each.key for each in requirements_of(compare(before, after), before, after)} == keys


def apart(before: Catalog, after: Catalog, changes: list[Change]) -> list[Change]:
    """Tell the same with every rename as a removal and an addition."""
    kinds = (before.profiles, before.teams, before.data_roles), (after.profiles, after.teams, after.data_roles)
    olds, news = ({each.path: each.value for one in kind for each in one.values()} for kind in kinds)
    found = [change for change in changes if not change.moved_from]
    for change in changes:
        if change.kind == "renamed":
            found += compare_values(change.moved_from, olds[change.moved_from], None)
            found += compare_values(change.path, None, news[change.path])
    return found


@given(pairs())
def test_a_rename_needs_at_least_what_a_removal_and_an_addition_would(both: tuple[Catalog, Catalog]) -> None:
    before, after = both
    changes = compare(before, after)
    needed = {each.key: each for each in requirements_of(changes, before, after)}
    for each in requirements_of(apart(before, after, changes), before, after):
        assert each.key in needed
        assert needed[each.key].leads_only >= each.leads_only
        assert needed[each.key].or_administrator <= each.or_administrator


@given(pairs())
def test_a_rename_hides_no_path(both: tuple[Catalog, Catalog]) -> None:
    before, after = both
    changes = compare(before, after)
    origins = [change.moved_from for change in changes if change.kind == "renamed"]
    assert len(origins) == len(set(origins))
    assert not set(origins) & {change.path for change in changes}


def test_a_renamed_profile_beyond_the_envelope_asks_an_administrator_again() -> None:
    large = profile(
        resources={"cpu": {"limit": 2}, "memory": {"limit": "48 GiB"}},
        accepted={"memory-envelope": {"reason": "Large tables"}},
    )
    before, after = (catalog({"red": team("red")}, {}, {f"red/{name}": large}) for name in ("a", "b"))
    assert [each.key for each in requirements_of(compare(before, after), before, after)] == [
        "lead:red",
        "administrator",
    ]
