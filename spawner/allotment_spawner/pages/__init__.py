"""Pages of the hub beside its start page."""
