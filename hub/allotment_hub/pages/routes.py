"""The routes of the pages."""

from tornado.web import RequestHandler

from allotment_hub.pages.access_requests import AskPage, RetirePage
from allotment_hub.pages.export import ProfilesExport
from allotment_hub.pages.listings import DataRolePage, DataRolesPage, ProfilePage, ProfilesPage, TeamPageHandler
from allotment_hub.pages.page import Page, UnknownPage
from allotment_hub.pages.proposals import (
    Approve,
    Comment,
    ConfirmQuarantined,
    Merge,
    ProposalPage,
    ProposalsPage,
    Reject,
    Withdraw,
)
from allotment_hub.pages.proposing import ProposePage


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
    (r"profiles/([^/]+)/([^/]+)/retire", RetirePage),
    (r"propose", ProposePage),
    (r"proposals", ProposalsPage),
    (r"proposals/([^/]+)", ProposalPage),
    (r"proposals/([^/]+)/approve", Approve),
    (r"proposals/([^/]+)/merge", Merge),
    (r"proposals/([^/]+)/reject", Reject),
    (r"proposals/([^/]+)/withdraw", Withdraw),
    (r"proposals/([^/]+)/comment", Comment),
    (r"holds/([0-9a-f]{40,64})/confirm", ConfirmQuarantined),
    (r"teams/([^/]+)", TeamPageHandler),
    (r"data-roles", DataRolesPage),
    (r"data-roles/([^/]+)", DataRolePage),
    (r"data-roles/([^/]+)/ask", AskPage),
    (r"(.*)", UnknownPage),
]
"""Patterns below the service's prefix. The first match wins."""
