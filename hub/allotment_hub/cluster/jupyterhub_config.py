"""Read by zero-to-jupyterhub's own configuration, from `jupyterhub_config.d`; everything is in the values."""

from z2jh import get_config as value_of

from allotment_hub.cluster.settings import apply

apply(c, value_of("custom.allotment") or {}, value_of("hub.baseUrl") or "/")  # type: ignore[name-defined]
