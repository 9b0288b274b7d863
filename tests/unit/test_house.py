"""The house stays easy to find one's way in: small modules and functions, few in a room, docstrings in plain words."""

import ast
import re
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PACKAGES = [
    ROOT / "profiles" / "allotment_profiles",
    ROOT / "spawner" / "allotment_spawner",
    ROOT / "hub" / "allotment_hub",
    *(
        EXTENSIONS := [
            ROOT / "extensions" / "allotment-session" / "allotment_session",
            ROOT / "extensions" / "jupyterlab-allotment" / "jupyterlab_allotment",
        ]
    ),
]
MODULES = sorted(path for package in PACKAGES for path in package.rglob("*.py"))
MODULE_LINES, FUNCTION_LINES, MODULES_IN_A_FOLDER, LAYERS = 400, 60, 12, 12
DIALECT = re.compile(r"(Give|Gives|Say|Says|Tell|Tells|Take|Takes|Put|Puts)\b")
"""How docstrings of this project once began; others write Return, Check, Parse, Format or Raise."""

Definition = ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef


def name_of(path: Path) -> str:
    return str(path.relative_to(ROOT))


def definitions(path: Path) -> Iterator[Definition]:
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, Definition):
            yield node


def test_no_module_is_longer_than_a_reader_holds_in_mind() -> None:
    long = {name_of(path): count for path in MODULES if (count := len(path.read_text().splitlines())) > MODULE_LINES}
    assert long == {}


def test_no_function_is_longer_than_a_screen() -> None:
    long = {
        f"{name_of(path)}:{node.lineno} {node.name}": node.end_lineno - node.lineno + 1
        for path in MODULES
        for node in definitions(path)
        if not isinstance(node, ast.ClassDef) and (node.end_lineno or 0) - node.lineno >= FUNCTION_LINES
    }
    assert long == {}


def test_no_folder_has_many_modules_side_by_side() -> None:
    folders = {path.parent for path in MODULES}
    crowded = {
        name_of(folder): count
        for folder in folders
        if (count := sum(path.name != "__init__.py" for path in folder.glob("*.py"))) > MODULES_IN_A_FOLDER
    }
    assert crowded == {}


@pytest.mark.parametrize("path", [path for path in MODULES if path.name == "__init__.py"], ids=name_of)
def test_every_room_says_what_it_is_for(path: Path) -> None:
    assert ast.get_docstring(ast.parse(path.read_text()))


def test_what_is_installed_into_sessions_imports_nothing_of_the_hub() -> None:
    imported = [
        f"{name_of(path)}: {name}"
        for package in EXTENSIONS
        for path in package.rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Import | ast.ImportFrom)
        for name in ([node.module or ""] if isinstance(node, ast.ImportFrom) else [each.name for each in node.names])
        if re.match(r"allotment_(profiles|spawner|hub)\b", name)
    ]
    assert imported == []


def test_docstrings_begin_with_the_verb_that_others_use() -> None:
    dialect = [
        f"{name_of(path)}:{node.lineno} {text.splitlines()[0]}"
        for path in MODULES
        for node in definitions(path)
        if (text := ast.get_docstring(node)) and DIALECT.match(text)
    ]
    assert dialect == []


def test_the_arrows_are_proven_with_few_layers() -> None:
    contracts = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]["contracts"]
    layered = {contract["name"]: len(contract["layers"]) for contract in contracts if contract["type"] == "layers"}
    assert {name: count for name, count in layered.items() if count > LAYERS} == {}
    rooms = [container for contract in contracts for container in contract.get("containers", ())]
    assert {"allotment_profiles", "allotment_spawner", "allotment_hub"} <= set(rooms)
