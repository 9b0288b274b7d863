"""The hub's API for the service to report that main has moved: `POST <hub>/api/allotment/refresh`."""

from jupyterhub.apihandlers.base import APIHandler
from jupyterhub.scopes import needs_scope

from allotment_profiles.scopes import REFRESH_SCOPE
from allotment_spawner.hub.shared import watchers


class RefreshHandler(APIHandler):
    """Triggers a fetch of the repository. The answer does not depend on its result."""

    @needs_scope(REFRESH_SCOPE)
    def post(self) -> None:
        """POST allotment/refresh: 202."""
        for watcher in watchers(self.users.settings):  # Tornado gives a handler a copy of the settings
            watcher.trigger()
        self.set_status(202)
        self.finish({"status": "accepted"})
