"""Each kind of credential: the objects of Kubernetes that its documentation asks for, in `tests/data/bindings`."""

from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError
from support.folders import DATA
from support.many_profiles import BINDINGS

from allotment_hub.pages.listings import CREDENTIALS
from allotment_profiles.access.deployments import cluster
from allotment_profiles.catalog.credentials import credential_of, overlaps
from allotment_profiles.model import Binding, Profile
from allotment_profiles.model.problems import RefusedError
from allotment_spawner.kubernetes.bindings import KINDS, binding_patch
from allotment_spawner.kubernetes.pod_patch import PodContext, PodPatch

FOLDER = DATA / "bindings"
CASES = sorted(FOLDER.glob("*.yaml"))
ABOUT = PodContext("ann")
ARN = "arn:aws:iam::000000000000:role/"


def bindings(**values: dict[str, Any]) -> dict[str, Binding]:
    return {role: Binding.model_validate(value) for role, value in values.items()}


def plain(parts: PodPatch) -> dict[str, Any]:
    found: dict[str, Any] = {
        name: list(value) if isinstance(value, tuple) else dict(value)
        for name in PodPatch.__dataclass_fields__
        if (value := getattr(parts, name))
    }
    if "secret_environment" in found:
        found["secret_environment"] = {name: list(where) for name, where in found["secret_environment"].items()}
    return found


@pytest.mark.parametrize("path", CASES, ids=lambda path: path.stem)
def test_a_credential_adds_what_its_documentation_asks_for(path: Path) -> None:
    case = yaml.safe_load(path.read_text())
    assert plain(binding_patch(bindings(**case["data_roles"]), ABOUT)) == case["adds"]


def test_every_kind_has_its_expected_objects() -> None:
    shown = {
        kind for path in CASES for role in yaml.safe_load(path.read_text())["data_roles"].values() for kind in role
    }
    assert shown == KINDS == frozenset(Binding.model_fields) == cluster().bindings, "a file in tests/data/bindings each"


def test_every_kind_has_a_name_on_the_page_and_profiles_for_a_cluster() -> None:
    assert CREDENTIALS.keys() == KINDS, "hub/allotment_hub/pages/listings.py"
    assert {kind for binding in BINDINGS.values() for kind in binding} == KINDS, "tests/support/many_profiles.py"


@pytest.mark.parametrize("path", CASES, ids=lambda path: path.stem)
def test_no_profile_can_set_what_a_credential_sets(path: Path) -> None:
    """Reserve a new credential's variables in `model/values/variables.py`."""
    case = yaml.safe_load(path.read_text())
    if any("secret" in binding for binding in case["data_roles"].values()):
        return  # its variables are chosen in the file of the data role, as those of a profile are
    for name in {**case["adds"].get("environment", {}), **dict.fromkeys(case["adds"].get("expected", ()))}:
        with pytest.raises(ValidationError, match="environment-forbidden"):
            Profile.model_validate({"environment": {name: "x"}})


@pytest.mark.parametrize("path", CASES, ids=lambda path: path.stem)
def test_the_credential_of_a_binding_is_known(path: Path) -> None:
    """Add a new kind to `catalog/credentials.py`, or its data roles are not seen to reach the same data."""
    for binding in bindings(**yaml.safe_load(path.read_text())["data_roles"]).values():
        assert all(credential_of(binding))
        assert overlaps(binding, binding)


@pytest.mark.parametrize(
    "roles",
    [
        {"a": {"eks_pod_identity": f"{ARN}a"}, "b": {"eks_pod_identity": f"{ARN}b"}},
        {"a": {"eks_pod_identity": f"{ARN}a"}, "b": {"aws_role": f"{ARN}a"}},
        {
            "a": {"gcp_service_account": "the-first@example-project.iam.gserviceaccount.com"},
            "b": {"gcp_service_account": "the-other@example-project.iam.gserviceaccount.com"},
        },
        {"a": {"vault": {"role": "one", "path": "secret/a"}}, "b": {"vault": {"role": "two", "path": "secret/a"}}},
        {
            "a": {"secret": {"name": "one", "variables": {"DATABASE": "key"}}},
            "b": {"secret": {"name": "two", "variables": {"DATABASE": "key"}}},
        },
    ],
    ids=["two associations", "two ways to AWS", "two Google accounts", "two roles of Vault", "one variable twice"],
)
def test_credentials_that_cannot_be_had_together_are_refused(roles: dict[str, Any]) -> None:
    with pytest.raises(RefusedError) as refused:
        binding_patch(bindings(**roles), ABOUT)
    assert refused.value.refusal.code == "credentials-conflict"
    assert refused.value.refusal.status == 409


NAMES = st.from_regex(r"[a-z0-9]([a-z0-9-]{0,38}[a-z0-9])?", fullmatch=True)


@given(st.dictionaries(NAMES, st.tuples(st.sampled_from(["tables", "maps"]), st.booleans()), max_size=6))
def test_every_data_role_on_a_volume_has_a_place_of_its_own(roles: dict[str, tuple[str, bool]]) -> None:
    parts = binding_patch(
        bindings(
            **{
                role: {"volume": {"claim": claim, "sub_path": f"of/{role}", "read_only": only_read}}
                for role, (claim, only_read) in roles.items()
            }
        ),
        ABOUT,
    )
    assert {mount["mountPath"]: (mount["subPath"], mount["readOnly"]) for mount in parts.mounts} == {
        f"/data/{role}": (f"of/{role}", only_read) for role, (_, only_read) in roles.items()
    }
    assert {volume["name"] for volume in parts.volumes} == {mount["name"] for mount in parts.mounts}
    assert all(len(volume["name"]) <= 63 for volume in parts.volumes)
