"""The pages below the service's prefix, each with its handler."""

from tornado.web import RequestHandler

from allotment_hub.handlers.page import Page, UnknownPage


class FrontPage(Page):
    """The service's own address."""

    def get(self) -> None:
        """GET the prefix alone."""
        self.go("profiles")


PAGES: list[tuple[str, type[RequestHandler]]] = [
    (r"", FrontPage),
    (r"(.*)", UnknownPage),
]
"""Patterns below the prefix, in the order in which they are tried."""
