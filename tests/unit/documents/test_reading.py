"""Every mistake has its exact place; no bytes do harm."""

import gc
import json
import string
import time
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from support.answers import assert_answered
from support.folders import DATA
from support.hostile import HOSTILE, PROFILE, changed
from support.properties import examples
from support.repositories import data_role, policy, profile, team

from allotment_profiles.documents.parsing import parse_yaml
from allotment_profiles.documents.reading import read
from allotment_profiles.documents.writing import write
from allotment_profiles.model import MODELS
from allotment_profiles.model.limits import MAXIMUM_BYTES, MAXIMUM_PROBLEMS
from allotment_profiles.model.values.texts import harmful_character

CORPUS = DATA / "hostile"

MISTAKES = [
    # what, by what, code, line, column, a word of the message, a word of the remedy
    ("title: Notebook", "title: [Notebook", "syntax", 2, 8, "YAML", "indentation"),
    ("app: jupyterlab", "app: jupyterlab\nimages: x", "unknown-key", 4, 1, "images", "Did you mean image?"),
    ("    limit: 4 GiB", "    limt: 4 GiB", "unknown-key", 9, 5, "limt", "Did you mean limit?"),
    ("normal: {title: Normal}", "normal: {titel: N, title: N}", "unknown-key", 15, 16, "titel", "Did you mean title?"),
    ("    limit: 4 GiB", "    limit: 4 GB", "memory-unit", 9, 5, "'GB'", "Did you mean GiB?"),
    ("    limit: 4 GiB", "    limit: 4", "memory-unit", 9, 5, "no unit", "8 GiB"),
    ("    limit: 4 GiB", "    limit: -4 GiB", "memory-unit", 9, 5, "-4 GiB", "8 GiB"),
    ("    limit: 4 GiB", "    limit: 999999999999 TiB", "memory-range", 9, 5, "not a possible", "8 GiB"),
    ("idle: 2 h, total: 12 h", "idle: 13 h, total: 12 h", "lifetime-order", 18, 12, "longer", "Shorten"),
    ("idle: 2 h, total: 12 h", "idle: 13 h", "lifetime-order", 18, 12, "longer", "Shorten"),
    ("    limit: 4 GiB", "    limit: 512 MiB", "memory-order", 9, 5, "below the guarantee 1 GiB", "Raise the limit"),
    ("cpu: {guarantee: 0.5, limit: 2}", "cpu: {guarantee: 3, limit: 2}", "cpu-order", 6, 23, "below", "Raise"),
    ("limit: 2}", "limit: 012}", "cpu-number", 6, 25, "012", "0.5"),
    ("limit: 2}", "limit: 1:30}", "cpu-number", 6, 25, "1:30", "0.5"),
    ("limit: 2}", "limit: .inf}", "cpu-number", 6, 25, "inf", "0.5"),
    ("limit: 2}", "limit: .nan}", "cpu-number", 6, 25, "nan", "0.5"),
    ("limit: 2}", "limit: -2}", "cpu-range", 6, 25, "-2", "0.5"),
    ("limit: 2}", "limit: yes}", "cpu-number", 6, 25, "yes", "0.5"),
    ("limit: 2}", "limit: true}", "cpu-number", 6, 25, "True", "0.5"),
    ("limit: 2}", "limit: 1e9}", "cpu-range", 6, 25, "1000000000.0", "0.5"),
    ("limit: 2}", "limit: [2]}", "cpu-number", 6, 25, "A list", "0.5"),
    ("limit: 2}", f"limit: {'9' * 15}}}", "cpu-range", 6, 25, "9999", "0.5"),
    ("limit: 2}", f"limit: {'9' * 31}}}", "number", 6, 32, "digits", "shorter"),
    ("limit: 2}", f"limit: {'9' * 5000}}}", "cpu-number", 6, 25, "9999", "0.5"),
    ("app: jupyterlab", "app: Emacs!", "name", 3, 1, "Emacs", "lower-case"),
    ("purpose:", "visibility: hidden\npurpose:", "not-offered", 2, 1, "hidden", "deprecated"),
    ("app: jupyterlab\n", "", "missing", 1, 1, "'app'", "Add"),
    ("title: Notebook", "title: 2027", "text", 1, 1, "2027", "quotation marks"),
    ("title: Notebook", "title:", "text", 1, 1, "None", "quotation marks"),
    ("title: Notebook", f"title: {'x' * 81}", "too-long", 1, 1, "'title'", "80"),
    ("title: Notebook", 'title: "\\u202egnp"', "text-character", 1, 1, "U+202E", "Remove"),
    ("title: Notebook", 'title: "\\0"', "text-character", 1, 1, "U+0000", "Remove"),
    ("default: normal", "default: huge", "option-default", 13, 5, "huge", "normal"),
    ("TZ: Europe/London", "LD_PRELOAD: evil.so", "environment-forbidden", 16, 15, "LD_PRELOAD", "another name"),
    ("TZ: Europe/London", "prompt_command: id", "environment-forbidden", 16, 15, "prompt_command", "another name"),
    ("TZ: Europe/London", "DB_PASSWORD: x", "environment-secret", 16, 15, "DB_PASSWORD", "data role"),
    ("TZ: Europe/London", "N: 4", "environment-value", 16, 15, "number", "quotation marks"),
    ("TZ: Europe/London", "a-b: x", "environment-name", 16, 15, "a-b", "letters"),
    ("[tables]", "[tables, tables]", "data-role-twice", 17, 1, "twice", "once"),
    ("[tables]", "[../x]", "name", 17, 14, "../x", "lower-case"),
    ("[tables]", "tables", "list", 17, 1, "list", "[one, two]"),
    ("idle: 2 h", "idle: 2 hours", "duration-unit", 18, 12, "hours", "Did you mean h?"),
    ("12 h", "9999 d", "duration-range", 18, 23, "9999 d", "12 h"),
    ("2027-03-31", "2027-02-31", "date", 19, 1, "2027-02-31", "2027-03-31"),
    ("2027-03-31", "tomorrow", "date", 19, 1, "tomorrow", "2027-03-31"),
    ("registry.example.org/analysis/notebook:1", "notebook:1", "image-registry", 4, 1, "notebook:1", "registry/name"),
    ("notebook:1", "notebook", "image-tag", 4, 1, "neither", "tag"),
    ("title: Notebook", "\ufefftitle: Notebook", "character", 1, 1, "byte order mark", "without BOM"),
    ("title: Notebook\n", "title: Notebook\r", "character", 1, 16, "carriage return", "LF"),
    ("title: Notebook", "title:\u00a0Notebook", "syntax", 2, 8, "YAML", "space (U+00A0) in column 7: write"),
    ("\napp:", "\n\u00a0app:", "unknown-key", 3, 1, "app", "column 1: write a plain space. Did you mean app?"),
    ("title: Notebook", "title: \u201cNote: book\u201d", "syntax", 1, 13, "YAML", "quotation mark (U+201C)"),
    ("title: Notebook", "title\uff1a Notebook", "syntax", 2, 8, "YAML", "wide colon"),
    ("\napp:", "\n\tapp:", "syntax", 3, 1, "YAML", "a tab (U+0009) in column 1: write spaces"),
    ("\napp:", "\n\u2013 app:", "unknown-key", 3, 1, "app", "write -. Did you mean app?"),
    ("registry.example.org", "docker://registry.example.org", "image", 4, 1, "docker://", "Leave that out"),
    ("registry.example.org", "https://registry.example.org", "image", 4, 1, "https://", "begin with the registry"),
    ("registry.example.org/", "registry/", "image-registry", 4, 1, "registry", "registry/name"),
    ("notebook:1", "notebook@sha256:12", "image-digest", 4, 1, "sha256:12", "64"),
    ("analysis/notebook:1", "../notebook:1", "image", 4, 1, "../notebook", "registry/name"),
    ("resources:", "? [a]\n: b\nresources:", "key", 5, 3, "key", "word"),
    ("resources:", "app: rstudio\nresources:", "duplicate-key", 5, 1, "'app'", "one"),
    ("title: Notebook", "title: &a Notebook", "anchor", 1, 8, "Anchors", "value itself"),
    ("title: Notebook", "title: *a", "alias", 1, 8, "Aliases", "value itself"),
    ("title: Notebook", "title: !!str Notebook", "tag", 1, 8, "Tags", "value itself"),
    ("title: Notebook", "title: !!python/object:os.system Notebook", "tag", 1, 8, "Tags", "value itself"),
    ("app: jupyterlab", "<<: {app: jupyterlab}", "merge-key", 3, 1, "Merge", "value itself"),
    ("title: Notebook", "%YAML 1.1\n---\ntitle: Notebook", "directive", 1, 1, "directives", "Remove"),
    ("app: jupyterlab", "---\napp: jupyterlab", "documents", 3, 1, "several", "one per file"),
]  # fmt: skip


