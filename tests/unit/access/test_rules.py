"""Nobody is offered what team, profile, grant and date do not all allow."""

import datetime as dt
import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.catalogs import GROUPS, NAMES, PEOPLE, TEAMS, TODAY
from support.catalogs import catalog as catalog_of
from support.properties import examples
from support.repositories import START, data_role, policy, profile, small, team, write_folder

from allotment_profiles.access.deployments import Capabilities
from allotment_profiles.access.launch import Request, resolve
from allotment_profiles.access.offers import offer, offers
from allotment_profiles.access.people import User
from allotment_profiles.access.rules import successor_of
from allotment_profiles.catalog.catalog import Catalog, Entry
from allotment_profiles.model import DataRole, Policy, Profile, Team
from allotment_profiles.model.problems import RefusedError
from allotment_profiles.store.loading import load
from allotment_profiles.store.snapshot import in_folder

ROLES = ["tables", "files", "bucket"]
DAYS = st.integers(-2, 2).map(lambda days: TODAY + dt.timedelta(days=days))
GRANTS = st.fixed_dictionaries({"until": DAYS.map(str)}, optional={"review_by": DAYS.map(str)})
MORE = st.fixed_dictionaries({}, optional={
    "review_by": DAYS.map(str),
    "only": st.lists(st.sampled_from(GROUPS), min_size=1, max_size=2),
    "visibility": st.sampled_from(["draft", "active", "deprecated"]),
    "retired_from": DAYS.map(str),
    "maintainers": st.just({"users": ["ann"]}),
}).map(lambda keys: {**keys, "successor": "red/one"} if keys.get("visibility") == "deprecated" else keys)  # fmt: skip
VOLUME = {"volume": {"claim": "tables", "sub_path": "main"}}
AWS = {"aws_role": "arn:aws:iam::000000000000:role/x"}


def entry(identity: str, value: Any) -> Entry[Any]:
    return Entry(identity, identity, value, "", b"")


@st.composite
def catalogs(draw: st.DrawFn) -> Catalog:
    """Compose models freely: even catalogs that no check would let through."""
    teams = {
        name: Team.model_validate(
            team(
                name,
                members=draw(PEOPLE) | ({"everyone": True} if not draw(st.integers(0, 6)) else {}),
                leads={"groups": draw(st.sampled_from([["/a"], ["/lead"]]))},
                deputies={"users": draw(st.sampled_from([[], ["bob"]]))},
            )
        )
        for name in TEAMS
        if draw(st.integers(0, 5))
    }
    data_roles = {
        name: DataRole.model_validate({
            **data_role("red"),
            "granted_to": {grantee: draw(GRANTS) for grantee in TEAMS if draw(st.booleans())},
            "binding": draw(st.sampled_from([VOLUME, AWS])),
        })
        for name in ROLES
        if draw(st.integers(0, 5))
    }  # fmt: skip
    found = {
        f"{name}/{key}": Profile.model_validate(profile(
            data_roles=draw(st.lists(st.sampled_from(ROLES), max_size=2, unique=True)),
            app=draw(st.sampled_from(["jupyterlab", "jupyterlab", "rstudio", "desktop", "panel", "gone"])),
            **draw(MORE),
        ))
        for name in TEAMS
        for key in ("one", "two")
        if draw(st.integers(0, 5))
    }  # fmt: skip
    tools = {
        "desktop": {"title": "Desktop", "address": "/desktop/", "program": "xpra"},
        "panel": {"title": "Panel", "address": "/panel/", "program": "panel"},
    }
    rules = entry("policy", Policy.model_validate(policy(tools=tools))) if draw(st.integers(0, 9)) else None
    return Catalog(
        "c" * 40, START, rules,
        {name: entry(name, value) for name, value in teams.items()},
        {name: entry(name, value) for name, value in found.items()},
        {name: entry(name, value) for name, value in data_roles.items()},
        (),
    )  # fmt: skip


