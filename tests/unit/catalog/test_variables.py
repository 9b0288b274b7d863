"""Which environment variables a profile may set: of itself, by the policy, and never."""

import re
from pathlib import Path
from typing import Any

import pytest
from jupyter_server.gateway import gateway_client
from pydantic import TypeAdapter, ValidationError
from support.repositories import ProfilesRepository, policy, profile, small, write_folder

from allotment_profiles.catalog.catalog import Catalog
from allotment_profiles.model import Profile
from allotment_profiles.model.values.variables import BindingVariable, restriction
from allotment_profiles.review.approvals import requirements_of
from allotment_profiles.review.changes import compare
from allotment_profiles.store.loading import load
from allotment_profiles.store.snapshot import at_commit, in_folder

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
    "MPLCONFIGDIR", "RENV_PATHS_CACHE", "TNS_ADMIN", "HGRCPATH", "PIP_INDEX_URL", "NPM_CONFIG_REGISTRY",
    "REQUESTS_CA_BUNDLE", "AWS_ENDPOINT_URL_S3", "TMPDIR", "JUPYTER_SOMETHING_NEW", "GIT_UNKNOWN", "PYTHON_PRESITE",
    "CARGO_BUILD_RUSTC_WRAPPER", "QUARTO_DENO", "SSH_SK_PROVIDER", "PGREQUIREAUTH", "R_UNKNOWN", "PSQLRC",
)  # fmt: skip
RESERVED = (
    "LD_PRELOAD", "BASH_ENV", "PYTHONSTARTUP", "R_PROFILE", "JAVA_TOOL_OPTIONS", "NODE_OPTIONS", "GIT_CONFIG_KEY_0",
    "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "GOOGLE_APPLICATION_CREDENTIALS", "KUBECONFIG", "PGPASSFILE", "HOME",
    "NB_UID", "JUPYTERHUB_API_URL", "ALLOTMENT_URL", "NVIDIA_VISIBLE_DEVICES", "HTTPS_PROXY", "no_proxy", "MEM_LIMIT",
    "JUPYTER_GATEWAY_URL", "JUPYTER_GATEWAY_ALLOWED_ENVS", "R_TESTS", "LESS", "VIMINIT", "NOTEBOOK_ARGS", "CODE_ARGS",
    "GIT_TRACE_CURL", "PGHOSTADDR", "PYTHONPYCACHEPREFIX", "CLOUDSDK_API_ENDPOINT_OVERRIDES_STORAGE",
    "PYSPARK_SUBMIT_ARGS",
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


@pytest.mark.parametrize("name", ["API_TOKENS", "HF_TOKEN", "MAX_TOKENS_PASSWORD", "apikey"])
def test_what_looks_like_a_secret_is_refused(name: str) -> None:
    with pytest.raises(ValidationError, match="environment-secret"):
        Profile.model_validate({"environment": {name: "x"}})


@pytest.mark.parametrize("value", ["$(touch /tmp/x)", "/opt/shrc", "`id`", "~/.x"])
def test_a_value_that_a_shell_would_run_is_refused(value: str) -> None:
    with pytest.raises(ValidationError, match="environment-forbidden"):
        Profile.model_validate({"environment": {"ENV": value}})


def test_no_variable_that_jupyters_server_reads_passes_unless_it_is_named_here() -> None:
    """Each `*_env` of the client that sends kernels elsewhere is reserved, and every other name has to be accepted."""
    source = Path(gateway_client.__file__).read_text()
    names = set(re.findall(r"[\"'](JUPYTER_[A-Z_]+)[\"']", source))
    assert len(names) > 15
    for name in names:
        with pytest.raises(ValidationError, match="environment-forbidden"):
            Profile.model_validate({"environment": {name: "x"}})


def test_what_was_accepted_is_one_value_of_one_variable(tmp_path: Path) -> None:
    accepted = {"environment-restricted": {"reason": "Our tools lie there"}}

    profiles = ProfilesRepository(tmp_path)

    def catalog(environment: dict[str, str]) -> Catalog:
        profiles.commit(small(**{NOTEBOOK: profile(environment=environment, accepted=accepted)}))
        return load(at_commit(profiles.repository, profiles.head))

    before = catalog({"PYTHONPATH": "/opt/one"})

    def needed(**environment: str) -> set[str]:
        after = catalog(environment)
        return {each.kind for each in requirements_of(compare(before, after), before, after)}

    assert needed(PYTHONPATH="/opt/one", MODE="x") == {"lead"}
    assert needed(PYTHONPATH="/opt/two") == {"administrator", "lead"}
    assert needed(PYTHONPATH="/opt/one", PIP_INDEX_URL="https://x.example.org") == {"administrator", "lead"}
