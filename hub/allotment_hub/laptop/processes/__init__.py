"""The processes of the laptop deployment: programs, ports and the supervisor that restarts them."""
