"""What the documents name is there: links, paths, commands with their options. No file names anybody's machine."""

import ast
import functools
import importlib.util
import os
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator

import click
import pytest
from support.folders import ROOT
from support.session_command import PACKAGE

from allotment_profiles.access.rules import REFUSALS
from allotment_profiles.cli.main import main
from allotment_profiles.model import Binding
from allotment_profiles.reference.document import PROBLEMS

CODE = re.compile(r"`([^`\n]+)`")
LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")
# What stands for something else: <team>, NAME, *, …
STANDS_FOR = re.compile(r"[<>*…{}]|\b[A-Z]{3,}\b|\.\.\.")


def tracked() -> list[str]:
    done = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z"],
        cwd=ROOT, capture_output=True, check=True, text=True,
    )  # fmt: skip
    return [path for path in done.stdout.split("\0") if path and (ROOT / path).is_file()]


FILES = tracked()
DOCUMENTS = [path for path in FILES if path.endswith(".md") and not path.startswith("changelog/")]


@functools.cache
def text(path: str) -> str:
    return (ROOT / path).read_text(encoding="utf-8")


def lines_of_code(document: str) -> list[str]:
    """Give what is set as code: inline, in fences, and indented by four."""
    found, fenced = [], False
    for line in text(document).splitlines():
        if line.startswith("```"):
            fenced = not fenced
        elif fenced or line.startswith("    "):
            found.append(line.strip())
        else:
            found += CODE.findall(line)
    return found


def commands(document: str, program: str) -> list[list[str]]:
    """Give the words after a program's name, for every line of code that calls it."""
    calls = []
    for line in lines_of_code(document):
        command = re.split(r"  +|\s#\s", line.removeprefix("$ "))[0]
        if command.startswith(program + " "):
            calls.append(shlex.split(command)[len(program.split()) :])
    return calls


def slug(heading: str) -> str:
    return re.sub(r"[^\w\- ]", "", heading.strip().lower()).replace(" ", "-")


@pytest.mark.parametrize("document", DOCUMENTS)
def test_every_link_leads_somewhere(document: str) -> None:
    for target in LINK.findall(text(document)):
        if re.match(r"[a-z]+:", target):
            assert target.startswith(("https://", "mailto:")), target
            continue
        path, _, anchor = target.partition("#")
        found = (ROOT / document).parent / path if path else ROOT / document
        assert found.exists(), f"{document}: {target}"
        if anchor:
            headings = re.findall(r"^#+ (.*)$", found.read_text(encoding="utf-8"), re.MULTILINE)
            assert anchor in map(slug, headings), f"{document}: {target}"


# A short path such as `store/watcher.py` is below one of these.
PACKAGES = ("profiles/allotment_profiles", "spawner/allotment_spawner", "hub/allotment_hub")


def named_path(code: str) -> str | None:
    """Give the path that a piece of code begins with, if it is one of ours."""
    first = code.split(maxsplit=1)[0] if code.split() else ""
    path = first.partition("::")[0]
    if "/" not in path or STANDS_FOR.search(path) or "+" in path:
        return None
    ours = {file.split("/")[0] for file in FILES if "/" in file} | {"helm"}
    return first if path.split("/")[0] in ours or path.endswith(".py") else None


@pytest.mark.parametrize("document", DOCUMENTS)
def test_every_path_is_there_and_has_what_is_named_in_it(document: str) -> None:
    for code in filter(None, map(named_path, CODE.findall(text(document)))):
        path, _, name = code.partition("::")
        places = [place for place in (path, *(f"{package}/{path}" for package in PACKAGES)) if (ROOT / place).exists()]
        assert len(places) == 1, f"{document}: {code}"
        assert not name or re.search(rf"^\s*((async )?def |class )?{name}\b", text(places[0]), re.MULTILINE), (
            f"{document}: {code}"
        )


@pytest.mark.parametrize("document", DOCUMENTS)
def test_every_target_of_make_is_one(document: str) -> None:
    targets = re.findall(r"^([a-z][a-z-]*):", text("Makefile"), re.MULTILINE)
    for words in commands(document, "make"):
        named = [word for before, word in zip(["", *words], words, strict=False) if before != "-C"]
        for word in named:
            if not word.startswith("-") and "=" not in word:
                assert word in targets, f"{document}: make {word}"


def options_of(command: click.Command) -> set[str]:
    return {name for each in command.params for name in (*each.opts, *each.secondary_opts)} | {"--help", "-h"}


@pytest.mark.parametrize("document", DOCUMENTS)
def test_every_command_of_allotment_has_the_options_that_are_named(document: str) -> None:
    for words in commands(document, "allotment"):
        if not words or STANDS_FOR.search(words[0]):
            continue
        if words[0].startswith("-"):
            assert words[0] in {*options_of(main), "--help", "-h"}, f"{document}: allotment {words[0]}"
            continue
        command = main.get_command(click.Context(main), words[0])
        assert command is not None, f"{document}: allotment {words[0]} (is it new? make .venv/.development)"
        if isinstance(command, click.Group) and words[1:] and not STANDS_FOR.search(words[1]):
            command = command.get_command(click.Context(command), words[1])
            assert command is not None, f"{document}: allotment {' '.join(words[:2])}"
        for word in words[1:]:
            if word.startswith("-"):
                assert word.split("=")[0] in options_of(command), f"{document}: allotment {' '.join(words)}"


