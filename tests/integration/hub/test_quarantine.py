"""Many files removed at once, and commits past the review: asked about, shown, and let go by a second person."""

import datetime as dt

import pytest
from support.fakes.platform import NOTEBOOK, NOTEBOOK_PATH, POLICY, PRICES, PRICES_PATH, TRANSPORT, Platform, code_of

from allotment_hub.forges.stored_proposal import StoredProposal
from allotment_profiles.git.commits import Person
from allotment_profiles.git.repository import MAIN, RefUpdate

MANY = tuple(f"teams/housing/profiles/extra-{number}.yaml" for number in range(14))
pytestmark = pytest.mark.platform(dict.fromkeys(MANY, NOTEBOOK))
LARGER = NOTEBOOK.replace(b"4 GiB", b"8 GiB")


def administrators(platform: Platform, *names: str) -> None:
    """Let more users be administrators."""
    platform.people.groups |= {name: [] for name in names}
    platform.people.admins |= set(names)


async def removal(platform: Platform, number: int = len(MANY)) -> StoredProposal:
    files: dict[str, bytes | None] = dict.fromkeys(MANY[:number])
    stored = (await platform.submissions.propose(platform.people.actor("ana"), files, "Nobody uses them")).proposal
    await platform.reviews.approve(platform.people.actor("lena"), stored.id, stored.head)
    return stored


async def test_removing_many_files_is_asked_about_and_then_takes_effect_at_once(platform: Platform) -> None:
    stored, lena = await removal(platform), platform.people.actor("lena")
    view = await platform.proposals.view(stored, lena)
    assert set(view.case.judgement.removals) == set(MANY)
    assert await code_of(platform.reviews.merge(lena, stored.id, stored.head)) == "removal-unconfirmed"
    assert platform.main_file(MANY[0]) == NOTEBOOK
    await platform.reviews.merge(lena, stored.id, stored.head, confirm_removal=True)
    catalog = platform.watcher.catalog
    assert catalog.quarantined == ()
    assert "housing/extra-0" not in catalog.profiles
    landing = platform.landing(MANY[0])
    assert landing.reviewed
    assert landing.approved_by == ("lena",)


async def test_removing_few_files_needs_no_confirmation(platform: Platform) -> None:
    stored = await removal(platform, 5)
    await platform.reviews.merge(platform.people.actor("lena"), stored.id, stored.head)
    assert MANY[0] not in {entry.path for entry in platform.watcher.catalog.profiles.values()}


async def test_a_pushed_removal_is_held_until_an_administrator_other_than_its_author_confirms_it(
    platform: Platform,
) -> None:
    commit = platform.push(dict.fromkeys(MANY), by="adam")
    catalog = await platform.watcher.refresh()
    assert len(catalog.quarantined) == len(MANY)
    adam, anne, lena = (platform.people.actor(name) for name in ("adam", "anne", "lena"))
    for reader in (adam, lena):
        (held,) = await platform.quarantine.seen_by(reader.user)
        assert (held.commit, held.reason, held.subject) == (commit, "removal", "Pushed")
        assert "14 files" in held.why
    assert await platform.quarantine.seen_by(platform.people.actor("ana").user) == []
    assert await platform.quarantine.seen_by(platform.people.actor("dora").user) == []
    confirm = platform.quarantine.confirm
    assert await code_of(confirm(lena, commit, "Yes")) == "not-an-administrator"
    assert await code_of(confirm(adam, commit, "Yes")) == "own-commit"
    assert await code_of(confirm(platform.people.actor("anne", session=True), commit, "Yes")) == "scope-missing"
    assert await code_of(confirm(anne, commit, "")) == "reason-missing"
    assert await code_of(confirm(anne, "0" * 40, "Yes")) == "hold-unknown"
    assert "housing/extra-0" in platform.watcher.catalog.profiles
    assert await confirm(anne, commit, "They were copies")
    assert platform.watcher.catalog.quarantined == ()
    assert "housing/extra-0" not in platform.watcher.catalog.profiles
    head = platform.forge.main()
    (last,) = platform.repository.commits([head])
    assert last.signed_by
    assert last.trailers()["Confirms-removal"] == [commit]
    assert last.trailers()["Approved-by"] == ["anne"]
    assert platform.repository.changes(commit, head) == ()
    assert await code_of(confirm(anne, commit, "Again")) == "hold-unknown"


