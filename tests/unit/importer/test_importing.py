"""`allotment import`: what comes out passes the check, and every key that is not in there is told."""

import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import HealthCheck, given
from hypothesis import strategies as st
from support.folders import DATA
from support.properties import examples
from support.repositories import write_folder

from allotment_profiles.documents.parsing import parse_yaml
from allotment_profiles.importer import amounts
from allotment_profiles.importer.convert import MAXIMUM_PROFILES, Import, import_values
from allotment_profiles.importer.formatting import plain
from allotment_profiles.importer.values import Node, UnreadableError, read_values
from allotment_profiles.model.values.quantities import parse_memory
from allotment_profiles.store.loading import load
from allotment_profiles.store.snapshot import in_folder

VALUES = DATA / "values"
FILES = sorted(VALUES.glob("*.yaml"))


def imported(name: str, team: str = "everyone") -> tuple[dict[str, Any], dict[str, tuple[str, str]]]:
    """Give the files as data, by their paths, and what became of keys: path → outcome and reason."""
    result = import_values((VALUES / name).read_bytes(), team)
    files = {path: parse_yaml(data) for path, data in result.files.items() if path.endswith(".yaml")}
    return files, {each.path: (each.outcome, each.why) for each in result.findings}


def leaves(node: Node) -> Iterator[Node]:
    if not node.children and not node.is_empty:
        yield node
    for child in node.children:
        yield from leaves(child)


def below(node: Node, findings: set[str]) -> bool:
    """Tell whether a key, or one around it, is told about."""
    return any(Node(None, node.path[:end], 0, 0).where in findings for end in range(1, len(node.path) + 1))


class Output:
    """Everything that the files say, to look for what was in the values."""

    def __init__(self, result: Import) -> None:
        self.texts: set[str] = set()
        self.amounts: set[float] = set()
        for path, data in result.files.items():
            if path.endswith(".yaml"):
                self.texts.add(path)
                self._take(parse_yaml(data))

    def _take(self, value: object) -> None:
        if isinstance(value, Mapping):
            for key, each in value.items():
                self.texts.add(str(key))
                self._take(each)
        elif isinstance(value, list):
            for each in value:
                self._take(each)
        elif isinstance(value, int | float):
            self.amounts.add(float(value))
            self.texts.add(str(value))
        else:
            self.texts.add(str(value))
            if str(value).endswith("iB"):
                self.amounts.add(float(parse_memory(value)))

    def shows(self, node: Node) -> bool:
        value, key = node.value, str(node.path[-1])
        if key in ("default", "operator") or "cmd" in node.path or "slug" in node.path:
            return True  # said by the order of things, by the absence of a value, by the name of a file
        candidates = {amounts.memory(value), amounts.memory(value, decimal=True), (amounts.cpu(value) or -1) / 1000}
        text = value if isinstance(value, str) else node.text
        found = not self.amounts.isdisjoint(float(each) for each in candidates if each is not None)
        if key in ("default_url", "defaultUrl"):
            return any(app in self.texts for app in ("jupyterlab", "rstudio", "vscode"))
        return found or any(plain(text, 60).rstrip("…") in each for each in self.texts)


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
@pytest.mark.parametrize("team", ["everyone", "analysts"])
def test_what_comes_out_passes_the_check(path: Path, team: str, tmp_path: Path) -> None:
    result = import_values(path.read_bytes(), team)
    problems = load(in_folder(write_folder(tmp_path, result.files))).problems
    assert [str(problem) for problem in problems if problem.code != "environment-restricted" or problem.blocks] == []
    assert result.profiles
    assert (tmp_path / "IMPORT.md").is_file()


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_every_key_is_carried_over_or_told_with_its_place(path: Path) -> None:
    result = import_values(path.read_bytes())
    told = {each.path for each in result.findings if each.outcome != "note"}
    output = Output(result)
    missing = [leaf.where for leaf in leaves(read_values(path.read_bytes())[0])
               if not below(leaf, told) and not output.shows(leaf)]  # fmt: skip
    assert missing == []
    lines = path.read_text().splitlines()
    for each in result.findings:
        assert 1 <= each.line <= len(lines)
        assert each.why
        if "]" not in each.path.rpartition(".")[2]:
            last = each.path.rpartition(".")[2].strip('"')
            assert last.rpartition("/")[2] in lines[each.line - 1], each


