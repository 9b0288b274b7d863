"""The whole way on a real cluster: install, sign in with groups, start, propose from inside, merge, start the new."""

import json
import os
import re
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from support.conditions import until
from support.repositories import Content, data_role, policy, profile, team, write_folder
from support.servers.cluster import CLAIM, needs_cluster
from support.servers.forge import Forge, needs_forge
from support.servers.git_server import git
from support.servers.installed import JUPYTERLAB, STAND_INS, ForgePerson, Installed
from support.servers.metadata import metadata_server

from allotment_hub.sign_ins import COOKIE

pytestmark = [needs_cluster, needs_forge, pytest.mark.timeout(900)]

SIZE = {"cpu": {"guarantee": 0.05, "limit": 1}, "memory": {"guarantee": "128 MiB", "limit": "1 GiB"}}


@dataclass
class Platform:
    """What is installed, and who is there."""

    installed: Installed
    analyst: ForgePerson
    lead: ForgePerson
    stranger: ForgePerson


def files(members: str, leads: str) -> dict[str, Content]:
    until_day = {"red": "2099-12-31"}
    plain = profile(image=JUPYTERLAB, resources=SIZE)
    return {
        "policy.yaml": policy(registries=["localhost/*"]),
        "teams/red/team.yaml": team(
            "red", members={"groups": [members]}, leads={"groups": [leads]},
            envelope={"cpu": 4, "memory": "8 GiB", "images": ["localhost/*"]},
        ),
        "teams/blue/team.yaml": team("blue"),
        "teams/red/profiles/notebook.yaml": plain | {"data_roles": ["prices", "tables"]},
        "teams/red/profiles/rstudio.yaml": plain | {"title": "RStudio", "app": "rstudio", "image": STAND_INS},
        "teams/red/profiles/vscode.yaml": plain | {"title": "VS Code", "app": "vscode", "image": STAND_INS},
        "data-roles/prices.yaml": data_role("red", until_day, binding={"secret": {"name": "prices"}}),
        "data-roles/tables.yaml": data_role("red", until_day),
        "data-roles/salaries.yaml": data_role("blue", {"blue": "2099-12-31"}, binding={"secret": {"name": "salaries"}}),
    }  # fmt: skip


@pytest.fixture(scope="module")
def platform(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Platform]:
    folder = tmp_path_factory.mktemp("cluster")
    forge = Forge()
    analyst, lead, groups = forge.people()
    stranger = forge.user("sam")
    repository = forge.repository()
    work = write_folder(folder / "work", files(groups["members"], groups["leads"]))
    git(work, "init", "--quiet", "--initial-branch=main")
    git(work, "add", "--all")
    git(work, "commit", "--quiet", "--message=Begin")
    address = repository.replace("://", f"://git:{forge.token(write=True)}@")
    git(work, "push", "--quiet", address, "main")
    with Installed.opened(forge, folder) as installed:
        for name in ("prices", "salaries"):
            secret = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": name}, "stringData": {"key": name}}
            installed.cluster.apply(secret)
        installed.cluster.apply(CLAIM)
        installed.prepare(repository, groups)
        notes = installed.install()
        assert repository in notes
        installed.wait_for_hub()
        yield Platform(installed, *(installed.sign_in(name) for name in (analyst, lead, stranger)))


def test_helm_finds_it_well(platform: Platform) -> None:
    assert "Succeeded" in platform.installed.helm("test", "allotment")


def test_nodes_hold_the_images_of_what_may_be_started(platform: Platform) -> None:
    def held() -> set[str]:
        daemonsets = platform.installed.cluster.items("daemonsets")
        ready = [each["spec"] for each in daemonsets if each["status"].get("numberReady")]
        return {container["image"] for spec in ready for container in spec["template"]["spec"]["containers"]}

    assert until(lambda: held() == {JUPYTERLAB, STAND_INS}, within=120, what="images on the nodes")


