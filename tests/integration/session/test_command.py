"""`allotment-session` as programs and scripts use it: no terminal, exit codes, JSON."""

import ast
import json
import socket
import subprocess
import sys
from pathlib import Path

import pytest
from support.fakes.session_service import NOTEBOOK_FILE, TOKEN, SessionService, answer, problem, running_service
from support.servers.git_server import write_certificates
from support.session_command import PACKAGE, Command, Words

BIGGER = ("propose", "--name", "notebook-big", "--set", "memory.limit=16GiB", "--reason", "A large join", "--yes")


def test_a_profile_is_proposed_from_the_one_that_runs(command: Command, service: SessionService, words: Words) -> None:
    done = command(*BIGGER)
    assert done.returncode == 0, done.stderr
    words(done)
    body = service.bodies["notebook-big"]
    assert body["reason"] == "A large join"
    assert body["profile"]["resources"]["memory"] == {"guarantee": "1 GiB", "limit": "16GiB"}
    assert body["profile"]["image"] == "quay.io/jupyter/scipy-notebook:2025-12-31"


def test_settings_keep_their_kinds_and_lists_grow_and_shrink(command: Command, service: SessionService) -> None:
    changes = (
        "title=2027", "cpu.limit=4", "environment.YEAR=2027", "data_roles+=rail-open", "data_roles-=housing-open",
        "lifetime.idle=4 h", "options.size={\"title\": \"Size\"}",
    )  # fmt: skip
    arguments = [word for change in changes for word in ("--set", change)]
    done = command("propose", *arguments, "--unset", "environment.TZ", "--reason", "x", "--yes")
    assert done.returncode == 0, done.stderr
    profile = service.bodies["notebook"]["profile"]
    assert profile["title"] == "2027"
    assert profile["resources"]["cpu"]["limit"] == 4
    assert profile["environment"] == {"YEAR": "2027"}
    assert profile["data_roles"] == ["rail-open"]
    assert profile["lifetime"] == {"idle": "4 h"}
    assert profile["options"] == {"size": {"title": "Size"}}


def test_a_file_is_proposed_byte_for_byte_as_it_is_written(
    command: Command, service: SessionService, tmp_path: Path
) -> None:
    written = "# why: a comment\r\n" + NOTEBOOK_FILE.replace("4 GiB", "16 GiB")
    (tmp_path / "mine.yaml").write_bytes(written.encode())
    done = command("propose", "--file", "mine.yaml", "--name", "other-team/mine", "--reason", "x", "--yes")
    assert done.returncode == 0, done.stderr
    body = service.bodies["mine"]
    assert (body["team"], body["name"], body["content"]) == ("other-team", "mine", written)


def test_a_file_is_read_from_standard_input(environment: dict[str, str], service: SessionService) -> None:
    written = "# why\r\n" + NOTEBOOK_FILE.replace("4 GiB", "16 GiB")
    command = [sys.executable, "-m", "allotment_session", "propose", "--file=-", "--reason=x", "--yes"]
    done = subprocess.run(
        command, env=environment, input=written.encode(), capture_output=True, timeout=60, check=False
    )
    assert done.returncode == 0, done.stderr
    assert service.bodies["notebook"]["content"] == written


def test_problems_end_with_code_1_and_nothing_is_proposed(
    command: Command, service: SessionService, words: Words
) -> None:
    done = command("propose", "--set", "memory.limit=16 GB", "--reason", "x", "--yes")
    assert done.returncode == 1
    words(done)
    assert not service.proposals


@pytest.mark.parametrize(
    "arguments",
    [
        ("propose",),
        ("propose", "--set", "title=x", "--reason", "x"),
        ("propose", "--set", "title=x", "--yes"),
        ("propose", "--set", "title=x", "--file", "f", "--reason", "x", "--yes"),
        ("propose", "--file", "not-there", "--reason", "x", "--yes"),
        ("propose", "--name", "../up", "--set", "title=x", "--reason", "x", "--yes"),
        ("withdraw", "notebook"),
        ("show", "nonsense"),
        ("unknown",),
        (),
    ],
)
def test_wrong_usage_ends_with_code_2_and_asks_the_service_nothing(
    command: Command, service: SessionService, arguments: tuple[str, ...]
) -> None:
    done = command(*arguments)
    assert done.returncode == 2
    assert "Traceback" not in done.stderr
    assert not service.requests


WRONG = ("memory.limit", "=1", "title.deep=1", "a..b=1", "title+=x", "data_roles-=unknown", "__class__")


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        *((["--set", setting], 2) for setting in WRONG),
        (["--set", "memory.limit=16 GiB", "--accept", "cpu-envelope"], 2),
        (["--set", "memory.limit=4 GiB"], 0),
    ],
)
def test_a_setting_that_can_not_be_made_is_wrong_usage_and_one_that_changes_nothing_is_not_proposed(
    command: Command, service: SessionService, arguments: list[str], code: int
) -> None:
    done = command("propose", *arguments, "--reason", "x", "--yes")
    assert done.returncode == code
    assert "Traceback" not in done.stderr
    assert not service.proposals


