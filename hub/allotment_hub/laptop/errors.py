"""The error that keeps a laptop deployment from starting."""


class LaptopError(Exception):
    """The deployment cannot start; the message tells the user why."""
