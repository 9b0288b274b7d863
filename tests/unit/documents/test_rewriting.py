"""Rewriting a file that somebody sent: hostile bytes never reach the parser that they would crash."""

import pytest
from support.hostile import HOSTILE, PROFILE

from allotment_hub.services.drafts.draft_proposal import EditedProfile
from allotment_profiles.documents.parsing import parse_yaml
from allotment_profiles.documents.rewriting import rewrite


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_bytes_are_replaced_by_what_is_wanted(name: str) -> None:
    wanted = parse_yaml(PROFILE)
    assert parse_yaml(rewrite("profile", HOSTILE[name][0], wanted)) == wanted


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_text_behind_a_form_gives_a_file(name: str) -> None:
    content = HOSTILE[name][0].decode("utf-8", "surrogateescape")
    assert EditedProfile("housing", "x", tab="form", content=content).text(())
