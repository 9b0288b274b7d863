"""Where proposals live."""