def test_profiles_options_sizes_and_apps_are_carried_over() -> None:
    files, _ = imported("university.yaml")
    statistics = files["teams/everyone/profiles/statistics.yaml"]
    every = {"TZ": "Europe/Berlin", "COURSE_YEAR": "2026", "PIP_INDEX_URL": "https://pypi.example.edu/simple"}
    assert statistics == {
        "title": "Statistics (first year)",
        "description": "JupyterLab with everything of the first year.",
        "purpose": "Imported from the values of the chart, where it was called Statistics (first year)",
        "app": "jupyterlab",
        "image": "quay.io/jupyter/scipy-notebook:2025-10-06",
        "resources": {
            "cpu": {"guarantee": 0.25, "limit": 2},
            "memory": {"guarantee": "512 MiB", "limit": "2 GiB"},
        },
        "storage": {"home": "20 GiB"},
        "options": {
            "size": {
                "title": "How large",
                "default": "small",
                "choices": {
                    "small": {
                        "title": "Small: 1 CPU, 2 GB",
                        "resources": {"cpu": {"limit": 1}, "memory": {"limit": "2 GiB"}},
                    },
                    "large": {
                        "title": "Large: 4 CPU, 16 GB",
                        "resources": {
                            "cpu": {"guarantee": 1, "limit": 4},
                            "memory": {"guarantee": "4 GiB", "limit": "16 GiB"},
                        },
                    },
                },
            }
        },
        "environment": every,
        "accepted": {"environment-restricted": {"reason": "The values of the chart set them: PIP_INDEX_URL"}},
    }
    rstudio = files["teams/everyone/profiles/rstudio.yaml"]
    assert (rstudio["app"], rstudio["image"]) == ("rstudio", "registry.example.edu/teaching/rstudio:4.4")
    assert rstudio["environment"] == every | {"COURSE_NAME": "methods", "R_LIBS_SITE": "/opt/R/site"}
    assert "variables" not in files["policy.yaml"], "one profile's variable is not every team's"
    assert rstudio["accepted"]["environment-restricted"]["reason"].endswith(": PIP_INDEX_URL, R_LIBS_SITE")
    assert files["teams/everyone/profiles/desktop.yaml"]["app"] == "desktop"
    assert files["policy.yaml"]["tools"] == {"desktop": {"title": "desktop", "address": "/desktop/"}}
    assert files["teams/everyone/team.yaml"]["members"] == {"everyone": True}
    assert files["teams/everyone/team.yaml"]["leads"] == {"users": ["ada", "grace"]}


def test_what_a_profile_must_not_say_is_told_and_never_shown() -> None:
    result = import_values((VALUES / "university.yaml").read_bytes())
    told = {each.path: (each.outcome, each.why) for each in result.findings}
    for name, outcome in (("BASH_ENV", "lost"), ("COURSE_DB_PASSWORD", "lost"), ("WELCOME", "stays")):
        assert told[f"singleuser.extraEnv.{name}"][0] == outcome
    assert told["singleuser.profileList[2].kubespawner_override.args"][0] == "lost"
    assert told["singleuser.profileList[2].kubespawner_override.volumes"][0] == "lost"
    assert told["singleuser.lifecycleHooks"][0] == "stays"
    assert told["proxy"][0] == "stays"
    everything = b"\n".join(result.files.values()) + repr(result.findings).encode()
    for secret in (b"hunter2", b"topsecret"):
        assert secret not in everything


