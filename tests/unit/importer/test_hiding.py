"""What an import loses: where it decides who, which image or how large, the profile is hidden."""

import pytest

from allotment_profiles.documents.parsing import parse_yaml
from allotment_profiles.importer.convert import import_values

LAB = "kubespawner_override: {image: 'quay.io/a/lab:1'"
LARGE = "kubespawner_override: {mem_limit: 32G}"
UNCERTAIN = {
    "an unknown key beside the name": f"- {{display_name: A, teams: [x], {LAB}}}}}",
    "an image that is none": "- {display_name: A, kubespawner_override: {image: [a]}}",
    "an amount that is none": f"- {{display_name: A, {LAB}, mem_limit: lots}}}}",
    "nodes that are chosen otherwise": f"- {{display_name: A, {LAB}, node_affinity_required: [{{a: b}}]}}}}",
    "an override that is no mapping": "- {display_name: A, kubespawner_override: later}",
    "an option whose default is for a group": f"""\
- display_name: A
  {LAB}}}
  profile_options:
    size:
      choices: {{s: {{allowed_groups: [a]}}, l: {{allowed_groups: [b], {LARGE}}}}}""",
    "two options that choose nodes": f"""\
- display_name: A
  {LAB}}}
  profile_options:
    gpu: {{choices: {{a: {{}}, b: {{kubespawner_override: {{node_selector: {{pool: gpu}}}}}}}}}}
    disk: {{choices: {{c: {{}}, d: {{kubespawner_override: {{node_selector: {{disk: fast}}}}}}}}}}""",
    "a choice of another image": f"""\
- display_name: A
  {LAB}}}
  profile_options: {{image: {{choices: {{a: {{}}, b: {{kubespawner_override: {{image: 7}}}}}}}}}}""",
}


@pytest.mark.parametrize("listed", UNCERTAIN.values(), ids=UNCERTAIN)
def test_what_decides_and_is_lost_makes_a_hidden_profile_and_no_other(listed: str) -> None:
    certain = f"- {{display_name: B, slug: b, default: true, {LAB}, lifecycle_hooks: {{a: b}}, args: [a]}}}}"
    lines = "\n".join(f"    {line}" for line in f"{listed}\n{certain}".split("\n"))
    result = import_values(f"singleuser:\n  profileList:\n{lines}\n".encode())
    files = {path: parse_yaml(data) for path, data in result.files.items() if path.endswith(".yaml")}
    assert files["teams/everyone/profiles/a.yaml"]["visibility"] == "draft"
    assert "visibility" not in files["teams/everyone/profiles/b.yaml"]
    report = result.files["IMPORT.md"].decode()
    assert report.index("## Hidden") < report.index("singleuser.profileList[0]")


@pytest.mark.parametrize(
    ("expression", "pattern"),
    [
        ("^quay\\\\.io/a.*:.*$", None),
        ("^quay\\\\.io/a/.*$", "quay.io/a/*"),
        ("^quay\\\\.io/a/l.*$", None),
        ("^quay\\\\.io/a/lab:.*$", "quay.io/a/lab"),
    ],
)
def test_no_image_is_allowed_that_could_not_be_typed_in(expression: str, pattern: str | None) -> None:
    values = f"""\
singleuser:
  profileList:
    - display_name: A
      {LAB}}}
      profile_options:
        image:
          unlisted_choice:
            {{enabled: true, validation_regex: "{expression}", kubespawner_override: {{image: "{{value}}"}}}}
          choices: {{lab: {{{LAB}}}}}}}
"""
    files = import_values(values.encode()).files
    images = parse_yaml(files["teams/everyone/team.yaml"])["envelope"]["images"]
    assert images == sorted({"quay.io/a/*", *([pattern] if pattern else [])})