def allowed(catalog: Catalog, user: User, profile_id: str, now: dt.datetime) -> bool:  # noqa: PLR0911  (one per rule)
    """Say the rules of access once more, as a person would who has only the files in hand."""
    team_name = profile_id.split("/", maxsplit=1)[0]
    found, of = catalog.profiles.get(profile_id), catalog.teams.get(team_name)
    if catalog.policy is None or found is None or of is None:
        return False
    wanted = found.value
    deciding = any(
        user.name in each.users or set(each.groups) & user.groups for each in (of.value.leads, of.value.deputies)
    )
    members = of.value.members
    if not (members.everyone or deciding or user.name in members.users or set(members.groups) & user.groups):
        return False
    if wanted.visibility == "draft" and not (deciding or user.name in wanted.maintainers.users):
        return False
    if wanted.only and not set(wanted.only) & user.groups:
        return False
    day = now.astimezone(dt.UTC).date()
    if wanted.retired_from is not None and wanted.retired_from <= day:
        return False
    if wanted.review_by is not None and wanted.review_by < day:
        return False
    if wanted.app in ("rstudio", "desktop", "gone"):
        return False
    for name in wanted.data_roles:
        role = catalog.data_roles.get(name)
        if role is None or role.value.binding.volume is None:
            return False
        grant = role.value.granted_to.get(team_name)
        if grant is None or grant.until < day or (grant.review_by is not None and grant.review_by < day):
            return False
    return True


USERS = st.builds(
    User,
    st.sampled_from([*NAMES, "eve"]),
    st.frozensets(st.sampled_from([*GROUPS, "/lead"]), max_size=2),
    st.booleans(),
)
MOMENTS = st.integers(-60, 60).map(lambda hours: START + dt.timedelta(hours=hours)) | st.just(
    dt.datetime(2026, 1, 1, 23, 59, tzinfo=dt.timezone(dt.timedelta(hours=-5)))
)
CAPABLE = Capabilities(
    "this laptop", frozenset({"volume"}), {"rstudio": "RStudio is not installed."},
    lambda program: "It is not installed." if program == "xpra" else None,
)  # fmt: skip


@examples(400)
@given(catalogs(), USERS, MOMENTS)
def test_an_offer_is_startable_exactly_when_every_rule_allows_it(
    catalog: Catalog, user: User, now: dt.datetime
) -> None:
    for profile_id in [*catalog.profiles, "red/none", "none/one", ""]:
        expected = allowed(catalog, user, profile_id, now)
        decided = offer(catalog, user, profile_id, now, CAPABLE)
        assert decided.startable == expected
        request = Request(profile_id, {})
        if expected:
            launch = resolve(catalog, user, request, now, CAPABLE)
            assert set(launch.bindings) == set(catalog.profiles[profile_id].value.data_roles)
            assert launch.commit == catalog.revision
        else:
            assert decided.refusal is not None
            assert decided.refusal.why
            assert decided.refusal.sentence.isprintable()
            with pytest.raises(RefusedError):
                resolve(catalog, user, request, now, CAPABLE)
    shown = offers(catalog, user, now, CAPABLE)
    assert [each.startable for each in shown] == sorted((each.startable for each in shown), reverse=True)
    assert {each.profile_id for each in shown if each.startable} == {
        profile_id for profile_id in catalog.profiles if allowed(catalog, user, profile_id, now)
    }
    for each in shown:
        mine = catalog.teams[each.profile_id.split("/")[0]].value
        people = (mine.members, mine.leads, mine.deputies)
        named = any(user.name in who.users or set(who.groups) & user.groups for who in people)
        assert named or mine.members.everyone


def _chain(**links: tuple[str | None, str | None]) -> Catalog:
    """Give profiles of the team red, each with its successor and the day from which it is retired."""
    found = {
        f"red/{name}": profile(
            title=f"The {name}", **({"successor": f"red/{to}"} if to else {}), **({"retired_from": day} if day else {}),
        )
        for name, (to, day) in links.items()
    }  # fmt: skip
    return catalog_of({"red": team("red")}, {}, found)


PAST, FUTURE = "2025-12-31", "2026-02-01"


