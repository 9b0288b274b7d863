"""Pull requests of Gitea, GitHub and GitLab: one protocol, an adapter for each, and nothing that decides.

`forge.py` has the protocol and `values.py` what goes through it; nothing in them knows HTTP. `adapter.py` has what the
three adapters have in common, on one HTTP client (`client.py`). Content goes through git, never through these.
"""
