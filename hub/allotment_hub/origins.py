"""JupyterHub's configuration of where sessions are served: each user's on a host of their own, hub and service on one.

What a session serves is a stranger's page. On a host of its own it shares no origin with the hub and the service.
"""

import functools
import hashlib
import re
import string
from typing import Any
from urllib.parse import urlsplit

# A label of a host name that stands for itself. `--` is left to the names below and to internationalised names.
_PLAIN = re.compile(r"(?!.*--)(?!\d+$)[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?")
_READABLE = frozenset(string.ascii_lowercase + string.digits)
# 128 bits: JupyterHub's own 28 bits can be searched for a name that has somebody else's host.
_HASH_LENGTH = 32


def hostname_of(address: str) -> str:
    """Return the host of an address, with or without its scheme; empty if there is none."""
    return urlsplit(address if "://" in address else f"//{address}").hostname or ""


def origin_of(url: str) -> str:
    """Return scheme, host and port of an address."""
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc}"


def session_label(user: str) -> str:
    """Return the label of a user's host: a valid one, and another one for every other user.

    Host names ignore case, user names may not: only names in lower case stand for themselves.
    """
    if _PLAIN.fullmatch(user):
        return user
    readable = "".join(letter for letter in user.lower() if letter in _READABLE)[:20] or "x"
    return f"u-{readable}--{hashlib.sha256(user.encode()).hexdigest()[:_HASH_LENGTH]}"


def host_of_part(hub_host: str, sessions_domain: str, name: str, _domain: str, kind: str) -> str:
    """Return the host of a user's sessions or of a service, for JupyterHub's `subdomain_hook`."""
    return f"{session_label(name)}.{sessions_domain}" if kind == "user" else hub_host


def origin_settings(public_url: str, sessions_domain: str) -> dict[str, Any]:
    """Return the settings of `c.JupyterHub` with which sessions are at `<user>.<sessions_domain>`.

    Raises `ValueError` if a user's name could give the hub's own host.
    """
    hub, host = urlsplit(public_url), hostname_of(public_url)
    if host.endswith(f".{sessions_domain}"):
        raise ValueError(f"the hub's own host {host} is below {sessions_domain}, where users' hosts are")
    port = f":{hub.port}" if hub.port else ""
    return {
        "public_url": public_url,
        "subdomain_host": f"{hub.scheme}://{sessions_domain}{port}",
        "subdomain_hook": functools.partial(host_of_part, host, sessions_domain),
        # A session can set cookies for the hub where both are below one domain, but none with the prefix `__Host-`.
        "cookie_host_prefix_enabled": hub.scheme == "https",
    }