@pytest.mark.parametrize(
    ("links", "expected"),
    [
        ({"old": ("new", PAST), "new": (None, None)}, "red/new"),
        ({"old": ("new", PAST), "new": ("newer", PAST), "newer": (None, None)}, "red/newer"),
        ({"old": ("new", PAST), "new": ("newer", FUTURE), "newer": (None, None)}, "red/new"),
        ({"old": ("new", PAST), "new": (None, PAST)}, None),
        ({"old": ("new", PAST), "new": ("old", PAST)}, None),
        ({"old": ("gone", PAST)}, None),
        ({"old": (None, PAST)}, None),
    ],
)
def test_a_retired_profile_names_the_end_of_its_chain(
    links: dict[str, tuple[str | None, str | None]], expected: str | None
) -> None:
    catalog = _chain(**links)
    assert successor_of(catalog, "red/old", START) == expected
    with pytest.raises(RefusedError) as caught:
        resolve(catalog, User("ann", frozenset({"/red"})), Request("red/old", {}), START, CAPABLE)
    assert caught.value.refusal.code == "profile-retired"
    assert re.findall(r"red/[a-z]+", caught.value.refusal.remedy) == ([expected] if expected else [])


def test_a_draft_is_unknown_to_those_who_do_not_work_on_it() -> None:
    drafted = profile(visibility="draft", maintainers={"users": ["ann"]})
    catalog = catalog_of({"red": team("red", deputies={"users": ["dee"]})}, {}, {"red/draft": drafted})
    red = frozenset({"/red"})
    assert offers(catalog, User("bob", red), START, CAPABLE) == []
    with pytest.raises(RefusedError) as caught:
        resolve(catalog, User("bob", red), Request("red/draft", {}), START, CAPABLE)
    with pytest.raises(RefusedError) as unknown:
        resolve(catalog, User("bob", red), Request("red/nothing", {}), START, CAPABLE)
    assert (caught.value.refusal.code, caught.value.refusal.why) == (
        unknown.value.refusal.code, unknown.value.refusal.why,
    )  # fmt: skip
    for user in (User("ann", red), User("dee", frozenset()), User("lee", frozenset({"/red/leads"}))):
        assert resolve(catalog, user, Request("red/draft", {}), START, CAPABLE).title == drafted["title"]


def test_a_choice_of_other_groups_is_refused_and_never_the_default() -> None:
    choices = {"normal": {"title": "Normal"}, "large": {"title": "Large", "only": ["/red/leads"]}}
    wanted = profile(options={"size": {"title": "Size", "default": "normal", "choices": choices}})
    catalog = catalog_of({"red": team("red")}, {}, {"red/a": wanted})
    member, lead = User("ann", frozenset({"/red"})), User("lee", frozenset({"/red", "/red/leads"}))
    large = Request("red/a", {"size": "large"})
    assert resolve(catalog, lead, large, START, CAPABLE).request.options == {"size": "large"}
    assert resolve(catalog, member, Request("red/a", {}), START, CAPABLE).request.options == {"size": "normal"}
    with pytest.raises(RefusedError) as caught:
        resolve(catalog, member, large, START, CAPABLE)
    assert caught.value.refusal.code == "choice-only"


@pytest.mark.parametrize(("until", "startable"), [(PAST, False), (FUTURE, True), (None, True)])
def test_an_acceptance_ends_with_its_last_day(tmp_path: Any, until: str | None, startable: bool) -> None:
    accepted = {"cpu-envelope": {"reason": "The census", **({"until": until} if until else {})}}
    wanted = profile(resources={"cpu": {"limit": 9}, "memory": {"limit": "4 GiB"}}, accepted=accepted)
    catalog = load(in_folder(write_folder(tmp_path, small(**{"teams/red/profiles/a.yaml": wanted}))))
    decided = offer(catalog, User("ann", frozenset({"/red"})), "red/a", START, CAPABLE)
    assert decided.startable == startable
    if not startable:
        assert decided.refusal is not None
        assert decided.refusal.code == "acceptance-ended"
