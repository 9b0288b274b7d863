"""The chart as helm renders it: valid objects, wrong values refused, least rights, secrets that stay."""

import json
import re
from typing import Any

import kubernetes_validate
import pytest
import yaml
from pydantic import BaseModel
from support.rendering import (
    LEAST,
    MOST,
    ROOT,
    VERSIONS,
    Chart,
    merged,
    needs_helm,
    service_file,
    variables,
)

from allotment_hub.cluster.values import ChartValues, RepositoryValues
from allotment_hub.configuration import ServiceConfiguration
from allotment_profiles.scopes import SERVICE_ACCESS_SCOPE

pytestmark = needs_helm

GUIDE: list[dict[str, Any]] = [
    yaml.safe_load(block)
    for block in re.findall(r"```yaml\n(.*?)```", (ROOT / "docs/kubernetes.md").read_text(), re.DOTALL)
]
"""The values that the administrator's guide gives: for all of it, and for a release that is there already."""


def test_helm_finds_nothing_to_say(chart: Chart) -> None:
    code, said, wrong = chart.helm("lint", str(chart.path), "--strict", "--quiet")
    assert code == 0, said + wrong


@pytest.mark.parametrize("more", [{}, MOST], ids=["least", "most"])
def test_every_object_is_one_that_kubernetes_takes(chart: Chart, more: dict[str, Any]) -> None:
    for version in VERSIONS:
        objects = chart.objects(more, version)
        assert len(objects) > 15
        for found in objects:
            if found["kind"] != "ServiceMonitor":  # the Prometheus operator's own
                kubernetes_validate.validate(found, version, strict=True)


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"sevice": {}}, "sevice"),
        ({"service": {"replicas": 2}}, "replicas"),
        ({"service": {"storage": {"size": "1 GB"}}}, "size"),
        ({"service": {"image": {"pullPolicy": "Sometimes"}}}, "pullPolicy"),
        ({"git": {"method": "password"}}, "method"),
        ({"git": {"writeSecret": "Not A Name"}}, "writeSecret"),
        ({"forge": {"enabled": True, "repository": "platform/profiles"}}, "url"),
        ({"forge": {"enabled": True, "url": "https://git.example.org"}}, "repository"),
        ({"forge": {"kind": "bitbucket"}}, "kind"),
        ({"forge": {"url": "https://user:password@git.example.org"}}, "url"),
        ({"forge": {"url": "http://git.example.org"}}, "plainHttp"),
        ({"forge": {"repository": "profiles"}}, "repository"),
        ({"forge": {"appId": "12"}}, "appId"),
        ({"forge": {"token": "x"}}, "token"),
        ({"forge": {"secret": "Not A Name"}}, "secret"),
        ({"notifications": {"addresses": "x"}}, "addresses"),
        ({"notifications": {"email": "example.org"}}, "email"),
        ({"notifications": {"secret": "Not A Name"}}, "secret"),
        ({"hub": {"url": "http://hub:8081/hub"}}, "url"),
        ({"puller": {"maximum": 0}}, "maximum"),
        ({"puller": {"pullPolicy": "Never"}}, "pullPolicy"),
        ({"puller": {"imagePullSecrets": ["registry"]}}, "imagePullSecrets"),
        ({"puller": {"images": ["python:3"]}}, "images"),
        ({"serviceMonitor": {"labels": {"release": 1}}}, "release"),
        ({"serviceMonitor": {"podLabels": {"app": True}}}, "app"),
        ({"hub": {"csiDrivers": "files.example.org"}}, "csiDrivers"),
        ({"jupyterhub": {"custom": {"allotment": {"publicUrl": ""}}}}, "publicUrl"),
        ({"jupyterhub": {"custom": {"allotment": {"publicUrl": "hub.example.org"}}}}, "publicUrl"),
        ({"jupyterhub": {"custom": {"allotment": {"repository": {"url": "git@example.org:a/b"}}}}}, "url"),
        ({"jupyterhub": {"custom": {"allotment": {"repository": {"fetchSeconds": 0}}}}}, "fetchSeconds"),
        ({"jupyterhub": {"custom": {"allotment": {"repository": {"url": "http://git/a/b"}}}}}, "plainHttp"),
        ({"jupyterhub": {"custom": {"allotment": {"repository": {"token": "x"}}}}}, "token"),
        ({"jupyterhub": {"custom": {"allotment": {"extraConfig": "import os"}}}}, "extraConfig"),
    ],
)
def test_wrong_values_are_refused_by_name_before_anything_is_sent(
    chart: Chart, wrong: dict[str, Any], said: str
) -> None:
    refusal = chart.refusal(merged(LEAST, wrong))
    assert "values don't meet the specifications of the schema" in refusal
    assert said in refusal


