"""The configuration of the service: a forge has to have the repository that is mirrored."""

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from allotment_hub.configuration import ServiceConfiguration

FORGE = {"kind": "gitea", "url": "https://git.example.org", "repository": "platform/profiles", "token_file": "token"}


def configured(forge: dict[str, Any], remote: dict[str, Any] | None) -> ServiceConfiguration:
    needed = {
        "repository": "profiles.git", "signing_key": "key", "allowed_signers": "keys", "events": "sqlite://",
        "port": 1, "public_url": "https://hub.example.org/",
    }  # fmt: skip
    return ServiceConfiguration.model_validate({**needed, "forge": forge, "remote": remote})


@pytest.mark.parametrize(
    ("forge", "remote"),
    [
        ({}, "https://git.example.org/platform/profiles.git"),
        ({}, "https://git.example.org/platform/profiles"),
        ({}, "https://git.example.org/Platform/Profiles.git/"),
        ({}, "ssh://git@git.example.org:2222/platform/profiles.git"),
        ({}, "ssh://git@ssh.example.org:443/platform/profiles.git"),
        ({"url": "https://example.org/gitea/"}, "https://example.org/gitea/platform/profiles.git"),
        ({"url": "https://example.org/gitea/"}, "ssh://git@example.org/platform/profiles.git"),
        ({"url": "https://gitlab.com", "kind": "gitlab", "repository": "a/b/c"}, "https://gitlab.com/a/b/c.git"),
    ],
)
def test_the_forge_has_the_repository_of_the_git_server(forge: dict[str, Any], remote: str) -> None:
    assert configured(FORGE | forge, {"url": remote}).forge


@pytest.mark.parametrize(
    "remote",
    [
        "https://git.example.org/platform/others.git", "https://git.example.com/platform/profiles.git",
        "https://git.example.org/gitea/platform/profiles.git", "ssh://git@git.example.org/profiles.git",
    ],
)  # fmt: skip
def test_another_repository_than_that_of_the_git_server_is_refused(remote: str) -> None:
    with pytest.raises(ValidationError, match=r"the forge's repository is platform/profiles at https://git\.example"):
        configured(FORGE, {"url": remote})


def test_a_forge_without_a_git_server_is_refused() -> None:
    with pytest.raises(ValidationError, match="a forge without a git server"):
        configured(FORGE, None)


def test_the_service_says_at_its_start_what_is_wrong_and_no_value(tmp_path: Path) -> None:

    (tmp_path / "service.json").write_text(
        '{"repository": "r", "signing_key": "k", "allowed_signers": "s", "events": "sqlite://:secret@x", "port": 0,'
        ' "public_url": "u"}'
    )
    command = [sys.executable, "-m", "allotment_hub", "--config", str(tmp_path / "service.json")]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert done.stderr.startswith(f"Error: {tmp_path / 'service.json'} cannot be used. port: Input should be greater")
    assert "Traceback" not in done.stderr
    assert "secret" not in done.stderr
