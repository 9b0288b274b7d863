"""The hub's own address where the service says that main has moved: `POST <hub>/api/allotment/refresh`."""

from jupyterhub.apihandlers.base import APIHandler
from jupyterhub.scopes import needs_scope

from allotment_profiles.scopes import REFRESH_SCOPE
from allotment_spawner.hub.shared import watchers


class RefreshHandler(APIHandler):
    """Fetches at once; whoever asks learns nothing but that it was heard."""

    @needs_scope(REFRESH_SCOPE)
    def post(self) -> None:
        """POST allotment/refresh: 202."""
        for watcher in watchers(self.users.settings):  # of these settings, tornado gives a handler a copy
            watcher.trigger()
        self.set_status(202)
        self.finish({"status": "heard"})