def test_gpus_become_kinds_and_nodes_become_pools() -> None:
    files, told = imported("gpus.yaml")
    policy = files["policy.yaml"]
    assert policy["gpu_kinds"] == {
        "nvidia-tesla-t4": {"title": "nvidia-tesla-t4", "resource": "nvidia.com/gpu"},
        "nvidia-com-gpu": {"title": "nvidia.com/gpu", "resource": "nvidia.com/gpu"},
    }
    assert policy["node_pools"]["nvidia-tesla-t4"] == {
        "title": "nvidia-tesla-t4",
        "labels": {"hub.jupyter.org/node-purpose": "user", "cloud.google.com/gke-accelerator": "nvidia-tesla-t4"},
        "tolerations": [{"key": "nvidia.com/gpu", "effect": "NoSchedule"}],
    }
    single = files["teams/everyone/profiles/one-t4.yaml"]
    assert single["resources"] | {"gpu": 1, "gpu_kind": "nvidia-tesla-t4"} == single["resources"]
    assert single["node_pool"] == "nvidia-tesla-t4"
    plain_one = files["teams/everyone/profiles/cpu-only.yaml"]
    assert plain_one["resources"] == {
        "cpu": {"guarantee": 0.5, "limit": 7.5},
        "memory": {"guarantee": "8 GiB", "limit": "30 GiB"},
    }
    chosen = files["teams/everyone/profiles/choose-your-gpus.yaml"]["options"]["gpus"]["choices"]
    assert chosen["four"]["resources"]["gpu"] == 4
    assert files["teams/everyone/team.yaml"]["envelope"]["gpu"] == 4
    half = "singleuser.profileList[2].profile_options.gpus.choices.half.kubespawner_override.extra_resource_limits"
    assert told[f'{half}."nvidia.com/gpu"'][0] == "lost"
    assert told['singleuser.extraResource.limits."smarter-devices/fuse"'][0] == "lost"
    assert told['hub.extraConfig."spawner.py"'][0] == "stays"
    assert told['hub.extraConfig."banner.py"'][0] == "stays"


def test_groups_narrow_and_nobody_gains_what_was_not_theirs() -> None:
    files, told = imported("umbrella.yaml")
    analysts = files["teams/everyone/profiles/analysts.yaml"]
    assert analysts["only"] == ["analysts", "analysts/leads"]
    assert analysts["options"]["image"]["choices"]["mapping"]["only"] == ["analysts/leads"]
    assert analysts["image"] == "ghcr.io/example/analysis:2025"
    # From the merge key, and the chart's own guarantee.
    assert analysts["resources"]["memory"] == {"guarantee": "1 GiB", "limit": "4 GiB"}
    assert "only" not in files["teams/everyone/profiles/open.yaml"]
    assert files["teams/everyone/profiles/restricted.yaml"]["visibility"] == "draft"
    assert files["teams/everyone/team.yaml"]["leads"] == {"groups": ["platform-admins"]}
    files, _ = imported("umbrella.yaml", "analysts")
    assert files["teams/analysts/team.yaml"]["members"] == {"groups": ["staff", "analysts", "analysts/leads"]}
    unlisted = "jupyterhub.singleuser.profileList[1].profile_options.image.unlisted_choice"
    assert told[unlisted][0] == "changed"
    assert "ghcr.io/example/*" in files["teams/analysts/team.yaml"]["envelope"]["images"]


def test_without_a_list_there_is_one_session() -> None:
    files, told = imported("plain.yaml")
    profile = files["teams/everyone/profiles/default-session.yaml"]
    assert profile["image"] == "docker.io/jupyter/minimal-notebook:latest"
    assert told["singleuser.image.name"][0] == "changed"
    assert profile["resources"]["memory"] == {"guarantee": "1 GiB", "limit": "1 GiB"}


def test_the_hubs_own_configuration_and_old_names_count() -> None:
    files, _ = imported("direct.yaml", "lab")
    assert files["teams/lab/profiles/first.yaml"]["image"] == "docker.io/example/old:1"
    assert files["teams/lab/profiles/second.yaml"]["image"].startswith("docker.io/example/new@sha256:")
    assert files["teams/lab/team.yaml"]["members"] == {"users": ["ada", "grace"]}


@pytest.mark.parametrize(("written_as", "expected"), [
    ("2", 2000), (0.5, 500), ("500m", 500), ("0.5", 500), (1, 1000), ("1.5", 1500),
    (True, None), ("500M", None), ("two", None), (-1, None), (0, None), ([], None), ("9" * 200, None),
])  # fmt: skip
def test_cpus_are_read_in_every_spelling(written_as: object, expected: int | None) -> None:
    assert amounts.cpu(written_as) == expected