def test_somebody_elses_proposal_is_a_refusal_that_names_it(
    command: Command, service: SessionService, words: Words
) -> None:
    service.proposals["notebook-big"] = {"id": "notebook-big", "proposer": "somebody-else"}
    done = command(*BIGGER)
    assert done.returncode == 3
    words(done)


def test_a_file_is_checked_for_the_profile_that_its_path_names(
    command: Command, service: SessionService, tmp_path: Path
) -> None:
    file = tmp_path / "teams" / "housing-statistics" / "profiles" / "notebook.yaml"
    file.parent.mkdir(parents=True)
    file.write_text(NOTEBOOK_FILE)
    done = command("check", str(file), ALLOTMENT_PROFILE="")
    assert (done.returncode, service.requests) == (0, [("POST", "/checks")]), done.stderr
    file.write_text(NOTEBOOK_FILE.replace("4 GiB", "4 GB"))
    assert command("check", str(file)).returncode == 1


def test_profiles_and_a_profile_are_shown(command: Command, service: SessionService, words: Words) -> None:
    service.profiles["housing-statistics/rstudio"] = {
        "id": "housing-statistics/rstudio",
        "title": "RStudio",
        "startable": False,
        "refusal": {"code": "app-missing", "why": "RStudio is not installed here.", "remedy": "Install rserver."},
    }
    words(command("profiles"), command("show"), command("show", "housing-statistics/rstudio"))
    assert command("show", "--file").stdout == NOTEBOOK_FILE


def test_a_proposal_is_listed_and_withdrawn(command: Command, service: SessionService) -> None:
    assert command(*BIGGER).returncode == 0
    assert "notebook-big" in command("proposals", "--state", "open").stdout
    assert service.requests[-1] == ("GET", "/proposals?state=open")
    assert command("withdraw", "notebook-big", "--yes").returncode == 0
    assert service.proposals["notebook-big"]["state"] == "withdrawn"
    assert command("withdraw", "../admin/merge", "--yes").returncode == 3


def test_json_is_one_document_for_every_outcome(command: Command, service: SessionService) -> None:
    document = json.loads(command(*BIGGER, "--json").stdout)
    assert document["proposal"]["id"] == "notebook-big"
    assert document["checks"]["changes"]
    refused = command("show", "no-team/no-profile", "--json")
    assert refused.returncode == 3
    assert json.loads(refused.stdout)["error"]["code"] == "profile-unknown"
    assert json.loads(command("proposals", "--json").stdout)["proposals"]
    assert (
        json.loads(command("propose", "--set", "title=16 GB", "--reason=x", "--yes", "--json").stdout)["proposal"]
        is None
    )


def test_hostile_text_reaches_a_terminal_only_as_plain_characters(command: Command, service: SessionService) -> None:
    service.profiles["housing-statistics/notebook"]["title"] = (
        "\x1b]0;owned\x07\x1b[2J\x9b31mred\x1b[0m \u202eevil\u2066 <b>{username.__class__}</b>\r\n\x00second\x7f"
    )
    done = command("profiles")
    assert done.stdout == "housing-statistics/notebook  red evil <b>{username.__class__}</b> second\n"
    assert "\x1b" not in command("profiles", "--json").stdout
    service.instead = lambda *_: problem(403, title="\x1b[31mNo\x1b[0m", detail="\x1b]52;c;Zm9v\x07why")
    refused = command("profiles")
    assert "\x1b" not in refused.stderr
    assert "No\n  Why: why\n" in refused.stderr


def test_the_token_is_never_sent_on_to_another_address(command: Command, service: SessionService) -> None:
    service.instead = lambda _, path: (
        None if path.endswith("/stolen") else (302, {"Location": "http://localhost:9/stolen"}, b"")
    )
    done = command("profiles")
    assert done.returncode == 4
    assert "localhost" in done.stderr
    service.instead = lambda *_: (307, {"Location": service.url + "/stolen"}, b"")
    assert command(*BIGGER).returncode == 4
    assert not [path for _, path in service.requests if "stolen" in path]
    assert TOKEN not in done.stdout + done.stderr


@pytest.mark.parametrize("location", ["", "/hub/login?next=x", "/base/hub/api/oauth2/authorize?client_id=x"])
def test_a_token_that_is_refused_or_sent_to_the_login_is_not_accepted(
    command: Command, service: SessionService, words: Words, location: str
) -> None:
    service.instead = lambda *_: (302, {"Location": location}, b"") if location else None
    done = command("profiles", JUPYTERHUB_API_TOKEN="wrong")
    assert done.returncode == 3
    words(done)


