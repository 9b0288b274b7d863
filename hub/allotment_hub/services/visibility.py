"""What a reader is shown of changes and problems: by path and field, never by looking for text. Pure.

`allotment_profiles.access.visibility.visible` decides about the bytes; this module applies the answer.
"""

import dataclasses
from collections.abc import Callable, Container, Iterable

from allotment_profiles.access.people import User
from allotment_profiles.access.visibility import Sight, visible
from allotment_profiles.catalog.catalog import Catalog
from allotment_profiles.model.problems import Problem
from allotment_profiles.review.changes import Change

HIDDEN = "(hidden)"
UNSEEN = "a file that you may not see"


def is_private(field: str) -> bool:
    """Whether a field has the value of a variable or of a binding."""
    parts = field.split(".")
    return "environment" in parts or parts[0] == "binding"


def redacted(
    changes: Iterable[Change], sight: Callable[[str], Sight], *, known: Container[str] = ()
) -> tuple[Change, ...]:
    """Return changes as a reader sees them who may see so much of each path.

    Of a file that the reader may not see, one change remains; without its name, unless it is among the `known` paths.
    """
    result: dict[Change, None] = {}
    for change in changes:
        seen = min(sight(change.path), sight(change.moved_from or change.path))
        if seen == Sight.NOTHING:
            result[_only_that(change, named=change.path in known)] = None
        elif seen == Sight.OUTLINE and is_private(change.field):
            result[_without_values(change)] = None
        else:
            result[change] = None
    return tuple(result)


def _without_values(change: Change) -> Change:
    before, after = (None if value is None else HIDDEN for value in (change.before, change.after))
    return dataclasses.replace(change, before=before, after=after)


def _only_that(change: Change, *, named: bool) -> Change:
    path, subject = (change.path, change.subject) if named else ("", UNSEEN)
    return Change("changed", path, subject, "", "", None, None, "unreadable")


def told(problem: Problem, sight: Sight) -> Problem:
    """Return a problem without what its message quotes from bytes that a reader may not see.

    The reader knows of the file, and learns where in it the problem is.
    """
    if sight == Sight.ALL or (sight == Sight.OUTLINE and not is_private(problem.field)):
        return problem
    message, field = "This value is not accepted.", problem.field if sight == Sight.OUTLINE else ""
    remedy = "Those who may see the file are shown why."
    return dataclasses.replace(problem, message=message, remedy=remedy, field=field)


def told_of_newest(problems: Iterable[Problem], reader: User, path: str, catalog: Catalog) -> tuple[Problem, ...]:
    """Return the problems of the newest version of a file that a reader knows of."""
    entry = catalog.entry_at(path)
    # Nobody can tell of a version that is not valid whether it hides the profile, or whose data it is.
    versions = (b"",) if entry is None or entry.outdated_since else ()
    sight = visible(reader, path, catalog, *versions)
    return tuple(told(problem, sight) for problem in problems)


def as_new(path: str, data: bytes) -> str:
    """Return the text of a file as a unified difference in which all lines are added."""
    lines = data.decode(errors="replace").removesuffix("\n").split("\n")
    added = "".join(f"+{line}\n" for line in lines)
    return f"diff --git a/{path} b/{path}\n--- /dev/null\n+++ b/{path}\n@@ -0,0 +1,{len(lines)} @@\n{added}"
