"""Which spellings of a credential name the same one."""

from typing import Any

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from pydantic import TypeAdapter, ValidationError

from allotment_profiles.catalog.credentials import overlaps
from allotment_profiles.model import AzureIdentity, Binding, Vault, Volume
from allotment_profiles.model.data_role import AwsRole, GcpServiceAccount

ROLE = "arn:aws:iam::000000000000:role/tables"
# Names of roles are unique in an account, whatever their case and path, and an account is in one partition.
AWS = [ROLE, ROLE.replace("tables", "Tables"), ROLE.replace("role/", "role/data/"),
       ROLE.replace("arn:aws:", "arn:aws-cn:"), ROLE.replace("role/", "role//")]  # fmt: skip
# Vault's injector adds `data/` for the second version of the key-value engine; `sts/` gives the same role as `creds/`.
VAULT = [
    ["secret/tables", "secret/data/tables", "secret/Tables", "secret/data/Tables"],
    ["team/kv/tables", "team/kv/data/tables"],
    ["aws/creds/tables", "aws/sts/tables"],
]
COMMON = "abcdefghijklmnopqrstuvwxyzABCDEF0123456789-_./"


@pytest.mark.parametrize(
    "bindings",
    [
        [{kind: spelling} for kind in ("aws_role", "eks_pod_identity") for spelling in AWS],
        *([{"vault": {"role": "tables", "path": path}} for path in paths] for paths in VAULT),
    ],
    ids=["aws", "vault", "a mount with two names", "a role of vault"],
)
def test_spellings_of_one_credential_are_one_credential(bindings: list[dict[str, Any]]) -> None:
    first, *others = map(Binding.model_validate, bindings)
    assert all(overlaps(first, other) and overlaps(other, first) for other in others)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ({"aws_role": ROLE}, {"aws_role": ROLE.replace("0:role", "1:role")}),
        ({"aws_role": ROLE}, {"aws_role": f"{ROLE}-2"}),
        ({"vault": {"role": "a", "path": "secret/tables"}}, {"vault": {"role": "a", "path": "secret/data"}}),
        ({"vault": {"role": "a", "path": "data/tables"}}, {"vault": {"role": "a", "path": "other/tables"}}),
    ],
)
def test_other_credentials_are_others(one: dict[str, Any], other: dict[str, Any]) -> None:
    assert not overlaps(Binding.model_validate(one), Binding.model_validate(other))


def pattern(kind: Any, field: str = "") -> st.SearchStrategy[str]:
    """Make texts that a field allows."""
    schema = TypeAdapter(kind).json_schema()
    schema = schema["properties"][field] if field else schema
    return st.from_regex(schema["pattern"], fullmatch=True, alphabet=COMMON + ":@+=,")


NAMES = st.sampled_from(["tables", "prices-2"])
BINDINGS: dict[str, st.SearchStrategy[Any]] = {
    "aws_role": pattern(AwsRole),
    "eks_pod_identity": pattern(AwsRole),
    "gcp_service_account": pattern(GcpServiceAccount),
    "azure_identity": st.fixed_dictionaries(
        {name: pattern(AzureIdentity, name) for name in AzureIdentity.model_fields}
    ),
    "vault": st.fixed_dictionaries({"role": st.just("tables"), "path": pattern(Vault, "path")}),
    "volume": st.fixed_dictionaries({"claim": NAMES, "sub_path": pattern(Volume, "sub_path")}),
    "secret": st.fixed_dictionaries({"name": NAMES}),
}
SPELLINGS = [
    str.upper, str.title, str.swapcase, "{}/".format, "/{}".format, "./{}".format, " {}".format,
    "{}\n".format, "{{{}}}".format, lambda text: text.replace("/", "//"), lambda text: text.replace("/", "/./"),
    lambda text: text.replace("arn:aws:", "arn:aws-us-gov:"), lambda text: text.replace("/", "/data/", 1),
    lambda text: text.replace(":role/", ":role/team/"),
]  # fmt: skip


@pytest.mark.parametrize("kind", Binding.model_fields)
@given(st.data())
def test_every_spelling_that_is_allowed_names_the_same_credential(kind: str, draw: st.DataObject) -> None:
    """Cases, partitions, slashes: either the model refuses the spelling, or it is the same credential."""
    value, respelled = draw.draw(BINDINGS[kind]), draw.draw(st.sampled_from(SPELLINGS))
    others = {name: respelled(each) for name, each in value.items()} if isinstance(value, dict) else respelled(value)
    try:
        one, other = (Binding.model_validate({kind: each}) for each in (value, others))
    except ValidationError:
        return
    if kind == "volume":  # a folder of that name may be another one
        assume(one.volume and other.volume and one.volume.sub_path.lower() == other.volume.sub_path.lower())
    assert overlaps(one, other)
    assert overlaps(other, one)


def test_each_kind_has_its_strategy() -> None:
    assert BINDINGS.keys() == Binding.model_fields.keys()
