"""Convert names of people and things to names that Kubernetes accepts: valid, and unique for each text. Pure."""

from kubespawner.slugs import is_valid_label, safe_slug, strip_and_hash

USERNAME = "hub.jupyter.org/username"
"""KubeSpawner's label for the user of an object."""
SERVERNAME = "hub.jupyter.org/servername"
"""KubeSpawner's label for the server of a pod."""


def label(text: str, *, at_least: int = 0, at_most: int = 63) -> str:
    """Return a valid label value within these lengths. A text that is already valid stays the same.

    KubeSpawner's check accepts four letters that are not ASCII (the dotless i, the i with a dot above, the long s, the
    sign of Kelvin). Kubernetes rejects them.
    """
    if not text.isascii() or len(text) < at_least:
        return str(strip_and_hash(text, max_length=at_most))
    return str(safe_slug(text, is_valid=is_valid_label, max_length=at_most))