def pod(**spec: Any) -> str:
    """Return a pod that passes Pod Security `restricted`, with more in its specification."""
    container = {
        "name": "notebook",
        "image": JUPYTERLAB,
        "securityContext": {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}},
    }
    security = {"runAsNonRoot": True, "runAsUser": 1000, "seccompProfile": {"type": "RuntimeDefault"}}
    spec = {"containers": [container], "securityContext": security} | spec
    return json.dumps({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "made-by-the-hub"}, "spec": spec})


def test_the_hub_reads_no_secret_of_the_service(platform: Platform) -> None:
    cluster = platform.installed.cluster
    hub = f"system:serviceaccount:{cluster.namespace}:hub"
    assert cluster.allows(hub, "create", "pods")
    for verb in ("get", "list", "watch"):
        assert not cluster.allows(hub, verb, "secrets"), verb
    for name in ("allotment-signing", "allotment-git-write", "allotment-service", "hub"):
        assert not cluster.allows(hub, "get", "secrets", name), name
    for right in ("pods/exec", "pods/ephemeralcontainers", "serviceaccounts/token", "roles", "rolebindings"):
        assert not cluster.allows(hub, "create", right), right


def test_no_pod_of_the_hub_gets_what_is_the_services(platform: Platform) -> None:
    """`test_guard.py` tries each way; this is whether what is installed has the guard, and Helm's Secret that name."""
    cluster = platform.installed.cluster
    create = (f"--as=system:serviceaccount:{cluster.namespace}:hub", "create", "--dry-run=server", "--filename=-")
    kept = [each["metadata"]["name"] for each in cluster.items("secrets") if each["type"] == "helm.sh/release.v1"]
    assert kept
    for name in ("allotment-signing", "allotment-git-write", "allotment-service", "hub", *kept):
        with pytest.raises(AssertionError, match="A pod of the hub may not"):
            cluster.kubectl(*create, given=pod(volumes=[{"name": "a", "secret": {"secretName": name}}]))
    of_a_data_role = {"volumes": [{"name": "a", "secret": {"secretName": "prices"}}]}
    assert "created" in cluster.kubectl(*create, given=pod(**of_a_data_role))


def test_people_are_offered_what_their_groups_of_the_provider_may_start(platform: Platform) -> None:
    assert "RStudio" in platform.analyst.page("hub/spawn").text
    assert "RStudio" not in platform.stranger.page("hub/spawn").text
    log = platform.installed.cluster.kubectl("logs", "deployment/hub")
    assert re.search(r"\[I \d{4}-\S+ \S+ allotment_profiles\S* .*\] catalog at [0-9a-f]{12}: ", log)
    refused = platform.stranger.hub("POST", f"users/{platform.stranger.name}/server", json={"profile": "red/notebook"})
    assert refused.status_code == 403
    assert "[not-a-member]" in refused.json()["message"]


def test_the_hub_tells_the_service_when_somebody_signed_in_with_the_provider(platform: Platform) -> None:
    analyst = platform.analyst
    asked = {"user": analyst.name, "session": analyst.client.cookies[COOKIE]}
    script = (
        "import os, urllib.request\n"
        "headers = {'Authorization': 'token ' + os.environ['JUPYTERHUB_API_TOKEN']}\n"
        "url = os.environ['JUPYTERHUB_API_URL'] + '/allotment/sign-ins'\n"
        f"request = urllib.request.Request(url, {json.dumps(asked).encode()!r}, headers)\n"
        "print(urllib.request.urlopen(request).read().decode())"
    )
    told = platform.installed.cluster.kubectl("exec", "deployment/allotment", "--", "python3", "-c", script)
    assert json.loads(told)["seconds"] > 0


