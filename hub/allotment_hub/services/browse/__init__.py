"""What exists: profiles, teams and data roles as one reader may see them, and the search among them."""
