"""What differs between two catalogs by meaning, and whose approval it needs. Pure functions."""
