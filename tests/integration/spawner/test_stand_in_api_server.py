"""The stand-in for the API server answers as a real one does; where there is a cluster, it is asked the same."""

import json
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
from support.conditions import until
from support.fakes.stand_in import NAMESPACE, StandInCluster
from support.servers.cluster import SLEEPER, Cluster, needs_cluster

_APPLY = {"Content-Type": "application/apply-patch+yaml"}
_MERGE = {"Content-Type": "application/merge-patch+json"}
Answer = tuple[int, str]


@contextmanager
def real_one() -> Iterator[httpx.Client]:
    """Give the way to a namespace of the real cluster."""
    with Cluster.opened("same") as cluster:
        proxy = subprocess.Popen(["kubectl", "proxy", "--port=0"], stdout=subprocess.PIPE, text=True)
        with proxy:
            try:
                assert proxy.stdout is not None
                address = proxy.stdout.readline().split()[-1]
                with httpx.Client(
                    base_url=f"http://{address}/api/v1/namespaces/{cluster.namespace}/", trust_env=False
                ) as client:
                    until(lambda: client.get("serviceaccounts/default").status_code == 200, what="the namespace")
                    yield client
            finally:
                proxy.terminate()


@contextmanager
def this_one(stand_in: StandInCluster) -> Iterator[httpx.Client]:
    url = f"{stand_in.client.base_url}/api/v1/namespaces/{NAMESPACE}/"
    with httpx.Client(base_url=url, trust_env=False) as client:
        yield client


def pod(name: str, **spec: Any) -> dict[str, Any]:
    container = {
        "name": "notebook", "image": SLEEPER, "imagePullPolicy": "Never",
        "env": [{"name": "JUPYTERHUB_SERVICE_PREFIX", "value": "/user/ann/"}],
        "securityContext": {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}},
    }  # fmt: skip
    security = {"runAsNonRoot": True, "runAsUser": 1000, "seccompProfile": {"type": "RuntimeDefault"}}
    return {
        "metadata": {"name": name, "labels": {"component": "session"}},
        "spec": {"containers": [container], "securityContext": security, **spec},
    }


def answer(response: httpx.Response) -> Answer:
    body = response.json()
    return response.status_code, body.get("reason", "") if body["kind"] == "Status" else body["kind"]


def events(client: httpx.Client, resource: str, **query: Any) -> list[tuple[str, str]]:
    """Watch for a second; give the kind of each event and the name, or for an error its code."""
    lines = client.get(resource, params={"watch": "true", "timeoutSeconds": 1, **query}).text.splitlines()
    found = [json.loads(line) for line in lines]
    return [
        (each["type"], str(each["object"]["code"]) if each["type"] == "ERROR" else each["object"]["metadata"]["name"])
        for each in found
    ]


def the_same_questions(client: httpx.Client) -> dict[str, Any]:
    """Ask what the hub asks, and what goes wrong with it."""
    account = {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "red", "annotations": {"a": "1"}}}
    manager = {"fieldManager": "us", "force": "true"}
    secret = {"metadata": {"name": "keys", "labels": {"kept": "yes"}}, "data": {}}
    told: dict[str, Any] = {
        "applied anew": answer(client.patch("serviceaccounts/red", params=manager, headers=_APPLY, json=account)),
        "written by others": answer(
            client.patch("serviceaccounts/red", headers=_MERGE, json={"metadata": {"annotations": {"b": "2"}}})
        ),
    }
    account["metadata"] = {"name": "red", "annotations": {"c": "3"}}
    client.patch("serviceaccounts/red", params=manager, headers=_APPLY, json=account).raise_for_status()
    told["what each has written"] = client.get("serviceaccounts/red").json()["metadata"]["annotations"]
    began = client.get("secrets").json()["metadata"]["resourceVersion"]
    told |= {
        "made": answer(client.post("secrets", json=secret)),
        "made twice": answer(client.post("secrets", json=secret)),
        "changed from an old version": answer(
            client.patch(
                "secrets/keys", headers=_MERGE, json={"metadata": {"resourceVersion": "1", "labels": {"x": "y"}}}
            )
        ),
        "changed where there is none": answer(client.patch("secrets/none", headers=_MERGE, json={})),
        "no such": answer(client.get("secrets/none")),
        "no such to delete": answer(client.delete("secrets/none")),
        "a bad name": answer(client.post("secrets", json={"metadata": {"name": "Not_A_Name"}})),
        "a bad label": answer(client.post("secrets", json={"metadata": {"name": "x", "labels": {"a": "no blank"}}})),
        "no name": answer(client.post("secrets", json={"metadata": {}})),
        "no JSON": answer(client.post("secrets", content=b"{", headers={"Content-Type": "application/json"})),
        "no containers": answer(client.post("pods", json={"metadata": {"name": "empty"}, "spec": {"containers": []}})),
        "no account": answer(client.post("pods", json=pod("lonely", serviceAccountName="nobody"))),
        "no namespace": answer(client.post("../no-such-namespace/secrets", json=secret)),
        "no such kind": client.get("gadgets").status_code,
        "deleted as another one": answer(
            client.request("DELETE", "secrets/keys", json={"preconditions": {"uid": "another"}})
        ),
        "deleted": answer(client.delete("secrets/keys")),
        "all that happened since": events(client, "secrets", resourceVersion=began),
        "what has the label": events(client, "secrets", resourceVersion=began, labelSelector="kept=no"),
        "listed": answer(client.get("pods", params={"labelSelector": "component=session"})),
    }
    return told


