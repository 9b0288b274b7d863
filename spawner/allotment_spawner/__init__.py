"""Inside the hub: shows a user's offers and turns one into a session."""
