"""Trials of proposals and drafts: who may try what, and what the hub is asked to start, list and end."""
