"""Formats between versions: what the version before has written is read, and what is written now, it can read.

`tests/data/earlier` has what version 0.1 wrote on 2026-11-27. A file there changes for a format that is new, never to
make a test pass: people have such files.
"""

import datetime as dt
import json
import logging
import sqlite3
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from support.folders import TESTS
from traitlets.config import Config

from allotment_hub.api.openapi import describe
from allotment_hub.api.requests import CheckBody
from allotment_hub.cluster.hub_setup import configure_hub
from allotment_hub.configuration import ServiceConfiguration, unknown_keys
from allotment_hub.laptop.deployment import Deployment
from allotment_hub.laptop.folder import StateFolder
from allotment_profiles.events import Events
from allotment_profiles.git.commits import Commit, Person
from allotment_profiles.records.record import parse_record
from allotment_spawner.session.access_expiry import lost_since_as_state, lost_since_from_state
from allotment_spawner.session.session import Session

EARLIER = TESTS / "data" / "earlier"
NOW = dt.datetime(2026, 11, 26, 12, tzinfo=dt.UTC)


def earlier(name: str) -> Any:
    return json.loads((EARLIER / name).read_text())


def missing(before: Any, now: Any, place: str = "") -> list[str]:
    """Return the keys of before that are gone, or have another kind of value."""
    if not isinstance(before, Mapping):
        same = before is None or now is None or isinstance(now, type(before))
        return [] if same else [place]
    return [
        lost
        for key, value in before.items()
        for lost in (missing(value, now[key], f"{place}.{key}") if key in now else [f"{place}.{key}"])
    ]


def with_more(value: Any) -> Any:
    """Return a value as a newer version might write it: with more keys everywhere."""
    if not isinstance(value, dict):
        return value
    return {key: with_more(each) for key, each in value.items()} | {"newer": {"of": ["anything"]}}


# -- the state of a session, in the hub's database


@pytest.mark.parametrize("change", [dict, with_more])
def test_a_session_that_another_version_started_is_known(change: Any) -> None:
    stored = change(earlier("session.json")["allotment"])
    session = Session.from_state(stored["session"])
    assert session is not None
    assert (session.profile, session.data_roles, session.started) == ("red/notebook", ("tables",), NOW)
    assert (session.idle, session.total, session.size.memory) == (7200, 43200, 4 * 1024**3)
    assert lost_since_from_state(stored["access_lost"])["tables"] == NOW


def test_an_amount_that_another_version_does_not_know_costs_only_this_amount() -> None:
    stored = earlier("session.json")["allotment"]["session"]
    del stored["size"]["gpu"]
    session = Session.from_state(stored)
    assert session is not None
    assert (session.size.gpu, session.size.cpu) == (0, 2000)


def test_the_hub_of_the_version_before_knows_a_session_that_is_started_now() -> None:
    stored = earlier("session.json")["allotment"]
    session = Session.from_state(stored["session"])
    assert session is not None
    assert missing(stored["session"], session.as_state()) == []
    assert missing(stored["access_lost"], lost_since_as_state({"tables": NOW})) == []


# -- records, in git for ever


def commit(message: str) -> Commit:
    nobody = Person("nobody", "")
    return Commit("1" * 40, "2" * 40, (), nobody, nobody, NOW, message, signed_by="allotment@localhost")


@pytest.mark.parametrize("message", earlier("records.json"))
def test_a_record_of_the_version_before_is_read_and_written_in_the_same_way(message: str) -> None:
    record = parse_record(commit(message))
    assert record is not None
    before, now = (json.loads(each.partition("\n\n")[2]) for each in (message, record.message()))
    assert {key: now[key] for key in before} == before
    line, _, content = message.partition("\n\n")
    more = parse_record(commit(f"{line}\n\n{json.dumps(with_more(json.loads(content)))}"))
    assert more == record


@pytest.mark.parametrize("key", ["text", "title", "merge", "digest", "main"])
def test_a_record_without_a_key_that_says_nothing_is_read(key: str) -> None:
    line, _, text = earlier("records.json")[0].partition("\n\n")
    content = {name: value for name, value in json.loads(text).items() if name != key}
    record = parse_record(commit(f"{line}\n\n{json.dumps(content)}"))
    assert record is not None
    assert getattr(record, key) == ""


def test_a_record_of_a_kind_that_is_not_known_decides_nothing() -> None:
    message = earlier("records.json")[1].replace('"kind": "approved"', '"kind": "blessed"')
    assert parse_record(commit(message)) is None


# -- files


@pytest.fixture
def folder(tmp_path: Path) -> StateFolder:
    state = StateFolder(tmp_path)
    state.deployment.write_text((EARLIER / "laptop.json").read_text())
    return state


def test_a_laptop_goes_on_with_the_file_of_the_version_before(folder: StateFolder) -> None:
    before = earlier("laptop.json")
    deployment = Deployment.read(folder)
    deployment.write(folder)
    written = json.loads(folder.deployment.read_text())
    assert {key: written[key] for key in before} == before
    # Keys beyond these, the version of the fixture refuses: it forbade all that it did not know.
    assert written.keys() == before.keys()


def test_a_laptop_keeps_what_a_newer_version_has_written(folder: StateFolder) -> None:
    newer = with_more(earlier("laptop.json"))
    folder.deployment.write_text(json.dumps(newer | {"passwords": earlier("laptop.json")["passwords"]}))
    deployment = Deployment.read(folder)
    assert list(unknown_keys(deployment)) == ["newer", "ports.newer"]
    deployment.write(folder)
    assert json.loads(folder.deployment.read_text())["ports"]["newer"] == {"of": ["anything"]}


