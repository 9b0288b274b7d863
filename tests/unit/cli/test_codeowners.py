"""CODEOWNERS in the syntax of each forge, and whether one is stale."""

import re
from pathlib import Path

import pytest
from click.testing import CliRunner
from support.command_line import allotment
from support.repositories import ProfilesRepository, data_role, small, team, write_folder

from allotment_profiles.cli.main import main
from allotment_profiles.review.code_owners import (
    FORGE_KINDS,
    PLACES,
    AccountsError,
    ForgeKind,
    accounts_from,
)

OWNERS = """\
administrators: "@acme/platform"
/red/leads: "@acme/red-leads"
/blue/leads: ["@acme/blue-leads", "@dora"]
"""
GLOBS = """\
/teams/blue/ @acme/blue-leads @dora
/teams/blue/team.yaml @acme/platform
/teams/red/ @acme/red-leads
/teams/red/team.yaml @acme/platform
/data-roles/tables.yaml @acme/blue-leads @dora
/policy.yaml @acme/platform
"""


def written(*arguments: str | Path) -> tuple[int, str, str]:
    done = CliRunner().invoke(main, ["codeowners", *map(str, arguments)])
    return done.exit_code, done.stdout, done.stderr


def owners(tmp_path: Path, text: str = OWNERS) -> Path:
    path = tmp_path / "owners.yaml"
    path.write_text(text)
    return path


def folder(tmp_path: Path) -> Path:
    return write_folder(tmp_path / "profiles", small())


def rules(text: str) -> str:
    return "".join(line for line in text.splitlines(keepends=True) if not line.startswith("#"))


@pytest.mark.parametrize("forge", ["github", "gitlab"])
def test_leads_owners_and_administrators_are_asked_the_last_path_that_fits_counts(tmp_path: Path, forge: str) -> None:
    code, text, errors = written("--forge", forge, "--owners", owners(tmp_path), "--repository", folder(tmp_path))
    assert (code, errors) == (0, "")
    assert rules(text) == GLOBS
    assert "@" not in text.splitlines()[0]  # GitLab reads owners in comments, too


def as_gitea_reads(line: str) -> tuple[re.Pattern[str], list[str]]:
    """Return the expression and the owners of a line: a backslash is taken away, and the next character stays."""
    pattern, *names = re.sub(r"\\(.)", r"\1", line).split()
    return re.compile(f"^{pattern}$"), names


def test_gitea_reads_regular_expressions_of_the_whole_path(tmp_path: Path) -> None:
    _, text, _ = written("--forge", "gitea", "--owners", owners(tmp_path), "--repository", folder(tmp_path))
    read = [as_gitea_reads(line) for line in rules(text).splitlines()]

    def asked(path: str) -> set[str]:
        return {name for pattern, names in read if pattern.match(path) for name in names}

    assert asked("teams/red/profiles/notebook.yaml") == {"@acme/red-leads"}
    assert asked("teams/red/team.yaml") == {"@acme/red-leads", "@acme/platform"}
    assert asked("data-roles/tables.yaml") == {"@acme/blue-leads", "@dora"}
    assert asked("data-roles/tablesxyaml") == asked("other/teams/red/team.yaml") == asked("teams/redder/a") == set()
    assert asked("policy.yaml") == {"@acme/platform"}


def test_who_has_no_account_is_listed_and_left_out(tmp_path: Path) -> None:
    mapping = owners(tmp_path, '/red/leads: "@acme/red-leads"')
    code, text, errors = written("--forge", "github", "--owners", mapping, "--repository", folder(tmp_path))
    assert (code, rules(text)) == (0, "/teams/red/ @acme/red-leads\n")
    assert [line.split()[0] for line in errors.splitlines()] == ["/blue/leads", "administrators"]


def test_no_name_of_a_file_gets_into_it(tmp_path: Path) -> None:
    hostile = "/x * @mallory #"
    files = small(**{
        "teams/red/team.yaml": team("red", title="* @mallory", leads={"groups": [hostile], "users": ["@mallory"]}),
        "data-roles/tables.yaml": data_role("blue", {"red": "2027-03-31"}, title="* @mallory"),
    })  # fmt: skip
    place = write_folder(tmp_path / "profiles", files)
    for forge in FORGE_KINDS:
        code, text, errors = written("--forge", forge, "--owners", owners(tmp_path), "--repository", place)
        assert code == 0
        assert "mallory" not in text
        assert hostile in errors


@pytest.mark.parametrize(
    ("forge", "value"),
    [
        *((forge, value) for forge in FORGE_KINDS for value in (
            "acme", "@", "@acme team", "@acme\n* @mallory", "@acme#", "@acme/", "@../x", 7, [], ["@acme", ""], {},
        )),
        ("github", "@@maintainer"), ("github", "@acme/sub/team"), ("gitea", "@acme/sub/team"), ("gitea", "a@b.org"),
    ],
)  # fmt: skip
def test_what_is_no_account_of_the_forge_is_refused(forge: ForgeKind, value: object) -> None:
    with pytest.raises(AccountsError, match="no account"):
        accounts_from({"/red/leads": value}, forge)


def test_accounts_are_as_the_forges_write_them() -> None:
    for forge, values in {
        "github": ["@ann-b", "@acme/red.leads", "ann@example.org"],
        "gitea": ["@ann_b", "@acme/red"],
        "gitlab": ["@ann.b", "@acme/sub/red", "@@maintainer", "ann@example.org"],
    }.items():
        assert accounts_from({"/red/leads": values}, forge) == {"/red/leads": tuple(values)}  # type: ignore[arg-type]


def test_a_file_of_accounts_that_cannot_be_read_is_a_usage_error(tmp_path: Path) -> None:
    for text in ("/red/leads: acme", "- x", ""):
        code, output = allotment(
            "codeowners", "--forge", "github", "--owners", owners(tmp_path, text), "--repository", folder(tmp_path)
        )
        assert (code, "owners.yaml cannot be used" in output) == (2, True)


@pytest.mark.parametrize("forge", FORGE_KINDS)
def test_a_stale_file_is_said_wherever_the_forge_looks_first(tmp_path: Path, forge: ForgeKind) -> None:
    place, mapping = folder(tmp_path), owners(tmp_path)
    options = ("codeowners", "--forge", forge, "--owners", mapping, "--repository", place)
    assert allotment(*options, "--check") == (1, f"There is no {PLACES[forge][0]}: write it.\n")
    for where in reversed(PLACES[forge]):
        (place / where).parent.mkdir(exist_ok=True)
        assert allotment(*options, "--output", place / where)[0] == 0
        assert allotment(*options, "--check") == (0, f"{where} is up to date.\n")
        with (place / where).open("a") as file:
            file.write("* @acme/all\n")
        assert allotment(*options, "--check") == (1, f"{where} is stale: write it anew.\n")


def test_the_file_of_a_commit_is_checked_too(tmp_path: Path, profiles: ProfilesRepository) -> None:
    mapping = owners(tmp_path)
    options = ("codeowners", "--forge", "gitea", "--owners", mapping, "--repository", profiles.path)
    profiles.push(small())
    text = allotment(*options)[1]
    assert allotment(*options, "--check")[0] == 1
    profiles.push({"docs/CODEOWNERS": text.encode()})
    assert allotment(*options, "--check") == (0, "docs/CODEOWNERS is up to date.\n")
