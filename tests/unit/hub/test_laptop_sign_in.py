"""How people sign in on one machine: the file that `allotment up --config` names."""

from pathlib import Path

import pytest
from click.testing import CliRunner

from allotment_hub.laptop.cli import up
from allotment_hub.laptop.folder import LaptopError, StateFolder
from allotment_hub.laptop.hub.sign_in import SignIn, read_options, readable_by_others

OPTIONS = """\
JupyterHub: {authenticator_class: generic-oauth}
GenericOAuthenticator: {client_id: allotment, client_secret: s3cret}
"""


@pytest.fixture
def folder(tmp_path: Path) -> StateFolder:
    state = StateFolder(tmp_path / "state")
    with state.locked():
        state.create()
    return state


def test_the_options_are_those_of_the_chart(tmp_path: Path) -> None:
    file = tmp_path / "sign-in.yaml"
    file.write_text(OPTIONS)
    assert read_options(file)["GenericOAuthenticator"] == {"client_id": "allotment", "client_secret": "s3cret"}
    file.chmod(0o644)
    assert readable_by_others(file)
    file.chmod(0o600)
    assert not readable_by_others(file)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("", "authenticator_class"),
        ("[s3cret]", "authenticator_class"),
        ("JupyterHub: {}", "authenticator_class"),
        ("JupyterHub: {authenticator_class: dummy, port: 80}", "nothing else"),
        (OPTIONS + "Authenticator: s3cret\n", "Authenticator is no section"),
        (OPTIONS + "1: {}\n", "1 is no section"),
        (OPTIONS + "a: [s3cret\n", "not valid YAML, line"),
        ("a: !!python/object/apply:os.system ['s3cret']", "not valid YAML"),
        ("\x00s3cret", "not valid YAML"),
    ],
)
def test_a_file_that_is_wrong_is_said_without_its_secrets(tmp_path: Path, content: str, said: str) -> None:
    file = tmp_path / "sign-in.yaml"
    file.write_text(content)
    with pytest.raises(LaptopError) as caught:
        read_options(file)
    assert said in str(caught.value)
    assert "s3cret" not in str(caught.value)
    with pytest.raises(LaptopError, match="cannot be read"):
        read_options(tmp_path)


def test_the_choice_and_the_key_stay_until_they_are_changed(folder: StateFolder) -> None:
    first = SignIn.read(folder)
    assert (first.file, len(bytes.fromhex(first.crypt_key))) == (None, 32)
    SignIn(file=Path("/etc/sign-in.yaml"), crypt_key=first.crypt_key).write(folder)
    assert SignIn.read(folder) == SignIn(file=Path("/etc/sign-in.yaml"), crypt_key=first.crypt_key)
    assert folder.sign_in.stat().st_mode & 0o077 == 0
    folder.sign_in.write_text("{")
    with pytest.raises(LaptopError, match="Delete it"):
        SignIn.read(folder)


def test_two_ways_to_sign_in_exclude_each_other(tmp_path: Path) -> None:
    file = tmp_path / "sign-in.yaml"
    file.write_text(OPTIONS)
    result = CliRunner().invoke(up, ["--folder", str(tmp_path / "state"), "--config", str(file), "--local-accounts"])
    assert result.exit_code == 1
    assert "exclude each other" in result.output
    assert not (tmp_path / "state").exists()
