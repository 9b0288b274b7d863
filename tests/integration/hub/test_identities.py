"""Each decision is made of what the identity provider says at that moment, through the hub."""

from typing import Any

import httpx
import pytest
from support.fakes.platform import HOUSING, NOTEBOOK, NOTEBOOK_PATH, POLICY, Platform, code_of

from allotment_hub.errors import UnavailableError
from allotment_hub.services.identities import Identities, ProviderAccount
from allotment_profiles.access.people import User

LARGER = {NOTEBOOK_PATH: NOTEBOOK.replace(b"4 GiB", b"5 GiB")}
MAINTAINED = NOTEBOOK + b"maintainers: {users: [ana]}\n"
HOLDING = {"policy.yaml": POLICY + b"direct_push: hold\n"}
OLD = {"answer": "not-asked", "seconds": 3601.0, "reason": "the provider gave no refresh token"}
ANSWERS: list[tuple[dict[str, Any], str]] = [
    ({"answer": "refused", "seconds": 5.0}, "identity-refused"),
    (OLD, "identity-too-old"),
    ({"answer": "not-asked", "seconds": None}, "identity-too-old"),
    ({"answer": "no-answer", "seconds": 5.0}, "identity-unavailable"),
]


async def outcome(awaitable: Any) -> str:
    """Give the code of the refusal, or of what is not available."""
    try:
        return await code_of(awaitable)
    except UnavailableError as error:
        return error.refusal.code


@pytest.mark.parametrize(("answer", "code"), ANSWERS)
async def test_nothing_is_decided_by_somebody_whom_the_provider_does_not_confirm(
    platform: Platform, answer: dict[str, Any], code: str
) -> None:
    stored, people = await platform.proposed(LARGER), platform.people
    people.identities["lena"] = answer
    lena = people.actor("lena")
    assert await outcome(platform.reviews.approve(lena, stored.id, stored.head)) == code
    assert await outcome(platform.reviews.reject(lena, stored.id, "No")) == code
    await platform.approved(stored, "leo")
    assert await outcome(platform.reviews.merge(lena, stored.id, stored.head)) == code
    assert await platform.approvers(stored) == ["leo"]
    del people.identities["lena"]
    assert (await platform.reviews.merge(lena, stored.id, stored.head)).ending is not None


async def test_a_provider_that_cannot_be_asked_counts_for_a_while(platform: Platform) -> None:
    stored, people = await platform.proposed(LARGER), platform.people
    people.identities["lena"] = OLD | {"seconds": 3600.0}
    await platform.approved(stored, "lena")
    assert await platform.approvers(stored) == ["lena"]


async def test_the_groups_of_the_answer_decide_and_not_those_that_the_request_began_with(platform: Platform) -> None:
    stored, people = await platform.proposed(LARGER), platform.people
    lena = people.actor("lena")
    people.groups["lena"] = ["/housing"]
    assert await code_of(platform.reviews.approve(lena, stored.id, stored.head)) == "not-a-reviewer"
    people.groups["lena"] = ["/housing", "/housing/leads"]
    lost = people.actor("ben")
    people.groups["ben"] = ["/housing/leads"]
    await platform.reviews.approve(lost, stored.id, stored.head)


@pytest.mark.parametrize(
    ("answer", "code"),
    [
        ({"answer": "refused", "seconds": 3601.0}, "approvals-missing"),
        (OLD, "approvals-missing"),
        ({"answer": "no-answer", "seconds": 5.0}, "identity-unavailable"),
        ({"answer": "refused", "seconds": 5.0}, "merged"),
    ],
)
async def test_a_merge_asks_about_those_who_approved(platform: Platform, answer: dict[str, Any], code: str) -> None:
    stored, people = await platform.proposed(LARGER), platform.people
    await platform.approved(stored, "lena")
    people.identities["lena"] = answer
    people.asked.clear()
    merging = platform.reviews.merge(people.actor("leo"), stored.id, stored.head)
    if code == "merged":
        assert (await merging).ending is not None
    else:
        assert await outcome(merging) == code
    assert people.asked == ["leo", "lena"]


async def test_an_approver_whom_the_hub_has_no_more_does_not_count(platform: Platform) -> None:
    stored, people = await platform.proposed(LARGER), platform.people
    await platform.approved(stored, "lena")
    del people.groups["lena"]
    assert await outcome(platform.reviews.merge(people.actor("leo"), stored.id, stored.head)) == "approvals-missing"


async def test_a_session_has_nobody_asked(platform: Platform) -> None:
    stored, people = await platform.proposed(LARGER), platform.people
    people.asked.clear()
    session = people.actor("lena", session=True)
    for deciding in (
        platform.reviews.approve(session, stored.id, stored.head),
        platform.reviews.merge(session, stored.id, stored.head),
        platform.reviews.reject(session, stored.id, "No"),
        platform.quarantine.confirm(session, "0" * 40, "Yes"),
    ):
        assert await outcome(deciding) in ("scope-missing", "hold-unknown")
    assert people.asked == []


