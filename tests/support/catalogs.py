"""Catalogs put together from models, with no repository behind them; and pairs of them for properties."""

import copy
import datetime as dt
import hashlib
from collections.abc import Mapping
from typing import Any

from hypothesis import strategies as st
from support.repositories import START, data_role, policy, profile, team

from allotment_profiles.catalog.catalog import Catalog, Entry
from allotment_profiles.model import DataRole, Model, Policy, Profile, Team
from allotment_profiles.model.paths import data_role_path, profile_path, team_path

TODAY = START.date()
TEAMS, ROLES, GROUPS, NAMES = ["red", "blue"], ["tables", "files"], ["/a", "/b", "/c"], ["ann", "bob"]
DAYS = st.integers(-1, 3).map(lambda days: str(TODAY + dt.timedelta(days=days)))
PEOPLE = st.fixed_dictionaries(
    {"groups": st.lists(st.sampled_from(GROUPS), max_size=2), "users": st.lists(st.sampled_from(NAMES), max_size=1)}
)
TEAM = st.builds(
    lambda members, everyone, leads, deputies, **more: {
        **team("any"), "members": members | ({"everyone": True} if everyone == 0 else {}), "leads": {"groups": leads},
        "deputies": deputies, **more,
    },
    PEOPLE, st.integers(0, 6), st.sampled_from([["/a"], ["/lead"]]), PEOPLE, title=st.sampled_from(["One", "Other"]),
)  # fmt: skip
GRANTS = st.dictionaries(
    st.sampled_from(TEAMS), st.fixed_dictionaries({"until": DAYS}, optional={"review_by": DAYS}), max_size=2
)
DATA_ROLE = st.builds(
    lambda owner, grants, title: {**data_role(owner), "granted_to": grants, "title": title},
    st.sampled_from(TEAMS), GRANTS, st.sampled_from(["Tables", "Files"]),
)  # fmt: skip
PROFILE = st.builds(
    profile,
    data_roles=st.lists(st.sampled_from(ROLES), max_size=2, unique=True),
    only=st.lists(st.sampled_from(GROUPS), max_size=2, unique=True),
    visibility=st.sampled_from(["draft", "active", "active"]),
    maintainers=PEOPLE,
    title=st.sampled_from(["Notebook", "Desk", "Bench"]),
    retired_from=st.one_of(st.none(), st.none(), DAYS),
)


@st.composite
def overrides(draw: st.DrawFn, cpus: st.SearchStrategy[float], memory: st.SearchStrategy[str], gpus: int) -> Any:
    """Draw what a choice may change of the resources: guarantees and limits, and the number of GPUs."""
    parts: dict[str, Any] = {}
    for name, amounts in (("cpu", cpus), ("memory", memory)):
        chosen = {key: draw(amounts) for key in ("guarantee", "limit") if draw(st.booleans())}
        parts |= {name: chosen} if chosen else {}
    return parts | ({"gpu": draw(st.integers(0, gpus))} if draw(st.booleans()) else {})


def entry(name: str, path: str, value: Model) -> Entry[Any]:
    """Give an entry whose blob depends on its value alone."""
    data = value.model_dump_json().encode()
    return Entry(name, path, value, hashlib.sha256(data).hexdigest(), data)


def catalog(
    teams: Mapping[str, Any], data_roles: Mapping[str, Any], profiles: Mapping[str, Any], **rules: Any
) -> Catalog:
    """Put a catalog together from plain data; `rules` replace keys of the policy."""
    return Catalog(
        revision="",
        time=START,
        policy=entry("policy", "policy.yaml", Policy.model_validate(policy(**rules))),
        teams={name: entry(name, team_path(name), Team.model_validate(value)) for name, value in teams.items()},
        profiles={
            name: entry(name, profile_path(name), Profile.model_validate(value)) for name, value in profiles.items()
        },
        data_roles={
            name: entry(name, data_role_path(name), DataRole.model_validate(value))
            for name, value in data_roles.items()
        },
        problems=(),
    )


@st.composite
def pairs(draw: st.DrawFn) -> tuple[Catalog, Catalog]:
    """Draw a catalog and what became of it: some files changed, some gone, some new, some called otherwise."""
    ids = [f"{name}/{key}" for name in TEAMS for key in ("one", "two", "three")]
    content = {
        "teams": draw(st.dictionaries(st.sampled_from(TEAMS), TEAM)),
        "data_roles": draw(st.dictionaries(st.sampled_from(ROLES), DATA_ROLE)),
        "profiles": draw(st.dictionaries(st.sampled_from(ids), PROFILE)),
    }
    later = copy.deepcopy(content)
    drawn = {"teams": (TEAMS, TEAM), "data_roles": (ROLES, DATA_ROLE), "profiles": (ids, PROFILE)}
    for kind, (names, values) in drawn.items():
        for name in names:
            fate = draw(st.sampled_from(["stay", "stay", "drop", "draw", "move"]))
            if fate == "drop":
                later[kind].pop(name, None)
            elif fate == "draw":
                later[kind][name] = draw(values)
            elif fate == "move" and name in later[kind]:
                later[kind][draw(st.sampled_from(names))] = later[kind].pop(name)
    return catalog(**content), catalog(**later)
