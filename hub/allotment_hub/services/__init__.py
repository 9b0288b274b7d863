"""What the handlers call. Handlers translate, services decide, forges store."""
