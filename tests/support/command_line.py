"""`allotment` as people call it, in the process of the test."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

from click.testing import CliRunner

from allotment_profiles.cli.main import main


def allotment(*arguments: str | Path, answers: str | None = None, **environment: str) -> tuple[int, str]:
    """Return the exit code and the output; raise what the command does not handle."""
    variables = {"COLUMNS": "200", **environment}
    found = CliRunner().invoke(main, [str(argument) for argument in arguments], input=answers, env=variables)
    if found.exception is not None and not isinstance(found.exception, SystemExit):
        raise found.exception
    return found.exit_code, found.output


def answer(*arguments: str | Path, code: int = 0) -> Any:
    """Return what a command prints as JSON."""
    exit_code, output = allotment(*arguments, "--format", "json")
    assert exit_code == code, output
    return json.loads(output)


def modules_of(*arguments: str | Path) -> set[str]:
    """Return the modules that a process has loaded after it ran the command."""
    program = (
        "import sys; from allotment_profiles.cli.main import main; main(sys.argv[1:], standalone_mode=False);"
        "print(*sys.modules, sep='\\n')"
    )
    command = [sys.executable, "-c", program, *map(str, arguments)]
    return set(subprocess.run(command, capture_output=True, text=True, check=True).stdout.splitlines())
