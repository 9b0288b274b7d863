"""What can keep a laptop deployment from starting."""


class LaptopError(Exception):
    """A reason not to start, in words for the person at the terminal."""
