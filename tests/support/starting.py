"""Asking a real hub for sessions, and changing what it may start behind its back."""

import json
from typing import Any

from support.repositories import Content, as_bytes
from support.servers.deployment import Deployment, Person

from allotment_profiles.events import Events
from allotment_profiles.git.commits import Person as Author
from allotment_profiles.git.repository import RefUpdate, Repository

_MAIN = "refs/heads/main"
_SOMEBODY = Author("Somebody", "somebody@example.org")


def ask(person: Person, body: Any, server: str = "") -> tuple[int, str]:
    """Ask for a session over the hub's API; give the status and what the hub says."""
    path = f"users/{person.name}/" + (f"servers/{server}" if server else "server")
    content = body if isinstance(body, str) else json.dumps(body)
    answer = person.hub("POST", path, content=content)
    return answer.status_code, answer.json().get("message", "") if answer.status_code >= 400 else ""


def commit(allotment: Deployment, files: dict[str, Content]) -> str:
    """Push files to main, past the page."""
    repository = Repository(allotment.repository)
    head = repository.resolve(_MAIN)
    assert head is not None
    tree = repository.write_tree(head, {path: as_bytes(path, content) for path, content in files.items()})
    time = repository.commits([head])[0].time
    new = repository.write_commit(tree, [head], "Pushed", author=_SOMEBODY, committer=_SOMEBODY, time=time)
    repository.update_references([RefUpdate(_MAIN, new, head)])
    return new


def source(allotment: Deployment, path: str) -> str:
    """Give a file as it is on main."""
    repository = Repository(allotment.repository)
    found = repository.file(repository.resolve(_MAIN) or "", path)
    assert found is not None
    return found.decode()


def events(allotment: Deployment, profile: str) -> list[tuple[str, dict[str, Any]]]:
    """Give what was written down about a profile, in order."""
    table = Events(f"sqlite:///{allotment.folder / 'events.sqlite'}")
    found = [(event.kind, dict(event.details)) for event in reversed(table.of(profile))]
    table.close()
    return found


def hub_log(allotment: Deployment) -> str:
    """Give all that the hub has logged."""
    return (allotment.folder / "logs" / "hub.log").read_text()


def assert_calm(allotment: Deployment) -> None:
    """Check that the hub has logged no accident, and counts no failed start."""
    log = hub_log(allotment)
    assert "Traceback" not in log
    assert "consecutive spawns failed" not in log


def stop_all(person: Person) -> None:
    """End every session of somebody."""
    for server in person.sessions():
        person.stop_session(server=server)
