"""Denials that take effect at once, though the rest of what they were written in does not apply. Pure functions."""

from collections.abc import Mapping
from typing import Any, TypeVar

from pydantic import ValidationError

from allotment_profiles.documents.parsing import parse_yaml
from allotment_profiles.documents.reading import read
from allotment_profiles.model import DataRole, Grant, Members, Model, People, Team
from allotment_profiles.model.limits import MAXIMUM_BYTES

PeopleT = TypeVar("PeopleT", bound=People)
ModelT = TypeVar("ModelT", bound=Model)


def with_revocations(value: ModelT, newer: bytes) -> ModelT | None:
    """Take from a last good version what a newer one of the same file takes away; None: it gives nothing any more."""
    if isinstance(value, Team):
        return _team(value, newer)  # type: ignore[return-value]  # the type is the one that was asked about
    if isinstance(value, DataRole):
        return _data_role(value, newer)  # type: ignore[return-value]  # as above
    return value


def _team(team: Team, newer: bytes) -> Team:
    try:
        said = parse_yaml(newer) if len(newer) <= MAXIMUM_BYTES else None
    except ValueError:
        return team  # nothing in it can be told apart, so nothing was taken away for sure
    if not isinstance(said, Mapping):
        return team
    kept = {
        "members": _both(team.members, said, "members", Members),
        "leads": _both(team.leads, said, "leads", People),
        "deputies": _both(team.deputies, {"deputies": {}, **said}, "deputies", People),
    }
    return team if all(getattr(team, part) == people for part, people in kept.items()) else team.model_copy(update=kept)


def _both(people: PeopleT, said: Mapping[str, Any], part: str, kind: type[PeopleT]) -> PeopleT:
    """Keep who both versions name, where this part of the newer one reads by itself."""
    try:
        newer = kind.model_validate(said.get(part))
    except ValidationError:
        return people
    if isinstance(people, Members) and isinstance(newer, Members) and people.everyone != newer.everyone:
        # One names everybody, so both name whoever the other one names.
        return newer if people.everyone else people
    return people.model_copy(
        update={
            "groups": tuple(group for group in people.groups if group in newer.groups),
            "users": tuple(user for user in people.users if user in newer.users),
        }
    )


def _data_role(role: DataRole, newer: bytes) -> DataRole | None:
    said = read("data role", "", newer).value
    if not isinstance(said, DataRole):
        return None
    grants = {
        team: _sooner(grant, said.granted_to[team])
        for team, grant in role.granted_to.items()
        if team in said.granted_to
    }
    return role if grants == role.granted_to else role.model_copy(update={"granted_to": grants})


def _sooner(grant: Grant, newer: Grant) -> Grant:
    reviews = [each.review_by for each in (grant, newer) if each.review_by]
    return grant.model_copy(
        update={"until": min(grant.until, newer.until), "review_by": min(reviews) if reviews else None}
    )
