"""Dry runs of changes, in processes that can be ended."""