@pytest.mark.parametrize(
    "reply",
    [
        (200, {}, b"<html>Welcome"),
        (200, {}, b"[" * 60_000),
        (502, {}, b"<html>Bad gateway"),
        (503, {"Retry-After": "7"}, b""),
        problem(500, title="It broke."),
    ],
)
def test_an_answer_that_is_none_ends_with_code_4(
    command: Command, service: SessionService, reply: tuple[int, dict[str, str], bytes]
) -> None:
    service.instead = lambda *_: reply
    done = command("profiles")
    assert done.returncode == 4
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("document", [{}, [], {"profiles": 3}, [None, 1], {"settings": [], "refusal": 7, "title": {}}])
def test_an_answer_of_another_shape_is_no_traceback(
    command: Command, service: SessionService, document: object
) -> None:
    service.instead = lambda *_: answer(200, document)
    for arguments in (("profiles",), ("show",), ("proposals",), BIGGER, ("withdraw", "1", "--yes")):
        done = command(*arguments)
        assert done.returncode in {0, 3, 4}
        assert "Traceback" not in done.stderr


def test_a_service_that_is_away_is_told_apart(command: Command, words: Words) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{taken.getsockname()[1]}/services/allotment/api/v1"
        done = command("profiles", ALLOTMENT_URL=url)
    assert done.returncode == 4
    words(done)


def test_a_proxy_in_the_environment_never_sees_a_token_for_this_machine(command: Command) -> None:
    assert command("profiles", http_proxy="http://127.0.0.1:9").returncode == 0


def test_a_certificate_that_nobody_vouches_for_gets_no_token(command: Command, tmp_path: Path) -> None:
    certificate = write_certificates(tmp_path)
    with running_service(certificate) as encrypted:
        done = command("profiles", ALLOTMENT_URL=encrypted.url)
        assert done.returncode == 4
        assert "certificate" in done.stderr
        assert not encrypted.tokens
        assert command("profiles", ALLOTMENT_URL=encrypted.url, SSL_CERT_FILE=str(tmp_path / "ca.pem")).returncode == 0


@pytest.mark.parametrize(
    "url", ["", "file:///etc/passwd", "ftp://example.org/", "http://user@example.org/", "https://[", "http://x/\x01"]
)
def test_an_address_that_no_token_may_go_to_is_wrong_usage(command: Command, url: str) -> None:
    done = command("profiles", ALLOTMENT_URL=url)
    assert done.returncode == 2
    assert "ALLOTMENT_URL" in done.stderr


def test_every_option_is_explained(command: Command) -> None:
    assert "exit codes" in command("--help").stdout
    for name in ("propose", "check", "show", "profiles", "proposals", "withdraw", "mcp"):
        assert command(name, "--help").returncode == 0


@pytest.mark.parametrize("module", sorted((PACKAGE / "allotment_session").rglob("*.py")), ids=lambda path: path.name)
def test_the_package_is_readable_for_python_3_9_and_imports_the_standard_library_alone(module: Path) -> None:
    tree = ast.parse(module.read_text(), feature_version=(3, 9))
    imported = {
        name.partition(".")[0]
        for node in ast.walk(tree)
        for name in (
            [alias.name for alias in node.names]
            if isinstance(node, ast.Import)
            else [node.module or ""]
            if isinstance(node, ast.ImportFrom)
            else []
        )
    }
    extra = {"mcp", "pydantic"} if module.parts[-2:] == ("assistant", "server.py") else set()
    assert imported <= sys.stdlib_module_names | {"allotment_session"} | extra


def test_a_soft_problem_says_that_an_administrator_may_accept_it_and_how_to_ask(
    command: Command, service: SessionService, words: Words
) -> None:
    found = {
        "path": "teams/x/profiles/y.yaml", "line": 7, "column": 3, "field": "resources.cpu.limit", "level": "soft",
        "code": "cpu-envelope", "message": "12 CPUs is more than the envelope allows.", "remedy": "Choose less.",
    }  # fmt: skip
    checks = answer(200, {"ok": False, "problems": [found], "changes": [{"text": "CPU limit 2 → 12"}]})
    service.instead = lambda method, path: checks if path.endswith("/checks") else None
    done = command(*BIGGER)
    assert done.returncode == 1
    words(done)
    service.instead = lambda method, path: None
    done = command(*BIGGER, "--accept", "cpu-envelope=A larger census")
    assert done.returncode == 0, done.stderr
    (body,) = service.bodies.values()
    assert body["accept"] == [{"code": "cpu-envelope", "reason": "A larger census"}]


def test_what_nobody_has_to_approve_is_said_with_the_reason(
    command: Command, service: SessionService, words: Words
) -> None:
    checks = answer(200, {
        "ok": True, "problems": [], "changes": [{"text": "title A → B"}], "requirements": [],
        "automatic": ["analyst maintains it, and the policy allows other words."],
    })  # fmt: skip
    service.instead = lambda method, path: checks if path.endswith("/checks") else None
    words(command(*BIGGER))
