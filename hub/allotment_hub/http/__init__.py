"""What every handler shares: who asks, how a body is parsed, how an error is answered."""
