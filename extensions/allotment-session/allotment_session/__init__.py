"""The command `allotment-session`: profiles seen and proposed from inside a running session."""
