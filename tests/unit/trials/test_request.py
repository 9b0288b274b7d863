"""A trial is resolved by the rules of every start, against main with one profile, and gets no more than main gives."""

import dataclasses
from typing import Any

import pytest
from support.catalogs import catalog as catalog_of
from support.repositories import START, data_role, policy, profile, size_option, team

from allotment_profiles.access.deployments import Capabilities
from allotment_profiles.access.launch import Launch, Request, Trial
from allotment_profiles.access.people import User
from allotment_profiles.catalog.catalog import Catalog
from allotment_profiles.documents.reading import read
from allotment_profiles.documents.writing import write
from allotment_profiles.model import Storage
from allotment_profiles.model.problems import RefusedError
from allotment_profiles.trials.request import MAXIMUM_ROLES, TrialRequest, resolve_trial

CLUSTER = Capabilities("this cluster", frozenset({"volume"}), {})
LAPTOP = dataclasses.replace(CLUSTER, deployment="this laptop", shared="A trial could read your files.")
ANN = User("ann", frozenset({"/red"}))
BOB = User("bob", frozenset({"/blue/leads"}))
TRIAL = Trial("red-notebook-1", "a" * 40)
LARGER = {"cpu": {"limit": 2}, "memory": {"limit": "48 GiB"}}
"""More than the envelope of the team, and less than the ceiling."""


def main(**changes: Any) -> Catalog:
    """Return what main has: a notebook with the data `tables`."""
    files: dict[str, Any] = {
        "teams": {"red": team("red"), "blue": team("blue")},
        "data_roles": {"tables": data_role("blue", {"red": "2027-03-31"}), "files": data_role("blue")},
        "profiles": {"red/notebook": profile(data_roles=["tables"])},
    }
    return catalog_of(**{**files, **changes})


def asked(roles: tuple[str, ...] = (), *, reviewing: bool = False, of: str = "red/notebook", **changes: Any) -> Any:
    content = write("profile", profile(**{"data_roles": ["tables", "files"], **changes}))
    return TrialRequest(TRIAL, Request(of, {}), content, roles, reviewing)


def launched(request: TrialRequest, user: User = ANN, able: Capabilities = CLUSTER, **files: Any) -> Launch:
    return resolve_trial(main(**files), user, request, START, able)


def code(request: TrialRequest, user: User = ANN, able: Capabilities = CLUSTER, **files: Any) -> str:
    with pytest.raises(RefusedError) as refused:
        launched(request, user, able, **files)
    assert refused.value.refusal.remedy
    return refused.value.refusal.code


def test_a_trial_has_the_proposed_image_and_size_and_neither_data_nor_folders_of_others() -> None:
    storage = {"home": "20 GiB", "team": "read-write"}
    launch = launched(asked(image="registry.example.org/analysis/other:2", resources=LARGER, storage=storage))
    assert (launch.image, launch.size.memory) == ("registry.example.org/analysis/other:2", 48 * 1024**3)
    assert (launch.trial, launch.bindings, launch.storage) == (TRIAL, {}, Storage())


@pytest.mark.parametrize(
    ("lifetime", "rules", "expected"),
    [({}, {}, 7200), ({"idle": "10 min", "total": "1 h"}, {}, 3600), ({}, {"trial": "30 min"}, 1800)],
)
def test_it_runs_for_the_time_of_the_policy_at_most(
    lifetime: dict[str, str], rules: dict[str, str], expected: int
) -> None:
    launch = launched(asked(**({"lifetime": lifetime} if lifetime else {})), **rules)
    assert launch.total == expected
    assert launch.idle <= expected


def test_a_policy_lets_no_trial_run_for_a_day() -> None:
    found = read("policy", "policy.yaml", write("policy", policy(trial="1 d")))
    assert [problem.code for problem in found.problems] == ["trial-time"]


def test_data_is_reached_only_where_it_is_asked_for_and_main_gives_it_to_this_user_by_this_profile() -> None:
    assert set(launched(asked(("tables",))).bindings) == {"tables"}
    assert code(asked(("files",))) == "trial-data", "main's profile has no such data"
    assert code(asked(("tables",), data_roles=[])) == "trial-data", "what is proposed has it not any more"
    assert code(asked(("tables",), of="red/new")) == "trial-data", "main has no such profile"
    assert code(asked(("tables",)), BOB) == "not-a-member"
    assert code(asked(("tables",), reviewing=True), BOB) == "not-a-member", "who reviews it gets no data by that"
    ended = {"tables": data_role("blue", {"red": "2025-12-31"})}
    assert code(asked(("tables",)), data_roles=ended) == "grant-expired"
    assert code(asked(("tables",)), profiles={"red/notebook": profile(data_roles=["tables"], only=["/red/few"])}) == (
        "only-groups"
    )


