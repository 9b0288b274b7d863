"""Apply the revocations of a version of a file even if that version is rejected otherwise. Pure."""

from typing import TypeVar

from pydantic import ValidationError

from allotment_profiles.documents.parsing import parse_yaml
from allotment_profiles.documents.reading import read
from allotment_profiles.model import DataRole, Grant, Members, Model, People, Team

PeopleT = TypeVar("PeopleT", bound=People)
ModelT = TypeVar("ModelT", bound=Model)


def with_revocations(value: ModelT, newer: bytes) -> ModelT | None:
    """Remove what a newer version revokes from a valid one; return None if the file gives no access any more."""
    if isinstance(value, Team):
        return _team(value, newer)  # type: ignore[return-value]  # the type of the argument
    if isinstance(value, DataRole):
        return _data_role(value, newer)  # type: ignore[return-value]  # the type of the argument
    return value


def _team(team: Team, newer: bytes) -> Team:
    try:
        document = parse_yaml(newer)
    except ValueError:
        return team  # the newer version cannot be parsed, so it does not revoke anything
    kept = {
        "members": _in_both(team.members, document.get("members"), Members),
        "leads": _in_both(team.leads, document.get("leads"), People),
        "deputies": _in_both(team.deputies, document.get("deputies", {}), People),
    }
    return team if all(getattr(team, part) == people for part, people in kept.items()) else team.model_copy(update=kept)


def _in_both(people: PeopleT, newer_people: object, kind: type[PeopleT]) -> PeopleT:
    """Return the people in both versions. If the newer value is invalid, it does not revoke anything."""
    try:
        newer = kind.model_validate(newer_people)
    except ValidationError:
        return people
    if isinstance(people, Members) and isinstance(newer, Members) and people.everyone != newer.everyone:
        # One version includes everybody, so the people in both are those of the other version.
        return newer if people.everyone else people
    return people.model_copy(
        update={
            "groups": tuple(group for group in people.groups if group in newer.groups),
            "users": tuple(user for user in people.users if user in newer.users),
        }
    )


def _data_role(role: DataRole, newer: bytes) -> DataRole | None:
    newer_role = read("data role", "", newer).value
    if not isinstance(newer_role, DataRole):
        return None
    grants = {
        team: _earlier(grant, newer_role.granted_to[team])
        for team, grant in role.granted_to.items()
        if team in newer_role.granted_to
    }
    return role if grants == role.granted_to else role.model_copy(update={"granted_to": grants})


def _earlier(grant: Grant, newer: Grant) -> Grant:
    """Return a grant with the earlier dates of both."""
    reviews = [date for date in (grant.review_by, newer.review_by) if date]
    return grant.model_copy(
        update={"until": min(grant.until, newer.until), "review_by": min(reviews) if reviews else None}
    )
