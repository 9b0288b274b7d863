"""Thirty different mistakes in one repository: their exact places and their words, as in `tests/data`."""

import json

from support.command_line import allotment
from support.folders import DATA
from support.golden import assert_golden

FOLDER = DATA / "thirty-mistakes"


def test_thirty_mistakes_have_thirty_exact_places_and_the_words_of_the_golden_file() -> None:
    code, output = allotment("check", FOLDER, "--format", "json")
    problems = json.loads(output)["problems"]
    assert code == 1
    assert len({(each["path"], each["line"], each["column"], each["code"]) for each in problems}) == 30
    for each in problems:
        assert each["message"]
        assert each["remedy"]
        if each["column"] is not None:
            line = (FOLDER / each["path"]).read_bytes().decode().split("\n")[each["line"] - 1]
            assert 1 <= each["column"] <= len(line)
    words = "{path}:{line}:{column} {level} [{code}] {message} {remedy}"
    assert_golden("thirty-mistakes.txt", (words.format(**each) for each in problems))
