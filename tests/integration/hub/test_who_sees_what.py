"""Each side of a change is for those who may see the version that it is from, and the one that applies now."""

from collections.abc import Mapping

import pytest
import pytest_asyncio
from support.fakes.platform import (
    HOUSING,
    NOTEBOOK,
    NOTEBOOK_PATH,
    POLICY,
    PRICES,
    PRICES_PATH,
    Platform,
    code_of,
    refusal_of,
)

from allotment_hub.api.serializers import check_answer, proposal_answer
from allotment_hub.http.problem import details_of
from allotment_hub.services.drafts.grants import Ask, with_grant
from allotment_hub.services.visibility import HIDDEN

SECRET = "s3cr3t"
ROLE_PATH, ROLE = "data-roles/rents.yaml", PRICES.replace(b"sub_path: housing", b"sub_path: s3cr3t")
SKETCH_PATH = "teams/housing/profiles/sketch.yaml"
SKETCH = NOTEBOOK.replace(b"Notebook", b"s3cr3t sketch") + b"visibility: draft\n"
VARIABLES = NOTEBOOK + b"# s3cr3t comment\nenvironment: {BUCKET: s3cr3t}\n"
TRANSPORT_PATH = "teams/transport/profiles/rail.yaml"
FILES = {NOTEBOOK_PATH: VARIABLES, ROLE_PATH: ROLE, SKETCH_PATH: SKETCH, TRANSPORT_PATH: NOTEBOOK}
pytestmark = pytest.mark.platform(FILES, groups={"tom": ["/transport"], "tess": ["/transport", "/transport/leads"]})


async def pushed(platform: Platform, files: Mapping[str, bytes | None], *, signed: bool = True) -> None:
    platform.push(dict(files), "Set up otherwise", signed=signed)
    await platform.watcher.refresh()


async def shown(platform: Platform, who: str, proposal: str) -> str:
    stored = await platform.proposals.stored(proposal)
    view = await platform.proposals.view(stored, platform.people.actor(who))
    return proposal_answer(view, "").model_dump_json()


def granted(platform: Platform, team: str) -> bytes:
    return with_grant(platform.watcher.catalog, "rents", team, Ask("2999-12-31", "It is needed"))


async def test_a_binding_is_not_shown_to_the_proposer_of_a_grant_once_the_data_role_is_removed(
    platform: Platform,
) -> None:
    stored = await platform.proposed({ROLE_PATH: granted(platform, "transport")}, by="tom")
    await pushed(platform, {ROLE_PATH: None})
    for who in ("tom", "tess", "ben"):
        assert SECRET not in await shown(platform, who, stored.id), who
    for who in ("dora", "adam"):
        assert SECRET in await shown(platform, who, stored.id), who


async def test_who_proposed_a_removal_does_not_see_the_file_after_another_removed_it(platform: Platform) -> None:
    stored = await platform.proposed({ROLE_PATH: None, NOTEBOOK_PATH: None}, by="tom")
    await pushed(platform, {ROLE_PATH: None, NOTEBOOK_PATH: None})
    assert SECRET not in await shown(platform, "tom", stored.id)


async def test_a_grant_to_a_data_role_whose_removal_is_held_does_not_show_its_binding(platform: Platform) -> None:
    many = {f"teams/transport/profiles/p{number}.yaml": NOTEBOOK for number in range(12)}
    await pushed(platform, many)
    await pushed(platform, {ROLE_PATH: None, **dict.fromkeys(many)}, signed=False)
    assert "rents" in platform.watcher.catalog.data_roles
    stored = await platform.proposed({ROLE_PATH: granted(platform, "transport")}, by="tom")
    assert SECRET not in await shown(platform, "tom", stored.id)


async def test_the_variables_of_a_removed_profile_are_not_shown_to_a_stranger_who_proposed_for_it(
    platform: Platform,
) -> None:
    stored = await platform.proposed({NOTEBOOK_PATH: NOTEBOOK}, by="tom")
    await pushed(platform, {NOTEBOOK_PATH: None})
    assert SECRET not in await shown(platform, "tom", stored.id)
    assert SECRET in await shown(platform, "ben", stored.id)


async def test_what_is_held_is_not_shown_as_the_old_side_of_a_proposal(platform: Platform) -> None:
    await pushed(platform, {"policy.yaml": POLICY + b"direct_push: hold\n", ROLE_PATH: None})
    path = "data-roles/held.yaml"
    await pushed(platform, {path: ROLE}, signed=False)
    assert path not in [entry.path for entry in platform.watcher.catalog.data_roles.values()]
    proposed = PRICES.replace(b"binding:\n  volume: {claim: open-data, sub_path: housing}", b"binding: {aws_role: x}")
    done = platform.proposed({path: proposed.replace(b"x}", b'"arn:aws:iam::000000000000:role/x"}')}, by="tom")
    assert SECRET not in await shown(platform, "tom", (await done).id)


