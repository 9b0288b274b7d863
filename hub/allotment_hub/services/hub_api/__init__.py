"""Calls of JupyterHub's own API: the directory of users, and the notice that main has moved."""
