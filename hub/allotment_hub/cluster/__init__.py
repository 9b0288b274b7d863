"""Allotment on Kubernetes: configure the hub of zero-to-jupyterhub from the values of the chart."""
