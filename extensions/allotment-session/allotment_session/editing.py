"""Change a profile: single settings by their dotted names, or the whole file in an editor."""

from __future__ import annotations

import contextlib
import copy
import json
import re
import shlex
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from allotment_session.errors import usage

_SETTING = re.compile(r"([A-Za-z_][A-Za-z0-9_.-]*?)(\+=|-=|=)(.*)", re.DOTALL)
_RESOURCES = frozenset({"cpu", "memory", "gpu"})
LARGEST_FILE = 64 * 1024
LARGEST_REQUEST = 2 * 1024 * 1024


def with_settings(profile: dict[str, Any], settings: list[str], removed: list[str]) -> dict[str, Any]:
    """Return a copy of a profile with changes such as `memory.limit=16GiB`. Raise `SessionError`."""
    changed = copy.deepcopy(profile)
    for setting in settings:
        match = _SETTING.fullmatch(setting)
        if not match:
            raise usage(f"--set {setting!r} is not NAME=VALUE.", "For example: --set memory.limit=16GiB")
        name, operator, value = match.groups()
        path = _path(name)
        parent = _parent(changed, path, name)
        if operator == "=":
            parent[path[-1]] = _value(value, path, parent.get(path[-1]))
        else:
            parent[path[-1]] = _list(parent.get(path[-1]), operator, value, name)
    for name in removed:
        path = _path(name)
        if _parent(changed, path, name).pop(path[-1], None) is None:
            raise usage(f"--unset {name}: the profile has no such setting.")
    return changed


def _path(name: str) -> list[str]:
    path = name.split(".")
    if not all(path):
        raise usage(f"{name!r} is not the name of a setting.", "Names are dotted, for example memory.limit.")
    return ["resources", *path] if path[0] in _RESOURCES else path


def _parent(profile: dict[str, Any], path: list[str], name: str) -> dict[str, Any]:
    """Return the object that contains a setting; create it if it is missing."""
    parent = profile
    for key in path[:-1]:
        if parent.get(key) is None:
            parent[key] = {}
        parent = parent[key]
        if not isinstance(parent, dict):
            raise usage(f"{name}: {key} is a single value and has no settings of its own.")
    return parent


def _value(text: str, path: list[str], before: object) -> Any:
    """Parse a value as JSON if possible; it stays text if the profile has text there."""
    if isinstance(before, str) or path[0] == "environment":
        return text
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return text


def _list(before: object, operator: str, value: str, name: str) -> list[Any]:
    items = [] if before is None else before
    if not isinstance(items, list):
        raise usage(f"{name} is no list: {operator} does not fit.", f"Write --set {name}=VALUE.")
    if operator == "+=":
        return items if value in items else [*items, value]
    if value not in items:
        raise usage(f"--set {name}-={value}: it is not in the list.")
    return [item for item in items if item != value]


def read_file(path: str, largest: int = LARGEST_FILE) -> str:
    """Return the text of a file, or of standard input for `-`. Raise `SessionError`."""
    try:
        with contextlib.nullcontext(sys.stdin.buffer) if path == "-" else Path(path).open("rb") as file:
            content = file.read(largest + 1)
        if len(content) > largest:
            raise usage(f"{path} is larger than {largest // 1024} KiB.", "A profile's file is small text.")
        return content.decode()
    except OSError as error:
        raise usage(f"{path} cannot be read: {error.strerror}.") from error
    except UnicodeDecodeError as error:
        raise usage(f"{path} is not UTF-8 text.") from error


def write_request(path: str, request: dict[str, Any]) -> None:
    """Write what would be sent to a file. Raise `SessionError`."""
    try:
        Path(path).write_text(json.dumps(request, indent=2) + "\n", encoding="utf-8")
    except OSError as error:
        raise usage(f"{path} cannot be written: {error.strerror}.") from error


def read_request(path: str) -> dict[str, Any]:
    """Return what `write_request` has written. Raise `SessionError`."""
    try:
        request = json.loads(read_file(path, LARGEST_REQUEST))
    except (ValueError, RecursionError):
        request = None
    if not isinstance(request, dict) or not all(isinstance(request.get(name), str) for name in ("team", "name")):
        raise usage(f"{path} is no file that `allotment-session propose --save` has written.")
    return request


class EditedFile:
    """A temporary file that the user edits; it stays on the disk until it is discarded."""

    def __init__(self, content: str, editor: str) -> None:
        self.original = content
        """The text before the first edit."""
        self._command = _editor(editor)
        # A fixed name, because the profile's name comes from outside and must not become part of a path.
        self.path = Path(tempfile.mkdtemp(prefix="allotment-")) / "profile.yaml"
        self.path.write_text(content, encoding="utf-8")

    def edit(self) -> str:
        """Open the editor and return the text that it saved. Raise `SessionError`."""
        try:
            done = subprocess.run([*self._command, str(self.path)], check=False)
        except OSError as error:
            raise usage(f"The editor {self._command[0]} does not start: {error.strerror}.") from error
        if done.returncode != 0:
            raise usage(f"The editor ended with code {done.returncode}; nothing was proposed.", self.saved_message)
        return read_file(str(self.path))

    @property
    def saved_message(self) -> str:
        """The message that tells the user where the text is."""
        return f"Your text is kept in {self.path}; go on with --file {self.path}"

    def discard(self) -> None:
        """Remove the file."""
        shutil.rmtree(self.path.parent, ignore_errors=True)


def _editor(editor: str) -> list[str]:
    try:
        command = shlex.split(editor) or [name for name in ("nano", "vim", "vi") if shutil.which(name)][:1]
    except ValueError as error:
        raise usage(f"$EDITOR cannot be read: {error}.") from error
    if not command:
        raise usage("There is no editor here.", "Set $EDITOR, or use --set or --file.")
    return command
