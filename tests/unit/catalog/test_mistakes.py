"""Thirty different mistakes in one repository, thirty exact places."""

import json

from click.testing import CliRunner
from support.folders import DATA

from allotment_profiles.cli.main import main

FOLDER = DATA / "thirty-mistakes"
PROFILES = "teams/red/profiles"
PLACES = [
    ("data-roles/tables.yaml", 5, 14, "grantee-unknown"),
    ("teams/green/team.yaml", 2, 11, "unknown-key"),
    (f"{PROFILES}/anchored.yaml", 1, 8, "anchor"),
    (f"{PROFILES}/bracket.yaml", 7, 10, "syntax"),
    (f"{PROFILES}/documents.yaml", 6, 1, "documents"),
    (f"{PROFILES}/odd.yml", None, None, "path"),
    (f"{PROFILES}/others.yaml", 3, 1, "app-unknown"),
    (f"{PROFILES}/others.yaml", 4, 1, "image-envelope"),
    (f"{PROFILES}/others.yaml", 7, 5, "grant-missing"),
    (f"{PROFILES}/others.yaml", 8, 5, "data-role-unknown"),
    (f"{PROFILES}/others.yaml", 9, 8, "only-unknown"),
    (f"{PROFILES}/others.yaml", 10, 12, "checkout-forbidden"),
    (f"{PROFILES}/others.yaml", 11, 1, "successor-unknown"),
    (f"{PROFILES}/report-l.yaml", None, None, "name-collision"),
    (f"{PROFILES}/size.yaml", 14, 71, "cpu-envelope"),
    (f"{PROFILES}/size.yaml", 15, 43, "cpu-order"),
    (f"{PROFILES}/size.yaml", 16, 12, "lifetime-ceiling"),
    (f"{PROFILES}/tagged.yaml", 6, 14, "tag"),
    (f"{PROFILES}/turned.yaml", 6, 19, "character"),
    (f"{PROFILES}/twice.yaml", 6, 1, "duplicate-key"),
    (f"{PROFILES}/words.yaml", 2, 1, "unknown-key"),
    (f"{PROFILES}/words.yaml", 4, 1, "name"),
    (f"{PROFILES}/words.yaml", 5, 1, "image-registry"),
    (f"{PROFILES}/words.yaml", 7, 25, "cpu-number"),
    (f"{PROFILES}/words.yaml", 10, 5, "memory-unit"),
    (f"{PROFILES}/words.yaml", 14, 5, "option-default"),
    (f"{PROFILES}/words.yaml", 18, 3, "environment-forbidden"),
    (f"{PROFILES}/words.yaml", 19, 3, "environment-secret"),
    (f"{PROFILES}/words.yaml", 20, 12, "duration-unit"),
    (f"{PROFILES}/words.yaml", 21, 1, "date"),
]


def test_thirty_mistakes_have_thirty_exact_places() -> None:
    done = CliRunner().invoke(main, ["check", str(FOLDER), "--format", "json"])
    problems = json.loads(done.output)["problems"]
    found = [(each["path"], each["line"], each["column"], each["code"]) for each in problems]
    assert done.exit_code == 1
    assert sorted(found, key=repr) == sorted(PLACES, key=repr)
    assert len(set(PLACES)) == 30
    for each in problems:
        assert each["message"]
        assert each["remedy"]
        if each["column"] is not None:
            line = (FOLDER / each["path"]).read_bytes().decode().split("\n")[each["line"] - 1]
            assert 1 <= each["column"] <= len(line)