def test_a_session_sees_its_data_and_proposes_what_a_lead_merges_and_everyone_starts(platform: Platform) -> None:
    installed, analyst, lead = platform.installed, platform.analyst, platform.lead
    analyst.start_session({"profile": "red/notebook"}, within=120)
    assert "JupyterLab" in analyst.page(f"user/{analyst.name}/lab").text
    pod = installed.pod_of(analyst.name)
    seen = installed.cluster.run(pod, "ls ~/data; cat ~/data/prices/key; echo; ls /var/run/secrets 2>/dev/null; true")
    assert seen.split() == ["prices", "tables", "prices"]
    # The session reaches the API of the cluster, and is nobody there.
    ask = (
        "import ssl, urllib.error, urllib.request as u\n"
        "where = 'https://kubernetes.default/api/v1/namespaces/NAMESPACE/secrets/salaries'\n"
        "try: print(u.urlopen(where, context=ssl._create_unverified_context(), timeout=10).status)\n"
        "except urllib.error.HTTPError as error: print(error.code)"
    ).replace("NAMESPACE", installed.cluster.namespace)
    assert installed.cluster.run(pod, f'python3 -c "{ask}"').strip() in ("401", "403")

    propose = "allotment-session propose --name larger --set memory.limit=2GiB --reason 'Larger joins' --yes --json"
    proposed = json.loads(installed.cluster.run(pod, propose))
    proposal = proposed.get("proposal", proposed)
    identity, head = proposal["id"], proposal["head"]
    # A session asks, and never decides.
    decide = (
        f"curl -s -o /dev/null -w '%{{http_code}}' -X POST -H \"Authorization: token $JUPYTERHUB_API_TOKEN\""
        " -H 'Content-Type: application/json'"
        f' -d \'{{"head": "{head}"}}\' $ALLOTMENT_URL/proposals/{identity}/approvals'
    )
    assert installed.cluster.run(pod, decide) == "403"

    decision = {"head": head, "digest": lead.service("GET", f"proposals/{identity}").json()["digest"]}
    approved = lead.service("POST", f"proposals/{identity}/approvals", json=decision)
    assert approved.is_success, approved.text
    merged = lead.service("POST", f"proposals/{identity}/merge", json=decision)
    assert merged.is_success, merged.text
    # The hub was told: it would look by itself after a minute.
    another = f"hub/spawn/{analyst.name}/another"
    assert until(lambda: "red/larger" in analyst.page(another).text, within=10, what="the new profile")

    def branches() -> str:
        return git(Path("/"), "ls-remote", "--heads", _readable(installed))

    until(lambda: "refs/heads/propose/" not in branches(), within=60, what="the end of the proposal's branch")
    analyst.stop_session()
    analyst.start_session({"profile": "red/larger"}, within=120)
    limits = installed.cluster.get("pod", installed.pod_of(analyst.name))["spec"]["containers"][0]["resources"][
        "limits"
    ]
    assert limits["memory"] in ("2Gi", str(2 * 1024**3))
    analyst.stop_session()


def test_a_proposal_is_approved_on_its_pull_request_and_merged_by_a_comment_there(platform: Platform) -> None:
    installed, analyst, lead, forge = platform.installed, platform.analyst, platform.lead, platform.installed.forge
    repository = installed.values["forge"]["repository"]
    forge.share(repository, {analyst.name: "read", lead.name: "write"})
    content = json.dumps(profile(image=JUPYTERLAB, resources=SIZE) | {"title": "Second notebook"})
    body = {"files": [{"path": "teams/red/profiles/second.yaml", "content": content}], "reason": "Another one"}
    proposed = analyst.service("POST", "proposals", json=body)
    assert proposed.is_success, proposed.text
    identity = proposed.json()["id"]

    def pull() -> dict[str, Any] | None:
        found = forge.call("GET", f"repos/{repository}/pulls?state=open")
        return next((each for each in found if each["head"]["ref"] == f"propose/{identity}"), None)

    number = until(pull, within=60, what="the pull request")["number"]
    comments = f"repos/{repository}/issues/{number}/comments"
    comment = until(lambda: forge.call("GET", comments), within=60, what="the service's comment")[0]
    assert "waiting for" in comment["body"]

    def reviewers() -> list[str]:
        asked = forge.call("GET", f"repos/{repository}/pulls/{number}")["requested_reviewers"]
        return [each["login"] for each in asked]

    until(lambda: lead.name in reviewers(), within=60, what="that the lead is asked for a review")
    until(lambda: shown(forge, repository, number) == "pending", within=60, what="the status of the head")
    began = time.time()
    until(lambda: time.time() > began + 1.5, what="another second of the forge's clock")
    forge.as_person(lead.name, "POST", f"repos/{repository}/pulls/{number}/reviews", {"event": "APPROVED", "body": ""})

    def state() -> str:
        return str(lead.service("GET", f"proposals/{identity}").json()["state"])

    # The service asks the forge by itself every ten minutes: a webhook has told it.
    until(lambda: state() == "approved", within=60, what="the approval")
    forge.as_person(lead.name, "POST", comments, {"body": "/merge"})
    until(lambda: state() == "live", within=60, what="the merge")
    merged = f"repos/{repository}/pulls/{number}"
    until(lambda: forge.call("GET", merged)["merged"], within=60, what="the end of the pull request")
    assert "red/second" in analyst.page("hub/spawn").text