def test_the_address_and_the_repository_have_to_be_given(chart: Chart) -> None:
    refusal = chart.refusal({})
    assert "publicUrl" in refusal
    assert "repository" in refusal


def aliases(model: type[BaseModel]) -> set[str | None]:
    return {field.alias for field in model.model_fields.values()}


def test_the_schema_and_the_hub_know_the_same_settings(chart: Chart) -> None:
    schema = json.loads((chart.path / "values.schema.json").read_text())
    settings = schema["properties"]["jupyterhub"]["properties"]["custom"]["properties"]["allotment"]["properties"]
    assert settings.keys() == aliases(ChartValues)
    assert settings["repository"]["properties"].keys() == aliases(RepositoryValues)


@pytest.mark.parametrize("more", [{}, MOST], ids=["least", "most"])
def test_the_services_file_is_one_that_the_service_reads(chart: Chart, more: dict[str, Any]) -> None:
    configuration = ServiceConfiguration.model_validate_json(service_file(chart.own(more)))
    repository = merged(LEAST, more)["jupyterhub"]["custom"]["allotment"]["repository"]
    assert configuration.deployment == "kubernetes"
    assert configuration.remote is not None
    assert configuration.remote.url == repository["url"]
    assert configuration.fetch_seconds == repository.get("fetchSeconds", 30)


@pytest.mark.parametrize(
    ("git", "files"),
    [
        ({"method": "token"}, {"token_file": "token"}),
        ({"method": "token", "ownAuthority": True}, {"token_file": "token", "ca_file": "ca.pem"}),
        ({"method": "ssh"}, {"ssh_key_file": "ssh-key", "known_hosts_file": "known-hosts"}),
        ({"method": "none"}, {}),
    ],
)
def test_credentials_are_files_of_a_secret_and_never_values(
    chart: Chart, git: dict[str, Any], files: dict[str, str]
) -> None:
    objects = chart.own({"git": git})
    remote = json.loads(service_file(objects))["remote"]
    named = {key: value for key, value in remote.items() if key.endswith("_file")}
    assert named == {key: f"/etc/allotment/git/{name}" for key, name in files.items()}
    volumes = objects["Deployment", "allotment"]["spec"]["template"]["spec"]["volumes"]
    assert [each for each in volumes if each["name"] == "git"] == (
        [{"name": "git", "secret": {"secretName": "allotment-git-write"}}] if files else []
    )


FORGE = {"enabled": True, "url": "https://git.example.org", "repository": "platform/profiles"}


