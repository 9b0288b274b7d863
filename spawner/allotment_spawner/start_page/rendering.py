"""The start page as HTML. Every value is escaped by the template engine; none is ever a template itself."""

from functools import cache

from jinja2 import Environment, PackageLoader, StrictUndefined

from allotment_spawner.start_page.form import PROFILE
from allotment_spawner.start_page.offers import StartPage

# From this many profiles on a filter helps more than it is in the way.
_FILTER_FROM = 9
# Up to this many choices lie open as radio buttons; more are a list to choose from.
_RADIOS = 4


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
    """Give the inside of the hub's spawn form."""
    template = _environment().get_template("start.html")
    return template.render(page=page, field=PROFILE, filter_from=_FILTER_FROM, radios=_RADIOS)