EXPECTED = {
    "applied anew": (201, "ServiceAccount"),
    "written by others": (200, "ServiceAccount"),
    "what each has written": {"b": "2", "c": "3"},
    "made": (201, "Secret"),
    "made twice": (409, "AlreadyExists"),
    "changed from an old version": (409, "Conflict"),
    "changed where there is none": (404, "NotFound"),
    "no such": (404, "NotFound"),
    "no such to delete": (404, "NotFound"),
    "a bad name": (422, "Invalid"),
    "a bad label": (422, "Invalid"),
    "no name": (422, "Invalid"),
    "no JSON": (400, "BadRequest"),
    "no containers": (422, "Invalid"),
    "no account": (403, "Forbidden"),
    "no namespace": (404, "NotFound"),
    "no such kind": 404,
    "deleted as another one": (409, "Conflict"),
    "deleted": (200, ""),
    "all that happened since": [("ADDED", "keys"), ("DELETED", "keys")],
    "what has the label": [],
    "listed": (200, "PodList"),
}


def test_the_stand_in_answers_as_is_written_here(stand_in: StandInCluster) -> None:
    with this_one(stand_in) as client:
        assert the_same_questions(client) == EXPECTED


@needs_cluster
def test_a_real_server_answers_the_same() -> None:
    with real_one() as client:
        assert the_same_questions(client) == EXPECTED


def test_a_pod_runs_answers_and_ends(stand_in: StandInCluster) -> None:
    with this_one(stand_in) as client:
        began = client.get("pods").json()["metadata"]["resourceVersion"]
        assert client.post("pods", json=pod("jupyter-ann")).json()["status"]["phase"] == "Pending"
        running = until(lambda: next((each for each in stand_in.items("pods") if each["status"].get("podIP")), None))
        assert running["status"]["phase"] == "Running"
        session = f"http://{running['status']['podIP']}:{stand_in.sessions}/user/ann/api"
        assert "X-JupyterHub-Version" in httpx.get(session, trust_env=False).headers
        assert [each["reason"] for each in stand_in.items("events")] == ["Scheduled", "Pulled", "Started"]
        assert "deletionTimestamp" in client.delete("pods/jupyter-ann").json()["metadata"]
        until(lambda: client.get("pods/jupyter-ann").status_code == 404, what="the end of the pod")
        kinds = ["ADDED", "MODIFIED", "MODIFIED", "MODIFIED", "DELETED"]
        assert events(client, "pods", resourceVersion=began) == [(kind, "jupyter-ann") for kind in kinds]
        assert httpx.get(session, trust_env=False).status_code == 503


def test_a_watch_from_a_forgotten_version_gets_a_410_and_ends(stand_in: StandInCluster) -> None:
    with this_one(stand_in) as client:
        client.post("secrets", json={"metadata": {"name": "old"}}).raise_for_status()
        stand_in.client.post("/stand-in/forget").raise_for_status()
        assert events(client, "secrets", resourceVersion="1001") == [("ERROR", "410")]
        assert events(client, "secrets", resourceVersion="0") == [("ADDED", "old")]


def test_a_watch_ends_after_its_time_and_hears_what_happens_meanwhile(stand_in: StandInCluster, tmp_path: Path) -> None:
    with this_one(stand_in) as client, this_one(stand_in) as other:
        version = client.get("services").json()["metadata"]["resourceVersion"]
        query = {"watch": "true", "timeoutSeconds": 2, "resourceVersion": version}
        began = time.monotonic()
        with client.stream("GET", "services", params=query) as stream:
            other.post("services", json={"metadata": {"name": "late"}}).raise_for_status()
            names = [json.loads(line)["object"]["metadata"]["name"] for line in stream.iter_lines()]
        assert names == ["late"]
        assert time.monotonic() - began >= 2


def test_requests_are_counted_by_verb_and_kind(stand_in: StandInCluster) -> None:
    with this_one(stand_in) as client:
        before = stand_in.counts()
        client.get("persistentvolumeclaims")
        client.get("persistentvolumeclaims/none")
        client.post("persistentvolumeclaims", json={"metadata": {"name": "claim"}})
        assert stand_in.counts() - before == {
            "list persistentvolumeclaims": 1, "get persistentvolumeclaims": 1, "create persistentvolumeclaims": 1,
        }  # fmt: skip
