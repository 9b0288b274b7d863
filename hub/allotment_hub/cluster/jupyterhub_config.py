"""Read by zero-to-jupyterhub's own configuration, from `jupyterhub_config.d`."""

from z2jh import get_config as value_of

from allotment_hub.cluster.hub_setup import configure_hub

configure_hub(c, value_of("custom.allotment") or {}, value_of("hub.baseUrl") or "/")  # type: ignore[name-defined]
