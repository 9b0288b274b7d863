"""Where a draft proposal starts: an empty form, a profile, other files, or an open proposal. Pure."""

import dataclasses
import datetime as dt
from collections.abc import Iterable, Sequence
from typing import Any

from allotment_hub.services.drafts.draft_proposal import DraftProposal, EditedProfile
from allotment_hub.services.drafts.forms import Field
from allotment_hub.services.drafts.grants import ask_in
from allotment_hub.services.judging.checking import Files
from allotment_profiles.access.people import User
from allotment_profiles.access.visibility import profile_is_listed
from allotment_profiles.catalog.catalog import Catalog
from allotment_profiles.documents.writing import write
from allotment_profiles.model import Profile
from allotment_profiles.model.paths import file_ref


def from_profile(
    catalog: Catalog, profile_id: str, fields: Sequence[Field], *, copy_to: str | None = None
) -> EditedProfile:
    """Start from a profile: change it, or (with the team `copy_to`) make a new one like it."""
    content = catalog.profiles[profile_id].source.decode()
    team, _, name = profile_id.partition("/")
    if copy_to is None:
        profile = EditedProfile(team, name, new=False, content=content)
    else:
        profile = _without_comments(EditedProfile(copy_to, content=content))
    return profile.filled(profile.source, fields)


def _without_comments(profile: EditedProfile) -> EditedProfile:
    """Return a profile without the comments of its file: they were written about another one."""
    return dataclasses.replace(profile, content=write("profile", profile.source).decode())


def has_variables(profile: Profile) -> bool:
    """Whether a profile sets environment variables anywhere."""
    choices = (choice for option in profile.options.values() for choice in option.choices.values())
    return bool(profile.environment) or any(choice.environment for choice in choices)


def without_variables(profile: EditedProfile, fields: Sequence[Field]) -> EditedProfile:
    """Return a profile without variables, and without comments, which could mention them."""
    data = {key: value for key, value in profile.source.items() if key != "environment"}
    for option in (data.get("options") or {}).values():
        for choice in option["choices"].values():
            choice.pop("environment", None)
    return dataclasses.replace(profile, content=write("profile", data).decode()).filled(data, fields)


def blank(catalog: Catalog, user: User, team: str, fields: Sequence[Field]) -> EditedProfile:
    """Start from an empty form, with the program and image of a profile of the team, and a small session."""
    own = next(
        (catalog.profiles[name].value for name in catalog.profiles_of(team) if profile_is_listed(catalog, user, name)),
        None,
    )
    year = dt.datetime.now(dt.UTC).date() + dt.timedelta(days=365)
    data = {
        "app": own.app if own else "jupyterlab",
        "image": own.image if own else "",
        "resources": {
            "cpu": {"guarantee": 0.5, "limit": 2},
            "memory": {"guarantee": "1 GiB", "limit": "4 GiB"},
        },
        "lifetime": {"idle": "2 h", "total": "12 h"},
        "review_by": year.isoformat(),
    }
    return EditedProfile(team).filled(data, fields)


def from_paths(catalog: Catalog, paths: Iterable[str]) -> DraftProposal:
    """Start from the text of files that are not profiles."""
    texts: dict[str, str | None] = {}
    for path in paths:
        ref = file_ref(path)
        if ref and ref.kind != "profile":
            texts[path] = _source(catalog, path)
    return DraftProposal(others=texts)


def _source(catalog: Catalog, path: str) -> str:
    entries: list[Any] = [catalog.policy, *catalog.teams.values(), *catalog.data_roles.values()]
    return next((entry.source.decode() for entry in entries if entry and entry.path == path), "")


def from_proposal(proposal: str, files: Files, reason: str, catalog: Catalog, fields: Sequence[Field]) -> DraftProposal:
    """Start from an open proposal, to update it."""
    texts = {path: None if data is None else data.decode(errors="replace") for path, data in files.items()}
    profiles = [
        path for path, text in texts.items() if text is not None and (ref := file_ref(path)) and ref.kind == "profile"
    ]
    if len(profiles) != 1:
        return DraftProposal(None, texts, reason, proposal)
    ref = file_ref(profiles[0])
    team, _, name = (ref.id if ref else "").partition("/")
    content = texts.pop(profiles[0]) or ""
    asks, others = {}, {}
    for path, text in texts.items():
        ask = ask_in(catalog, path, team, text)
        role = path.removeprefix("data-roles/").removesuffix(".yaml")
        if ask:
            asks[role] = ask
        else:
            others[path] = text
    new = f"{team}/{name}" not in catalog.profiles
    profile = EditedProfile(team, name, new, content=content, asks=asks)
    readable = bool(profile.source)
    profile = profile.filled(profile.source, fields) if readable else dataclasses.replace(profile, tab="file")
    return DraftProposal(profile, others, reason, proposal)
