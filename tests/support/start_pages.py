"""The start page of somebody, rendered from a catalog and taken apart."""

import datetime as dt
from collections.abc import Sequence
from typing import Any

from bs4 import BeautifulSoup, Tag

from allotment_profiles.access.budgets import Usage
from allotment_profiles.access.deployments import Capabilities
from allotment_profiles.access.people import User
from allotment_profiles.catalog.catalog import Catalog
from allotment_profiles.store.standstill import Standstill
from allotment_spawner.start_page.cards import Viewer
from allotment_spawner.start_page.offers import start_page
from allotment_spawner.start_page.rendering import render

NOW = dt.datetime(2026, 6, 1, 12, tzinfo=dt.UTC)
SERVICE = "http://hub.example.org/services/allotment/"
EVERYTHING = Capabilities("this laptop", frozenset({"volume"}), {})
RED = User("ann", frozenset({"/red"}))


def page(
    catalog: Catalog,
    user: User = RED,
    *,
    choice: dict[str, Any] | None = None,
    able: Capabilities = EVERYTHING,
    error: str | None = None,
    now: dt.datetime = NOW,
    running: Sequence[Usage] = (),
    linked: bool = False,
    standstill: Standstill | None = None,
) -> BeautifulSoup:
    viewer = Viewer(user, SERVICE, "What a laptop does not do.", error, standstill=standstill)
    return BeautifulSoup(render(start_page(catalog, viewer, choice, now, able, running, linked=linked)), "html.parser")


def words(tag: Tag) -> str:
    return " ".join(tag.get_text(" ").split())


def ids(html: BeautifulSoup) -> list[str]:
    """Return the profiles that can be started, in the page's order."""
    return [str(button["value"]) for button in html.select("button[name=profile]")]


def chosen(html: BeautifulSoup | Tag) -> list[str]:
    """Return the choices that are selected."""
    return [str(field["value"]) for field in html.select("input[checked]")]