FOR_ALL = {
    "code that narrows the list": "hub: {extraConfig: {a: 'c.KubeSpawner.profile_list = narrowed'}}",
    "code with a hook before the start": 'hub: {extraConfig: {a: "c.KubeSpawner.pre_spawn_hook = only_for_group"}}',
    "code with a hook for the pod": 'hub: {extraConfig: {a: "c.KubeSpawner.modify_pod_hook = smaller_for_some"}}',
    "code with a limit": "hub: {extraConfig: {a: \"c.KubeSpawner.mem_limit = '1G'\"}}",
    "code with an image": "hub: {extraConfig: {a: \"c.Spawner.image = 'quay.io/a/other:1'\"}}",
    "code that nobody can follow": 'hub: {extraConfig: {a: "import ours\\nours.set_up(c)"}}',
    "code that is not a mapping": "hub: {extraConfig: 'setattr(c.Kube, x, y)'}",
    "code with another name for c": 'hub: {extraConfig: {a: "s = c.JupyterHub\\ns.spawner_class = Ours"}}',
    "code that computes a value": 'hub: {extraConfig: {a: "c.JupyterHub.services = ours()"}}',
    "code that does not parse": "hub: {extraConfig: {a: 'c.JupyterHub.('}}",
    "a file that JupyterHub runs": "hub: {extraFiles: {a: {mountPath: /etc/hub.d/a.py, stringData: f()}}}",
    "an amount that is none": "hub: {config: {KubeSpawner: {mem_limit: lots}}}",
    "a form and an image": "hub: {config: {KubeSpawner: {options_form: x, image: [a]}}}",
    "containers as Kubernetes knows them": "hub: {config: {KubeSpawner: {extra_container_config: {image: a}}}}",
    "a limit for every spawner": "hub: {config: {Spawner: {mem_limit: 1G}}}",
    "a limit for a spawner of their own": "hub: {config: {OurKubeSpawner: {mem_limit: 1G}}}",
    "another spawner": "hub: {config: {JupyterHub: {spawner_class: ours.Spawner}}}",
}


@pytest.mark.parametrize("more", FOR_ALL.values(), ids=FOR_ALL)
def test_what_decides_for_all_sessions_and_is_lost_hides_all(more: str) -> None:
    values = f"singleuser:\n  profileList:\n    - {{display_name: A, {LAB}}}}}\n{more}\n"
    result = import_values(values.encode())
    profiles = [parse_yaml(data) for path, data in result.files.items() if "/profiles/" in path]
    assert profiles
    assert all(profile["visibility"] == "draft" for profile in profiles)


@pytest.mark.parametrize(
    "more",
    [
        "hub: {extraConfig: {a: \"# Hello\\nc.JupyterHub.template_vars = {'announcement': 'Hello'}\"}}",
        "hub: {extraConfig: {a: 'c.KubeSpawner.http_timeout = 120', b: ''}}",
        "hub: {extraFiles: {logo: {mountPath: /usr/local/share/logo.svg, stringData: <svg/>}}}",
        "hub: {config: {Spawner: {start_timeout: 600}, JupyterHub: {spawner_class: kubespawner.KubeSpawner}}}",
    ],
)
def test_plain_settings_that_decide_nothing_hide_nothing(more: str) -> None:
    values = f"singleuser:\n  profileList:\n    - {{display_name: A, {LAB}}}}}\n{more}\n"
    result = import_values(values.encode())
    assert "visibility" not in parse_yaml(result.files["teams/everyone/profiles/a.yaml"])
    assert not [finding for finding in result.findings if finding.outcome == "lost"]


def test_variables_that_are_filled_in_for_each_user_stay_for_all_sessions() -> None:
    values = f"""\
singleuser:
  extraEnv: {{SCRATCH: 's3://b/$(JUPYTERHUB_USER)', NAME: '{{username}}', PLACE: here, PRICE: '5$(', HOST: '$HOME'}}
  profileList:
    - {{display_name: A, {LAB}, environment: {{OWN: '/data/$(JUPYTERHUB_USER)'}}}}}}
"""
    result = import_values(values.encode())
    profile = parse_yaml(result.files["teams/everyone/profiles/a.yaml"])
    assert profile["environment"] == {"PLACE": "here", "PRICE": "5$(", "HOST": "$HOME"}
    told = {each.path: each for each in result.findings}
    for name, part in (("SCRATCH", "$(JUPYTERHUB_USER)"), ("NAME", "{username}")):
        assert told[f"singleuser.extraEnv.{name}"].outcome == "stays"
        assert part in told[f"singleuser.extraEnv.{name}"].why
    own = told["singleuser.profileList[0].kubespawner_override.environment.OWN"]
    assert own.outcome == "lost"
    assert "singleuser.extraEnv" in own.why
