"""The first content of a laptop deployment: a repository of profiles and sample data."""
