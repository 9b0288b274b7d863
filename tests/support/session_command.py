"""The command `allotment-session` as tests run it: from its folder, without installing it."""

import subprocess
from collections.abc import Callable

from support.folders import ROOT

PACKAGE = ROOT / "extensions" / "allotment-session"
Command = Callable[..., subprocess.CompletedProcess[str]]
Talk = Callable[..., tuple[int, str]]
