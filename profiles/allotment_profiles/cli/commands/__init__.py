"""The commands, one module each. To start fast, a command imports what it needs when it runs."""
