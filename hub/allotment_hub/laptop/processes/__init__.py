"""Start, supervise and stop the programs of a laptop deployment."""
