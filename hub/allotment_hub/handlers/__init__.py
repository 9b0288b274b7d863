"""Translation only: a request becomes a call of a service, its result becomes an answer."""