@pytest.mark.parametrize(("written_as", "expected"), [
    ("4G", 4 * 1024**3), ("4Gi", 4 * 1024**3), ("512M", 512 * 1024**2), ("1.5G", 3 * 1024**3 // 2), (1048576, 1024**2),
    ("1048576", 1024**2), ("1T", 1024**4), ("128k", 128 * 1024), ("4 GiB", 4 * 1024**3), ("4X", None), ("", None),
    ("-4G", None), (None, None), (1e300, None), ("1000000P", None),
])  # fmt: skip
def test_memory_is_read_in_every_spelling(written_as: object, expected: int | None) -> None:
    assert amounts.memory(written_as) == expected


BOMB = "a0: &a0 [x]\n" + "".join(f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 9)}]\n" for i in range(1, 30))
MERGES = "a0: &a0 {x: 1}\n" + "".join(f"a{i}: &a{i} {{<<: [{', '.join([f'*a{i - 1}'] * 9)}]}}\n" for i in range(1, 30))


@pytest.mark.parametrize("data", [
    b"[" * 60_000, b"[" * 200_000, b"{a: " * 50_000, BOMB.encode(), MERGES.encode(), b"a: &a [*a]\nsingleuser: {}",
    b"a: &a {<<: *a}\nhub: {x: *a}", b"\xff\xfe", b"", b"- a", b"text", b"a: *unknown", b"a: 1\n--- \nb: 2", b"\0",
    b"x" * 2_000_000, b"a: [", b"nothing: here",
], ids=lambda data: repr(data[:20]))  # fmt: skip
def test_what_is_no_values_file_is_refused_at_once(data: bytes) -> None:
    started = time.process_time()
    with pytest.raises(UnreadableError):
        import_values(data)
    assert time.process_time() - started < 5


@pytest.mark.parametrize(
    "entry", ["{}", "{display_name: a}", "{kubespawner_override: {cpu_limit: 0.001, mem_limit: 1}}"]
)
def test_a_list_that_has_no_end_takes_a_bounded_time(entry: str) -> None:
    started = time.process_time()
    result = import_values(f"singleuser: {{profileList: [{', '.join([entry] * 5_000)}]}}".encode())
    assert time.process_time() - started < 30
    assert len(result.profiles) == MAXIMUM_PROFILES
    assert sum(each.outcome == "lost" for each in result.findings) >= 5_000 - MAXIMUM_PROFILES - 1


def test_combinations_that_could_not_start_are_taken_out_and_told() -> None:
    choice = "{kubespawner_override: {%s}}"
    options = (
        "a: {choices: {x: " + choice % "mem_guarantee: 8G, mem_limit: 16G" + ", y: {}}}, "
        "b: {choices: {x: {}, y: " + choice % "mem_limit: 2G" + "}}"
    )
    result = import_values(
        f"singleuser: {{profileList: [{{display_name: a, profile_options: {{{options}}}}}]}}".encode()
    )
    told = {each.path: each.outcome for each in result.findings}
    assert result.profiles == ["everyone/a"]
    assert told["singleuser.profileList[0].profile_options.b.choices.y"] == "lost"


def test_a_key_that_stands_twice_is_told() -> None:
    _, told = imported("shapes.yaml")
    assert told["singleuser.profileList[5].display_name"][0] == "note"


def test_groups_beyond_what_a_team_may_list_are_reported_each() -> None:
    names = [f"group-{number}" for number in range(130)]
    config = {"GenericOAuthenticator": {"allowed_groups": names, "admin_groups": names}}
    result = import_values(yaml.safe_dump({"hub": {"config": config}}).encode(), "analysts")
    team = parse_yaml(result.files["teams/analysts/team.yaml"])
    assert (team["members"]["groups"], team["leads"]["groups"]) == (names[:100], names[:100])
    assert sum(finding.outcome == "lost" for finding in result.findings) == 60


# -- random lists of profiles

