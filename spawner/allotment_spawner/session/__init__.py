"""What runs: the stamp on a session, when it ends and why, its use of the budgets, where it opens."""
