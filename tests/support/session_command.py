"""The command `allotment-session` as tests run it: from its folder, without installing it."""

import subprocess
from collections.abc import Callable

from support.folders import DATA, ROOT

PACKAGE = ROOT / "extensions" / "allotment-session"
GOLDEN = DATA / "session-words.json"
"""What the command says, by the name of the test that has it said."""
Command = Callable[..., subprocess.CompletedProcess[str]]
Talk = Callable[..., tuple[int, str]]
Words = Callable[..., None]
