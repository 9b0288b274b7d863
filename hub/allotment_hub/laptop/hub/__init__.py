"""JupyterHub on a laptop: its configuration, its proxy and three local accounts."""