@pytest.mark.parametrize(
    ("forge", "files"),
    [
        (FORGE, {"token_file": "token"}),
        (FORGE | {"kind": "gitlab", "webhook": True, "ownAuthority": True, "secret": "mine"}, {
            "token_file": "token", "webhook_secret_file": "webhook-secret", "ca_file": "ca.pem",
        }),
        (FORGE | {"kind": "github", "appId": "12345"}, {"app_key_file": "app-key"}),
        ({}, None),
    ],
)  # fmt: skip
def test_credentials_of_a_forge_are_files_of_a_secret_that_only_the_service_mounts(
    chart: Chart, forge: dict[str, Any], files: dict[str, str] | None
) -> None:
    objects = chart.own({"forge": forge})
    configured = ServiceConfiguration.model_validate_json(service_file(objects)).forge
    pod = objects["Deployment", "allotment"]["spec"]["template"]["spec"]
    mounted = [each for each in pod["volumes"] if each["name"] == "forge"]
    paths = [each for each in pod["containers"][0]["volumeMounts"] if each["name"] == "forge"]
    if files is None:
        assert (configured, mounted, paths) == (None, [], [])
        return
    assert configured is not None
    named = {key: str(value) for key, value in configured if key.endswith("_file") and value}
    assert named == {key: f"/etc/allotment/forge/{name}" for key, name in files.items()}
    assert configured.app_id == forge.get("appId", "")
    secret = forge.get("secret", "allotment-forge")
    assert mounted == [{"name": "forge", "secret": {"secretName": secret}}]
    # Without `subPath`: such a file would keep its value until a restart.
    assert paths == [{"name": "forge", "mountPath": "/etc/allotment/forge", "readOnly": True}]
    policy = objects["ValidatingAdmissionPolicy", "allotment-analysis"]["spec"]
    guarded = next(each["expression"] for each in policy["variables"] if each["name"] == "secrets")
    assert secret in guarded, "no pod of the hub gets it"


@pytest.mark.parametrize("new", ["forge", "notifications"])
def test_values_of_a_version_before_are_taken(chart: Chart, new: str) -> None:
    # `helm upgrade --reuse-values` leaves out the defaults of the new version.
    configured = ServiceConfiguration.model_validate_json(service_file(chart.own({new: None})))
    assert getattr(configured, new) is None


@pytest.mark.parametrize("webhook", [True, False])
def test_the_notes_say_how_to_look_at_the_forge_and_where_its_webhook_goes(chart: Chart, webhook: bool) -> None:
    values = merged(LEAST, {"forge": FORGE | {"webhook": webhook}})
    code, said, wrong = chart.helm("install", "allotment", str(chart.path), "--dry-run=client", values=values)
    assert code == 0, wrong
    assert "exec deployment/allotment -- allotment forge doctor" in said
    assert ("https://hub.example.org/services/allotment/api/v1/webhooks/forge" in said) is webhook


@pytest.mark.parametrize(
    ("base", "prefix"), [("/", "/"), ("/jupyter", "/jupyter/"), ("/jupyter/", "/jupyter/"), ("/a/b/", "/a/b/")]
)
def test_base_urls_reach_the_service_the_probe_and_the_test(chart: Chart, base: str, prefix: str) -> None:
    objects = chart.own({"jupyterhub": {"hub": {"baseUrl": base}}, "serviceMonitor": {"enabled": True}})
    given = variables(objects)
    own = f"{prefix}services/allotment/"
    assert given["JUPYTERHUB_BASE_URL"] == prefix
    assert given["JUPYTERHUB_SERVICE_PREFIX"] == own
    assert given["JUPYTERHUB_API_URL"] == f"http://hub:8081{prefix}hub/api"
    assert given["JUPYTERHUB_OAUTH_CALLBACK_URL"] == f"{own}oauth_callback"
    assert json.loads(given["JUPYTERHUB_OAUTH_ACCESS_SCOPES"]) == [SERVICE_ACCESS_SCOPE], "as the hub grants it"
    container = objects["Deployment", "allotment"]["spec"]["template"]["spec"]["containers"][0]
    assert container["readinessProbe"]["httpGet"]["path"] == f"{own}api/v1/health"
    assert objects["Pod", "allotment-test"]["spec"]["containers"][0]["command"][-2:] == [
        f"http://hub:8081{prefix}hub/health",
        f"http://allotment:10101{own}api/v1/health",
    ]
    monitor = objects["ServiceMonitor", "allotment"]["spec"]
    assert monitor["endpoints"][0]["path"] == f"{own}api/v1/metrics"
    labels = objects["Service", "allotment"]["metadata"]["labels"]
    assert monitor["selector"]["matchLabels"].items() <= labels.items()


