"""What a change does to files that its author may not see is no way to find out what is in them."""

from collections.abc import Mapping

import pytest
from support.fakes.platform import HOUSING, NOTEBOOK, POLICY, PRICES, PRICES_PATH, TRANSPORT, Platform, code_of

from allotment_hub.api.serializers import check_answer, proposal_answer
from allotment_hub.services.proposals.overview import overview
from allotment_hub.services.proposals.proposals import ProposalView

SKETCH_PATH, TEAM_PATH = "teams/housing/profiles/sketch.yaml", "teams/housing/team.yaml"
SKETCH = NOTEBOOK.replace(b"limit: 2", b"limit: 3") + b"visibility: draft\ndata_roles: [prices]\n"
BREAKS: Mapping[str, tuple[dict[str, bytes | None], dict[str, bytes | None]]] = {
    "a policy": ({"policy.yaml": POLICY.replace(b"cpu: 16", b"cpu: 2")}, {"policy.yaml": POLICY.replace(b"16", b"3")}),
    "a team": ({TEAM_PATH: HOUSING.replace(b"cpu: 4", b"cpu: 2")}, {TEAM_PATH: HOUSING.replace(b"cpu: 4", b"cpu: 3")}),
}
"""What breaks a hidden profile, and what does not."""
pytestmark = pytest.mark.platform({SKETCH_PATH: SKETCH}, groups={"max": ["/transport"]})


async def told(platform: Platform, who: str, files: dict[str, bytes | None]) -> str:
    answer = check_answer(await platform.submissions.check(platform.people.actor(who), files)).model_dump_json()
    return answer.replace("2 CPUs", "3 CPUs").replace('"2"', '"3"').replace("ceiling of 2.", "ceiling of 3.")


async def view(platform: Platform, who: str, proposal: str) -> ProposalView:
    return await platform.proposals.view(await platform.proposals.stored(proposal), platform.people.actor(who))


@pytest.mark.parametrize("kind", BREAKS)
@pytest.mark.parametrize("listing", [b"all", b"own"])
async def test_a_check_is_answered_alike_whatever_it_does_to_files_that_the_reader_may_not_see(
    platform: Platform, kind: str, listing: bytes
) -> None:
    platform.push({"policy.yaml": POLICY + b"listing: %s\n" % listing}, "Set up", signed=True)
    await platform.watcher.refresh()
    breaks, keeps = (
        {path: (data or b"") + (b"listing: %s\n" % listing if "policy" in path else b"") for path, data in each.items()}
        for each in BREAKS[kind]
    )
    reader = "max" if listing == b"all" or kind == "a policy" else "ben"
    assert await told(platform, reader, breaks) == await told(platform, reader, keeps)
    assert await told(platform, "adam", breaks) != await told(platform, "adam", keeps)


async def test_a_lead_finds_nothing_out_with_a_file_of_their_own_beside_it(platform: Platform) -> None:
    breaks, keeps = BREAKS["a policy"]
    own = {"teams/transport/team.yaml": TRANSPORT.replace(b"cpu: 4", b"cpu: 2")}
    platform.people.groups["tess"] = ["/transport", "/transport/leads"]
    assert await told(platform, "tess", breaks | own) == await told(platform, "tess", keeps | own)


async def test_the_state_of_a_proposal_tells_nothing_of_files_that_its_reader_may_not_see(platform: Platform) -> None:
    async def seen(who: str) -> tuple[object, ...]:
        shown = await view(platform, who, stored.id)
        lists = await overview(platform.proposals, platform.people.actor(who))
        states = [(line.state, line.waits_for) for line in (*lists.lines, *lists.mine) if line.id == stored.id]
        return shown.case.state, shown.waits_for, [step.state for step in shown.steps], shown.check.errors, states

    answers: dict[str, list[object]] = {"max": [], "adam": []}
    for files in BREAKS["a policy"]:
        stored = await platform.proposed(files, by="max")
        for who, seen_by in answers.items():
            seen_by.append(await seen(who))
        await platform.submissions.withdraw(platform.people.actor("max"), stored.id)
    assert answers["max"][0] == answers["max"][1]
    assert answers["adam"][0] != answers["adam"][1]


async def test_who_decides_is_told_in_one_sentence_and_others_nothing(platform: Platform) -> None:
    ended = {PRICES_PATH: PRICES.replace(b"  housing:", b"  transport:")}
    check = await platform.submissions.check(platform.people.actor("dora"), ended)
    assert [problem.code for problem in check.errors] == ["unseen-problems"]
    assert await code_of(platform.submissions.propose(platform.people.actor("dora"), ended, "Over")) == "problems"
    assert (await platform.submissions.check(platform.people.actor("max"), ended)).errors == []
    stored = await platform.proposed(ended, by="max")
    for who, codes in (("max", []), ("dora", ["unseen-problems"]), ("lena", ["grant-missing"])):
        seen = await view(platform, who, stored.id)
        assert seen.case.state == ("broken" if codes else "open")
        assert [problem.code for problem in seen.check.errors] == codes, who
        assert "2 problems" not in proposal_answer(seen, "").model_dump_json()
    assert await code_of(platform.approved(stored, by="dora")) == "problems"
