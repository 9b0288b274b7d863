"""What is launched: what the request and the defaults choose, within every bound."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.catalogs import catalog as catalog_of
from support.catalogs import overrides
from support.properties import examples
from support.repositories import START, policy, profile, small, team, write_folder

from allotment_profiles.access.deployments import Capabilities
from allotment_profiles.access.launch import Request, parse_request, resolve
from allotment_profiles.access.people import User
from allotment_profiles.model.problems import RefusedError
from allotment_profiles.store.loading import load
from allotment_profiles.store.snapshot import in_folder

CAPABLE = Capabilities("this laptop", frozenset({"volume"}), {})
CPUS = st.sampled_from([0.5, 1, 2, 4, 8, 12])
SIZES = st.sampled_from([1, 2, 4, 8, 16, 48])
IMAGES = st.sampled_from(["registry.example.org/analysis/b:2", "evil.example.org/x:1"])
CHOICES = st.fixed_dictionaries(
    {"title": st.just("Choice"), "resources": overrides(CPUS, SIZES.map(lambda size: f"{size} GiB"), 3)},
    optional={"image": IMAGES},
)


@st.composite
def profiles_with_options(draw: st.DrawFn) -> dict[str, Any]:
    options = {
        f"option-{number}": {
            "title": "Option",
            "default": "one",
            "choices": {"one": {"title": "One"}, "two": draw(CHOICES)},
        }
        for number in range(draw(st.integers(0, 3)))
    }
    return profile(options=options, resources={
        "cpu": {"guarantee": 0.5, "limit": draw(CPUS)}, "memory": {"guarantee": "1 GiB", "limit": f"{draw(SIZES)} GiB"},
    })  # fmt: skip


@examples(100)
@given(profiles_with_options(), st.data())
def test_no_launch_passes_the_envelope_the_ceiling_or_the_registries(
    tmp_path_factory: pytest.TempPathFactory, wanted: dict[str, Any], data: st.DataObject
) -> None:
    folder = write_folder(tmp_path_factory.mktemp("profiles"), {
        **small(), "teams/red/profiles/wanted.yaml": wanted,
        "policy.yaml": policy(ceilings={"cpu": 6, "memory": "64 GiB", "gpu": 1}),
        "teams/red/team.yaml": team("red", envelope={
            "cpu": 6, "memory": "20 GiB", "gpu": 1, "images": ["registry.example.org/analysis/*"],
        }),
    })  # fmt: skip
    catalog = load(in_folder(folder))
    chosen = {name: data.draw(st.sampled_from(["one", "two"])) for name in wanted["options"]}
    try:
        launch = resolve(catalog, User("ann", frozenset({"/red"})), Request("red/wanted", chosen), START, CAPABLE)
    except RefusedError as error:
        assert error.refusal.code == "profile-broken"  # noqa: PT017  (either outcome is fine, each has its duty)
        assert catalog.problems_of("teams/red/profiles/wanted.yaml")
        return
    assert launch.size.cpu_guarantee <= launch.size.cpu <= 6000
    assert launch.size.memory_guarantee <= launch.size.memory <= 20 * 2**30
    assert launch.size.gpu <= 1
    assert launch.image.startswith("registry.example.org/analysis/")
    assert launch.request.options == chosen


def _many_options(**last: Any) -> dict[str, Any]:
    """Give options with 20 ** 8 combinations."""
    choices: dict[str, Any] = {f"c{i}": {"title": "C"} for i in range(20)}
    return {f"o{i}": {"title": "O", "default": "c0", "choices": {**choices, **last}} for i in range(8)}


def test_a_choice_may_hide_nothing_behind_many_combinations(tmp_path: Any) -> None:
    huge = {"title": "Huge", "resources": {"memory": {"limit": "2 TiB"}}}
    files = small(**{"teams/red/profiles/a.yaml": profile(options=_many_options(c19=huge))})
    catalog = load(in_folder(write_folder(tmp_path, files)))
    assert "memory-ceiling" in {problem.code for problem in catalog.problems}


def test_options_may_reach_any_number_of_different_sizes(tmp_path: Any) -> None:
    def sized(name: str, unit: float) -> dict[str, Any]:
        return {f"c{i}": {"title": "C", "resources": {name: {"limit": unit * (i + 1)}}} for i in range(20)}

    options = {
        "cpu": {"title": "O", "default": "c0", "choices": sized("cpu", 0.1)},
        "guarantee": {"title": "O", "default": "c0", "choices": {
            f"c{i}": {"title": "C", "resources": {"cpu": {"guarantee": 0.001 * (i + 1)}}} for i in range(20)}},
        "memory": {"title": "O", "default": "c0", "choices": {
            f"c{i}": {"title": "C", "resources": {"memory": {"limit": f"{300 + i} MiB"}}} for i in range(20)}},
    }  # fmt: skip
    catalog = load(in_folder(write_folder(tmp_path, small(**{"teams/red/profiles/a.yaml": profile(options=options)}))))
    assert catalog.problems == ()
    assert "red/a" in catalog.profiles


RESERVED = (
    "JDK_JAVA_OPTIONS", "NVIDIA_VISIBLE_DEVICES", "SSLKEYLOGFILE", "KRB5_CONFIG", "PGSERVICEFILE", "all_proxy", "ROOT",
    "VSCODE_PROXY_URI", "UMASK", "ARM_USE_MSI", "PYTHONSTARTUP", "R_PROFILE_USER", "GIT_SSH_COMMAND", "AWS_ROLE_ARN",
)  # fmt: skip


@pytest.mark.parametrize("name", [*RESERVED, "jdk_java_options"])
def test_no_launch_sets_a_variable_that_steers_programs_not_even_by_a_choice(tmp_path: Any, name: str) -> None:
    choices = {"one": {"title": "One"}, "two": {"title": "Two", "environment": {name: "x"}}}
    options = {"size": {"title": "Size", "default": "one", "choices": choices}}
    files = small(**{
        "teams/red/profiles/whole.yaml": profile(environment={name: "x"}),
        "teams/red/profiles/choice.yaml": profile(options=options),
    })  # fmt: skip
    catalog = load(in_folder(write_folder(tmp_path, files)))
    assert [problem.code for problem in catalog.problems] == ["environment-forbidden"] * 2
    for profile_id in ("red/whole", "red/choice"):
        with pytest.raises(RefusedError):
            resolve(catalog, User("ann", frozenset({"/red"})), Request(profile_id, {}), START, CAPABLE)


ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["profile", "options", "x", "size"]), inner, max_size=3)
    ),
    max_leaves=8,
)


@given(ANYTHING)
def test_any_request_is_resolved_or_refused_with_a_status_of_the_caller(body: object) -> None:
    catalog = catalog_of({}, {}, {})
    with pytest.raises(RefusedError) as caught:
        resolve(catalog, User("ann", frozenset()), parse_request(body), START, CAPABLE)
    assert 400 <= caught.value.refusal.status < 500
    assert caught.value.refusal.sentence.isprintable()
    assert len(caught.value.refusal.sentence) < 1000


@pytest.mark.parametrize(
    ("body", "code"),
    [
        ({"profile": "red/notebook", "options": {"nope": "x"}}, "option-unknown"),
        ({"profile": "red/notebook", "options": {"size": "nope"}}, "choice-unknown"),
        ({"profile": "red/notebook", "options": {"size": ["large"]}}, "request-malformed"),
        ({"profile": "red/notebook", "image": "evil"}, "request-malformed"),
        ({"profile": ["red/notebook"]}, "request-malformed"),
        ({"profile": "{username.__class__}"}, "profile-unknown"),
        ({"profile": "../../policy"}, "profile-unknown"),
        ([], "request-malformed"),
        (None, "request-malformed"),
    ],
)  # fmt: skip
def test_a_request_that_does_not_fit_is_refused_with_its_code(tmp_path: Any, body: object, code: str) -> None:
    options = {"size": {"title": "Size", "default": "normal", "choices": {"normal": {"title": "Normal"}}}}
    catalog = load(
        in_folder(write_folder(tmp_path, small(**{"teams/red/profiles/notebook.yaml": profile(options=options)})))
    )
    with pytest.raises(RefusedError) as caught:
        resolve(catalog, User("ann", frozenset({"/red"})), parse_request(body), START, CAPABLE)
    assert caught.value.refusal.code == code


def test_a_default_is_used_where_nothing_is_chosen_and_the_last_choice_wins(tmp_path: Any) -> None:
    options = {
        "size": {"title": "Size", "default": "large", "choices": {
            "normal": {"title": "Normal"}, "large": {"title": "Large", "resources": {"memory": {"limit": "16 GiB"}}},
        }},
        "extra": {"title": "Extra", "default": "none", "choices": {
            "none": {"title": "None"},
            "more": {"title": "More", "resources": {"memory": {"limit": "20 GiB"}}, "environment": {"X": "2"}},
        }},
    }  # fmt: skip
    files = small(**{"teams/red/profiles/notebook.yaml": profile(options=options, environment={"X": "1"})})
    catalog = load(in_folder(write_folder(tmp_path, files)))
    ann = User("ann", frozenset({"/red"}))
    launch = resolve(catalog, ann, Request("red/notebook", {}), START, CAPABLE)
    assert (launch.size.memory, launch.environment, launch.request.options) == (
        16 * 2**30, {"X": "1"}, {"size": "large", "extra": "none"},
    )  # fmt: skip
    launch = resolve(catalog, ann, Request("red/notebook", {"extra": "more"}), START, CAPABLE)
    assert (launch.size.memory, launch.environment) == (20 * 2**30, {"X": "2"})
