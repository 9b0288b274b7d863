"""A running session has lost exactly the data that a start now would not give to its user."""

import datetime as dt
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.catalogs import DATA_ROLE, GROUPS, NAMES, PROFILE, ROLES, TEAM, TEAMS, catalog
from support.golden import assert_golden
from support.properties import examples
from support.repositories import START, data_role, profile, team

from allotment_profiles.access.deployments import Capabilities
from allotment_profiles.access.launch import Request, resolve
from allotment_profiles.access.lost_access import lost_access, time_left
from allotment_profiles.access.people import User
from allotment_profiles.catalog.catalog import Catalog
from allotment_profiles.model.problems import RefusedError

ANYTHING = Capabilities("this test", frozenset({"volume"}), {})
ANN = User("ann", frozenset({"/red"}))
SESSION = "red/one"
IDS = [f"{name}/{key}" for name in TEAMS for key in ("one", "two")]
USERS = st.builds(User, st.sampled_from(NAMES), st.frozensets(st.sampled_from(GROUPS)), st.booleans())
TIMES = st.integers(-30, 60).map(lambda hours: START + dt.timedelta(hours=hours))
# What ends starts and no session.
FOR_STARTS = st.fixed_dictionaries({}, optional={
    "review_by": st.just("2000-01-01"), "retired_from": st.just("2000-01-01"), "app": st.just("gone"),
})  # fmt: skip


def given_by_a_start(content: dict[str, Any], user: User, role: str, now: dt.datetime) -> bool:
    """Tell whether a start of the profile, were this its only data role, would give it."""
    wanted = dict(content["profiles"].get(SESSION, {}))
    if role not in wanted.get("data_roles", ()):
        return False
    narrowed = {**content, "profiles": {SESSION: {**wanted, "data_roles": [role], "retired_from": None}}}
    try:
        return role in resolve(catalog(**narrowed), user, Request(SESSION, {}), now, ANYTHING).bindings
    except RefusedError:
        return False


CONTENTS = st.fixed_dictionaries({
    "teams": st.dictionaries(st.sampled_from(TEAMS), TEAM),
    "data_roles": st.dictionaries(st.sampled_from(ROLES), DATA_ROLE),
    "profiles": st.dictionaries(st.sampled_from(IDS), PROFILE),
})  # fmt: skip


@examples(400)
@given(CONTENTS, USERS, TIMES, FOR_STARTS)
def test_a_data_role_is_lost_exactly_where_a_start_now_would_not_give_it(
    content: dict[str, Any], user: User, now: dt.datetime, for_starts: dict[str, Any]
) -> None:
    lost = lost_access(catalog(**content), user, SESSION, ROLES, now)
    assert [each.data_role for each in lost] == [
        role for role in ROLES if not given_by_a_start(content, user, role, now)
    ]
    assert all(each.refusal.why and each.refusal.remedy for each in lost)
    if SESSION in content["profiles"]:
        ended = {**content["profiles"], SESSION: {**content["profiles"][SESSION], **for_starts}}
        assert lost_access(catalog(**{**content, "profiles": ended}), user, SESSION, ROLES, now) == lost


OVERDUE = {"until": "2999-12-31", "review_by": "2000-01-01"}


def with_data(**changes: Any) -> dict[str, Any]:
    granted = data_role("blue") | {"granted_to": {"red": {"until": str(START.date())}}}
    return {
        "teams": {"red": team("red"), "blue": team("blue")},
        "data_roles": {"tables": granted},
        "profiles": {SESSION: profile(data_roles=["tables"])},
    } | changes


def codes(content: dict[str, Any], user: User = ANN, now: dt.datetime = START) -> list[str]:
    return [each.refusal.code for each in lost_access(catalog(**content), user, SESSION, ["tables"], now)]


def test_a_grant_is_lost_at_the_end_of_its_last_day() -> None:
    midnight = dt.datetime.combine(START.date() + dt.timedelta(days=1), dt.time(), dt.UTC)
    assert codes(with_data(), now=midnight - dt.timedelta(seconds=1)) == []
    assert codes(with_data(), now=midnight) == ["grant-expired"]


TAKEN: list[tuple[dict[str, Any], str]] = [
    ({"data_roles": {}}, "data-role-unknown"),
    ({"data_roles": {"tables": data_role("blue") | {"granted_to": {}}}}, "grant-missing"),
    ({"data_roles": {"tables": data_role("blue") | {"granted_to": {"red": OVERDUE}}}}, "grant-review-overdue"),
    ({"teams": {"blue": team("blue")}}, "team-broken"),
    ({"teams": {"red": team("red", members={"groups": ["/other"]})}}, "not-a-member"),
    ({"profiles": {SESSION: profile(data_roles=["tables"], only=["/red/few"])}}, "only-groups"),
    ({"profiles": {SESSION: profile(data_roles=["tables"], visibility="draft")}}, "profile-unknown"),
    ({"profiles": {SESSION: profile()}}, "data-role-dropped"),
    ({"profiles": {}}, "data-role-dropped"),
]


@pytest.mark.parametrize(("changes", "code"), TAKEN)
def test_what_is_taken_away_is_lost_with_the_reason(changes: dict[str, Any], code: str) -> None:
    assert codes(with_data()) == []
    assert codes(with_data(**changes)) == [code]


def test_refusals_are_said_in_the_words_of_the_golden_file() -> None:
    found = (lost_access(catalog(**with_data(**changes)), ANN, SESSION, ["tables"], START) for changes, _ in TAKEN)
    ended = lost_access(catalog(**with_data()), ANN, SESSION, ["tables"], START + dt.timedelta(days=1))
    assert_golden("refusals.txt", (each.refusal.sentence for lost in (*found, ended) for each in lost))


def test_the_policy_says_how_long_a_session_runs_on() -> None:
    assert time_left(catalog({}, {}, {})) == dt.timedelta(hours=1)
    assert time_left(catalog({}, {}, {}, after_access_ends="0 s")) == dt.timedelta(0)
    bare = Catalog("c0ffee", START, None, {}, {}, {}, ())
    assert time_left(bare) == dt.timedelta(hours=1)
