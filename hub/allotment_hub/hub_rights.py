"""JupyterHub's configuration of the service, and of what users and sessions may do with it."""

from typing import Any

from allotment_profiles.scopes import (
    IDENTITIES_SCOPE,
    REFRESH_SCOPE,
    REVIEW_SCOPE,
    SERVICE_ACCESS_SCOPE,
    SIGN_INS_SCOPE,
    STOP_SCOPE,
    TRIAL_SCOPE,
)

SERVICE = "allotment"

CUSTOM_SCOPES = {
    REVIEW_SCOPE: {"description": "Approve, reject and merge proposals of profiles"},
    REFRESH_SCOPE: {"description": "Tell the hub that the repository of profiles has changed"},
    SIGN_INS_SCOPE: {"description": "Ask the hub when somebody signed in"},
    IDENTITIES_SCOPE: {"description": "Ask the identity provider about users, and which accounts they have there"},
    STOP_SCOPE: {"description": "List sessions and stop them"},
    TRIAL_SCOPE: {"description": "Start, list and end trials of proposals"},
}

_OF_THE_SERVICE = (REFRESH_SCOPE, SIGN_INS_SCOPE, IDENTITIES_SCOPE, STOP_SCOPE, TRIAL_SCOPE)

HUB_HANDLERS = [
    # Named by strings, because allotment_hub does not import the spawner.
    (r"/api/allotment/refresh", "allotment_spawner.hub.refresh.RefreshHandler"),
    (r"/api/allotment/sessions", "allotment_spawner.hub.stop_handlers.SessionsHandler"),
    (r"/api/allotment/stops", "allotment_spawner.hub.stop_handlers.StopsHandler"),
    (r"/api/allotment/trials", "allotment_spawner.hub.trial_handlers.TrialsHandler"),
    (r"/allotment/restart/([^/]+)", "allotment_spawner.pages.restart.RestartHandler"),
    (r"/allotment/restart/([^/]+)/([^/]+)", "allotment_spawner.pages.restart.RestartHandler"),
]
"""What the service calls in the spawner's package, and its page for a restart."""

HEADERS = {"Cross-Origin-Opener-Policy": "same-origin", "X-Content-Type-Options": "nosniff"}
"""On every page of the hub. Its own Content-Security-Policy forbids framing already."""


def roles() -> list[dict[str, Any]]:
    """Return the roles: users may review, sessions may only call the service.

    A session's token has the scopes that the roles `server` and `user` have in common. Both repeat JupyterHub's
    defaults.
    """
    service = ["list:users", "read:users", "read:groups", *_OF_THE_SERVICE]
    return [
        {"name": "user", "scopes": ["self", SERVICE_ACCESS_SCOPE, REVIEW_SCOPE]},
        {"name": "server", "scopes": ["users:activity!user", "access:servers!server", SERVICE_ACCESS_SCOPE]},
        {"name": SERVICE, "scopes": service, "services": [SERVICE]},
    ]


def service_settings(url: str, base_url: str) -> dict[str, Any]:
    """Return the service's entry in `c.JupyterHub.services`, without its name and token."""
    return {
        "url": url,
        "oauth_client_id": f"service-{SERVICE}",
        # A path: the service is on the hub's own host.
        "oauth_redirect_uri": f"{base_url}services/{SERVICE}/oauth_callback",
        "oauth_no_confirm": True,
        "oauth_client_allowed_scopes": [REVIEW_SCOPE],
        "display": False,
    }