async def test_what_merges_by_itself_waits_for_the_provider(platform: Platform) -> None:
    automatic = POLICY + b"automatic: {enabled: true, changes: [image-version]}\n"
    platform.push({"policy.yaml": automatic, NOTEBOOK_PATH: MAINTAINED}, "Set up", signed=True)
    newer = {NOTEBOOK_PATH: MAINTAINED.replace(b"notebook:1", b"notebook:2")}
    platform.people.identities["ana"] = {"answer": "no-answer"}
    ana = platform.people.actor("ana")
    stored = (await platform.submissions.propose(ana, newer, "A new version")).proposal
    assert (await platform.reviews.merge_if_automatic(ana, stored)).open
    del platform.people.identities["ana"]
    assert not (await platform.reviews.merge_if_automatic(ana, stored)).open


async def test_a_confirmation_asks_about_both_administrators(platform: Platform) -> None:
    platform.push(HOLDING, "Hold", signed=True)
    commit = platform.push({"teams/housing/team.yaml": HOUSING.replace(b"cpu: 4", b"cpu: 2")})
    people = platform.people
    people.identities["adam"] = {"answer": "no-answer"}
    assert await outcome(platform.quarantine.confirm(people.actor("adam"), commit, "Yes")) == "identity-unavailable"
    del people.identities["adam"]
    assert await platform.quarantine.confirm(people.actor("adam"), commit, "Yes") is False
    people.identities["adam"] = OLD
    assert await platform.quarantine.confirm(people.actor("anne"), commit, "Yes") is False, "adam counts no more"


async def test_what_was_received_is_shown_to_the_user_and_to_administrators(platform: Platform) -> None:
    people = platform.people
    account = {"provider": "gitea", "host": "git.example.org", "id": "5", "login": "ana"}
    people.identities["ana"] = OLD | {"unusable": ["x: empty"], "account": account}
    people.asked.clear()
    for caller in ("ana", "adam"):
        shown = await platform.identities.shown(people.actor(caller).user, "ana")
        assert shown is not None
        assert (shown.user.groups, shown.unusable, shown.recent) == (frozenset(["/housing"]), ("x: empty",), False)
        assert shown.account == ProviderAccount(**account)
    assert await platform.identities.shown(people.actor("lena").user, "ana") is None
    assert people.asked == [], "nobody is asked for an explanation"
    people.away = True
    assert await platform.identities.shown(people.actor("ana").user, "ana") is None


@pytest.mark.parametrize(
    ("status", "body", "code"),
    [
        (501, {"message": "past the configuration"}, "identity-unchecked"),
        (404, {"status": 404, "message": "Not Found"}, "hub-unavailable"),  # a hub of a version that has no such call
        (403, {"message": "Action is not authorized with current scopes"}, "hub-unavailable"),
        (500, {}, "hub-unavailable"),
        (200, [], "hub-unavailable"),
        (200, {"name": "lena"}, "hub-unavailable"),
        (200, {"name": "lena", "groups": [], "admin": False, "answer": "confirmed", "seconds": 1, "maximum": 1,
               "reason": "", "unusable": [], "account": {"id": "5"}}, "hub-unavailable"),
    ],
)  # fmt: skip
async def test_an_answer_that_is_none_decides_nothing(status: int, body: Any, code: str) -> None:
    transport = httpx.MockTransport(lambda _: httpx.Response(status, json=body))
    async with httpx.AsyncClient(base_url="http://hub/hub/api/", transport=transport) as client:
        identities = Identities(client)
        user = User("lena", frozenset())
        assert await outcome(identities.confirmed(user, "proposals")) == code
        assert await outcome(identities.unconfirmed(["lena"])) == code
        assert await outcome(identities.known("lena")) == code
        assert await outcome(identities.users_of(ProviderAccount("gitea", "git.example.org", "5", "lena"))) == code


@pytest.mark.parametrize("answer", [500, {"token": None}, {}, [], {"token": ["x"]}, {"token": "a\nb"}, {"token": "é"}])
async def test_what_is_no_token_of_a_user_is_none(answer: Any) -> None:
    response = httpx.Response(answer) if isinstance(answer, int) else httpx.Response(200, json=answer)
    transport = httpx.MockTransport(lambda _: response)
    async with httpx.AsyncClient(base_url="http://hub/hub/api/", transport=transport) as client:
        assert await Identities(client).user_token("lena", "gitea", "git.example.org") == ""


async def test_an_account_leads_to_the_hub_s_users_and_back(platform: Platform) -> None:
    people = platform.people
    account = ProviderAccount("github", "github.com", "583231", "Ana-of-today")
    people.identities["ana"] = {"account": vars(account)}
    assert await platform.identities.users_of(account) == ("ana",)
    assert await platform.identities.users_of(ProviderAccount("github", "github.com", "1", "Ana-of-today")) == ()
    assert await platform.identities.users_of(ProviderAccount("gitlab", "github.com", "583231", "ana")) == ()
    known = await platform.identities.known("ana")
    assert known is not None
    assert known.account == account
    assert await platform.identities.known("nobody") is None
