"""The parts of `allotment up` that need no running hub."""

import json
import os
import re
import socket
import subprocess
import sys
from pathlib import Path

import psutil
import pytest
from click.testing import CliRunner, Result
from support.conditions import until

from allotment_hub.laptop.cli import up
from allotment_hub.laptop.deployment import Deployment, Ports
from allotment_hub.laptop.folder import LaptopError, StateFolder
from allotment_hub.laptop.processes import ports, program
from allotment_hub.laptop.seed import starter
from allotment_hub.laptop.seed.sample_data import write_sample_data
from allotment_profiles import processes
from allotment_profiles.git.repository import Repository
from allotment_profiles.git.signatures import Signer, Verifier


def invoke(*arguments: str | Path) -> Result:
    return CliRunner().invoke(up, [str(argument) for argument in arguments])


@pytest.fixture
def folder(tmp_path: Path) -> StateFolder:
    state = StateFolder(tmp_path / "state")
    with state.locked():
        state.create()
    return state


@pytest.fixture
def sleeper() -> subprocess.Popen[bytes]:
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as process:
        yield process
        process.kill()


def test_the_help_explains_every_option() -> None:
    words = " ".join(invoke("--help").output.split())
    for option in ("--folder", "--port", "--base-url", "--repository", "--shared-origin", "access.json", "127.0.0.1"):
        assert option in words


@pytest.mark.parametrize(
    ("written", "read"), [("/", "/"), ("", "/"), ("a", "/a/"), ("/a/b", "/a/b/"), ("//a//", "/a/")]
)
def test_a_base_url_may_be_written_with_or_without_slashes(written: str, read: str, tmp_path: Path) -> None:
    parsed = up.make_context("up", ["--base-url", written, "--folder", str(tmp_path)])
    assert parsed.params["base_url"] == read


@pytest.mark.parametrize("path", ["/a b/", "/a?b", "/../", "http://host/", "/{x}/"])
def test_a_base_url_that_is_no_plain_path_is_refused(path: str) -> None:
    result = invoke("--base-url", path)
    assert result.exit_code == 2
    assert "--base-url" in result.output


def test_a_folder_that_holds_something_else_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "thesis.txt").write_text("years of work")
    result = invoke("--folder", tmp_path)
    assert result.exit_code == 1
    assert str(tmp_path) in result.output
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.txt"]


def test_a_first_start_that_failed_leaves_a_folder_that_the_next_one_takes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("allotment_hub.laptop.app.require_programs", lambda: "traefik")
    wrong = tmp_path / "sign-in.yaml"
    wrong.write_text("JupyterHub: {}")
    for _ in range(2):
        result = invoke("--folder", tmp_path / "state", "--config", wrong)
        assert result.exit_code == 1
        assert "has to have authenticator_class" in result.output


def test_a_folder_that_was_deleted_but_for_its_keys_is_taken_with_them(tmp_path: Path) -> None:
    state = StateFolder(tmp_path)
    (tmp_path / "keys").mkdir()
    with pytest.raises(LaptopError, match="holds other files"):
        state.check()
    starter.ensure_keys(state)
    state.check()


@pytest.mark.parametrize("content", ["{", '{"ports": {"hub": "often"}}', "[]"])
def test_a_damaged_laptop_json_is_said_with_a_way_out(folder: StateFolder, content: str) -> None:
    folder.deployment.write_text(content)
    result = invoke("--folder", folder.path)
    assert result.exit_code == 1
    assert str(folder.deployment) in result.output


def test_keys_of_another_version_are_kept_and_said(folder: StateFolder) -> None:
    folder.deployment.write_text('{"surprise": 1, "ports": {"other": 2}, "asked_port": 9000}')
    deployment = Deployment.read(folder)
    said = deployment.settle()
    assert [message.split()[0] for message in said if "not known" in message] == ["surprise", "ports.other"]
    deployment.write(folder)
    written = json.loads(folder.deployment.read_text())
    assert (written["surprise"], written["ports"]["other"], written["asked_port"]) == (1, 2, 9000)