@pytest.mark.parametrize(
    ("old", "new", "code", "line", "column", "message", "remedy"),
    MISTAKES,
    ids=[f"{m[2]}-{m[1][:20]}" for m in MISTAKES],
)
def test_a_mistake_is_told_with_its_exact_place(
    old: str, new: str, code: str, line: int, column: int | None, message: str, remedy: str
) -> None:
    problems = read("profile", "teams/red/profiles/a.yaml", changed(old, new)).problems
    problem = next(problem for problem in problems if problem.code == code)
    assert (problem.line, problem.column, problem.level) == (line, column, "hard")
    assert message in problem.message
    assert remedy in problem.remedy
    assert problem.path == "teams/red/profiles/a.yaml"


@pytest.mark.parametrize(
    ("encoding", "word"),
    [("utf-16", "UTF-16"), ("utf-16-le", "UTF-16"), ("utf-16-be", "UTF-16"), ("latin-1", "not UTF-8")],
)
def test_another_encoding_is_named_with_what_to_do_in_the_editor(encoding: str, word: str) -> None:
    (problem,) = read(
        "profile", "teams/red/profiles/notebook.yaml", "title: Tabelle für alle\n".encode(encoding)
    ).problems
    assert (problem.code, problem.line) == ("encoding", 1)
    assert word in problem.message
    assert "Save it as UTF-8" in problem.remedy


