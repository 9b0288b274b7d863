"""A data role is bound to data, and never to what the platform itself runs on."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from allotment_profiles.reading import read

ROLE = """\
title: Prices
owner: red
purpose: Reading the prices
sensitivity: public
binding: {BINDING}
"""
OWN = ["hub", "hub-db-dir", "proxy", "proxy-public-tls-acme", "user-scheduler", "allotment", "allotment-keys"]


def _codes(binding: str) -> list[str]:
    reading = read("data role", "data-roles/prices.yaml", ROLE.replace("{BINDING}", binding).encode())
    assert (reading.value is None) == bool(reading.problems)
    return [problem.code for problem in reading.problems]


@pytest.mark.parametrize("name", [*OWN, "claim-analyst"])
@pytest.mark.parametrize("binding", ["{secret: {name: NAME}}", "{volume: {claim: NAME, sub_path: prices}}"])
def test_a_secret_or_a_volume_of_the_platform_is_refused(binding: str, name: str) -> None:
    assert _codes(binding.replace("NAME", name)) == ["binding-reserved"]


@pytest.mark.parametrize("name", ["open-data", "hubs", "github", "insurance-claims", "claims", "home-office"])
@pytest.mark.parametrize("binding", ["{secret: {name: NAME}}", "{volume: {claim: NAME, sub_path: prices}}"])
def test_a_name_that_only_resembles_one_is_taken(binding: str, name: str) -> None:
    assert _codes(binding.replace("NAME", name)) == []


@given(st.from_regex(r"[a-z0-9]([a-z0-9-]{0,20}[a-z0-9])?", fullmatch=True))
def test_no_users_home_is_ever_data(user: str) -> None:
    assert _codes(f"{{volume: {{claim: claim-{user}, sub_path: prices}}}}")
