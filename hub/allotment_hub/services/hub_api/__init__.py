"""Calls the API of JupyterHub."""
