"""Who gains and who loses data, or the start of a profile: exact for every group and user, and only what changed."""

import dataclasses
import datetime as dt
from collections.abc import Iterable

import pytest
from hypothesis import assume, given
from support.catalogs import GROUPS, NAMES, ROLES, catalog, pairs
from support.properties import examples
from support.repositories import START, data_role, profile, team

from allotment_profiles.access.deployments import Capabilities
from allotment_profiles.access.offers import offer
from allotment_profiles.access.people import User
from allotment_profiles.access.subjects import people_of
from allotment_profiles.catalog.catalog import Catalog
from allotment_profiles.review.access_diff import (
    AccessChange,
    StartChange,
    compare_access,
    compare_open_access,
    compare_starts,
)
from allotment_profiles.review.renames import same_team_origins

ABLE = Capabilities("this laptop", frozenset({"volume"}), {})
USERS = [
    User(name, frozenset(groups))
    for name in [*NAMES, "nobody"]
    for groups in (
        [],
        ["/a"],
        ["/b"],
        ["/c"],
        ["/a", "/b"],
        ["/a", "/c"],
        ["/b", "/c"],
        GROUPS,
        ["/lead"],
        ["/lead", "/b"],
    )
]


def reaches(found: Catalog, user: User, profile_id: str | None, role: str | None, now: dt.datetime) -> bool:
    """Ask the rules themselves."""
    if profile_id is None or profile_id not in found.profiles:
        return False
    named = role is None or role in found.profiles[profile_id].value.data_roles
    return named and offer(found, user, profile_id, now, ABLE).startable


def meant(who: Iterable[str], user: User) -> bool:
    def is_one(words: str) -> bool:
        everybody = words in ("everybody else", "everybody who signs in")
        return everybody or {*words.split(" with ")} <= {user.name, *user.groups}

    return any(map(is_one, who))


def smallest(words: str) -> User:
    """Give the user who is just what the words say, and nothing more."""
    if words.startswith("everybody"):
        return User("nobody", frozenset())
    parts = words.split(" with ")
    names = [part for part in parts if not part.startswith("/")]
    return User(names[0] if names else "nobody", frozenset(part for part in parts if part.startswith("/")))


def old_name(before: Catalog, after: Catalog, profile_id: str) -> str | None:
    origins = same_team_origins(before, after)
    if profile_id in origins:
        return origins[profile_id]
    return None if profile_id in origins.values() and profile_id not in after.profiles else profile_id


@examples(300)
@given(pairs())
def test_a_comparison_of_access_agrees_with_the_rules_asked_for_every_user(both: tuple[Catalog, Catalog]) -> None:
    before, after = both
    told = compare_access(before, after, START)
    starts = compare_starts(before, after, START)
    renamed = set(same_team_origins(before, after).values())
    for new in sorted({*before.profiles, *after.profiles} - renamed):
        old = old_name(before, after, new)
        for role in [None, *ROLES]:
            changes: list[AccessChange] | list[StartChange] = (
                [each for each in starts if new in each.profiles]
                if role is None
                else [each for each in told if new in each.profiles and each.data_role == role]
            )
            agree(before, after, old, new, role, changes)


def agree(
    before: Catalog, after: Catalog, old: str | None, new: str, role: str | None,
    changes: list[AccessChange] | list[StartChange],
) -> None:  # fmt: skip
    def ever(user: User, found: Catalog, name: str | None) -> int:
        """Count the days on which it works: more of them is a longer way."""
        return sum(reaches(found, user, name, role, START + dt.timedelta(days=days)) for days in range(6))

    for user in USERS:
        was, now = reaches(before, user, old, role, START), reaches(after, user, new, role, START)
        kinds = {each.kind for each in changes if meant(each.who, user)}
        assert not (now and not was) or "gains" in kinds, (user, new, role, changes)
        assert not (was and not now) or "loses" in kinds, (user, new, role, changes)
        if was and now:
            days = ever(user, after, new) - ever(user, before, old)
            assert days <= 0 or kinds & {"longer", "gains"}, (user, new, role, changes)
            assert days >= 0 or kinds & {"shorter", "loses"}, (user, new, role, changes)
    for change in changes:
        for words in change.who:
            user = smallest(words)
            was, now = reaches(before, user, old, role, START), reaches(after, user, new, role, START)
            wanted = {"gains": (False, True), "loses": (True, False)}.get(change.kind, (True, True))
            assert (was, now) == wanted, (words, change)


@given(pairs())
def test_who_has_the_data_in_another_way_is_told_exactly(both: tuple[Catalog, Catalog]) -> None:
    before, after = both
    for change in compare_access(before, after, START):
        if change.kind not in ("gains", "loses") or not change.profiles:
            continue
        found = before if change.gains else after
        day = START + dt.timedelta(days=(dt.date.fromisoformat(change.until) - START.date()).days)
        others = [
            any(reaches(found, smallest(words), each, change.data_role, day) for each in found.profiles_of(change.team))
            for words in change.who
        ]
        assert change.also_via_other_profile == all(others), change


@given(pairs())
def test_nothing_is_gained_or_lost_where_nothing_differs(both: tuple[Catalog, Catalog]) -> None:
    for each in both:
        assert compare_access(each, each) == compare_starts(each, each) == []


@given(pairs())
def test_access_without_hidden_profiles_is_told_as_if_there_were_none(both: tuple[Catalog, Catalog]) -> None:
    before, after = both
    assume(not same_team_origins(before, after))
    drafts = {name for found in both for name, entry in found.profiles.items() if entry.value.visibility == "draft"}
    was, now = (
        dataclasses.replace(
            found, profiles={name: entry for name, entry in found.profiles.items() if name not in drafts}
        )
        for found in both
    )
    told, hidden = compare_open_access(before, after, START)
    assert told == compare_access(was, now, START)
    assert hidden <= drafts
    assert hidden or told == compare_access(before, after, START)


