"""Renders pages: the templates, and how times, amounts and texts are formatted in them.

The template engine escapes everything that people wrote. None of it is ever used as a template or a script.
"""

import datetime as dt
import hashlib
from functools import cache
from importlib.resources import files
from typing import Any
from urllib.parse import quote

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from allotment_hub.http.problem import ProblemAnswer
from allotment_profiles.model import BUILT_IN_APPS, Resources
from allotment_profiles.model.problems import Problem
from allotment_profiles.model.values.dates import relative_day, relative_time
from allotment_profiles.model.values.quantities import format_cpu, format_duration, format_memory

CATEGORIES = {
    "image-version": "new version",
    "image-unpinned": "no longer pinned",
    "image": "new image",
    "smaller": "smaller",
    "larger-inside": "larger, within the limits",
    "larger-outside": "beyond the limits",
    "hardware": "new hardware",
    "data-role-added": "more data",
    "data-role-removed": "less data",
    "audience": "audience",
    "visibility": "visibility",
    "retirement": "retirement",
    "acceptance": "acceptance",
    "people": "people",
    "envelope": "limits",
    "budget": "budget",
    "owner": "new owner",
    "binding": "credential",
    "grant-added": "new grant",
    "grant-removed": "grant removed",
    "grant-longer": "for longer",
    "grant-shorter": "for a shorter time",
    "merging": "merging",
}
"""The badges of change types. Types without one are clear from the change itself."""


@cache
def templates() -> Environment:
    """Return the environment with the templates of the pages."""
    environment = Environment(
        loader=PackageLoader("allotment_hub"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {
        "moment": moment,
        "elapsed": elapsed,
        "day": day,
        "app": lambda app: BUILT_IN_APPS.get(app, app),
        "cpu": cpu_text,
        "memory": lambda resources: format_memory(resources.memory.limit),
        "bytes": format_memory,
        "cpus": format_cpu,
        "remedy": remedy_text,
        "category": lambda change: CATEGORIES.get(change.category, ""),
        "duration": duration_text,
        "segment": lambda text: quote(text, safe=""),
        "upper_first": lambda text: text[:1].upper() + text[1:],
    }
    return environment


def rendered(template: str, **values: Any) -> bytes:
    """Return a page."""
    return templates().get_template(template).render(**values).encode()


def prepare_templates() -> None:
    """Compile all templates. Otherwise the first page of each kind would stop all others for a moment."""
    environment = templates()
    for name in environment.list_templates():
        environment.get_template(name)


@cache
def static_version() -> str:
    """Return a hash of the static files. It is part of their addresses, so that browsers load changed files."""
    folder = files("allotment_hub") / "static"
    contents = b"".join(file.read_bytes() for file in sorted(folder.iterdir(), key=lambda each: each.name))
    return hashlib.sha256(contents).hexdigest()[:12]


def moment(value: dt.datetime) -> Markup:
    """Format a time as a relative time, with the exact time as a tooltip."""
    return _time(value, relative_time(value, dt.datetime.now(dt.UTC)))


def elapsed(value: dt.datetime) -> Markup:
    """Format the time that has passed since a time, with the exact time as a tooltip."""
    text = relative_time(value, dt.datetime.now(dt.UTC))
    return _time(value, text.removesuffix(" ago") if text.endswith(" ago") else f"since {text}")


def _time(value: dt.datetime, text: str) -> Markup:
    value = value.astimezone(dt.UTC)
    exact = f"{value.day} {value:%b %Y, %H:%M} UTC"
    return Markup('<time datetime="{}" title="{}">{}</time>').format(value.isoformat(timespec="seconds"), exact, text)


def day(value: dt.date) -> Markup:
    """Format a date, followed by the relative date."""
    return Markup('<time datetime="{}">{}</time> <span class="text-body-secondary">({})</span>').format(
        value.isoformat(), f"{value.day} {value:%b %Y}", relative_day(value, dt.datetime.now(dt.UTC).date())
    )


def remedy_text(problem: Problem | ProblemAnswer) -> str:
    """Return a problem's remedy without how to write an acceptance in the file: the form has a field for it."""
    return problem.remedy.partition(" Or ask an administrator to accept it:")[0]


def cpu_text(resources: Resources) -> str:
    """Format the CPU limit of a session."""
    text = format_cpu(resources.cpu.limit)
    return f"{text} CPU{'' if text == '1' else 's'}"


def duration_text(seconds: int) -> str:
    """Format a duration with the unit in full."""
    number, unit = format_duration(seconds).split(" ")
    words = {"s": "second", "min": "minute", "h": "hour", "d": "day"}[unit]
    return f"{number} {words}{'' if number == '1' else 's'}"