def test_a_grant_in_the_proposal_is_not_needed_to_try_it_without_data() -> None:
    assert launched(asked(data_roles=["files", "there-is-none"])).bindings == {}


@pytest.mark.parametrize(
    "changes",
    [
        {"image": "evil.example.org/miner:1"},
        {"options": {"image": {"title": "Image", "default": "one", "choices": {
            "one": {"title": "One"}, "two": {"title": "Two", "image": "evil.example.org/miner:1"}}}}},
        {"resources": {"cpu": {"limit": 64}, "memory": {"limit": "4 GiB"}}},
        {"app": "nothing"},
        {"checkout": {"repository": "https://evil.example.org/code", "folder": "code"}},
        {"environment": {"LD_PRELOAD": "x.so"}},
        {"environment": {"JUPYTERHUB_API_TOKEN": "x"}},
    ],
    ids=lambda changes: next(iter(changes)),
)  # fmt: skip
def test_what_nobody_can_accept_is_not_tried(changes: dict[str, Any]) -> None:
    assert code(asked(**changes)) == "trial-problems"


def test_the_image_has_to_come_from_a_registry_of_main_also_where_the_proposal_changes_the_policy() -> None:
    assert code(asked(image="registry.example.org/analysis/x:1"), registries=["quay.io/*"]) == "trial-problems"


def test_what_an_administrator_may_accept_stops_no_trial() -> None:
    assert launched(asked(image="registry.example.org/elsewhere/x:1", resources=LARGER))
    over = {"image-envelope": {"reason": "Once", "until": "2025-01-01"}}
    assert launched(asked(image="registry.example.org/elsewhere/x:1", accepted=over))


def test_a_proposer_has_to_be_in_the_team_and_who_reviews_need_not() -> None:
    assert code(asked(), BOB) == "not-a-member"
    assert code(asked(only=["/red/few"])) == "only-groups"
    assert launched(asked(reviewing=True), BOB).trial == TRIAL
    hidden = asked(reviewing=True, visibility="draft", only=["/red/few"])
    assert launched(hidden, BOB).trial == TRIAL


def test_nobody_tries_what_others_propose_where_sessions_are_not_isolated() -> None:
    assert launched(asked(), ANN, LAPTOP).trial == TRIAL
    assert code(asked(reviewing=True), BOB, LAPTOP) == "trial-not-isolated"


def test_the_other_rules_of_a_start_hold() -> None:
    assert code(asked(retired_from="2025-12-31")) == "profile-retired"
    assert code(asked(of="green/notebook")) == "trial-problems", "there is no such team"
    request = dataclasses.replace(
        asked(options={"size": size_option("8 GiB")}), request=Request("red/notebook", {"size": "x"})
    )
    assert code(request) == "choice-unknown"
    without = dataclasses.replace(main(), policy=None)
    with pytest.raises(RefusedError) as refused:
        resolve_trial(without, ANN, asked(), START, CLUSTER)
    assert refused.value.refusal.code == "policy-missing"


@pytest.mark.parametrize("content", [b"", b"title: [", b"a: &a [*a]", b"\xff", b"title: x\n", b"[" * 60_000])
def test_bytes_that_are_no_profile_are_refused(content: bytes) -> None:
    assert code(dataclasses.replace(asked(), content=content)) == "trial-problems"


def test_a_request_reads_back_and_anything_else_is_none() -> None:
    request = asked(("tables",), reviewing=True)
    sent = request.as_dict()
    assert TrialRequest.parse(sent) == request
    wrong: dict[str, list[Any]] = {
        "proposal": [None, "../x", "A", "x" * 200],
        "head": [None, "", "main", "a" * 39, "--output=x"],
        "profile": [None, "red", "red/../blue", "red/note/book", "Red/notebook"],
        "content": [None, 1, "x" * 65_537, "\ud800"],
        "options": [None, [], {"size": 1}, {"size": "\ud800"}, {"a b": "c"}],
        "data_roles": [None, "tables", [1, "../x"], ["x"] * (MAXIMUM_ROLES + 1)],
    }
    for key, values in wrong.items():
        for value in values:
            assert TrialRequest.parse({**sent, key: value}) is None, (key, value)
    for body in (None, [], "x", 1, {}):
        assert TrialRequest.parse(body) is None
