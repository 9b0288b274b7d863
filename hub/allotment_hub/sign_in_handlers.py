"""What the hub serves about sign-ins: their age, to the service alone, and a page that signs a user in anew."""

import re
import time

from jupyterhub.apihandlers.base import APIHandler
from jupyterhub.handlers.login import LogoutHandler
from jupyterhub.scopes import needs_scope
from jupyterhub.utils import url_path_join
from tornado.httputil import url_concat
from tornado.web import HTTPError

from allotment_hub.hub_rights import SERVICE
from allotment_hub.sign_ins import age_of, records_sign_ins
from allotment_profiles.scopes import SIGN_INS_SCOPE

_PAGE = re.compile(r"[A-Za-z0-9_-]+(/[A-Za-z0-9_-]+)*")


class SignInHandler(APIHandler):
    """Answers the service how long ago a user signed in."""

    @needs_scope(SIGN_INS_SCOPE)
    def post(self) -> None:
        """POST allotment/sign-ins {user, session}: {seconds, recorded}.

        `session` is the secret of the sign-in, from its cookie. `seconds` is null for a sign-in that is not known;
        `recorded` says whether sign-ins are written down.
        """
        body = self.get_json_body()
        if not isinstance(body, dict) or not all(isinstance(body.get(name), str) for name in ("user", "session")):
            raise HTTPError(400, "Expected the texts user and session.")
        seconds = age_of(self.db, body["user"], body["session"], time.time())
        recorded = seconds is not None or records_sign_ins(self.authenticator.post_auth_hook)
        self.finish({"seconds": seconds, "recorded": recorded})


class SignInPage(LogoutHandler):
    """Signs a user out, and lets them sign in again and go on with a page of the service."""

    async def render_logout_page(self) -> None:
        """GET allotment/sign-in?page=PATH: redirect to the sign-in. Only paths below the service's are followed."""
        page = self.get_query_argument("page", "")
        path = url_path_join(self.base_url, "services", SERVICE, page if _PAGE.fullmatch(page) else "profiles")
        self.redirect(url_concat(self.settings["login_url"], {"next": path}))
