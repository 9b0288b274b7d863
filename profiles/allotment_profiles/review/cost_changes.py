"""What changes cost: each profile's most expensive session before and after. Pure functions."""

from collections.abc import Iterable
from dataclasses import dataclass

from allotment_profiles.access.cost import Cost, dearest
from allotment_profiles.catalog.catalog import Catalog
from allotment_profiles.model.paths import file_ref
from allotment_profiles.review.changes import Change


@dataclass(frozen=True, slots=True)
class CostChange:
    """The price of a profile's most expensive choices before and after."""

    profile_id: str
    before: Cost | None
    after: Cost | None

    @property
    def text(self) -> str:
        """The change as text."""
        if self.after is None:
            return f"{self.profile_id}: {self.before.text if self.before else ''} saved"
        if self.before is None or self.before == self.after:
            return f"{self.profile_id}: {self.after.text}"
        return f"{self.profile_id}: {self.before.hour_text} → {self.after.text}"

    def as_dict(self) -> dict[str, object]:
        """Return the change as the API and `allotment compare` send it."""
        return {
            "profile": self.profile_id,
            "before": self.before.as_dict() if self.before else None,
            "after": self.after.as_dict() if self.after else None,
            "text": self.text,
        }


def compare_costs(changes: Iterable[Change], before: Catalog, after: Catalog) -> list[CostChange]:
    """Compare the price of every profile that the changes touch, by main's prices and by the proposed ones."""
    # Each profile is priced once, however many changes it has.
    origins = {change.path: change.moved_from or change.path for change in changes if change.kind != "unreadable"}
    costs = []
    for path, origin in origins.items():
        ref, was = file_ref(path), file_ref(origin)
        if ref and was and ref.kind == "profile" and before.policy and after.policy:
            old, new = before.profiles.get(was.id), after.profiles.get(ref.id)
            old_cost = dearest(old.value, before.policy.value) if old else None
            costs.append(CostChange(ref.id, old_cost, dearest(new.value, after.policy.value) if new else None))
    return costs