texts = st.text(st.characters(codec="utf-8", exclude_categories=["Cs"]), max_size=30)
anything = st.recursive(
    st.none() | st.booleans() | st.integers(-5, 10**6) | st.floats(allow_nan=False, allow_infinity=False) | texts,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3),
    max_leaves=5,
)
quantities = st.sampled_from([1, 2, 0.5, "1G", "4G", "512M", "2", "300m", "8Gi", 2**31, "64G", 16]) | anything
images = (
    st.sampled_from(["quay.io/a/b:1", "a/b", "b", "ghcr.io/x/y/z@sha256:" + "0" * 64, "{value}", "a:b:c"]) | anything
)
names = st.sampled_from(["TZ", "PATH", "MY_TOKEN", "A", "b", "nvidia.com/gpu", "amd.com/gpu", "pool", "x/y"]) | texts
overrides = st.fixed_dictionaries({}, optional={
    "image": images, "image_spec": images, "cpu_limit": quantities, "cpu_guarantee": quantities,
    "mem_limit": quantities, "mem_guarantee": quantities, "storage_capacity": quantities,
    "environment": st.dictionaries(names, anything, max_size=4) | anything,
    "extra_resource_limits": st.dictionaries(names, st.integers(0, 9) | anything, max_size=2) | anything,
    "extra_resource_guarantees": st.dictionaries(names, st.integers(0, 9) | anything, max_size=2) | anything,
    "node_selector": st.dictionaries(names, texts, max_size=3) | anything,
    "tolerations": st.lists(st.fixed_dictionaries({}, optional={
        "key": names, "operator": st.sampled_from(["Exists", "Equal"]), "value": texts, "effect": texts,
    }), max_size=2) | anything,
    "default_url": st.sampled_from(["/lab", "/rstudio", "/desktop", "/tree", "/vscode", "/a/b", "/"]) | anything,
    "cmd": anything, "lifecycle_hooks": anything, "service_account": texts,
}) | anything  # fmt: skip
groups = st.lists(st.sampled_from(["a", "/a/b", "c,d", ""]) | anything, max_size=3) | anything
choices = st.dictionaries(texts, st.fixed_dictionaries({}, optional={
    "display_name": anything, "default": st.booleans() | anything, "kubespawner_override": overrides,
    "allowed_groups": groups,
}) | anything, max_size=4)  # fmt: skip
options = st.dictionaries(texts, st.fixed_dictionaries({}, optional={
    "display_name": anything, "choices": choices | anything,
    "unlisted_choice": st.fixed_dictionaries({}, optional={
        "enabled": st.booleans(), "validation_regex": st.sampled_from(["^quay.io/a/.*$", "^(a+)+$", "^a/"]) | texts,
        "kubespawner_override": overrides,
    }) | anything,
}) | anything, max_size=3)  # fmt: skip
profiles = st.fixed_dictionaries({}, optional={
    "display_name": anything, "description": anything, "slug": anything, "default": anything,
    "kubespawner_override": overrides, "profile_options": options | anything, "allowed_groups": groups,
    "allowed_users": anything,
}) | anything  # fmt: skip
values = st.fixed_dictionaries(
    {"singleuser": st.fixed_dictionaries({"profileList": st.lists(profiles, max_size=3) | anything}, optional={
        "cpu": anything, "memory": st.fixed_dictionaries({"limit": quantities}), "extraEnv": anything,
        "nodeSelector": anything, "storage": anything, "image": anything,
    })},
    optional={"hub": st.fixed_dictionaries({}, optional={"config": anything, "extraConfig": anything}) | anything},
)  # fmt: skip


@examples(150, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
@given(values, st.sampled_from(["everyone", "lab"]))
def test_whatever_the_values_say_the_files_pass_and_every_key_is_told_or_there(content: Any, team: str) -> None:
    data = yaml.safe_dump(content, allow_unicode=True).encode()
    try:
        result = import_values(data, team)
    except UnreadableError:
        # What the YAML library writes is not always what it reads (U+0085 and the like).
        with pytest.raises(UnreadableError):
            read_values(data)
        return
    told = {each.path for each in result.findings if each.outcome != "note"}
    output = Output(result)
    root, _ = read_values(data)
    assert [leaf.where for leaf in leaves(root) if not below(leaf, told) and not output.shows(leaf)] == []
