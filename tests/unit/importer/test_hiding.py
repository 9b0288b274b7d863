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


@pytest.mark.parametrize(
    "more",
    [
        "hub: {extraConfig: {a: 'c.KubeSpawner.profile_list = narrowed'}}",
        "hub: {config: {KubeSpawner: {mem_limit: lots}}}",
        "hub: {config: {KubeSpawner: {options_form: x, image: [a]}}}",
    ],
)
def test_what_decides_for_all_sessions_and_is_lost_hides_all(more: str) -> None:
    values = f"singleuser:\n  profileList:\n    - {{display_name: A, {LAB}}}}}\n{more}\n"
    result = import_values(values.encode())
    assert parse_yaml(result.files["teams/everyone/profiles/a.yaml"])["visibility"] == "draft"


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
