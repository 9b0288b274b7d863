"""From what people and things are called to what Kubernetes takes: valid, and another text for each text. Pure."""

from kubespawner.slugs import is_valid_label, safe_slug, strip_and_hash

USERNAME = "hub.jupyter.org/username"
"""KubeSpawner's own label of whose an object is."""
SERVERNAME = "hub.jupyter.org/servername"
"""KubeSpawner's own label of which of their servers a pod is."""


def label(text: str, *, at_least: int = 0, at_most: int = 63) -> str:
    """Give a valid value of a label with so many characters; one that is valid stays as it is.

    KubeSpawner's own question takes four letters for those of ASCII (the dotless i, the i with a dot above, the long
    s, the sign of Kelvin), and Kubernetes takes no pod with them.
    """
    if not text.isascii() or len(text) < at_least:
        return str(strip_and_hash(text, max_length=at_most))
    return str(safe_slug(text, is_valid=is_valid_label, max_length=at_most))
