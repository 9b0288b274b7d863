"""The command `allotment-session`: view and propose profiles from inside a running session."""