def test_a_service_starts_with_the_file_of_another_version_and_says_what_it_does_not_know(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.WARNING)
    file = tmp_path / "service.json"
    before = earlier("service.json")
    file.write_text(json.dumps(before))
    known = ServiceConfiguration.read(file)
    assert caplog.records == []
    assert missing(before, json.loads(known.model_dump_json())) == []
    remote = {"url": "https://git.example.org/profiles", "newer": 1}
    file.write_text(json.dumps(with_more(before) | {"remote": remote}))
    assert ServiceConfiguration.read(file).port == known.port
    assert [record.args[1] for record in caplog.records if isinstance(record.args, tuple)] == ["newer", "remote.newer"]


def test_a_hub_starts_with_the_values_of_a_newer_chart(capsys: pytest.CaptureFixture[str]) -> None:
    config = Config()
    config.JupyterHub.services = [{"name": "allotment"}]
    values = {"publicUrl": "https://a/", "repository": {"url": "https://a/b", "newer": 1}, "newer": 2}
    configure_hub(config, values, "/")
    assert config.KubernetesProfileSpawner.remote_url == "https://a/b"
    said = capsys.readouterr().err
    assert "custom.allotment.newer " in said
    assert "custom.allotment.repository.newer " in said


# -- the table of events


def test_the_table_of_another_version_is_read_and_written(tmp_path: Path) -> None:
    database = sqlite3.connect(tmp_path / "events.sqlite")
    database.executescript((EARLIER / "events.sql").read_text())
    database.execute("ALTER TABLE allotment_events ADD COLUMN newer VARCHAR(10)")
    database.commit()
    events = Events(f"sqlite:///{tmp_path / 'events.sqlite'}")
    assert [(event.kind, event.user) for event in events.of("red/notebook")] == [("start", "ana")]
    events.append("end", user="ana", profile="red/notebook")
    assert [event.kind for event in events.of("red/notebook")] == ["end", "start"]
    events.close()


def test_the_table_has_the_columns_that_the_version_before_writes(tmp_path: Path) -> None:
    events = Events(f"sqlite:///{tmp_path / 'events.sqlite'}")
    events.append("start", user="ben", profile="red/notebook")
    events.close()
    database = sqlite3.connect(tmp_path / "events.sqlite")
    (insert,) = (line for line in (EARLIER / "events.sql").read_text().splitlines() if line.startswith("INSERT"))
    database.execute(insert)
    assert database.execute("SELECT count(*) FROM allotment_events").fetchone() == (2,)


# -- the API, for the commands in images of sessions


@pytest.mark.parametrize("body", earlier("requests.json"), ids=",".join)
def test_what_the_command_in_older_images_sends_is_accepted(body: dict[str, Any]) -> None:
    CheckBody.model_validate({key: value for key, value in body.items() if key != "reason"})


def test_the_api_has_every_call_and_every_field_of_the_version_before() -> None:
    before, now = earlier("api.json"), api(describe("1", "/"))
    gone = [
        f"{call} {field}"
        for call, fields in before.items()
        for field in fields
        if not {field, f"{field.removesuffix('!')}!", field.removesuffix("!")} & {*now.get(call, ())}
    ]
    assert (gone, before.keys() - now.keys()) == ([], set())


def test_no_call_needs_a_field_that_the_version_before_did_not_need() -> None:
    before, now = earlier("api.json"), api(describe("1", "/"))
    needed = {
        call: [each for each in fields if each.endswith("!") and each not in before.get(call, fields)]
        for call, fields in now.items()
    }
    # A field inside of one that is new and may be left out is not needed by who does not know that one.
    new = {
        call: [f"{each}." for each in fields if each not in before.get(call, fields)] for call, fields in now.items()
    }
    needed = {
        call: [each for each in fields if not each.startswith(tuple(new[call]))] for call, fields in needed.items()
    }
    assert {call: fields for call, fields in needed.items() if fields} == {}


def api(description: Mapping[str, Any]) -> dict[str, list[str]]:
    """Return the fields of every call: `> team` is sent, `> code!` has to be sent, `< problems.code` is answered."""

    def walk(schema: Mapping[str, Any], place: str, seen: tuple[str, ...] = ()) -> Iterator[str]:
        reference = schema.get("$ref", "")
        if reference in seen:
            return
        if reference:
            name = reference.rpartition("/")[2]
            yield from walk(description["components"]["schemas"][name], place, (*seen, reference))
        for each in (*schema.get("anyOf", ()), *filter(None, [schema.get("items")])):
            yield from walk(each, place, seen)
        for name, each in schema.get("properties", {}).items():
            needed = "!" if place.startswith(">") and name in schema.get("required", ()) else ""
            yield f"{place}{name}{needed}"
            yield from walk(each, f"{place}{name}.", seen)

    def contents(part: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
        yield from (each.get("schema", {}) for each in part.get("content", {}).values())

    found = {}
    for path, methods in description["paths"].items():
        for method, call in methods.items():
            if method in ("get", "post", "put", "delete"):
                fields = {each for schema in contents(call.get("requestBody", {})) for each in walk(schema, "> ")}
                answers = (answer for answer in call["responses"].values() if "$ref" not in answer)
                fields |= {each for answer in answers for schema in contents(answer) for each in walk(schema, "< ")}
                found[f"{method.upper()} {path}"] = sorted(fields)
    return found
