"""The laptop's JupyterHub: its configuration, its proxy and the three local accounts."""
