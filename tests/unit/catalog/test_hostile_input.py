"""Input made to do harm, beyond single files: values that look like others, patterns, templates, repositories."""

import datetime as dt
import importlib
import json
import os
import pkgutil
import re
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from support.answers import assert_answered
from support.folders import DATA
from support.repositories import START, ProfilesRepository, data_role, policy, profile, small, team, write_folder
from support.servers.git_server import git

import allotment_profiles
from allotment_profiles.access.deployments import Capabilities
from allotment_profiles.access.offers import offer, offers
from allotment_profiles.access.people import User
from allotment_profiles.catalog.catalog import Catalog
from allotment_profiles.cli.main import main
from allotment_profiles.documents.reading import read
from allotment_profiles.git.repository import Repository
from allotment_profiles.model import MODELS
from allotment_profiles.store.loading import load
from allotment_profiles.store.snapshot import in_folder
from allotment_profiles.store.watcher import CatalogWatcher
from allotment_spawner.start_page.cards import Viewer
from allotment_spawner.start_page.offers import start_page
from allotment_spawner.start_page.rendering import render

NOTEBOOK = "teams/red/profiles/notebook.yaml"
ABLE = Capabilities("this cluster", frozenset({"volume"}), {})


# -- values that look like something else

PLAIN = b"""\
title: %s
purpose: Testing
app: jupyterlab
image: registry.example.org/analysis/notebook:1
resources: {cpu: {limit: 2}, memory: {limit: 4 GiB}}
environment: {FLAG: %s}
"""


@pytest.mark.parametrize("word", ["no", "yes", "on", "off", "012", "1:30", "1_000", "2027-03-31", "y", "~x"])
def test_what_other_parsers_take_for_something_else_is_text(word: str) -> None:
    value = read("profile", "a.yaml", PLAIN % (word.encode(), word.encode())).value
    assert value is not None
    assert value.model_dump()["title"] == value.model_dump()["environment"]["FLAG"] == word


@pytest.mark.parametrize(
    "word", ["1e3", "12", "0o12", "0x10", "1.5", ".inf", "true", "null", "~", "[a]", "{a: b}", ".nan"]
)
def test_what_is_no_text_is_never_turned_into_some(word: str) -> None:
    reading = read("profile", "a.yaml", PLAIN % (word.encode(), word.encode()))
    assert {problem.field for problem in reading.problems} == {"title", "environment.FLAG"}


@pytest.mark.parametrize(
    ("amount", "code"),
    [
        ("-1 GiB", "memory-unit"), ("0 GiB", "memory-range"), ("1e3 GiB", "memory-unit"), ("8 gib", "memory-unit"),
        ("8GB", "memory-unit"), ("8 GiB GiB", "memory-unit"), ("٨ GiB", "memory-unit"), ("8\u00a0GiB", "memory-unit"),
        ("999999999999 TiB", "memory-range"), ("8", "memory-unit"), (".5 GiB", "memory-unit"), ("", "memory-unit"),
        ("0x8 GiB", "memory-unit"), ("8,5 GiB", "memory-unit"), ("NaN GiB", "memory-unit"), ("∞ GiB", "memory-unit"),
    ],
)  # fmt: skip
def test_an_amount_that_nobody_means_is_refused(amount: str, code: str) -> None:
    wanted = profile(resources={"cpu": {"limit": 2}, "memory": {"limit": amount}})
    reading = read("profile", "a.yaml", json.dumps(wanted, ensure_ascii=False).encode())
    assert [problem.code for problem in reading.problems] == [code]


@pytest.mark.parametrize(
    "cpu", ["-1", "0", "1e9", "'٢'", "'1,5'", "'1e3'", "'0x2'", ".inf", ".nan", "'2 CPUs'", "9" * 17]
)
def test_a_number_of_cpus_that_nobody_means_is_refused(cpu: str) -> None:
    data = PLAIN.replace(b"limit: 2}", b"limit: %s}" % cpu.encode()) % (b"a", b"b")
    assert {problem.code for problem in read("profile", "a.yaml", data).problems} <= {"cpu-number", "cpu-range"}
    assert read("profile", "a.yaml", data).value is None


# -- regular expressions


def patterns() -> Iterator[tuple[str, re.Pattern[Any]]]:
    """Give every regular expression of the package."""
    for found in pkgutil.walk_packages(allotment_profiles.__path__, "allotment_profiles."):
        module = importlib.import_module(found.name)
        for name, value in vars(module).items():
            if isinstance(value, re.Pattern):
                yield f"{found.name}.{name}", value


