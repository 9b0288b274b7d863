"""Which paths are read, which were probably meant to be, and which are of no interest."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from allotment_profiles.model.paths import file_ref, is_note, is_stray, meant_path

MEANT = {
    "policy.yml": "policy.yaml",
    "Policy.YAML": "policy.yaml",
    "policy/policy.yaml": "policy.yaml",
    "teams/policy.yaml": "policy.yaml",
    "team/red/team.yaml": "teams/red/team.yaml",
    "teams/red.yaml": "teams/red/team.yaml",
    "teams/red/team.yml": "teams/red/team.yaml",
    "Teams/Red/Team.yaml": "teams/red/team.yaml",
    "teams/red/profiles/notebook.yml": "teams/red/profiles/notebook.yaml",
    "teams/red/profiles/My Notebook.yaml": "teams/red/profiles/my-notebook.yaml",
    "teams/red/profiles/gpu_large.yaml": "teams/red/profiles/gpu-large.yaml",
    "teams/red/profiles/v1.2.yaml": "teams/red/profiles/v1-2.yaml",
    "teams/red/profile/notebook.yaml": "teams/red/profiles/notebook.yaml",
    "teams/red/Profiles/sub/notebook.yaml": "teams/red/profiles/notebook.yaml",
    "teams/red/notebook.yaml": "teams/red/profiles/notebook.yaml",
    "data_roles/tables.yaml": "data-roles/tables.yaml",
    "data-role/tables.yml": "data-roles/tables.yaml",
    "Data Roles/tables.yaml": "data-roles/tables.yaml",
    "data-roles/red/tables.yaml": "data-roles/tables.yaml",
}
UNKNOWN = (
    "teams/red/notes.txt",
    "teams/red/profiles/\u00fcbung.yaml",
    "data-roles/x.json",
    "teams/.yaml",
    "teams/red/profiles/a",
)
LEFT_BEHIND = (
    "teams/red/profiles/.notebook.yaml.swp", "teams/red/profiles/notebook.yaml~", "teams/.DS_Store", "teams/#x.yaml#",
    "teams/red/.#team.yaml", "data-roles/tables.yaml.orig", "teams/red/profiles/.ipynb_checkpoints/notebook.yaml",
)  # fmt: skip


@pytest.mark.parametrize(("path", "meant"), MEANT.items())
def test_what_is_nearly_right_is_told_with_the_right_path(path: str, meant: str) -> None:
    assert is_stray(path)
    assert meant_path(path) == meant


@pytest.mark.parametrize("path", UNKNOWN)
def test_nothing_is_guessed_of_other_files(path: str) -> None:
    assert is_stray(path)
    assert meant_path(path) is None


@pytest.mark.parametrize("path", LEFT_BEHIND)
def test_what_editors_leave_behind_is_no_mistake(path: str) -> None:
    assert file_ref(path) is None
    assert not is_stray(path)


@given(st.text(alphabet="aTr/.-_ \u00fc~#", max_size=40).map(lambda text: f"teams/{text}.yaml"))
def test_what_is_meant_is_always_read(path: str) -> None:
    meant = meant_path(path)
    assert meant is None or file_ref(meant)
    assert not (file_ref(path) and (is_stray(path) or is_note(path)))
