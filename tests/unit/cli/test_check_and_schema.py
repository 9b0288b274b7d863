"""`allotment` as people and pipelines call it."""

import json
import sys
from collections.abc import Iterator
from pathlib import Path

import click
import pytest
from support.command_line import allotment, answer, modules_of
from support.folders import STARTER
from support.repositories import ProfilesRepository, profile, small, write_folder

from allotment_profiles.cli import main as cli
from allotment_profiles.cli.main import main
from allotment_profiles.store.snapshot import Snapshot, in_folder

NOTEBOOK = "teams/red/profiles/notebook.yaml"
WRONG = profile(resources={"cpu": {"limit": 2}, "memory": {"limit": "4 GB"}})


def test_the_starter_is_right() -> None:
    assert answer("check", STARTER) == {"problems": []}


def test_a_problem_is_shown_like_a_compiler_does(tmp_path: Path) -> None:
    code, output = allotment("check", write_folder(tmp_path, small(**{NOTEBOOK: WRONG})))
    assert code == 1
    line = next(i for i, text in enumerate((tmp_path / NOTEBOOK).read_text().splitlines(), 1) if "GB" in text)
    source = (tmp_path / NOTEBOOK).read_text().splitlines()[line - 1]
    place, quoted, caret, remedy, *_ = output.splitlines()
    assert place.startswith(f"{NOTEBOOK}:{line}:12: error [memory-unit] '4 GB' ")
    assert quoted == f"{line:>6} | {source}"
    assert quoted[caret.index("^") :].startswith("limit: 4 GB")
    assert "GiB" in remedy


def test_machines_get_json_and_annotations(tmp_path: Path) -> None:
    write_folder(tmp_path, small(**{NOTEBOOK: WRONG}))
    code, output = allotment("check", tmp_path, "--format", "json")
    (problem,) = json.loads(output)["problems"]
    assert code == 1
    assert problem.keys() >= {"path", "line", "column", "code", "level", "message", "remedy"}
    assert (problem["path"], problem["code"], problem["level"]) == (NOTEBOOK, "memory-unit", "hard")
    code, output = allotment("check", tmp_path, "--format", "github")
    assert code == 1
    assert output.startswith(f"::error file={NOTEBOOK},line=")
    assert ",title=memory-unit::'4 GB' " in output


def test_a_warning_is_shown_and_is_no_error(tmp_path: Path) -> None:
    code, output = allotment("check", write_folder(tmp_path, small(**{"teams/red/profiles/a.yml": "x"})))
    assert code == 0
    assert "warning [path]" in output


def test_a_bare_repository_and_any_revision_can_be_checked(profiles: ProfilesRepository) -> None:
    good = profiles.commit(small())
    profiles.push({"teams/red/profiles/notebook.yaml": "title: ["})
    assert allotment("check", profiles.path)[0] == 1
    assert allotment("check", profiles.path, "--revision", good)[0] == 0
    assert allotment("check", profiles.path, "--revision", "main~1")[0] == 0


@pytest.mark.parametrize("revision", ["nope", "--output=trap", "main:policy.yaml", "a b", ""])
def test_a_revision_that_does_not_exist_is_a_question_without_sense(
    profiles: ProfilesRepository, revision: str
) -> None:
    profiles.commit(small())
    code, output = allotment("check", profiles.path, f"--revision={revision}")
    assert (code, "Traceback" in output) == (2, False)


def test_a_folder_that_is_missing_or_no_repository_is_a_question_without_sense(tmp_path: Path) -> None:
    assert allotment("check", tmp_path / "none")[0] == 2
    assert allotment("check", tmp_path, "--revision", "main")[0] == 2
    assert allotment("check", tmp_path, "--format", "xml")[0] == 2
    assert allotment("check", tmp_path)[0] == 1, "a folder without a policy"


def test_a_file_that_cannot_be_opened_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def look_and_lose(folder: Path) -> Snapshot:
        """Root may read everything, so the file goes away between the look and the reading."""
        found = in_folder(folder)
        (folder / NOTEBOOK).unlink()
        return found

    monkeypatch.setattr("allotment_profiles.store.snapshot.in_folder", look_and_lose)
    code, output = allotment("check", write_folder(tmp_path, small()))
    assert (code, NOTEBOOK in output) == (2, True)


HOSTILE = "title: \x1b[31m[bold]red[/bold] \x07\x9b\n"


