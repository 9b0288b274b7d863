"""What the service does: one verb to a module. Handlers translate, services decide, forges keep."""
