"""The JSON Schemas and the reference page `docs/format.md`, generated from the models."""
