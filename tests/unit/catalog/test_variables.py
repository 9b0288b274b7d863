"""Which environment variables a profile may set: of itself, by the policy, and never."""

from pathlib import Path
from typing import Any

import pytest
from pydantic import TypeAdapter, ValidationError
from support.repositories import policy, profile, small, write_folder

from allotment_profiles.catalog.catalog import Catalog
from allotment_profiles.model import Profile
from allotment_profiles.model.values.variables import BindingVariable, restriction
from allotment_profiles.store.loading import load
from allotment_profiles.store.snapshot import in_folder

NOTEBOOK = "teams/red/profiles/notebook.yaml"
ORDINARY = (
    "AWS_DEFAULT_REGION", "AWS_REGION", "AWS_ATHENA_S3_STAGING_DIR", "AWS_METADATA_SERVICE_TIMEOUT", "R_CONFIG_ACTIVE",
    "R_MAX_VSIZE", "ENV", "PYTHON_SCRIPT_NAME", "PYTHONUNBUFFERED", "SPARK_LOCAL_DIRS", "PGHOST", "PGDATABASE",
    "PGUSER", "GIT_PYTHON_REFRESH", "NVIDIA_DRIVER_CAPABILITIES", "JULIA_NUM_THREADS", "MPLBACKEND",
    "JUPYTER_ENABLE_LAB",
    "TOKENIZERS_PARALLELISM", "MAX_TOKENS", "GOOGLE_CLOUD_PROJECT", "AZURE_STORAGE_ACCOUNT", "MALLOC_ARENA_MAX",
    "NODE_ENV", "CONDA_OVERRIDE_CUDA", "TZ",
)  # fmt: skip
RESTRICTED = (
    "PATH", "PYTHONPATH", "R_LIBS_USER", "JULIA_DEPOT_PATH", "CLASSPATH", "MAVEN_OPTS", "JAVA_OPTS", "EDITOR",
    "MPLCONFIGDIR", "RENV_PATHS_CACHE", "TNS_ADMIN", "HGRCPATH", "CODE_ARGS", "PIP_INDEX_URL", "NPM_CONFIG_REGISTRY",
    "REQUESTS_CA_BUNDLE", "AWS_ENDPOINT_URL_S3", "TMPDIR",
)  # fmt: skip
RESERVED = (
    "LD_PRELOAD", "BASH_ENV", "PYTHONSTARTUP", "R_PROFILE", "JAVA_TOOL_OPTIONS", "NODE_OPTIONS", "GIT_CONFIG_KEY_0",
    "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "GOOGLE_APPLICATION_CREDENTIALS", "KUBECONFIG", "PGPASSFILE", "HOME",
    "NB_UID", "JUPYTERHUB_API_URL", "ALLOTMENT_URL", "NVIDIA_VISIBLE_DEVICES", "HTTPS_PROXY", "no_proxy", "MEM_LIMIT",
)  # fmt: skip


def loaded(folder: Path, name: str, rules: dict[str, Any] | None = None, **values: Any) -> Catalog:
    files = {"policy.yaml": policy(**(rules or {})), NOTEBOOK: profile(environment={name: "x"}, **values)}
    return load(in_folder(write_folder(folder, small(**files))))


@pytest.mark.parametrize("name", ORDINARY)
def test_a_profile_sets_what_neither_steers_a_program_nor_is_an_identity(tmp_path: Path, name: str) -> None:
    catalog = loaded(tmp_path, name)
    assert not catalog.problems_of(NOTEBOOK)
    assert catalog.profiles["red/notebook"].value.environment == {name: "x"}
    assert TypeAdapter(BindingVariable).validate_python(name) == name


@pytest.mark.parametrize("name", [*RESTRICTED, "pythonpath"])
def test_what_steers_programs_has_to_be_accepted(tmp_path: Path, name: str) -> None:
    catalog = loaded(tmp_path, name)
    (problem,) = catalog.problems_of(NOTEBOOK)
    assert (problem.code, problem.level, problem.field) == ("environment-restricted", "soft", f"environment.{name}")
    assert problem.line
    assert "red/notebook" not in catalog.profiles
    accepted = {"environment-restricted": {"reason": "Our tools lie there"}}
    assert "red/notebook" in loaded(tmp_path, name, accepted=accepted).profiles
    with pytest.raises(ValidationError, match="environment-forbidden"):
        TypeAdapter(BindingVariable).validate_python(name)


@pytest.mark.parametrize("name", RESERVED)
def test_what_is_reserved_nobody_sets(tmp_path: Path, name: str) -> None:
    accepted = {"environment-forbidden": {"reason": "Please"}}
    catalog = loaded(tmp_path, name, {"variables": {"allowed": [name]}}, accepted=accepted)
    assert "environment-forbidden" in {each.code for each in catalog.problems_of(NOTEBOOK) if each.level == "hard"}
    with pytest.raises(ValidationError, match="environment-forbidden"):
        Profile.model_validate({"environment": {name: "x"}})
    with pytest.raises(ValidationError, match="environment-forbidden"):
        TypeAdapter(BindingVariable).validate_python(name)


@pytest.mark.parametrize(
    ("name", "rules", "level"),
    [
        ("PYTHONPATH", {"variables": {"allowed": ["PYTHONPATH"]}}, None),
        ("PYTHONPATH", {"variables": {"allowed": ["PYTHONPATH"], "restricted": ["PYTHONPATH"]}}, "soft"),
        ("MODE", {"variables": {"restricted": ["MODE"]}}, "soft"),
        ("PYTHONPATH", {"rules": {"variables": "off"}}, None),
        ("PYTHONPATH", {"rules": {"variables": "advice"}}, "advice"),
        ("PYTHONPATH", {"rules": {"variables": "hard"}}, "hard"),
    ],
)  # fmt: skip
def test_the_policy_adds_and_takes_away(tmp_path: Path, name: str, rules: dict[str, Any], level: str | None) -> None:
    levels = [problem.level for problem in loaded(tmp_path, name, rules).problems_of(NOTEBOOK)]
    assert levels == ([level] if level else [])


def test_a_choice_is_asked_as_the_profile_is(tmp_path: Path) -> None:
    choices = {"one": {"title": "One"}, "two": {"title": "Two", "environment": {"PYTHONPATH": "/opt"}}}
    catalog = loaded(tmp_path, "TZ", options={"size": {"title": "Size", "default": "one", "choices": choices}})
    (problem,) = catalog.problems_of(NOTEBOOK)
    assert problem.field == "options.size.choices.two.environment.PYTHONPATH"


def test_a_reason_is_one_of_the_table_and_the_pattern_begins_or_ends_the_name() -> None:
    assert restriction("MY_OPTS", (), ()) == restriction("EDITOR", (), ())
    assert restriction("OPTS", (), ()) is None
    assert restriction("XEDITOR", (), ()) is None
