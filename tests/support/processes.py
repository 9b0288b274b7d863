"""Processes that tests start."""

import sys

INTERRUPTIBLE = (
    sys.executable, "-I", "-c",
    "import os, signal, sys; signal.signal(signal.SIGINT, signal.SIG_DFL); os.execvp(sys.argv[1], sys.argv[1:])",
)  # fmt: skip
"""Before a command that has to end on Ctrl-C: a shell starts what runs in its background with that signal ignored."""