async def test_a_pushed_change_is_held_where_the_policy_says_so_until_it_is_confirmed(platform: Platform) -> None:
    platform.push({"policy.yaml": POLICY + b"direct_push: hold\n"}, "Set up holds", signed=True)
    commit = platform.push({NOTEBOOK_PATH: LARGER})
    await platform.watcher.refresh()
    assert platform.watcher.catalog.profiles["housing/notebook"].source == NOTEBOOK
    (held,) = await platform.quarantine.seen_by(platform.people.actor("anne").user)
    assert (held.reason, held.paths) == ("direct-push", (NOTEBOOK_PATH,))
    row = await platform.profiles.row(platform.people.actor("ana").user, "housing/notebook")
    assert [hold.commit for hold in row.quarantined] == [commit]
    confirm, anne = platform.quarantine.confirm, platform.people.actor("anne")
    assert not await confirm(anne, commit, "An emergency, agreed by phone")
    assert await confirm(platform.people.actor("adam"), commit, "I was there")
    assert platform.watcher.catalog.profiles["housing/notebook"].source == LARGER


async def test_a_pushed_grant_is_not_confirmed_over_the_head_of_the_datas_owner(platform: Platform) -> None:
    platform.push({"policy.yaml": POLICY + b"direct_push: hold\n"}, "Set up holds", signed=True)
    granted = PRICES.replace(b"binding:", b"  transport: {until: 2999-12-31}\nbinding:")
    commit = platform.push({PRICES_PATH: granted})
    await platform.watcher.refresh()
    assert await code_of(platform.quarantine.confirm(platform.people.actor("anne"), commit, "Yes")) == "owner-needed"
    assert "transport" not in platform.watcher.catalog.data_roles["prices"].value.granted_to


async def test_whoever_pushed_under_another_name_does_not_confirm_it_alone(platform: Platform) -> None:
    platform.push({"policy.yaml": POLICY + b"direct_push: hold\n"}, "Set up holds", signed=True)
    # adam wrote and pushed it, with the name of a colleague as author; the committer is his own or that name as well.
    commit = platform.push({NOTEBOOK_PATH: LARGER}, by="grace")
    await platform.watcher.refresh()
    adam, anne, confirm = platform.people.actor("adam"), platform.people.actor("anne"), platform.quarantine.confirm
    assert not await confirm(adam, commit, "Looks right to me")
    assert platform.watcher.catalog.profiles["housing/notebook"].source == NOTEBOOK
    (held,) = await platform.quarantine.seen_by(anne.user)
    assert [user.name for user in held.confirmed_by] == ["adam"]
    assert "adam" in held.release
    platform.people.admins.discard("adam")
    assert not await confirm(anne, commit, "The first one is no administrator any more, so this is the first")
    platform.people.admins.add("adam")
    assert await code_of(confirm(adam, commit, "Again")) == "already-confirmed"
    administrators(platform, "abe")
    assert await confirm(platform.people.actor("abe"), commit, "Yes")
    assert platform.watcher.catalog.profiles["housing/notebook"].source == LARGER


async def test_the_committer_of_a_pushed_commit_made_it_as_well(platform: Platform) -> None:
    platform.push({"policy.yaml": POLICY + b"direct_push: hold\n"}, "Set up holds", signed=True)
    main = platform.forge.main()
    commit = platform.repository.write_commit(
        platform.repository.write_tree(main, {NOTEBOOK_PATH: LARGER}), [main], "Larger",
        author=Person("Grace", "grace@example.org"), committer=Person("A. Dam", "ADAM@example.org"),
        time=dt.datetime.now(dt.UTC),
    )  # fmt: skip
    platform.repository.update_references([RefUpdate(MAIN, commit, main)])
    await platform.watcher.refresh()
    assert await code_of(platform.quarantine.confirm(platform.people.actor("adam"), commit, "Yes")) == "own-commit"


