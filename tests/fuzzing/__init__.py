"""Guided search for bytes that do harm: `make fuzz SECONDS=600`."""
