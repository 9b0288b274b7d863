"""From values to HTML: the templates, and how times, amounts and people's words are written on a page.

Everything that people wrote is escaped by the template engine; none of it is ever a template or a script.
"""

import datetime as dt
import hashlib
from functools import cache
from importlib.resources import files
from urllib.parse import quote

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from allotment_hub.http.problem import ProblemAnswer
from allotment_profiles.model import BUILT_IN_APPS, Resources
from allotment_profiles.model.dates import relative_day, relative_time
from allotment_profiles.model.problems import Problem
from allotment_profiles.model.quantities import format_cpu, format_duration, format_memory

CATEGORIES = {
    "image-version": "another version",
    "image-unpinned": "no longer pinned",
    "image": "another image",
    "smaller": "smaller",
    "larger-inside": "larger, within the envelope",
    "larger-outside": "beyond the envelope",
    "hardware": "other hardware",
    "data-role-added": "more data",
    "data-role-removed": "less data",
    "audience": "other people",
    "visibility": "seen by others",
    "retirement": "its end",
    "acceptance": "to be accepted",
    "people": "people",
    "envelope": "the envelope",
    "budget": "the budget",
    "owner": "another owner",
    "binding": "the credential",
    "grant-added": "a new grant",
    "grant-removed": "a grant less",
    "grant-longer": "for longer",
    "grant-shorter": "for a shorter time",
}
"""The kinds of change that a reviewer looks for, in words; the others say nothing that the line does not say."""


@cache
def templates() -> Environment:
    """Give the pages' templates."""
    environment = Environment(
        loader=PackageLoader("allotment_hub"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {
        "moment": moment,
        "day": day,
        "app": lambda app: BUILT_IN_APPS.get(app, app),
        "cpu": cpu_text,
        "memory": memory_text,
        "bytes": format_memory,
        "cpus": format_cpu,
        "remedy": remedy_text,
        "category": lambda change: CATEGORIES.get(change.category, ""),
        "duration": duration_text,
        "segment": lambda text: quote(text, safe=""),
        "upper_first": lambda text: text[:1].upper() + text[1:],
    }
    return environment


@cache
def static_version() -> str:
    """Tell one state of the static files from another, so that a browser takes the newest."""
    folder = files("allotment_hub") / "static"
    contents = b"".join(file.read_bytes() for file in sorted(folder.iterdir(), key=lambda each: each.name))
    return hashlib.sha256(contents).hexdigest()[:12]


def moment(value: dt.datetime) -> Markup:
    """Write a moment: how long ago, with the date for those who want to know exactly."""
    value = value.astimezone(dt.UTC)
    exact = f"{value.day} {value:%b %Y, %H:%M} UTC"
    return Markup('<time datetime="{}" title="{}">{}</time>').format(
        value.isoformat(timespec="seconds"), exact, relative_time(value, dt.datetime.now(dt.UTC))
    )


def day(value: dt.date) -> Markup:
    """Write a day, with how far away it is beside it."""
    return Markup('<time datetime="{}">{}</time> <span class="text-body-secondary">({})</span>').format(
        value.isoformat(), f"{value.day} {value:%b %Y}", relative_day(value, dt.datetime.now(dt.UTC).date())
    )


def remedy_text(problem: Problem | ProblemAnswer) -> str:
    """Say what helps; how an acceptance is written in the file is for those who write files, the form has a field."""
    return problem.remedy.partition(" Or ask an administrator to accept it:")[0]


def cpu_text(resources: Resources) -> str:
    """Write the CPUs that a session may use."""
    text = format_cpu(resources.cpu.limit)
    return f"{text} CPU{'' if text == '1' else 's'}"


def memory_text(resources: Resources) -> str:
    """Write the memory that a session may use."""
    return format_memory(resources.memory.limit)


def duration_text(seconds: int) -> str:
    """Write a duration as people say it."""
    number, unit = format_duration(seconds).split(" ")
    words = {"s": "second", "min": "minute", "h": "hour", "d": "day"}[unit]
    return f"{number} {words}{'' if number == '1' else 's'}"
