"""Allotment on Kubernetes: what the hub of zero-to-jupyterhub is told, from the chart's values as data."""
