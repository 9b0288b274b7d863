"""A git that is in the middle of a transaction, as a person's may be, and holds the locks of references."""

import os
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def locked(
    folder: Path, *references: str, options: Sequence[str] = (), environment: Mapping[str, str] | None = None
) -> Iterator["subprocess.Popen[str]"]:
    """Have git hold the locks of references; it is killed at the end, and leaves them behind."""
    command = ["git", *options, "update-ref", "--stdin"]
    variables = {**os.environ, **(environment or {})}
    with subprocess.Popen(
        command, cwd=folder, env=variables, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        try:
            assert process.stdin
            assert process.stdout
            lines = [f"update {name} refs/heads/main\n" for name in references]
            process.stdin.write(f"start\n{''.join(lines)}prepare\n")
            process.stdin.flush()
            assert [process.stdout.readline() for _ in range(2)] == ["start: ok\n", "prepare: ok\n"]
            yield process
        finally:
            process.kill()