@functools.cache
def session_help(command: str) -> str:
    done = subprocess.run(
        [sys.executable, "-m", "allotment_session", *([command] if command else []), "--help"],
        env={"PATH": os.environ["PATH"], "PYTHONPATH": str(PACKAGE), "PYTHONDONTWRITEBYTECODE": "1"},
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    return done.stdout if done.returncode == 0 else ""


@pytest.mark.parametrize("document", DOCUMENTS)
def test_every_command_of_allotment_session_has_the_options_that_are_named(document: str) -> None:
    for words in commands(document, "allotment-session"):
        if not words or STANDS_FOR.search(words[0]):
            continue
        known = session_help("" if words[0].startswith("-") else words[0])
        assert known, f"{document}: allotment-session {words[0]}"
        for word in words:
            if word.startswith("-"):
                assert word.split("=")[0] in known, f"{document}: allotment-session {' '.join(words)}"


@pytest.mark.parametrize("document", DOCUMENTS)
def test_every_module_that_is_run_exists(document: str) -> None:
    for words in commands(document, "python -m"):
        assert importlib.util.find_spec(words[0]) or (PACKAGE / words[0]).is_dir(), f"{document}: python -m {words[0]}"


# Put together here, so that this file does not hold what it looks for.
MACHINES = re.compile(
    "|".join((r"(?<![\w.-])/" + "work/", r"(?<![\w.-])/" + "root/", r"/home/" + "(?!jovyan|rstudio)[a-z]+/"))
)
LOCKS = [path for path in FILES if re.search(r"^requirements/.*\.txt$|(yarn\.lock|package-lock\.json|uv\.lock)$", path)]


def test_no_file_names_a_place_on_somebody_s_machine() -> None:
    found = []
    for path in FILES:
        data = (ROOT / path).read_bytes()
        if b"\0" not in data and MACHINES.search(data.decode("utf-8", errors="replace")):
            found.append(path)
    assert found == []


@pytest.mark.parametrize("path", LOCKS)
def test_no_lock_file_names_where_packages_were_downloaded(path: str) -> None:
    addresses = set(re.findall(r"https?://([^/\s\"']+)", text(path)))
    assert addresses <= {"registry.yarnpkg.com", "registry.npmjs.org"}
    assert not re.search(r"^--?(i|f|index-url|extra-index-url|find-links|trusted-host)\b", text(path), re.MULTILINE)


def public_classes() -> set[str]:
    """Give the names of the product's public classes."""
    modules = [path for path in FILES if path.startswith(PACKAGES) and path.endswith(".py")]
    names = {
        node.name for path in modules for node in ast.walk(ast.parse(text(path))) if isinstance(node, ast.ClassDef)
    }
    return {name for name in names if not name.startswith("_")}


def test_the_glossary_has_every_word_of_a_class() -> None:
    section = text("docs/contributor.md").partition("\n## Glossary\n")[2].partition("\n## ")[0]
    terms = [line.split("|")[1] for line in section.splitlines() if line.startswith("| ")]
    known = {word for term in terms for word in re.findall(r"[a-z0-9]+", term.lower())}
    known |= {f"{word}s" for word in known} | {word.removesuffix("s") for word in known}
    known |= {f"{word.removesuffix('y')}ies" for word in known if word.endswith("y")}
    missing = [
        f"{word.lower()}, of {name}"
        for name in sorted(public_classes())
        for word in re.findall(r"[A-Z]+(?=[A-Z][a-z]|$)|[A-Z][a-z0-9]+", name)
        if word.lower() not in known
    ]
    assert missing == [], "add these words to the glossary of docs/contributor.md"


@pytest.mark.parametrize("kind", Binding.model_fields)
def test_the_guide_says_what_each_kind_of_binding_needs(kind: str) -> None:
    assert f"\n| `{kind}` |" in text("docs/kubernetes.md"), "add a row to its table of bindings"


# What makes problems and refusals → which argument is the code.
MAKERS = {
    "refused": 1, "Refusal": 0, "unavailable": 0, "Problem": 1, "not_started": 0, "_refusal": 0, "_Waiting": 0,
    "_occupied": 0, "_link": 4,
}  # fmt: skip
# `checked_text` makes these of the field's name; the last one comes from Tornado.
MADE = {"reason", "comment", "reason-missing", "comment-missing", "xsrf"}


def codes_of(folder: str) -> Iterator[str]:
    for path in FILES:
        for node in ast.walk(ast.parse(text(path))) if path.startswith(folder) and path.endswith(".py") else ():
            if isinstance(node, ast.Call):
                name = getattr(node.func, "id", "") or getattr(node.func, "attr", "")
                place = MAKERS.get(name, len(node.args))
                given = [*node.args[place : place + 1], *(each.value for each in node.keywords if each.arg == "code")]
                yield from (str(code.value) for code in given if isinstance(code, ast.Constant))


def test_every_code_of_the_service_and_the_spawner_is_documented() -> None:
    documented = re.findall(r"^\| `([a-z-]+)`", text("docs/codes.md"), re.MULTILINE)
    used = {*codes_of("hub/"), *codes_of("spawner/"), *MADE}
    assert set(documented) == used - {*REFUSALS, *PROBLEMS}
    assert len(documented) == len(set(documented))
