"""What a profile said in its old team is not shown to those who may only see the new one."""

from allotment_hub.services.visibility import HIDDEN, redacted
from allotment_profiles.access.visibility import Sight
from allotment_profiles.review.changes import Change

OLD, NEW = "teams/red/profiles/desk.yaml", "teams/blue/profiles/desk.yaml"
MOVED = Change("changed", NEW, "profile blue/desk", "environment.KEY", "variable KEY", "old", "new", "environment", OLD)


def test_the_values_of_a_moved_profile_are_for_those_who_may_see_both_places() -> None:
    assert redacted([MOVED], lambda _: Sight.ALL) == (MOVED,)
    for seen in (OLD, NEW):
        (change,) = redacted([MOVED], lambda path, seen=seen: Sight.ALL if path == seen else Sight.OUTLINE)
        assert (change.before, change.after) == (HIDDEN, HIDDEN)
        (change,) = redacted([MOVED], lambda path, seen=seen: Sight.ALL if path == seen else Sight.NOTHING)
        assert "KEY" not in str(change)
        assert "desk" not in str(change)
