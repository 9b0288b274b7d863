"""The pages, rendered by the server: handlers that turn what the services return into HTML."""