async def test_a_lead_is_not_shown_the_binding_that_the_proposer_may_not_see(platform: Platform) -> None:
    files = {ROLE_PATH: granted(platform, "transport"), TRANSPORT_PATH: NOTEBOOK.replace(b"4 GiB", b"5 GiB")}
    stored = await platform.proposed(files, by="tom")
    case = await platform.proposals.case(stored, platform.people.actor("lena").user)
    assert case.reviewed_by(platform.people.actor("tess").user)
    answer = await shown(platform, "tess", stored.id)
    assert SECRET not in answer
    assert "5 GiB" in answer
    assert SECRET in await shown(platform, "dora", stored.id)


async def test_values_of_a_former_owner_are_not_shown_to_the_new_one(platform: Platform) -> None:
    other = ROLE.replace(b"owner: open-data", b"owner: transport").replace(b"s3cr3t", b"other")
    await pushed(platform, {ROLE_PATH: other})
    for who, sees in (("tom", False), ("dora", False), ("adam", True)):
        rows = await platform.history.of(platform.people.actor(who).user, ROLE_PATH)
        assert (SECRET in str([row.changes for row in rows])) is sees, who


async def test_what_was_hidden_stays_hidden_in_the_history(platform: Platform) -> None:
    opened = SKETCH.replace(b"visibility: draft\n", b"").replace(b"s3cr3t sketch", b"Plain")
    await pushed(platform, {SKETCH_PATH: opened})
    for who, sees in (("ana", False), ("tom", False), ("lena", True)):
        rows = await platform.history.of(platform.people.actor(who).user, SKETCH_PATH)
        assert (SECRET in str(rows)) is sees, who
        assert "Plain" in str(rows[0].changes)


async def test_a_broken_version_of_a_hidden_profile_is_hidden_in_the_history(platform: Platform) -> None:
    platform.push({SKETCH_PATH: b"title: [\n"}, "The s3cr3t merger")
    await pushed(platform, {SKETCH_PATH: NOTEBOOK})
    platform.push({SKETCH_PATH: b"title: [\n"}, "Broken for all to see")
    await platform.watcher.refresh()
    for who, sees in (("ana", False), ("tom", False), ("lena", True), ("adam", True)):
        rows = await platform.history.of(platform.people.actor(who).user, SKETCH_PATH)
        assert ("The s3cr3t merger" in [row.entry.subject for row in rows]) is sees, who
        assert "Broken for all to see" in [row.entry.subject for row in rows], who


async def test_a_removed_draft_is_answered_like_one_that_never_existed(platform: Platform) -> None:
    await pushed(platform, {SKETCH_PATH: None})
    for who, code in (("ana", "profile-unknown"), ("tom", "profile-unknown"), ("lena", "profile-removed")):
        assert await code_of(platform.profiles.row(platform.people.actor(who).user, "housing/sketch")) == code


# -- who gains data

DRAFT = SKETCH.replace(b"s3cr3t sketch", b"Sketch") + b"data_roles: [prices]\nmaintainers: {users: [s3cr3t]}\n"
LESS = PRICES.replace(b"2999-12-31", b"2998-12-31")


@pytest.mark.platform(FILES | {SKETCH_PATH: DRAFT}, groups={"tom": ["/transport"]})
@pytest.mark.parametrize(
    ("path", "data"),
    [
        (PRICES_PATH, LESS),
        (PRICES_PATH, None),
        ("teams/housing/team.yaml", HOUSING.replace(b"groups: [/housing]", b"users: [ben]")),
    ],
    ids=["a grant", "a data role", "a team"],
)
async def test_who_can_start_a_hidden_profile_is_not_told_by_who_gains_and_loses_data(
    platform: Platform, path: str, data: bytes | None
) -> None:
    for who, sees in (("tom", False), ("ben", False), ("dora", False), ("lena", True), ("adam", True)):
        check = await platform.submissions.check(platform.people.actor(who), {path: data})
        assert (SECRET in check_answer(check).model_dump_json()) is sees, who
        # The grant and the members are for everybody to see.
        assert ("prices", "housing") in {(change.data_role, change.team) for change in check.access}, who
        assert sees or {change.profiles for change in check.access} == {()}, who


# -- listing: own


@pytest_asyncio.fixture
async def own(platform: Platform) -> Platform:
    await pushed(platform, {"policy.yaml": POLICY + b"listing: own\n"})
    return platform


async def test_where_teams_see_their_own_a_check_does_not_compare_with_files_of_others(own: Platform) -> None:
    ana, tom = own.people.actor("ana"), own.people.actor("tom")
    for path, data in ((NOTEBOOK_PATH, NOTEBOOK), ("teams/housing/team.yaml", HOUSING)):
        changed = {path: data.replace(b"title: ", b"title: New ")}
        assert await code_of(own.submissions.check(tom, changed)) == "name-taken"
        assert await code_of(own.submissions.propose(tom, changed, "Guessing")) == "name-taken"
    assert (await own.submissions.check(ana, {NOTEBOOK_PATH: NOTEBOOK})).changes


async def test_where_teams_see_their_own_a_proposal_for_a_teams_file_is_theirs(own: Platform) -> None:
    stored = await own.proposed({"teams/housing/team.yaml": HOUSING.replace(b"Housing", b"Homes")})
    for who, sees in (("ben", True), ("adam", True), ("tom", False), ("dora", False)):
        listed = (await own.proposals.readable(own.people.actor(who).user)).proposals
        assert (stored.id in [each.id for each in listed]) is sees, who


