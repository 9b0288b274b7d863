"""A running session: what is stored about it, when it ends and why, its use of the budgets, the page it opens."""
