"""The routes of the pages."""

from tornado.web import RequestHandler

from allotment_hub.pages import proposals
from allotment_hub.pages.access_requests import AskPage, EndPage, RemovalPage
from allotment_hub.pages.export import ProfilesExport
from allotment_hub.pages.listings import DataRolePage, DataRolesPage, ProfilePage, ProfilesPage, TeamPage
from allotment_hub.pages.notifications import NotificationsPage
from allotment_hub.pages.page import Page, UnknownPage
from allotment_hub.pages.proposing import ProposePage
from allotment_hub.pages.stops import StopPage


class FrontPage(Page):
    """The root of the service."""

    def get(self) -> None:
        """Redirect to the profiles."""
        self.go("profiles")


PAGES: list[tuple[str, type[RequestHandler]]] = [
    (r"", FrontPage),
    (r"profiles", ProfilesPage),
    (r"profiles\.(csv|json)", ProfilesExport),
    (r"profiles/([^/]+)/([^/]+)", ProfilePage),
    (r"profiles/([^/]+)/([^/]+)/retire", RemovalPage),
    (r"propose", ProposePage),
    (r"drafts/([^/]+)", proposals.DraftPage),
    (r"drafts/([^/]+)/(propose|discard)", proposals.DraftAction),
    (r"proposals", proposals.ProposalsPage),
    (r"proposals/([^/]+)", proposals.ProposalPage),
    (r"proposals/([^/]+)/(approve|merge|reject|update|withdraw|comment|revert|redact)", proposals.ProposalAction),
    (r"pull-requests/([1-9][0-9]{0,9})", proposals.PullRequestPage),
    (r"proposals/([^/]+)/(try|end-trial)", proposals.ProposalAction),
    (r"holds/([0-9a-f]{40,64})/confirm", proposals.ConfirmQuarantined),
    (r"teams/([^/]+)", TeamPage),
    (r"data-roles", DataRolesPage),
    (r"data-roles/([^/]+)", DataRolePage),
    (r"data-roles/([^/]+)/ask", AskPage),
    (r"data-roles/([^/]+)/end", EndPage),
    (r"stop", StopPage),
    (r"notifications", NotificationsPage),
    (r"(.*)", UnknownPage),
]
"""Patterns below the service's prefix. The first match wins."""