async def test_where_teams_see_their_own_nothing_else_is_explained_or_granted_by_name(own: Platform) -> None:
    tom = own.people.actor("tom").user
    offered = await own.profiles.explain(tom, "tom", "housing/notebook")
    nothing = await own.profiles.explain(tom, "tom", "housing/nothing")
    assert offered.refusal
    assert nothing.refusal
    assert offered.refusal.code == nothing.refusal.code == "profile-unknown"
    assert len(offered.results) == len(nothing.results)
    (grant,) = (await own.data_roles.row(tom, "rents")).grants
    assert "Housing" not in grant.team_title
    assert grant.people == ()
    (grant,) = (await own.data_roles.row(own.people.actor("dora").user, "rents")).grants
    assert "/housing" in grant.people


# -- messages


async def test_a_message_does_not_quote_a_value_to_those_who_may_not_see_it(platform: Platform) -> None:
    broken = ROLE.replace(b"volume: {claim: open-data, sub_path: s3cr3t}", b"secret: {name: hub-s3cr3t}")
    odd = NOTEBOOK + b"environment: {BUCKET: 's3cr3t', 's3cr3t name': x}\n"
    await pushed(platform, {ROLE_PATH: broken, "teams/housing/profiles/odd.yaml": odd}, signed=False)
    assert SECRET in str(platform.watcher.catalog.problems)
    for who, of_role, of_profile in (("tom", False, False), ("lena", False, True), ("adam", True, True)):
        user = platform.people.actor(who).user
        assert (SECRET in str((await platform.data_roles.row(user, "rents")).problems)) is of_role, who
        row = await platform.profiles.row(user, "housing/odd")
        assert (SECRET in str(row)) is of_profile, who
        assert row.problems[0].code
        assert row.problems[0].line


async def test_a_refused_proposal_does_not_quote_what_the_service_added(platform: Platform) -> None:
    tom = platform.people.actor("tom")
    bad: Mapping[str, bytes | None] = {
        ROLE_PATH: ROLE.replace(b"volume", b"secret").replace(b"claim: open-data, ", b"")
    }
    refused = await refusal_of(platform.submissions.propose(tom, bad, "Guessing"))
    assert refused.refusal.code == "problems"
    assert SECRET not in details_of(422, refused, str).model_dump_json()
    assert SECRET not in check_answer(await platform.submissions.check(tom, bad)).model_dump_json()


# -- hidden proposals


async def test_nobody_is_told_of_a_hidden_proposal_for_the_same_file(platform: Platform) -> None:
    path = "teams/transport/profiles/plan.yaml"
    await platform.proposed({path: SKETCH}, by="tess")
    tom = platform.people.actor("tom")
    stored = await platform.proposed({path: NOTEBOOK}, by="tom")
    told = proposal_answer(await platform.proposals.view(stored, tom), "").model_dump_json()
    assert SECRET not in told
    assert "tess" not in told


async def test_what_makes_a_hidden_profile_visible_is_hidden_until_it_applies(platform: Platform) -> None:
    opened = SKETCH.replace(b"visibility: draft\n", b"").replace(b"sketch", b"page")
    stored = await platform.proposed({SKETCH_PATH: opened}, by="lena")
    for who, sees in (("ana", False), ("tom", False), ("dora", False), ("leo", True), ("adam", True)):
        listed = (await platform.proposals.readable(platform.people.actor(who).user)).proposals
        assert (stored.id in [each.id for each in listed]) is sees, who


async def test_a_proposed_profile_that_cannot_be_read_counts_as_hidden(platform: Platform) -> None:
    stored = platform.forge.open(
        "odd", platform.forge.main(), {SKETCH_PATH: b"visibility: [s3cr3t\n"}, by="lena", title="Odd", reason="Odd"
    )
    for who, sees in (("ana", False), ("tom", False), ("leo", True)):
        listed = (await platform.proposals.readable(platform.people.actor(who).user)).proposals
        assert (stored.id in [each.id for each in listed]) is sees, who


async def test_a_proposal_that_is_merged_while_its_page_is_made_is_shown_as_merged(platform: Platform) -> None:
    stored = await platform.proposed({NOTEBOOK_PATH: VARIABLES.replace(b"4 GiB", b"5 GiB")})
    await platform.merged(stored)
    view = await platform.proposals.view(stored, platform.people.actor("ana"))
    assert view.case.state == "live"
    assert [change.after for change in view.check.changes] == ["5 GiB"]


async def test_who_may_see_a_part_of_a_change_sees_no_more(platform: Platform) -> None:
    changed = VARIABLES.replace(b"4 GiB", b"5 GiB").replace(b"BUCKET: s3cr3t", b"BUCKET: s3cr3t-too")
    stored = await platform.proposed({NOTEBOOK_PATH: changed})
    answer = await shown(platform, "tom", stored.id)
    assert SECRET not in answer
    assert HIDDEN in answer
    assert "5 GiB" in answer