@pytest.mark.parametrize("form", ["text", "json", "github"])
def test_what_files_say_reaches_the_terminal_as_text_only(tmp_path: Path, form: str) -> None:
    files = {
        NOTEBOOK: HOSTILE, "teams/red/profiles/[red]a.yaml": "x", "teams/red/profiles/%0A::error::x.yaml": "x",
        "teams/red/profiles/\x1b]0;x\x07.yaml": "x",
        "teams/red/profiles/b.yaml": "app: '[blink]x[/blink]'\n\"\\e[31m\": 1\n",
        "teams/red/profiles/c.yaml": "title: [:smile:\n",
    }  # fmt: skip
    code, output = allotment("check", write_folder(tmp_path, small(**files)), "--format", form)
    assert code == 1
    assert all(character.isprintable() or character == "\n" for character in output)
    assert form == "json" or "[red]a.yaml" in output
    if form == "text":
        assert "[bold]red[/bold]" in output
        assert "[blink]x[/blink]" in output
        assert ":smile:" in output
    if form == "github":
        beginnings = ("::error file=", "::warning file=", "::notice file=")
        assert all(line.startswith(beginnings) for line in output.splitlines())


def test_colours_are_for_terminals_only(tmp_path: Path) -> None:
    write_folder(tmp_path, small(**{NOTEBOOK: WRONG}))
    assert "\x1b" not in allotment("check", tmp_path)[1]
    coloured = allotment("check", tmp_path, FORCE_COLOR="1", TERM="xterm-256color")[1]
    assert "\x1b[1;31merror" in coloured


def test_a_long_line_is_cut_around_the_place(tmp_path: Path) -> None:
    text = "title: x\nresources: {" + "x: y, " * 2000 + "cpu: [}"
    output = allotment("check", write_folder(tmp_path, small(**{NOTEBOOK: text})))[1]
    assert max(map(len, output.splitlines())) < 300


@pytest.mark.parametrize("kind", ["profile", "team", "data-role", "policy"])
def test_the_schema_of_each_kind_is_printed(kind: str) -> None:
    code, output = allotment("schema", kind)
    assert code == 0
    assert json.loads(output)["$schema"].endswith("2020-12/schema")
    assert json.loads(allotment("schema")[1])[kind] == json.loads(output)


@pytest.fixture
def plugins(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Install packages that join the command: one that works, one that does not import, one that is no command."""
    site = tmp_path / "site"
    for name, text in {
        "good": "import click\n@click.command()\ndef command():\n    click.echo('hello from good')\n",
        "bad": "raise RuntimeError('no\\x1b[31m luck')\n",
        "odd": "command = 3\n",
    }.items():
        info = site / f"{name}-1.dist-info"
        info.mkdir(parents=True)
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1\n")
        (info / "entry_points.txt").write_text(f"[allotment.commands]\n{name} = plugin_{name}:command\n")
        (site / f"plugin_{name}.py").write_text(text)
    monkeypatch.syspath_prepend(str(site))
    yield
    for name in ("good", "bad", "odd"):
        sys.modules.pop(f"plugin_{name}", None)


@pytest.mark.usefixtures("plugins")
def test_a_command_of_another_package_that_does_not_load_says_so_and_harms_no_other() -> None:
    assert allotment("good") == (0, "hello from good\n")
    for name in ("bad", "odd"):
        code, output = allotment(name, "--whatever", "x")
        assert (code, f"`{name}`" in output) == (1, True)
    code, output = allotment("--help")
    assert code == 0
    assert {"check", "schema", "good", "bad", "odd"} <= {
        line.split()[0] for line in output.splitlines() if line.strip()
    }
    assert "(not available" in output
    assert all(character.isprintable() or character == "\n" for character in output)
    assert allotment("check", STARTER)[0] == 0


def test_check_loads_no_other_package() -> None:
    loaded = {name.split(".")[0] for name in modules_of("check", STARTER)}
    assert "allotment_profiles" in loaded
    assert not loaded & {"allotment_hub", "allotment_spawner", "jupyterhub"}


def test_help_loads_no_parser() -> None:
    loaded = modules_of("--help")
    assert "allotment_profiles.cli.main" in loaded
    assert not loaded & {"pydantic", "ryaml", "rich.table"}


def test_every_command_has_help_that_names_its_options() -> None:
    context = click.Context(main)
    for name in main.list_commands(context):
        command = cli.main.get_command(context, name)
        assert command is not None
        assert all(isinstance(each, click.Argument) or each.help for each in command.params), name  # type: ignore[attr-defined]
        assert allotment(name, "--help")[0] == 0
