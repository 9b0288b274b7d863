"""Measures beside the stock way, both sides interleaved in one run: `make bench`."""
