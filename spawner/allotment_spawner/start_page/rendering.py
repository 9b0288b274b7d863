"""Render the start page as HTML. The template engine escapes every value; no value is used as a template."""

from functools import cache

from jinja2 import Environment, PackageLoader, StrictUndefined

from allotment_spawner.start_page.form import PROFILE
from allotment_spawner.start_page.offers import StartPage

# The page has a filter from this many profiles on.
_FILTER_FROM = 9
# An option with more choices than this is a list instead of radio buttons.
_MAXIMUM_RADIOS = 4


@cache
def _environment() -> Environment:
    return Environment(
        loader=PackageLoader("allotment_spawner"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )


def render(page: StartPage) -> str:
    """Return the contents of the hub's spawn form."""
    template = _environment().get_template("start.html")
    return template.render(page=page, field=PROFILE, filter_from=_FILTER_FROM, maximum_radios=_MAXIMUM_RADIOS)