@pytest.mark.parametrize(
    ("domain", "public_url", "host", "prefix"),
    [
        ("", "https://hub.example.org/lab/", "", None),
        ("sessions.example.net", "https://hub.example.org/", "https://hub.example.org", "1"),
        ("sessions.example.net", "http://hub.example.org:8000/", "http://hub.example.org:8000", None),
    ],
)
def test_the_service_knows_where_the_hub_is_and_whether_sessions_are_elsewhere(
    chart: Chart, domain: str, public_url: str, host: str, prefix: str | None
) -> None:
    values = {"custom": {"allotment": {"publicUrl": public_url}}}
    config = {"hub": {"config": {"JupyterHub": {"subdomain_host": domain}}}} if domain else {}
    objects = chart.own({"jupyterhub": {**values, **config}})
    given = variables(objects)
    assert given["JUPYTERHUB_HOST"] == host
    assert given.get("JUPYTERHUB_COOKIE_HOST_PREFIX_ENABLED") == prefix
    # With this address, the cookies of the service are secure, as the prefix wants.
    assert given.get("JUPYTERHUB_PUBLIC_URL") == (f"{public_url}services/allotment/" if prefix else None)
    assert ServiceConfiguration.model_validate_json(service_file(objects)).shared_origin is not bool(domain)


@pytest.mark.parametrize("domain", ["", "sessions.example.net"])
def test_the_notes_warn_while_sessions_share_the_hubs_origin(chart: Chart, domain: str) -> None:
    values = merged(LEAST, {"jupyterhub": {"hub": {"config": {"JupyterHub": {"subdomain_host": domain}}}}})
    code, said, wrong = chart.helm("install", "allotment", str(chart.path), "--dry-run=client", values=values)
    assert code == 0, wrong
    assert ("WARNING: sessions share the hub's address." in said) is not bool(domain)


@pytest.mark.parametrize(
    ("singleuser", "warned"),
    [
        ({}, False),
        ({"networkPolicy": {"enabled": False}}, True),
        ({"networkPolicy": {"egressAllowRules": {"cloudMetadataServer": True}}}, True),
        ({"networkPolicy": {"enabled": False}, "cloudMetadata": {"blockWithIptables": True}}, False),
    ],
)
def test_the_notes_warn_where_sessions_reach_the_clouds_metadata_server(
    chart: Chart, singleuser: dict[str, Any], warned: bool
) -> None:
    values = merged(LEAST, {"jupyterhub": {"singleuser": singleuser}})
    code, said, wrong = chart.helm("install", "allotment", str(chart.path), "--dry-run=client", values=values)
    assert code == 0, wrong
    assert ("WARNING: sessions can reach the cloud's metadata server" in said) is warned


def test_the_service_starts_anew_when_its_configuration_changes_and_only_then(chart: Chart) -> None:
    def stamp(more: dict[str, Any]) -> str:
        template = chart.own(more)["Deployment", "allotment"]["spec"]["template"]
        return str(template["metadata"]["annotations"]["checksum/configuration"])

    plain = stamp({})
    assert stamp({}) == plain
    assert stamp({"serviceMonitor": {"enabled": True}}) == plain
    assert stamp({"service": {"eventsUrl": "postgresql://database/events"}}) != plain


def test_beside_another_release_of_jupyterhub_only_ours_is_installed(chart: Chart) -> None:
    more = {
        "hub": {"url": "http://my-hub:8081", "secret": "my-hub", "serviceAccount": "my-hub", "baseUrl": "/lab"},
        "jupyterhub": {"enabled": False},
    }
    objects = chart.objects(more)
    label = "app.kubernetes.io/name"
    assert all(each["metadata"]["labels"][label] == "allotment" for each in objects)
    own = chart.own(more)
    assert own["RoleBinding", "allotment-hub"]["subjects"][0]["name"] == "my-hub"
    assert variables(own)["JUPYTERHUB_API_URL"] == "http://my-hub:8081/lab/hub/api"
    token = own["Deployment", "allotment"]["spec"]["template"]["spec"]["containers"][0]["env"][1]
    assert token["valueFrom"]["secretKeyRef"] == {"name": "my-hub", "key": "hub.services.allotment.apiToken"}