def test_the_process_of_a_pid_file_is_ended_and_the_file_removed(
    tmp_path: Path, sleeper: subprocess.Popen[bytes]
) -> None:
    program.write_pid_file(tmp_path / "hub.json", sleeper.pid)
    assert program.end_orphans([tmp_path / "hub.json"]) == ["hub"]
    assert sleeper.poll() is not None
    assert list(tmp_path.iterdir()) == []


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux shows a process as a zombie while its threads run")
def test_a_process_has_not_ended_while_one_of_its_threads_still_holds_its_port() -> None:
    script = (
        "import ctypes, socket, sys, threading\n"
        "server = socket.create_server(('127.0.0.1', 0))\n"
        "threading.Thread(target=server.accept).start()\n"
        "print(server.getsockname()[1], flush=True)\n"
        "ctypes.CDLL(None).pthread_exit(None)"
    )
    with subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, text=True) as running:
        assert running.stdout is not None
        port = int(running.stdout.readline())
        process = psutil.Process(running.pid)
        until(lambda: process.status() == psutil.STATUS_ZOMBIE, what="the end of the first thread")
        assert not processes.has_ended(process)
        assert not ports.is_free(port)
        processes.end([process], patience=0)
        assert processes.has_ended(process)
        assert ports.is_free(port)


def test_a_stranger_that_got_an_old_process_id_is_never_ended(tmp_path: Path, sleeper: subprocess.Popen[bytes]) -> None:
    started = psutil.Process(sleeper.pid).create_time()
    (tmp_path / "hub.json").write_text(json.dumps({"pid": sleeper.pid, "started": started - 60}))
    assert program.end_orphans([tmp_path / "hub.json"]) == []
    assert sleeper.poll() is None


@pytest.mark.parametrize("content", ["", "{}", "null", '{"pid": "x", "started": 1}', '{"pid": 1}'])
def test_a_damaged_pid_file_speaks_of_nobody(tmp_path: Path, content: str) -> None:
    (tmp_path / "hub.json").write_text(content)
    assert program.end_orphans([tmp_path / "hub.json"]) == []


def test_ports_of_before_are_kept_while_they_are_free() -> None:
    deployment = Deployment(asked_port=ports.any_free())
    assert deployment.settle() == []
    before = deployment.ports.model_copy()
    assert deployment.settle() == []
    assert deployment.ports == before
    assert len(set(before.model_dump().values())) == 4


def test_when_a_stranger_has_the_hubs_port_it_is_said_what_that_means_for_sessions() -> None:
    deployment = Deployment(asked_port=ports.any_free())
    deployment.settle()
    assert deployment.ports.hub is not None
    taken = deployment.ports.hub
    with socket.create_server(("127.0.0.1", taken)):
        (note,) = deployment.settle()
    assert str(taken) in note
    assert deployment.ports.hub != taken


def test_the_starter_is_one_signed_commit_on_main_of_a_bare_repository(folder: StateFolder) -> None:
    starter.ensure_keys(folder)
    assert starter.ensure_starter(folder)
    assert not starter.ensure_starter(folder)
    repository = Repository(folder.repository, Verifier(folder.allowed_signers.read_text()))
    head = repository.resolve("refs/heads/main")
    assert head is not None
    (commit,) = repository.commits(repository.first_parents(head))
    assert commit.signed_by == "allotment@localhost"
    source = starter.starter_folder()
    assert set(repository.tree(head)) == {
        path.relative_to(source).as_posix() for path in source.rglob("*") if path.is_file()
    }


def test_keys_of_an_interrupted_start_are_made_again(folder: StateFolder) -> None:
    folder.signing_key.write_text("half a k")
    starter.ensure_keys(folder)
    assert folder.signing_key.read_text().startswith("-----BEGIN OPENSSH PRIVATE KEY-----")
    made = folder.signing_key.read_bytes()
    starter.ensure_keys(folder)
    assert folder.signing_key.read_bytes() == made


def test_a_lost_signing_key_is_replaced_and_the_public_keys_stay_known(folder: StateFolder) -> None:
    starter.ensure_keys(folder)
    before = Signer(folder.signing_key).public
    folder.signing_key.unlink()
    assert "lost" in starter.ensure_keys(folder)
    verifier = Verifier(folder.allowed_signers.read_text())
    assert verifier.knows(before)
    assert verifier.knows(Signer(folder.signing_key).public)
    assert Signer(folder.signing_key).public != before


