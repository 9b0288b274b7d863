"""The API under `/api/v1`: requests, responses and the handlers that translate between them and the services."""