PARTS = [
    "a",
    "a-",
    "a.",
    "a/",
    "0",
    "0.",
    "-",
    "/a",
    "_",
    ":a",
    "a:",
    " ",
    "\n",
    "[",
    ".",
    "https://a.",
    "teams/",
    "+",
    "?",
]


def test_no_pattern_takes_more_than_a_moment_whatever_it_is_given() -> None:
    found = dict(patterns())
    assert len(found) > 15
    for name, pattern in found.items():
        for part in PARTS:
            for ending in ("", "!", "\0"):
                text = (part * (60_000 // len(part))) + ending
                subject: Any = text.encode() if isinstance(pattern.pattern, bytes) else text
                began = time.thread_time()
                pattern.fullmatch(subject)
                pattern.match(subject)
                # One that grows with the square of the length takes a hundred times as long.
                assert time.thread_time() - began < 0.5, (name, part, ending)


# -- templates and markup in every text

TEMPLATES = [
    "{0.__class__.__mro__}", "{username.__init__.__globals__}", "%(asctime)s %s %n", "{{ 7*7 }}", "{% raw %}",
    "${jndi:ldap://x}", "$(touch owned)", "`id`", "<script>alert(1)</script>", "</script><img src=x onerror=alert(1)>",
    "[link=x]y[/link]", "::error file=x::y", "' onmouseover='x", "javascript:alert(1)", "..%2f..%2f", "\\u003cb\\u003e",
]  # fmt: skip


def filled(text: str) -> dict[str, Any]:
    """Put a text into every field that takes free text, in every kind of file."""
    words = {"title": text[:80], "description": text}
    choice = {"title": text, "description": text}
    option = {"title": text, "description": text, "default": "one", "choices": {"one": choice}}
    return small(**{
        "policy.yaml": policy(
            tools={"desktop": {"title": text, "address": "/desktop/"}}, gpu_kinds={"l4": {"title": text}},
            node_pools={"large": {"title": text, "labels": {"pool": "large"}}},
        ),
        "teams/red/team.yaml": team("red", **words),
        NOTEBOOK: profile(
            **words, purpose=text, data_roles=["tables"], environment={"TEXT": text}, options={"size": option},
            accepted={"cpu-envelope": {"reason": text}},
        ),
        "data-roles/tables.yaml": {
            **data_role("blue"), **words, "purpose": text,
            "granted_to": {"red": {"until": "2027-03-31", "reason": text}},
        },
    })  # fmt: skip


def loaded(folder: Path, files: dict[str, Any]) -> Catalog:
    return load(in_folder(write_folder(folder, files)))


@pytest.mark.parametrize("text", TEMPLATES)
def test_text_of_a_file_stays_text_on_the_start_page_and_in_every_report(tmp_path: Path, text: str) -> None:
    catalog = loaded(tmp_path, filled(text))
    assert not [problem for problem in catalog.problems if problem.blocks]
    user = User("ann", frozenset({"/red"}))
    assert [offer.startable for offer in offers(catalog, user, START, ABLE)] == [True]
    page = render(start_page(catalog, Viewer(user, "https://hub.example.org/services/allotment/"), None, START, ABLE))
    assert "<script>alert" not in page
    assert "<img src=x" not in page
    assert "49" not in page.replace(text, "")
    assert "onmouseover='x" not in page
    for form in ("text", "json", "github", "sarif"):
        result = CliRunner().invoke(main, ["check", str(tmp_path), "--format", form])
        assert result.exit_code == 0, result.output
        assert not any(line.startswith("::error file=x") for line in result.output.splitlines())
    assert not Path("owned").exists()


@pytest.mark.parametrize("text", TEMPLATES)
def test_a_wrong_value_is_quoted_and_never_followed(tmp_path: Path, text: str) -> None:
    wrong = profile(app=text, image=text, resources={"cpu": {"limit": text}, "memory": {"limit": text}})
    catalog = loaded(tmp_path, small(**{NOTEBOOK: wrong}))
    assert {problem.code for problem in catalog.problems_of(NOTEBOOK)} >= {"memory-unit", "cpu-number", "name"}
    assert all("<class" not in str(problem) for problem in catalog.problems)
    result = CliRunner().invoke(main, ["check", str(tmp_path), "--format", "github"])
    assert result.exit_code == 1
    assert all(line.startswith(("::error file=teams", "::notice file=teams")) for line in result.output.splitlines())


# -- whole repositories


def test_two_files_for_one_profile_are_told_and_one_applies(tmp_path: Path) -> None:
    catalog = loaded(tmp_path, small(**{
        "teams/red/profiles/notebook.yml": b"title: Other", "teams/red/profiles/Notebook.yaml": b"title: Other",
        "teams/red/profiles/n0tebook.yaml": profile(title="Another"), "teams/red/profiles/n0teb00k.yaml": profile(),
    }))  # fmt: skip
    told = {problem.path for problem in catalog.problems}
    assert told >= {"teams/red/profiles/notebook.yml", "teams/red/profiles/Notebook.yaml"}
    applying = {name for name in catalog.profiles if name.startswith("red/")}
    assert len(applying) == 1
    assert catalog.profiles[applying.pop()].value.title in ("Notebook", "Another")


def test_a_team_grants_itself_nothing(tmp_path: Path) -> None:
    for extra in ({"granted_to": {"tables": {"until": "2099-01-01"}}}, {"data_roles": ["tables"]}, {"owner": "red"}):
        catalog = loaded(tmp_path, small(**{"teams/red/team.yaml": team("red", **extra)}))
        assert "unknown-key" in {problem.code for problem in catalog.problems_of("teams/red/team.yaml")}
        assert "red" not in catalog.teams


async def test_an_unrelated_main_is_taken_as_it_is_and_said_to_be_rewound(profiles: ProfilesRepository) -> None:
    profiles.commit(small())
    watcher = CatalogWatcher(profiles.repository)
    first = await watcher.refresh()
    assert "red/notebook" in first.profiles
    profiles.commit({"policy.yaml": policy(), "teams/blue/team.yaml": team("blue")}, parents=[], base=None)
    second = await watcher.refresh()
    assert watcher.applied is not None
    assert watcher.applied.rewound
    assert set(second.teams) == {"blue"}
    assert not second.profiles
    assert second == profiles.catalog(fresh=True)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a repository to somebody else: run as root")
async def test_a_repository_of_somebody_else_is_refused_in_words(profiles: ProfilesRepository) -> None:
    profiles.commit(small())
    watcher = CatalogWatcher(profiles.repository)
    good = await watcher.refresh()
    for path in [profiles.path, *profiles.path.rglob("*")]:
        os.chown(path, 65534, 65534)
    other = CatalogWatcher(Repository(profiles.path))
    assert (await other.refresh()).revision == ""
    assert other.attempted is not None
    assert "dubious ownership" in str(other.attempted.error)
    assert (await watcher.refresh()) is good


@pytest.mark.parametrize("damage", ["emptied", "cut", "turned"])
async def test_a_damaged_pack_keeps_what_applies(profiles: ProfilesRepository, damage: str) -> None:
    profiles.commit(small())
    watcher = CatalogWatcher(profiles.repository)
    good = await watcher.refresh()
    profiles.push({NOTEBOOK: profile(title="Newer")})
    git(profiles.path, "repack", "-adq")
    (pack,) = (profiles.path / "objects" / "pack").glob("*.pack")
    pack.chmod(0o600)
    data = pack.read_bytes()
    turned = bytes(byte ^ 0xFF for byte in data)
    pack.write_bytes({"emptied": b"", "cut": data[: len(data) // 2], "turned": turned}[damage])
    assert await watcher.refresh() is good
    assert watcher.attempted is not None
    assert watcher.attempted.error
    pack.write_bytes(data)
    assert (await watcher.refresh()).profiles["red/notebook"].value.title == "Newer"


def test_a_commit_from_the_future_lets_no_old_version_live_for_ever(profiles: ProfilesRepository) -> None:
    profiles.commit(small())
    profiles.push({NOTEBOOK: b"title: [oops"}, time=dt.datetime(2199, 1, 1, tzinfo=dt.UTC))
    catalog = profiles.catalog()
    assert catalog.profiles["red/notebook"].value.title == "Notebook"
    refusal = offer(catalog, User("ann", frozenset({"/red"})), "red/notebook", START, ABLE).refusal
    assert refusal is not None
    assert refusal.code == "profile-broken"


# -- what the fuzzing has found interesting

FUZZ = DATA / "fuzz"


def test_everything_that_the_fuzzing_kept_is_answered() -> None:
    kinds = sorted(MODELS)
    found = [path for path in FUZZ.iterdir() if path.suffix != ".md"]
    assert len(found) > 100
    for path in found:
        data = path.read_bytes()
        began = time.thread_time()
        assert_answered(kinds[data[0] % len(kinds)], data[1:])
        assert time.thread_time() - began < 0.5, path.name
