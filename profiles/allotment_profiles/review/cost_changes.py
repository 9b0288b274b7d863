"""What changes cost: each profile's dearest session before and after, an hour and the worst case of a month. Pure."""

from collections.abc import Iterable
from dataclasses import dataclass

from allotment_profiles.access.cost import Cost, dearest
from allotment_profiles.catalog.catalog import Catalog
from allotment_profiles.model.paths import file_ref
from allotment_profiles.review.changes import Change


@dataclass(frozen=True, slots=True)
class CostChange:
    """What a profile's session costs before and after, at its dearest choices."""

    profile_id: str
    before: Cost | None
    after: Cost | None

    @property
    def text(self) -> str:
        """The change for people."""
        if self.after is None:
            return f"{self.profile_id}: {self.before.text if self.before else ''} saved"
        if self.before is None or self.before == self.after:
            return f"{self.profile_id}: {self.after.text}"
        return f"{self.profile_id}: {self.before.hour_text} → {self.after.text}"

    def as_dict(self) -> dict[str, object]:
        """Give the form that JSON answers carry."""
        return {
            "profile": self.profile_id,
            "before": self.before.as_dict() if self.before else None,
            "after": self.after.as_dict() if self.after else None,
            "text": self.text,
        }


def compare_costs(changes: Iterable[Change], before: Catalog, after: Catalog) -> list[CostChange]:
    """Price every profile that the changes touch, by main's prices and by the proposed ones."""
    found = {}
    for change in changes:
        where = file_ref(change.path)
        readable = change.kind != "unreadable"
        if readable and where and where.kind == "profile" and before.policy and after.policy:
            origin = file_ref(change.moved_from) or where
            old, new = before.profiles.get(origin.id), after.profiles.get(where.id)
            found[where.id] = CostChange(
                where.id,
                dearest(old.value, before.policy.value) if old else None,
                dearest(new.value, after.policy.value) if new else None,
            )
    return list(found.values())
