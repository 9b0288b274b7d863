"""Where everything came from: the same, read step by step or at once; and never forged."""

import dataclasses

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.properties import examples
from support.repositories import MAIN, SERVICE, ProfilesRepository, small

from allotment_profiles.git.repository import RefUpdate
from allotment_profiles.store.history import Applied, fold_history
from allotment_profiles.store.provenance import HistoryEntry, Provenance

NOTEBOOK = "teams/red/profiles/notebook.yaml"
MESSAGE = """Merge the proposal to add a notebook

Proposal: add-notebook
Proposed-by: ann
Approved-by: rita
Approved-by: root
Reason: We need it
"""


def last(profiles: ProfilesRepository, path: str = NOTEBOOK) -> HistoryEntry:
    landing = fold_history(profiles.repository, profiles.head).provenance.last(path)
    assert landing is not None
    return landing


def test_a_reviewed_landing_says_who_proposed_who_approved_and_why(profiles: ProfilesRepository) -> None:
    profiles.commit(small(), MESSAGE)
    landing = last(profiles)
    assert landing.subject == "Merge the proposal to add a notebook"
    assert (landing.proposal, landing.proposed_by, landing.approved_by) == ("add-notebook", "ann", ("rita", "root"))
    assert (landing.reason, landing.reviewed) == ("We need it", True)


def test_what_was_pushed_past_the_page_is_not_reviewed_whatever_it_says(profiles: ProfilesRepository) -> None:
    profiles.commit(small(), MESSAGE)
    profiles.push({NOTEBOOK: "title: x"}, MESSAGE)
    landing = last(profiles)
    assert (landing.reviewed, landing.approved_by, landing.proposed_by, landing.author) == (False, (), "", "Somebody")


def test_a_record_of_the_service_that_somebody_pushes_to_main_is_not_reviewed(profiles: ProfilesRepository) -> None:
    profiles.commit(small(), "Propose: whatever\n\nApproved-by: root")
    landing = last(profiles)
    assert (landing.reviewed, landing.approved_by) == (False, ())


def test_a_merge_of_a_forge_that_the_service_has_confirmed_shows_its_reviewers(profiles: ProfilesRepository) -> None:
    profiles.commit(small())
    pushes = [profiles.push({NOTEBOOK: text}, "Merge pull request #7") for text in ("title: x", "title: y", "title: z")]
    before = fold_history(profiles.repository, profiles.head)
    confirms = "".join(f"Confirms-push: {commit}\n" for commit in pushes[:2])
    profiles.commit({}, MESSAGE + confirms)
    whole = fold_history(profiles.repository, profiles.head)
    assert fold_history(profiles.repository, profiles.head, before) == whole
    found = {entry.commit: entry for entry in whole.provenance.of(NOTEBOOK)}
    assert [found[commit].reviewed for commit in pushes] == [True, True, False]
    assert [found[commit].approved_by for commit in pushes] == [("rita", "root"), ("rita", "root"), ()]
    assert before.provenance.last(NOTEBOOK) == found[pushes[2]]


def test_nobody_but_the_service_confirms_a_merge_of_a_forge(profiles: ProfilesRepository) -> None:
    profiles.commit(small())
    pushed = profiles.push({NOTEBOOK: "title: x"})
    profiles.push({}, f"{MESSAGE}Confirms-push: {pushed}\n")
    assert not last(profiles).reviewed
    # What administrators confirm applies, and was not reviewed.
    profiles.commit({}, f"Merge the pushed change\n\nApproved-by: root\nConfirms-push: {pushed}\n")
    assert not last(profiles).reviewed


def test_a_path_cannot_claim_to_be_another_landing(profiles: ProfilesRepository) -> None:
    reviewed = profiles.commit({"README.md": "x"}, MESSAGE)
    profiles.push({f"\x01{reviewed}\nteams/red/team.yaml": "x", "teams/red/team.yaml": "x"})
    landing = last(profiles, "teams/red/team.yaml")
    assert not landing.reviewed


STEPS = st.lists(
    st.tuples(
        st.sampled_from(["commit", "push", "empty", "merge", "foxtrot", "branch", "rewind", "unrelated"]),
        st.sampled_from(["a", "b", "c"]),
        st.booleans(),
    ),
    min_size=1,
    max_size=8,
)


def play(profiles: ProfilesRepository, kind: str, path: str) -> None:
    """Make one step of a history: as the page does, as people do, and as only trouble does."""
    side = "refs/heads/side"
    now = profiles.repository.resolve(MAIN)
    branch = profiles.repository.resolve(side)
    content = f"{profiles.time}"
    if kind == "commit" or now is None:
        profiles.commit({path: content}, MESSAGE)
    elif kind == "push":
        profiles.push({path: content}, MESSAGE)
    elif kind == "empty":
        profiles.commit({}, "Record an approval")
    elif kind == "branch" or branch is None:
        profiles.push({path: content}, branch=side, parents=[branch or now], base=branch or now)
    elif kind == "merge":
        profiles.commit({path: content}, MESSAGE, parents=[now, branch])
    elif kind == "foxtrot":
        # Somebody merges main into their own branch and pushes that as main.
        profiles.push({path: content}, parents=[branch, now], base=branch)
    elif kind == "rewind":
        parents = profiles.repository.first_parents(now)[:3]
        profiles.repository.update_references([RefUpdate(MAIN, parents[-1], now)])
    else:
        profiles.push({path: content}, parents=[], base=None)


@examples(15)
@given(STEPS)
def test_read_step_by_step_or_at_once_the_history_is_the_same(
    tmp_path_factory: pytest.TempPathFactory, steps: list[tuple[str, str, bool]]
) -> None:
    profiles = ProfilesRepository(tmp_path_factory.mktemp("history"))
    known: Applied | None = None
    for kind, path, look in steps:
        play(profiles, kind, path)
        if look:
            known = fold_history(profiles.repository, profiles.head, known)
    known = fold_history(profiles.repository, profiles.head, known)
    assert dataclasses.asdict(known) == dataclasses.asdict(fold_history(profiles.repository, profiles.head))
    entries = known.provenance.entries
    commits = profiles.repository.commits([entry.commit for entry in entries])
    assert [entry.reviewed for entry in entries] == [
        commit.signed_by == SERVICE.email and commit.message == MESSAGE for commit in commits
    ]
    assert [commit.id for commit in commits] == profiles.repository.first_parents(profiles.head)
    assert known.provenance == Provenance.of_entries(profiles.head, entries)
    assert [(entry.author, entry.subject, entry.time) for entry in entries] == [
        (commit.author.name, commit.subject, commit.time) for commit in commits
    ]
