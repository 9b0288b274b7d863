"""Trials: a session of a profile before it is merged, on terms that give no more than main does. Pure."""