def shown(forge: Forge, repository: str, number: int) -> str:
    """Return what the newest status of a pull request says about its approval."""
    head = forge.call("GET", f"repos/{repository}/pulls/{number}")["head"]["sha"]
    statuses = forge.call("GET", f"repos/{repository}/statuses/{head}?sort=recentupdate")
    return next((str(each["status"]) for each in statuses if each["context"] == "allotment/approval"), "")


def _readable(installed: Installed) -> str:
    return installed.repository.replace("://", f"://git:{installed.forge.token(write=True)}@")


def no_way(installed: Installed, pod: str, target: tuple[str, int]) -> None:
    """See that a session reaches the hub and not this. Policies apply a moment after a pod appears, not all at once."""

    def only_the_hub() -> bool:
        return installed.reaches(pod, ("hub", 8081)) and not any(installed.reaches(pod, target) for _ in range(4))

    until(only_the_hub, within=60, what=f"no way to {target}")


needs_policies = pytest.mark.skipif(
    os.environ.get("ALLOTMENT_CLUSTER_POLICIES") != "1",
    reason="set ALLOTMENT_CLUSTER_POLICIES=1 where the cluster enforces network policies",
)


@needs_policies
def test_a_session_reaches_neither_another_session_nor_the_service_but_through_the_proxy(platform: Platform) -> None:
    installed, people = platform.installed, (platform.analyst, platform.lead)
    for person in people:
        person.start_session({"profile": "red/notebook"}, within=120)
    mine, other = (installed.pod_of(person.name) for person in people)
    service = "allotment", 10101
    session = installed.cluster.get("pod", other)["status"]["podIP"], 8888

    for target in (service, session):
        no_way(installed, mine, target)
        assert installed.reaches("deployment/hub", target), target
    ask = "curl -s -o /dev/null -w '%{http_code}' $ALLOTMENT_URL/health"
    assert installed.cluster.run(mine, ask) == "200"
    for person in people:
        person.stop_session()


@needs_policies
def test_a_session_reaches_neither_a_database_beside_the_hub_nor_the_clouds_metadata_server(platform: Platform) -> None:
    installed, analyst = platform.installed, platform.analyst
    analyst.start_session({"profile": "red/notebook"}, within=120)
    mine = installed.pod_of(analyst.name)
    (hub,) = (each for each in installed.cluster.items("pods") if each["metadata"]["labels"].get("component") == "hub")
    database = hub["status"]["podIP"], 5432
    with metadata_server() as metadata, installed.listening("deployment/hub", database[1]):
        for target in (metadata, database):
            assert installed.reaches("deployment/hub", target), target
            no_way(installed, mine, target)
    analyst.stop_session()


