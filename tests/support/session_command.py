"""The command `allotment-session` as tests run it, without installing it; and any program on a terminal."""

import os
import pty
import signal
import subprocess
from collections.abc import Callable, Mapping, Sequence

import psutil
from support.conditions import until
from support.folders import DATA, ROOT

PACKAGE = ROOT / "extensions" / "allotment-session"
GOLDEN = DATA / "session-words.json"
"""What the command says, by the name of the test that has it said."""
Command = Callable[..., subprocess.CompletedProcess[str]]
Talk = Callable[..., tuple[int, str]]
Words = Callable[..., None]


def on_terminal(
    command: Sequence[str], environment: Mapping[str, str], *answers: str, interrupt_at: bytes = b""
) -> tuple[int, str]:
    """Run a program on a terminal, answer its questions in order, give its exit code and all that it wrote."""
    ours, theirs = pty.openpty()
    process = subprocess.Popen(
        command, env=environment, stdin=theirs, stdout=theirs, stderr=theirs, start_new_session=True
    )
    os.close(theirs)
    # The terminal keeps what is typed until somebody reads it.
    os.write(ours, "".join(f"{answer}\n" for answer in answers).encode())
    written = b""
    try:
        while chunk := os.read(ours, 65536):
            written += chunk
            if interrupt_at and interrupt_at in written:
                # Python's `input` misses a signal between writing the question and reading the answer.
                until(lambda: _waits(process), what="the command waits for the answer")
                process.send_signal(signal.SIGINT)
                interrupt_at = b""
    except OSError:
        pass  # Linux says so when the other side is closed
    os.close(ours)
    return process.wait(timeout=60), written.decode()


def _waits(process: "subprocess.Popen[bytes]") -> bool:
    return psutil.Process(process.pid).status() == psutil.STATUS_SLEEPING
