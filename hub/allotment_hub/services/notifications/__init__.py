"""What people hear of, outside the pages: who hears what, what it says, and what sends it."""