async def test_one_administrator_confirms_what_the_service_signed_for_somebody_else(platform: Platform) -> None:
    platform.push({"policy.yaml": POLICY + b"direct_push: hold\n"}, "Set up holds", signed=True)
    await platform.watcher.refresh()
    stored = await platform.proposed({NOTEBOOK_PATH: LARGER}, by="adam")
    platform.repository.update_references([RefUpdate(MAIN, stored.head, platform.forge.main())])
    await platform.watcher.refresh()
    confirm = platform.quarantine.confirm
    assert await code_of(confirm(platform.people.actor("adam"), stored.head, "Yes")) == "own-commit"
    assert await confirm(platform.people.actor("anne"), stored.head, "Yes")
    assert platform.watcher.catalog.profiles["housing/notebook"].source == LARGER


async def test_a_first_confirmation_is_of_what_would_change_then(platform: Platform) -> None:
    """Other people may gain the data meanwhile: as the grant does not apply yet, nobody asks its owner about them."""
    platform.push({"policy.yaml": POLICY + b"direct_push: hold\n"}, "Set up holds", signed=True)
    platform.people.groups["adam"] = ["/data/leads"]
    commit = platform.push({PRICES_PATH: PRICES.replace(b"binding:", b"  transport: {until: 2999-12-31}\nbinding:")})
    await platform.watcher.refresh()
    adam, anne, confirm = platform.people.actor("adam"), platform.people.actor("anne"), platform.quarantine.confirm
    assert not await confirm(adam, commit, "For the people of transport")
    assert await code_of(confirm(adam, commit, "Again")) == "already-confirmed"
    wider = TRANSPORT.replace(b"groups: [/transport]", b"groups: [/transport, /mallory]", 1)
    stored = await platform.proposed({"teams/transport/team.yaml": wider})
    await platform.approved(stored, "anne")
    await platform.reviews.merge(anne, stored.id, stored.head)
    (held,) = await platform.quarantine.seen_by(adam.user)
    assert (held.confirmed_by, held.refusal(adam)) == ((), None)
    assert await code_of(confirm(anne, commit, "Fine")) == "owner-needed"
    assert not await confirm(adam, commit, "For all of them")
    assert await confirm(anne, commit, "Fine")
    assert "transport" in platform.watcher.catalog.data_roles["prices"].value.granted_to


@pytest.mark.platform({"policy.yaml": POLICY + b"direct_push: hold\n"} | dict.fromkeys(MANY, NOTEBOOK))
@pytest.mark.parametrize("written", [PRICES_PATH, "teams/transport/team.yaml"])
async def test_a_pushed_commit_that_removes_many_files_and_writes_another_is_two_things_to_confirm(
    platform: Platform, written: str
) -> None:
    administrators(platform, "eve")
    content = {PRICES_PATH: PRICES, "teams/transport/team.yaml": TRANSPORT}[written] + b"# More\n"
    commit = platform.push({**dict.fromkeys(MANY), written: content}, by="somebody")
    await platform.watcher.refresh()
    anne, eve = platform.people.actor("anne"), platform.people.actor("eve")
    held = {each.reason: each for each in await platform.quarantine.seen_by(anne.user)}
    assert {reason: len(each.paths) for reason, each in held.items()} == {"removal": len(MANY), "direct-push": 1}
    assert f"removes {len(MANY)} files" in held["removal"].why
    assert "changes 1 file " in held["direct-push"].why
    assert [each.known_makers for each in (held["removal"], held["direct-push"])] == [True, False]
    confirm = platform.quarantine.confirm
    assert await code_of(confirm(anne, commit, "Yes")) == "hold-kind-missing"
    assert await confirm(anne, commit, "They were copies", "removal")
    (left,) = await platform.quarantine.seen_by(anne.user)
    assert (left.reason, left.paths) == ("direct-push", (written,))
    assert await code_of(confirm(anne, commit, "Yes", "removal")) == "hold-unknown"
    if written == PRICES_PATH:
        assert await code_of(confirm(anne, commit, "It is right")) == "owner-needed"
        return
    assert not await confirm(anne, commit, "It is right")
    assert await confirm(eve, commit, "It is", "direct-push")
    assert platform.watcher.catalog.quarantined == ()