def test_lost_public_keys_leave_the_private_key_as_it_is(folder: StateFolder) -> None:
    starter.ensure_keys(folder)
    before = Signer(folder.signing_key).public
    folder.allowed_signers.unlink()
    starter.ensure_keys(folder)
    assert Signer(folder.signing_key).public == before
    assert Verifier(folder.allowed_signers.read_text()).knows(before)


def test_an_existing_repository_may_be_bare_or_have_files_beside_it(folder: StateFolder, tmp_path: Path) -> None:
    starter.ensure_keys(folder)
    starter.ensure_starter(folder)
    subprocess.run(["git", "clone", "--quiet", folder.repository, tmp_path / "clone"], check=True)
    assert starter.existing_repository(folder.repository) == folder.repository
    assert starter.existing_repository(tmp_path / "clone") == tmp_path / "clone" / ".git"


def test_a_repository_that_cannot_be_used_is_said_with_the_reason(tmp_path: Path) -> None:
    with pytest.raises(LaptopError, match=str(tmp_path)):
        starter.existing_repository(tmp_path)
    Repository.create(tmp_path / "empty.git")
    with pytest.raises(LaptopError, match=r"empty\.git .*\bmain\b"):
        starter.existing_repository(tmp_path / "empty.git")


def test_the_sample_data_says_that_it_is_made_up_and_is_the_same_everywhere(tmp_path: Path) -> None:
    for name in ("one", "other"):
        (tmp_path / name).mkdir()
        write_sample_data(tmp_path / name)
    tables = sorted(path.relative_to(tmp_path / "one") for path in tmp_path.glob("one/open-data/*/*.csv"))
    assert [str(table.parent) for table in tables] == ["open-data/housing", "open-data/rail", "open-data/weather"]
    for table in tables:
        assert (tmp_path / "one" / table).read_bytes() == (tmp_path / "other" / table).read_bytes()
        assert len((tmp_path / "one" / table).read_text().splitlines()) > 200
        assert "made up" in (tmp_path / "one" / table.parent / "README.txt").read_text()


def test_sample_data_that_somebody_changed_is_left_alone(tmp_path: Path) -> None:
    write_sample_data(tmp_path)
    table = tmp_path / "open-data" / "rail" / "punctuality.csv"
    table.write_text("my own")
    write_sample_data(tmp_path)
    assert table.read_text() == "my own"


@pytest.mark.parametrize(
    ("answer", "words"),
    [("git version 2.37.9", "git 2.37 is too old. Install git 2.38 or newer"), (None, "git is not installed")],
)
def test_a_git_that_is_too_old_or_missing_is_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, answer: str | None, words: str
) -> None:
    if answer is not None:
        (tmp_path / "git").write_text(f"#!/bin/sh\necho {answer}\n")
        (tmp_path / "git").chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(LaptopError, match=words):
        program.require_programs()


def test_programs_of_this_environment_come_first_on_the_path() -> None:
    assert program.search_path().split(os.pathsep)[0] == str(Path(sys.executable).parent)


def test_people_hear_of_proposals_where_the_folder_has_addresses(tmp_path: Path) -> None:
    folder = StateFolder(tmp_path)
    deployment = Deployment(ports=Ports(public=8000, service=8001, hub=8002, proxy_api=8003))
    assert deployment.service_configuration(folder).notifications is None
    (tmp_path / "notifications.txt").write_text("users = json://127.0.0.1/{name}\n")
    told = deployment.service_configuration(folder).notifications
    assert told
    assert told.addresses_file == tmp_path / "notifications.txt"


@pytest.mark.parametrize("module", ["jupyterhub", "jupyterhub.singleuser"])
def test_hub_and_sessions_start_without_a_grammar_that_takes_half_of_a_start(module: str) -> None:
    done = subprocess.run(
        [sys.executable, "-X", "importtime", "-m", "allotment_profiles.quick_start", module, "--version"],
        capture_output=True,
        text=True,
        check=True,
    )
    assert re.fullmatch(r"\d+\.\d+\.\d+", done.stdout.strip())
    loaded = {line.rpartition("|")[2].strip() for line in done.stderr.splitlines()}
    assert "jsonschema" in loaded
    assert not loaded & {"rfc3987_syntax.syntax_helpers", "lark"}
