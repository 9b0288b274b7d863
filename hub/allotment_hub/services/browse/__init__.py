"""Reads profiles, teams, data roles and histories, as one user may see them."""
