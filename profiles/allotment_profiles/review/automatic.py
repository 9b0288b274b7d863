"""What may change without an approval. Pure functions.

Those who answer for data may end its grants, or end them earlier: nobody gains by it.

Maintainers of a profile may change what the policy allows. Two checks must agree. First, every change of the file is of
a kind that the policy lists. Second, independently of the list of changes: everything but texts, amounts and image
versions is the same, no combination of choices gets more of anything, and no image is replaced by another one, loses
its digest or lies outside the envelope.
"""

from collections.abc import Iterable
from typing import Any

from allotment_profiles.access.people import User, answers_for, maintains
from allotment_profiles.catalog.catalog import Catalog
from allotment_profiles.model import Grant, Profile
from allotment_profiles.model.paths import file_ref
from allotment_profiles.review.changes import Change
from allotment_profiles.review.team_limits import (
    binding_envelope,
    further_outside,
    larger_dimensions,
    pinned,
    questions_of,
    same_image,
)

ENDING = "grant-shorter"
"""The type of change by which those who answer for data end its grants."""
ACTIONS = {"image-version": "change image versions", "smaller": "reduce sizes", "text": "change texts"}


def automatic_paths(
    changes: Iterable[Change], before: Catalog, after: Catalog, proposer: User | None
) -> dict[str, str]:
    """Return the files whose changes need no approval, each with the reason; main (`before`) alone decides."""
    if proposer is None or before.policy is None or not before.policy_reads:
        return {}
    rules = before.policy.value.automatic
    by_path: dict[str, list[Change]] = {}
    for change in changes:
        by_path.setdefault(change.path, []).append(change)
    allowed = frozenset(rules.changes if rules.enabled else ())
    automatic = {}
    for path, file_changes in by_path.items():
        kinds = {"text" if change.category == "layout" else change.category for change in file_changes}
        ref = file_ref(path)
        if kinds == {ENDING} and ref and ref.kind == "data role" and _only_ends(ref.id, before, after, proposer):
            automatic[path] = (
                f"The data role {ref.id} needs no approval: {proposer.name} answers for the data, and the change only "
                "ends grants, or ends them earlier."
            )
        elif kinds <= allowed and ref and ref.kind == "profile" and _harmless(ref.id, before, after, proposer):
            what = " and ".join(action for kind, action in ACTIONS.items() if kind in kinds)
            automatic[path] = (
                f"The profile {ref.id} needs no approval: {proposer.name} maintains it, and the policy lets "
                f"maintainers {what}."
            )
    return automatic


def automatic_of(changes: Iterable[Change], before: Catalog, after: Catalog, proposer: User | None) -> tuple[str, ...]:
    """Return a sentence for each file that a proposal may change without an approval."""
    return tuple(reason for _, reason in sorted(automatic_paths(changes, before, after, proposer).items()))


def _only_ends(role: str, before: Catalog, after: Catalog, proposer: User) -> bool:
    """Return whether a change of a data role does nothing but end grants earlier, by somebody who decides about it."""
    old, new = before.data_roles.get(role), after.data_roles.get(role)
    if old is None or new is None or old.outdated_since or new.outdated_since or old.value.owner not in before.teams:
        return False
    grants, left = old.value.granted_to, new.value.granted_to
    return (
        answers_for(proposer, before.teams[old.value.owner].value)
        and old.value.model_copy(update={"granted_to": {}}) == new.value.model_copy(update={"granted_to": {}})
        and left != grants
        # A grant that is taken out of the file would bring back an older version of the profiles that use it.
        and left.keys() == grants.keys()
        and all(_no_longer(grants[team], grant) for team, grant in left.items())
    )


def _no_longer(old: Grant, new: Grant) -> bool:
    return (
        new.until <= old.until
        and new.reason == old.reason
        and (old.review_by is None or (new.review_by is not None and new.review_by <= old.review_by))
    )


def _harmless(profile_id: str, before: Catalog, after: Catalog, proposer: User) -> bool:
    old, new = before.profiles.get(profile_id), after.profiles.get(profile_id)
    team = profile_id.partition("/")[0]
    # People review a file whose newest version is not valid.
    if old is None or new is None or old.outdated_since or new.outdated_since or team not in before.teams:
        return False
    return (
        maintains(proposer, old.value)
        and _rest(old.value) == _rest(new.value)
        and not _grows(old.value, new.value)
        and _same_images(old.value, new.value)
        and not further_outside(old.value, new.value, binding_envelope(before, after, team))
    )


def _grows(before: Profile, after: Profile) -> bool:
    home, was = after.storage.home, before.storage.home
    return bool(
        larger_dimensions(before, after)
        or after.lifetime.idle > before.lifetime.idle
        or after.lifetime.total > before.lifetime.total
        or (home is None) != (was is None)
        or (home or 0) > (was or 0)
    )


def _same_images(before: Profile, after: Profile) -> bool:
    olds, news = dict(before.images()), dict(after.images())
    return olds.keys() == news.keys() and all(
        olds[field] == image or (same_image(olds[field], image) and (pinned(image) or not pinned(olds[field])))
        for field, image in news.items()
    )


def _rest(profile: Profile) -> dict[str, Any]:
    """Return the content that an automatic change must leave as it is."""
    content = profile.model_dump(mode="json")
    for field in ("title", "description", "purpose", "image", "lifetime"):
        del content[field]
    del content["storage"]["home"]
    _without_amounts(content["resources"])
    for option in content["options"].values():
        del option["title"], option["description"]
        for choice in option["choices"].values():
            del choice["title"], choice["description"], choice["image"]
            _without_amounts(choice["resources"])
    # The order of options matters, but the comparison of dictionaries ignores it.
    content["order"] = questions_of(profile)
    for name in ("data_roles", "only"):
        content[name] = sorted(content[name])
    return content


def _without_amounts(resources: dict[str, Any]) -> None:
    """Remove the amounts; the kind of GPU stays, since it must not change."""
    for name in ("cpu", "memory", "gpu"):
        del resources[name]
