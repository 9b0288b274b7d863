"""A data role is bound to data, and never to what the platform itself runs on."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from allotment_profiles.documents.reading import read

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


@pytest.mark.parametrize(
    "binding",
    [
        "{secret: {name: prices-database, variables: {PRICES_PASSWORD: password}}}",
        '{aws_role: "arn:aws:iam::000000000000:role/prices"}',
        '{eks_pod_identity: "arn:aws:iam::000000000000:role/prices"}',
        "{gcp_service_account: prices@example-project.iam.gserviceaccount.com}",
        "{azure_identity: {client_id: 00000000-0000-0000-0000-000000000001,"
        " tenant_id: 00000000-0000-0000-0000-000000000002}}",
        "{vault: {role: prices, path: secret/data/prices}}",
    ],
)
def test_every_kind_of_credential_can_be_named(binding: str) -> None:
    assert _codes(binding) == []


@pytest.mark.parametrize(
    "binding",
    [
        "{secret: {name: prices, variables: {LD_PRELOAD: library}}}",
        "{secret: {name: prices, variables: {PRICES: ../../token}}}",
        "{gcp_service_account: prices@example.org}",
        '{azure_identity: {client_id: "{{ name }}", tenant_id: x}}',
        "{vault: {role: prices, path: ../sys/raw}}",
        '{vault: {role: prices, path: "secret/{{ template }}"}}',
    ],
)
def test_a_credential_is_never_a_template_a_steering_variable_or_a_way_up(binding: str) -> None:
    assert len(_codes(binding)) >= 1
