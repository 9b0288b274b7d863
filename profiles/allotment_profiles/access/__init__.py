"""Who may start which profile and why not, and what a start resolves to. Pure functions."""
