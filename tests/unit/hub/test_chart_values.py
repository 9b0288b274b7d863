"""`values.yaml` of the chart shows every value that the schema allows, also those that it only has in a comment."""

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any

import pytest
import yaml
from support.folders import ROOT

from allotment_hub.cluster.values import ChartValues

CHART = ROOT / "helm" / "allotment"


@pytest.fixture(scope="module")
def values() -> Any:
    """The values, with those that are commented out."""
    return yaml.safe_load(re.sub(r"(?m)^( +)# (?=[a-z]\w+: )", r"\1", (CHART / "values.yaml").read_text()))


def missing(schema: Mapping[str, Any], values: Any, path: str = "") -> Iterator[str]:
    for key, each in schema.get("properties", {}).items():
        if key not in values:
            yield f"{path}{key}"
        elif each.get("type") == "object":
            yield from missing(each, values[key], f"{path}{key}.")


def test_every_value_of_the_schema_is_shown(values: Any) -> None:
    schema = json.loads((CHART / "values.schema.json").read_text())
    assert list(missing(schema, values)) == ["global"]  # Helm's own


def test_the_shown_values_of_the_hub_are_its_defaults(values: Any) -> None:
    required = {"publicUrl": "https://a/", "repository": {"url": "https://a/b"}}
    shown = values["jupyterhub"]["custom"]["allotment"]
    shown = shown | required | {"repository": shown["repository"] | required["repository"]}
    assert ChartValues.model_validate(shown) == ChartValues.model_validate(required)
