"""Bytes of a file to a model and back, with the place of everything that is wrong."""