def test_the_file_without_mistakes_reads() -> None:
    assert read("profile", "a.yaml", PROFILE).problems == ()


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_input_is_refused_at_once(name: str) -> None:
    data, code = HOSTILE[name]
    read("profile", "a.yaml", b"warm: up")
    gc.freeze()  # what other tests left behind is not this file's time
    began = time.thread_time()
    reading = read("profile", "a.yaml", data)
    again = time.thread_time()
    read("profile", "a.yaml", data)
    spent = min(again - began, time.thread_time() - again)
    gc.unfreeze()
    assert reading.value is None
    assert code in {problem.code for problem in reading.problems}, reading.problems[:3]
    assert len(reading.problems) <= MAXIMUM_PROBLEMS
    assert all(len(str(problem)) < 1500 and str(problem).isprintable() for problem in reading.problems)
    # A tenth of a second is the promise; the rest is for a slow machine.
    assert spent < 0.3


@examples(40)
@given(st.sampled_from(string.printable), st.sampled_from(["", "title: ", "a:\n "]))
@example("\n", "")
@example(" ", "")
@example("\t", "")
@example("?", "")
@example("-", "")
def test_a_file_full_of_one_character_is_read_at_once(character: str, before: str) -> None:
    data = (before + character * (MAXIMUM_BYTES - len(before))).encode()
    began = time.thread_time()
    reading = read("profile", "a.yaml", data)
    spent = time.thread_time() - began
    assert reading.value is None
    assert reading.problems
    # One that grows with the square of the length takes ten times as long.
    assert spent < 1


@pytest.mark.parametrize(
    "text",
    [
        "{username.__class__}", "{0.__init__.__globals__}", "%(name)s %s", "${jndi:ldap://x}", "{{ 7 * 7 }}", "$(id)",
        "<script>alert(1)</script>", "[bold]x[/bold]", "'; DROP TABLE x; --", "no", "012", "1:30", "2027-03-31", "1e3",
        "# no comment", "- no list", "a: b", "--------", "????", "Zürich, 東京 and 👩‍🔬",
    ],
)  # fmt: skip
def test_text_is_text_whatever_it_looks_like(text: str) -> None:
    data = write("profile", profile(title=text, description=text, purpose=text, environment={"X": text}))
    value = read("profile", "a.yaml", data).value
    assert value is not None
    assert {value.title, value.description, value.purpose, value.environment["X"]} == {text}  # type: ignore[attr-defined]


def test_rows_of_dashes_in_comments_and_windows_line_ends_do_no_harm() -> None:
    data = b"# ------------------------------\n" + PROFILE
    assert read("profile", "a.yaml", data).value == read("profile", "a.yaml", data.replace(b"\n", b"\r\n")).value
    assert read("profile", "a.yaml", data).value is not None