def test_no_policy_lets_anybody_but_proxy_hub_and_helms_test_reach_the_service(chart: Chart) -> None:
    rules = chart.own()["NetworkPolicy", "allotment"]["spec"]["ingress"]
    (rule,) = rules
    who = [each["podSelector"]["matchLabels"] for each in rule["from"]]
    assert {"component": "proxy"} in who
    assert {"component": "hub"} in who
    assert len(who) == 3
    assert ("NetworkPolicy", "allotment") not in chart.own({"networkPolicy": {"enabled": False}})


@pytest.mark.parametrize(
    ("given", "namespaces", "pods"),
    [
        (
            {},
            {"matchExpressions": [{"key": "kubernetes.io/metadata.name", "operator": "NotIn", "values": ["analysis"]}]},
            {"app.kubernetes.io/name": "prometheus"},
        ),
        (
            {"namespaceLabels": {"team": "platform"}, "podLabels": {"app": "prometheus"}},
            {"matchLabels": {"team": "platform"}},
            {"app": "prometheus"},
        ),
    ],
    ids=["default", "values"],
)
def test_the_service_monitor_lets_prometheus_in_and_no_session(
    chart: Chart, given: dict[str, Any], namespaces: dict[str, Any], pods: dict[str, str]
) -> None:
    own = chart.own({"serviceMonitor": {"enabled": True, **given}})
    _, rule = own["NetworkPolicy", "allotment"]["spec"]["ingress"]
    assert rule["from"] == [{"namespaceSelector": namespaces, "podSelector": {"matchLabels": pods}}]


def test_the_values_of_the_guide_are_taken_as_they_stand(chart: Chart) -> None:
    code, text, said = chart.helm("template", "allotment", str(chart.path), values=GUIDE[0])
    assert code == 0, said
    assert "registry.example.org/allotment/service:0.1.0" in text


def test_a_release_that_is_there_already_is_told_all_that_ours_would_be_told(chart: Chart) -> None:
    own = yaml.safe_load((chart.path / "values.yaml").read_text())["jupyterhub"]
    told = GUIDE[1]
    assert told["custom"].keys() == own["custom"].keys()
    for name in ("services", "consecutiveFailureLimit", "extraVolumeMounts"):
        assert told["hub"][name] == own["hub"][name]
    assert told["hub"]["extraVolumes"] == own["hub"]["extraVolumes"]
    for name in ("singleuser", "cull", "prePuller"):
        assert told[name] == own[name]
    values = merged(GUIDE[0], {"jupyterhub": {"enabled": False}})
    code, text, said = chart.helm("template", "allotment", str(chart.path), values=values)
    assert code == 0, said
    kinds = {(each["kind"], each["metadata"]["name"]) for each in yaml.safe_load_all(text) if each}
    assert ("Deployment", "allotment") in kinds
    assert ("Deployment", "hub") not in kinds


def test_addresses_of_people_are_a_file_of_a_secret_that_only_the_service_mounts(chart: Chart) -> None:
    objects = chart.own({"notifications": {"enabled": True, "email": "{name}@example.org"}})
    told = ServiceConfiguration.model_validate_json(service_file(objects)).notifications
    assert told is not None
    assert (str(told.addresses_file), told.email) == ("/etc/allotment/notifications/addresses", "{name}@example.org")
    pod = objects["Deployment", "allotment"]["spec"]["template"]["spec"]
    paths = [each for each in pod["containers"][0]["volumeMounts"] if each["name"] == "notifications"]
    assert paths == [{"name": "notifications", "mountPath": "/etc/allotment/notifications", "readOnly": True}]
    policy = objects["ValidatingAdmissionPolicy", "allotment-analysis"]["spec"]
    guarded = next(each["expression"] for each in policy["variables"] if each["name"] == "secrets")
    assert "allotment-notifications" in guarded
    assert ServiceConfiguration.model_validate_json(service_file(chart.own({}))).notifications is None
