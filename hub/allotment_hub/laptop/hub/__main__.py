"""`python -m allotment_hub.laptop.hub` is `jupyterhub`, and starts in less time."""

import sys

# JupyterHub's events are checked by jsonschema, which loads a grammar of addresses with this package: half of a start.
# No event has such an address, and jsonschema does without the package.
sys.modules["rfc3987_syntax"] = None  # type: ignore[assignment]  # Python's own way to say that there is none

from jupyterhub.app import main  # noqa: E402  (after the line above)

main()