def test_many_braces_that_do_not_nest_are_fine() -> None:
    grants = "".join(f"  team-{i}: {{until: 2027-03-31}}\n" for i in range(150))
    text = write("data role", data_role("red")).decode().replace("granted_to: {}", f"granted_to:\n{grants}".rstrip())
    assert read("data role", "data-roles/a.yaml", text.encode()).problems == ()


KINDS = sorted(MODELS)
VALID = {
    "profile": PROFILE,
    "team": write("team", team("red")),
    "data role": write("data role", data_role("red", {"red": "2027-03-31"})),
    "policy": write("policy", policy()),
}


TOKENS = [
    *"[]{}:,-?&*!|>'\"%@`#~ \n\t", ": ", "- ", "? ", "\n  ", "---\n", "...\n", "<<: ", "&a ", "*a", "!!int ", "|\n ",
    "title", "resources", "cpu", "limit", "0x10", "1e400", "-0", ".nan", "9" * 40, "\u2028", "\ufeff", "\x85", "null",
    "2027-03-31", "8 GiB", "\U0001f600",
]  # fmt: skip


TEXTS = st.text(max_size=300) | st.lists(st.sampled_from(TOKENS), max_size=60).map("".join)
BYTES = st.binary(max_size=300) | TEXTS.map(lambda text: text.encode(errors="surrogatepass"))


@examples(450)
@given(st.sampled_from(KINDS), BYTES)
@example("profile", b"\xff")
def test_any_bytes_any_text_and_anything_like_yaml_give_a_model_or_problems(kind: str, data: bytes) -> None:
    assert_answered(kind, data)


@given(st.sampled_from(KINDS), st.data())
def test_a_valid_file_with_anything_changed_gives_a_model_or_problems(kind: str, data: st.DataObject) -> None:
    text = VALID[kind].decode()
    for _ in range(data.draw(st.integers(1, 4))):
        start = data.draw(st.integers(0, len(text)))
        end = data.draw(st.integers(start, min(len(text), start + 12)))
        text = text[:start] + data.draw(st.one_of(st.sampled_from(TOKENS), st.text(max_size=6))) + text[end:]
    assert_answered(kind, text.encode(errors="surrogatepass"))


ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=12),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(
            st.sampled_from(["title", "resources", "cpu", "limit", "options", "binding", "volume"])
            | st.text(max_size=6),
            inner,
            max_size=5,
        )
    ),
    max_leaves=20,
)


@given(st.sampled_from(KINDS), ANYTHING)
@example("profile", {"[key]": None})
@example("profile", {"environment": {"[key]": 1}, "options": {"[key]": None}})
@example("profile", {"\ud800": "\ud800", "title": "\ud800", "data_roles": ["\ud800"]})
def test_any_json_gives_a_model_or_problems(kind: str, value: object) -> None:
    reading = read(kind, "a.yaml", json.dumps(value).encode())  # type: ignore[arg-type]
    assert (reading.value is None) == bool(reading.problems)
    assert all(str(problem).isprintable() for problem in reading.problems)


def is_writable(text: str) -> bool:
    """Characters that the gate lets through; everything else cannot be in a file at all."""
    return harmful_character(text, allowed="\n") is None


PLAIN = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**63)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.sampled_from(
        ["no", "012", "1:30", "1e3", "0x1F", "0o7", ".5", "+1", "~", "null", "=", "<<", "2027-03-31", "1_0"]
    )
    | st.text(max_size=40).filter(is_writable),
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=10).filter(is_writable), inner, max_size=4)
    ),
    max_leaves=25,
)


@given(st.sampled_from(KINDS), st.dictionaries(st.text(max_size=10).filter(is_writable), PLAIN, min_size=1, max_size=5))
@example("profile", {"a": "\n x"})
@example("profile", {"a": " x\ny"})
@example("profile", {"a": "x\n\n"})
@example("profile", {"a": "x \ny"})
@example("profile", {"cpu": {"a": "x\ny"}, "tags": ["a, b", "{", "&x", "x: y"]})
def test_what_is_written_reads_as_the_same_data(kind: str, value: dict[str, object]) -> None:
    data = write(kind, value)  # type: ignore[arg-type]
    assert parse_yaml(data) == value
    assert write(kind, value) == data  # type: ignore[arg-type]


@pytest.mark.parametrize("path", sorted(CORPUS.glob("*.yaml")), ids=lambda path: path.name)
def test_what_once_did_harm_does_none(path: Path) -> None:
    for kind in KINDS:
        assert_answered(kind, path.read_bytes())
