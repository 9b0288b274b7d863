"""What a new proposal is called. Pure, but for its random id."""

import dataclasses
import secrets
from collections.abc import Sequence

from allotment_hub.services.judging.checking import Check, Files
from allotment_hub.services.proposals.proposals import profiles_in
from allotment_hub.services.visibility import is_private
from allotment_profiles.review.changes import Change

_LETTERS = "bcdfghjkmnpqrstvwxz23456789"
"""Without vowels, so that no name is a word, and without what is easily mistaken."""
_LONGEST_CHANGE = 60
"""A longer change is told in a title without its values."""
UNDO = "Undo: "
"""How the title of what the service has made to undo a proposal begins."""


def new_id() -> str:
    """Return a name for a proposal that tells nothing: neither what it is about, nor what else there is."""
    return "".join(secrets.choice(_LETTERS) for _ in range(10))


def title_of(files: Files, check: Check, *, undo: bool = False) -> str:
    """Return one line that describes the proposal: the profile and its first change, or the first changes.

    It is shown to everybody who decides about one of the files, so nothing stands in it that is in a hidden profile, or
    in one of another team, which may not be listed to them. What undoes something is called as that was.
    """
    if undo:
        changes = tuple(dataclasses.replace(each, before=each.after, after=each.before) for each in check.changes)
        undone = dataclasses.replace(check, before=check.after, after=check.before, changes=changes)
        return f"{UNDO}{title_of(files, undone)}"
    teams = {profile_id.partition("/")[0] for profile_id in profiles_in(files)}
    if len(teams) > 1:
        return f"Change {len(files)} files of {len(teams)} teams"
    # Those who decide about one of several files may not see what changes in the others.
    changed = _first_change(check.changes) if len(files) == 1 else ""
    for profile_id in profiles_in(files):
        new, old = check.after.profiles.get(profile_id), check.before.profiles.get(profile_id)
        shown_as = new or old
        if shown_as is None:
            continue
        hidden = len(files) > 1 and any(each.value.visibility == "draft" for each in (new, old) if each)
        what = "Remove" if new is None else "Change" if old else "Add"
        return f"{what} {profile_id}" + ("" if hidden else f": {changed or shown_as.value.title}")
    subjects = dict.fromkeys(change.subject for change in check.changes)
    return "Change " + ", ".join(subjects)[:80] + (f": {changed}" if changed else "")


def _first_change(changes: Sequence[Change]) -> str:
    """Return the first change of a file's values, and how many more there are; empty for a new or removed file."""
    values = [change for change in changes if change.kind == "changed" and change.field]
    # The values of variables and bindings are not for everybody who may see the file.
    shown = next((change for change in values if not is_private(change.field)), None)
    if shown is None:
        return ""
    text = shown.text if len(shown.text) <= _LONGEST_CHANGE and shown.text.isprintable() else shown.label
    more = len(values) - 1
    return f"{text[:_LONGEST_CHANGE]} and {more} more" if more else text[:_LONGEST_CHANGE]
