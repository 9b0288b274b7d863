"""A session's service account has a name that cloud administrators can know beforehand."""

import re

from hypothesis import given
from hypothesis import strategies as st

from allotment_profiles.access.service_accounts import service_account

NAMES = st.from_regex(r"[a-z0-9]([a-z0-9-]{0,38}[a-z0-9])?", fullmatch=True)
ROLES = st.lists(NAMES, max_size=5)


def test_the_name_is_the_one_that_trust_policies_hold() -> None:
    assert service_account("red", ["prices", "births"]) == "allotment-red-c1b00838d33c"


@given(NAMES, ROLES)
def test_the_name_fits_kubernetes_and_does_not_depend_on_the_order(team: str, roles: list[str]) -> None:
    name = service_account(team, roles)
    assert re.fullmatch(r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?", name)
    assert name == service_account(team, [*reversed(roles), *roles])


@given(NAMES, ROLES, NAMES, ROLES)
def test_two_teams_or_two_sets_of_data_roles_never_share_one(
    team: str, roles: list[str], other_team: str, other_roles: list[str]
) -> None:
    same = team == other_team and set(roles) == set(other_roles)
    assert (service_account(team, roles) == service_account(other_team, other_roles)) == same
