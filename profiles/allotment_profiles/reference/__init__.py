"""JSON Schema files and the reference page `docs/format.md`, generated from the models."""
