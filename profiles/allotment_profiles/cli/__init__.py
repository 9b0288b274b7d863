"""The command `allotment`, for people and pipelines."""
