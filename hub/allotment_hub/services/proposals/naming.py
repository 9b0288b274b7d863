"""What a new proposal is called. Pure, but for its random id."""

import dataclasses
import secrets

from allotment_hub.services.judging.checking import Check, Files
from allotment_hub.services.proposals.proposals import profiles_in

_LETTERS = "bcdfghjkmnpqrstvwxz23456789"
"""Without vowels, so that no name is a word, and without what is easily mistaken."""
UNDO = "Undo: "
"""How the title of what the service has made to undo a proposal begins."""


def new_id() -> str:
    """Return a name for a proposal that tells nothing: neither what it is about, nor what else there is."""
    return "".join(secrets.choice(_LETTERS) for _ in range(10))


def title_of(files: Files, check: Check, *, undo: bool = False) -> str:
    """Return one line that describes the proposal: the profile's title, or the first changes.

    It is shown to everybody who decides about one of the files, so nothing stands in it that is in a hidden profile, or
    in one of another team, which may not be listed to them. What undoes something is called as that was.
    """
    if undo:
        return f"{UNDO}{title_of(files, dataclasses.replace(check, before=check.after, after=check.before))}"
    teams = {profile_id.partition("/")[0] for profile_id in profiles_in(files)}
    if len(teams) > 1:
        return f"Change {len(files)} files of {len(teams)} teams"
    for profile_id in profiles_in(files):
        new, old = check.after.profiles.get(profile_id), check.before.profiles.get(profile_id)
        shown_as = new or old
        if shown_as is None:
            continue
        hidden = len(files) > 1 and any(each.value.visibility == "draft" for each in (new, old) if each)
        what = "Remove" if new is None else "Change" if old else "Add"
        return f"{what} {profile_id}" + ("" if hidden else f": {shown_as.value.title}")
    subjects = dict.fromkeys(change.subject for change in check.changes)
    return "Change " + ", ".join(subjects)[:80]
