"""What a session left running is ended, and nothing else."""

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from allotment_spawner.local.orphans import end_orphans, session_variables

DEAF = "import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN); print(flush=True); signal.pause()"
WAITING = "import signal; print(flush=True); signal.pause()"


@contextmanager
def running(program: str, environment: dict[str, str]) -> Iterator[subprocess.Popen[bytes]]:
    """Start a process of a session, away from the session's own process group as kernels are."""
    command = [sys.executable, "-c", program]
    with subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, start_new_session=True) as process:
        try:
            assert process.stdout
            process.stdout.readline()  # it has set itself up
            yield process
        finally:
            process.kill()


def test_every_process_of_the_session_is_ended_even_one_that_does_not_listen(tmp_path: Path) -> None:
    ours = session_variables("ann", "", tmp_path)
    with running(WAITING, dict(ours)) as polite, running(DEAF, {**ours, "MORE": "x"}) as deaf:
        assert end_orphans(ours, patience=0.1) == 2
        assert [polite.wait(5), deaf.wait(5)] == [-15, -9]


def test_another_server_another_user_and_another_deployment_go_on(tmp_path: Path) -> None:
    others = (
        session_variables("ann", "second", tmp_path),
        session_variables("bob", "", tmp_path),
        session_variables("ann", "", tmp_path / "elsewhere"),
        {"HOME": str(tmp_path)},
    )
    for other in others:
        with running(WAITING, dict(other)) as process:
            assert end_orphans(session_variables("ann", "", tmp_path)) == 0
            assert process.poll() is None
