"""The base of all handlers: sign-in, request bodies and error answers."""