@pytest.mark.parametrize(("name", "words"), [("rstudio", "stand-in"), ("vscode", "stand-in")])
def test_rstudio_and_vs_code_open_through_the_proxy(platform: Platform, name: str, words: str) -> None:
    analyst = platform.analyst
    analyst.start_session({"profile": f"red/{name}"}, within=120)
    page = until(
        lambda: (found := analyst.page(f"user/{analyst.name}/{name}/")).is_success and found, within=60, what=name
    )
    assert words in page.text.lower()
    analyst.stop_session()


def test_an_upgrade_changes_what_is_configured_and_keeps_sessions_and_secrets(platform: Platform) -> None:
    installed, analyst = platform.installed, platform.analyst
    analyst.start_session({"profile": "red/notebook"}, within=120)
    pod = installed.pod_of(analyst.name)
    uid = installed.cluster.get("pod", pod)["metadata"]["uid"]
    kept = [installed.cluster.get("secret", name)["data"] for name in ("allotment-signing", "hub")]
    token = kept[1]["hub.services.allotment.apiToken"]
    installed.values["jupyterhub"]["custom"]["allotment"]["repository"]["fetchSeconds"] = 3
    installed.values["service"]["resources"] = {"requests": {"cpu": "60m"}}
    installed.install()
    installed.wait_for_hub()
    assert installed.cluster.get("secret", "allotment-signing")["data"] == kept[0]
    assert installed.cluster.get("secret", "hub")["data"]["hub.services.allotment.apiToken"] == token
    until(analyst.session, within=60, what="the session after the upgrade")
    assert installed.cluster.get("pod", pod)["metadata"]["uid"] == uid
    answers = []

    def answered() -> bool:
        answers.append(analyst.service("GET", "profiles"))
        return answers[-1].is_success

    # Pods are ready a second or two before the network policies let others reach them; until then the proxy says 503.
    until(answered, within=30, what="an answer of the service")
    assert {each.status_code for each in answers} <= {200, 503}, [each.text for each in answers]
    analyst.stop_session()


def test_after_an_upgrade_with_a_domain_for_sessions_each_has_its_own_host(platform: Platform) -> None:
    installed = platform.installed
    hub = installed.values["jupyterhub"]["hub"]
    port = urlsplit(installed.url).port
    hub["config"]["JupyterHub"]["subdomain_host"] = f"http://localhost:{port}"
    assert "sessions share the hub's address" not in installed.install()
    installed.wait_for_hub()
    analyst = installed.sign_in(platform.analyst.name)
    own = f"http://{analyst.name}.localhost:{port}/"
    assert analyst.start_session({"profile": "red/notebook"}, within=120) == f"{own}user/{analyst.name}/"
    lab = analyst.page(f"user/{analyst.name}/lab")
    assert (lab.status_code, str(lab.url).partition("?")[0]) == (200, f"{own}user/{analyst.name}/lab")
    ask = "curl -s -o /dev/null -w '%{http_code}' $ALLOTMENT_URL/health"
    assert installed.cluster.run(installed.pod_of(analyst.name), ask) == "200"
    page = analyst.page("services/allotment/profiles")
    assert (page.status_code, str(page.url)) == (200, f"{installed.url}services/allotment/profiles")
    health = "services/allotment/api/v1/health"
    assert analyst.page(health).json()["shared_origin"] is False
    # The service is not at the hosts of sessions.
    elsewhere = analyst.client.get(own + health, follow_redirects=False)
    assert elsewhere.status_code in (302, 404), elsewhere.text[:300]
    assert "shared_origin" not in elsewhere.text
    analyst.stop_session()


def test_uninstalling_leaves_homes_and_the_signing_key(platform: Platform) -> None:
    installed = platform.installed
    homes = {claim["metadata"]["name"] for claim in installed.cluster.items("pvc")}
    installed.helm("uninstall", "allotment", "--wait", "--timeout", "3m")
    left = {claim["metadata"]["name"] for claim in installed.cluster.items("pvc")}
    assert {name for name in homes if name.startswith("claim-")} <= left
    assert installed.cluster.get("secret", "allotment-signing")
    until(lambda: not installed.cluster.items("daemonsets"), within=60, what="the end of what held images on nodes")