def test_a_renamed_hidden_profile_is_still_hidden_and_a_profile_that_is_hidden_now_is_lost() -> None:
    hidden = notebook(visibility="draft", maintainers={"users": ["ann"]})
    shown = {"red/page": notebook()["red/notebook"]}
    was, now = (catalog(teams=TEAMS, data_roles=LONG, profiles=each) for each in (hidden, shown))
    assert compare_open_access(was, now, START) == ([], frozenset({"red/notebook"}))
    (change,) = compare_open_access(now, was, START)[0]
    assert (change.kind, change.profiles) == ("loses", ("red/page",))


TEAMS = {"red": team("red"), "blue": team("blue")}
LONG = {"tables": data_role("blue", {"red": "2027-03-31"})}


def notebook(**more: object) -> dict[str, dict[str, object]]:
    return {"red/notebook": profile(data_roles=["tables"], **more)}


def sentences(before: Catalog, after: Catalog) -> list[str]:
    return [change.text for change in compare_access(before, after)]


NARROWED: list[tuple[str, dict[str, dict[str, object]], list[str]]] = [
    ("a group", notebook(only=["/red/x"]), [
        "red (/red, /red/leads) can no longer reach tables through red/notebook."]),
    ("a draft", notebook(visibility="draft", maintainers={"users": ["ann"]}), [
        "red (/red) can no longer reach tables through red/notebook."]),
    ("a day", notebook(retired_from="2026-12-01"), [
        "red (/red, /red/leads) can reach tables only until 2026-11-30 (so far 2027-03-31) through red/notebook."]),
    ("another name", {"red/desk": profile(data_roles=["tables"])}, []),
    ("no profile", {}, ["red (/red, /red/leads) can no longer reach tables through red/notebook."]),
]  # fmt: skip


@pytest.mark.parametrize(("later", "told"), [case[1:] for case in NARROWED], ids=[case[0] for case in NARROWED])
def test_what_narrows_a_profile_takes_data_away(later: dict[str, dict[str, object]], told: list[str]) -> None:
    assert sentences(catalog(TEAMS, LONG, notebook()), catalog(TEAMS, LONG, later)) == told


def test_those_who_are_left_out_of_a_group_keep_a_second_way() -> None:
    both = {**notebook(), "red/desk": profile(title="Desk", purpose="Else", data_roles=["tables"])}
    (change,) = compare_access(catalog(TEAMS, LONG, both), catalog(TEAMS, LONG, {**both, **notebook(only=["/x"])}))
    assert (change.kind, change.also_via_other_profile) == ("loses", True)


def test_a_renamed_team_loses_its_grants_and_says_so() -> None:
    profiles = {"green/notebook": profile(data_roles=["tables"])}
    after = catalog({"green": team("red"), "blue": team("blue")}, LONG, profiles)
    (change,) = compare_access(catalog(TEAMS, LONG, notebook()), after)
    assert (change.kind, change.team, change.data_role, change.profiles) == (
        "loses",
        "red",
        "tables",
        ("red/notebook",),
    )
    assert change.who == ("/red", "/red/leads")


def test_a_profile_that_moves_to_another_team_gives_its_data_to_other_people() -> None:
    roles = {"tables": data_role("blue", {"red": "2027-03-31", "blue": "2027-01-31"})}
    before = catalog(TEAMS, roles, notebook())
    changes = compare_access(before, catalog(TEAMS, roles, {"blue/notebook": profile(data_roles=["tables"])}))
    assert sorted((each.kind, each.team, each.who, each.until, each.profiles) for each in changes) == [
        ("gains", "blue", ("/blue", "/blue/leads"), "2027-01-31", ("blue/notebook",)),
        ("loses", "red", ("/red", "/red/leads"), "2027-03-31", ("red/notebook",)),
    ]


def test_everybody_is_named_as_such() -> None:
    everyone = {**TEAMS, "red": team("red", members={"everyone": True})}
    assert people_of("red", catalog(everyone, {}, {})) == {"everybody who signs in"}
    (change,) = compare_access(catalog(TEAMS, LONG, notebook()), catalog(everyone, LONG, notebook()))
    assert change.people == "everybody else"
    (change,) = compare_starts(catalog({}, {}, {}), catalog(everyone, {}, {"red/desk": profile()}))
    assert (change.kind, change.team, change.who, change.profiles) == (
        "gains", "red", tuple(people_of("red", catalog(everyone, {}, {}))), ("red/desk",),
    )  # fmt: skip


def test_a_review_that_is_overdue_is_a_way_again_once_its_day_is_moved() -> None:
    before, after = (catalog(TEAMS, LONG, notebook(review_by=day)) for day in ("2025-01-01", "2027-01-01"))
    assert compare_access(before, after) == []
    assert [change.kind for change in compare_access(before, after, START)] == ["gains"]


def test_more_people_than_can_be_combined_are_named_and_none_is_left_out() -> None:
    many = {"groups": [f"/g{number}" for number in range(100)], "users": [f"u{number}" for number in range(100)]}
    teams = {**TEAMS, "red": team("red", members=many)}
    before, after = (
        catalog(teams, LONG, notebook(only=[f"/x{number}" for number in range(count)])) for count in (49, 50)
    )
    gains, loses = compare_access(before, after)
    assert (gains.kind, loses.kind) == ("gains", "loses")
    assert {"/g99", "u99"} <= set(gains.who)
