"""Where the repository's folders are, for tests and what supports them."""

from pathlib import Path

TESTS = Path(__file__).parents[1]
ROOT = TESTS.parent
DATA = TESTS / "data"
PROGRAMS = TESTS / "support" / "programs"
STARTER = ROOT / "profiles" / "starter"
