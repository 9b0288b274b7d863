"""`allotment up` with a repository on a git server, and its forge: what --config names, and what is wrong."""

import json
import re
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from allotment_hub.configuration import ForgeConfiguration, ServiceConfiguration, in_words
from allotment_hub.laptop.deployment import Deployment, Ports
from allotment_hub.laptop.folder import LaptopError, StateFolder
from allotment_hub.laptop.git_server import check_files, ensure_mirror, read_git_server
from allotment_hub.laptop.hub.sign_in import read_options
from allotment_hub.laptop.telling import nobodys_acts

HUB = {"JupyterHub": {"authenticator_class": "generic-oauth"}, "CheckedIdentity": {"provider": "gitea"}}
REPOSITORY = {"url": "https://git.example.org/platform/profiles.git", "token_file": "token"}
FORGE = {
    "kind": "gitea", "url": "https://git.example.org", "repository": "platform/profiles", "token_file": "token",
    "webhook_secret_file": "/run/secret",
}  # fmt: skip


def written(folder: Path, **sections: Any) -> Path:
    path = folder / "sign-in.yaml"
    path.write_text(json.dumps(HUB | sections))
    return path


def test_a_file_without_a_git_server_is_of_the_hub_alone(tmp_path: Path) -> None:
    assert read_git_server(written(tmp_path)) is None


def test_the_git_server_and_its_forge_are_the_services_and_not_the_hubs(tmp_path: Path) -> None:
    file = written(tmp_path, Repository=REPOSITORY, Forge=FORGE)
    server = read_git_server(file)
    assert server
    assert server.forge
    assert server.remote.token_file == server.forge.token_file == tmp_path / "token", "beside the file"
    assert server.forge.webhook_secret_file == Path("/run/secret")
    assert read_options(file) == HUB
    state = StateFolder(tmp_path / "state")
    deployment = Deployment(ports=Ports(public=8000, service=8001, hub=8002, proxy_api=8003))
    configured = deployment.service_configuration(state, server.remote, server.forge)
    assert (configured.repository, configured.remote, configured.forge) == (state.mirror, server.remote, server.forge)
    assert configured.records_index.parent != deployment.service_configuration(state).records_index.parent


GUIDE = Path(__file__).parents[3] / "docs" / "forges.md"
EXAMPLES = [block for block in re.findall(r"```yaml\n(.*?)```", GUIDE.read_text(), re.DOTALL) if "\nForge:\n" in block]


@pytest.mark.parametrize("kind", ["gitea", "github", "gitlab"])
def test_each_file_of_the_guide_is_taken(tmp_path: Path, kind: str) -> None:
    (example,) = [block for block in EXAMPLES if f"kind: {kind}\n" in block]
    file = tmp_path / "sign-in.yaml"
    file.write_text(example)
    server = read_git_server(file)
    assert server
    assert server.forge
    for path in (*server.secret_files, tmp_path / "known_hosts"):
        path.write_text("secret")
        path.chmod(0o600)
    check_files(server)
    state = StateFolder(tmp_path / "state")
    deployment = Deployment(ports=Ports(public=8000, service=8001, hub=8002, proxy_api=8003))
    configured = deployment.service_configuration(state, server.remote, server.forge)
    ServiceConfiguration.model_validate_json(configured.model_dump_json())  # both name one repository


@pytest.mark.parametrize(
    ("sections", "said"),
    [
        ({"Forge": FORGE}, "the section Forge needs the section Repository"),
        ({"Repository": {}}, "Repository: url: Field required"),
        ({"Repository": REPOSITORY | {"token": "s3cret"}}, "Repository has no option token"),
        ({"Repository": REPOSITORY, "Forge": FORGE | {"kind": "s3cret"}}, "Forge: kind: Input should be"),
        (
            {"Repository": REPOSITORY, "Forge": FORGE | {"url": "https://u:s3cret@git.example.org"}},
            "without credentials",
        ),
        ({"Repository": REPOSITORY, "Forge": FORGE | {"token_file": None}}, "the file of a token is needed"),
        ({"Repository": REPOSITORY, "Forge": FORGE | {"url": "http://git.example.org"}}, "say plain_http: true"),
    ],
)
def test_what_is_wrong_is_said_without_its_secrets(tmp_path: Path, sections: dict[str, Any], said: str) -> None:
    with pytest.raises(LaptopError) as caught:
        read_git_server(written(tmp_path, **sections))
    assert said in str(caught.value)
    assert "s3cret" not in str(caught.value)


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    for file in ("token", "secret"):
        server = read_git_server(
            written(tmp_path, Repository=REPOSITORY, Forge=FORGE | {"webhook_secret_file": "secret"})
        )
        assert server
        assert server.secret_files == [tmp_path / "token", tmp_path / "secret"]
        with pytest.raises(LaptopError, match=f"{tmp_path / file} cannot be read: No such file"):
            check_files(server)
        (tmp_path / file).write_text("s3cret")
    check_files(server)


def test_another_repository_than_the_forges_is_said_in_our_words_alone(tmp_path: Path) -> None:
    server = read_git_server(written(tmp_path, Repository=REPOSITORY, Forge=FORGE | {"repository": "platform/other"}))
    assert server
    deployment = Deployment(ports=Ports(public=8000, service=8001, hub=8002, proxy_api=8003))
    with pytest.raises(ValidationError) as caught:
        deployment.service_configuration(StateFolder(tmp_path / "state"), server.remote, server.forge)
    assert in_words(caught.value).startswith("the forge's repository is platform/other")


@pytest.mark.parametrize(
    ("kind", "authenticator", "provider", "told"),
    [
        ("gitea", "generic-oauth", "", True),
        ("gitea", "generic-oauth", "gitlab", True),
        ("gitea", "generic-oauth", "gitea", False),
        ("gitlab", "generic-oauth", "", True),
        ("gitlab", "gitlab", "", False),
    ],
)
def test_acts_that_are_nobodys_are_told(kind: str, authenticator: str, provider: str, told: bool) -> None:
    options = {
        "JupyterHub": {"authenticator_class": authenticator},
        "GenericOAuthenticator": {"authorize_url": "https://git.example.org/login/oauth/authorize"},
        "CheckedIdentity": {"provider": provider},
    }
    forge = ForgeConfiguration.model_validate(FORGE | {"kind": kind})
    assert (f"provider: {kind}" in nobodys_acts(options, forge)) is told
    elsewhere = {**options, "GenericOAuthenticator": {"authorize_url": "https://login.example.org/authorize"}}
    assert not nobodys_acts(elsewhere, forge)


def test_a_server_that_cannot_be_used_is_said_before_anything_starts(tmp_path: Path) -> None:
    state = StateFolder(tmp_path / "state")
    (tmp_path / "token").write_text("s3cret")
    for url, said in {
        "http://127.0.0.1:1/platform/profiles.git": "it cannot be reached",
        "file:///profiles.git": "is not https://host/path",
    }.items():
        server = read_git_server(written(tmp_path, Repository=REPOSITORY | {"url": url, "plain_http": True}))
        assert server
        with pytest.raises(LaptopError, match=said):
            ensure_mirror(state, server)
