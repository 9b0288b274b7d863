"""A stand-in for the API server of Kubernetes and for the cluster behind it, with state: a process of its own.

    python -m support.fakes.api_server --namespace sessions

prints where it listens. Pods run at once, or after `--delay` seconds, and answer like JupyterLab at their address until
they are deleted. A watch gives every change since the version that it asks for. What is not there: authorisation,
quotas, images, other kinds than those of `cluster_state`, and defaults that a real server fills in.
"""

import argparse
import asyncio
import contextlib
import json
import uuid
from collections import Counter
from collections.abc import AsyncIterator, Mapping
from typing import Any

import jupyterhub
from aiohttp import web
from support.fakes.cluster_state import (
    KINDS,
    Cluster,
    Key,
    Object,
    Refused,
    Store,
    check,
    identified,
    merged,
    selector,
    without,
)

_APPLY = "application/apply-patch+yaml"
_MERGES = ("application/merge-patch+json", "application/strategic-merge-patch+json")


class Server:
    """Requests become changes of the store."""

    def __init__(self, cluster: Cluster, namespaces: set[str]) -> None:
        self.store, self.cluster, self.namespaces = cluster.store, cluster, namespaces
        self.counts: Counter[str] = Counter()
        self._applied: dict[tuple[Key, str], Object] = {}
        for namespace in namespaces:
            account = {"metadata": identified({"name": "default", "namespace": namespace})}
            self.store.write(("serviceaccounts", namespace, "default"), account)

    def app(self) -> web.Application:
        """Give the server's addresses."""
        app = web.Application(middlewares=[self._answering], client_max_size=4 * 2**20)
        one, many = "/api/v1/namespaces/{namespace}/{resource}/{name}", "/api/v1/namespaces/{namespace}/{resource}"
        app.add_routes([
            web.get(many, self.list), web.get("/api/v1/{resource}", self.list), web.post(many, self.create),
            web.get(one, self.read), web.patch(one, self.patch), web.delete(one, self.delete),
            web.get("/stand-in/counts", self.tell_counts), web.post("/stand-in/forget", self.forget),
        ])  # fmt: skip
        return app

    @web.middleware
    async def _answering(self, request: web.Request, handler: Any) -> web.StreamResponse:
        try:
            if request.match_info.get("resource", "pods") not in KINDS:
                raise Refused(404, "the server could not find the requested resource")
            answer: web.StreamResponse = await handler(request)
        except Refused as refused:
            return web.json_response(refused.status, status=refused.code)
        return answer

    def _key(self, request: web.Request, name: str | None = None) -> Key:
        place = request.match_info
        return (place["resource"], place["namespace"], name or place.get("name", ""))

    def _found(self, key: Key) -> Object:
        if key not in self.store.objects:
            raise Refused(404, f'{key[0]} "{key[2]}" not found', name=key[2], kind=key[0])
        return self.store.objects[key]

    async def _body(self, request: web.Request) -> Object:
        try:
            body = json.loads(await request.read() or b"{}")
        except ValueError as error:
            raise Refused(400, f"the object provided is unrecognized: {error}") from None
        if not isinstance(body, dict):
            raise Refused(400, "the object provided is unrecognized: it is no object")
        return body

    async def tell_counts(self, _request: web.Request) -> web.Response:
        """Say how many requests there were: `create pods` → number."""
        return web.json_response(self.counts)

    async def forget(self, _request: web.Request) -> web.Response:
        """Forget old versions, as a real server does after some minutes."""
        self.store.forget()
        return web.json_response({"version": self.store.version})

    async def read(self, request: web.Request) -> web.Response:
        """GET one."""
        key = self._key(request)
        self.counts[f"get {key[0]}"] += 1
        return web.json_response(self._found(key))

    async def create(self, request: web.Request) -> web.Response:
        """POST."""
        resource, namespace, _ = self._key(request)
        self.counts[f"create {resource}"] += 1
        body = await self._body(request)
        metadata = dict(body.get("metadata") or {})
        if not metadata.get("name") and metadata.get("generateName"):
            metadata["name"] = metadata["generateName"] + uuid.uuid4().hex[:5]
        if namespace not in self.namespaces:
            raise Refused(404, f'namespaces "{namespace}" not found', name=namespace, kind="namespaces")
        if not metadata.get("name"):
            raise Refused(422, f'{KINDS[resource]} "" is invalid: metadata.name: Required value: name or generateName is required', kind=KINDS[resource])  # fmt: skip  # noqa: E501
        return web.json_response(self._made(resource, namespace, {**body, "metadata": metadata}), status=201)

    def _made(self, resource: str, namespace: str, body: Object) -> Object:
        check(resource, body)
        key = (resource, namespace, body["metadata"]["name"])
        if key in self.store.objects:
            raise Refused(409, f'{resource} "{key[2]}" already exists', reason="AlreadyExists", name=key[2], kind=resource)  # fmt: skip  # noqa: E501
        found = {**body, "metadata": {**identified(body["metadata"]), "namespace": namespace}}
        if resource == "pods":
            account = found["spec"].get("serviceAccountName") or "default"
            if ("serviceaccounts", namespace, account) not in self.store.objects:
                raise Refused(403, f'pods "{key[2]}" is forbidden: error looking up service account {namespace}/{account}: serviceaccount "{account}" not found', name=key[2], kind="pods")  # fmt: skip  # noqa: E501
            found["spec"] = {**found["spec"], "serviceAccountName": account}
            found["status"] = {"phase": "Pending", "qosClass": "Burstable"}
        made = self.store.write(key, found)
        if resource == "pods":
            self.cluster.begin(key)
        return made

    async def patch(self, request: web.Request) -> web.Response:
        """PATCH: server-side apply, which also makes; or a merge."""
        key = self._key(request)
        self.counts[f"patch {key[0]}"] += 1
        body = await self._body(request)
        if request.content_type in _MERGES:
            changed = self._replaced(key, merged(self._found(key), body), body)
        elif request.content_type == _APPLY:
            manager = request.query.get("fieldManager", "")
            if not manager:
                raise Refused(422, "PatchOptions.meta.k8s.io is invalid: fieldManager: Required value")
            before, self._applied[key, manager] = self._applied.get((key, manager), {}), body
            if key not in self.store.objects:
                made = {**body, "metadata": {**body.get("metadata", {}), "name": key[2]}}
                return web.json_response(self._made(key[0], key[1], made), status=201)
            changed = self._replaced(key, merged(without(self._found(key), before, body), body), body)
        else:
            raise Refused(415, f"the body of the request was in an unknown format: {request.content_type}")
        return web.json_response(changed)

    def _replaced(self, key: Key, found: Object, asked: Object) -> Object:
        now = self._found(key)
        version = (asked.get("metadata") or {}).get("resourceVersion")
        if version and version != now["metadata"]["resourceVersion"]:
            raise Refused(409, f'Operation cannot be fulfilled on {key[0]} "{key[2]}": the object has been modified; please apply your changes to the latest version and try again', name=key[2], kind=key[0])  # fmt: skip  # noqa: E501
        check(key[0], found)
        return now if found == now else self.store.write(key, found)

    async def delete(self, request: web.Request) -> web.Response:
        """DELETE one."""
        key = self._key(request)
        self.counts[f"delete {key[0]}"] += 1
        body = await self._body(request)
        found = self._found(key)
        wanted = (body.get("preconditions") or {}).get("uid")
        if wanted and wanted != found["metadata"]["uid"]:
            raise Refused(409, f'Operation cannot be fulfilled on {key[0]} "{key[2]}": Precondition failed: UID in precondition: {wanted}, UID in object meta: {found["metadata"]["uid"]}', name=key[2], kind=key[0])  # fmt: skip  # noqa: E501
        if key[0] == "pods":
            seconds = request.query.get("gracePeriodSeconds", body.get("gracePeriodSeconds"))
            return web.json_response(self.cluster.end(key, None if seconds is None else float(seconds)))
        self.store.remove(key)
        details = {"name": key[2], "kind": key[0], "uid": found["metadata"]["uid"]}
        return web.json_response({"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success", "details": details})  # fmt: skip  # noqa: E501

    async def list(self, request: web.Request) -> web.StreamResponse:
        """GET many, or watch them."""
        resource, namespace = request.match_info["resource"], request.match_info.get("namespace", "")
        if request.query.get("watch", "") in ("1", "true", "True"):
            self.counts[f"watch {resource}"] += 1
            return await self._watch(request, resource, namespace)
        self.counts[f"list {resource}"] += 1
        wanted = selector(request.query)
        return web.json_response({
            "kind": f"{KINDS[resource]}List", "apiVersion": "v1",
            "metadata": {"resourceVersion": str(self.store.version)},
            "items": [
                {name: value for name, value in each.items() if name not in ("kind", "apiVersion")}
                for each in self.store.of(resource, namespace) if wanted(each)
            ],
        })  # fmt: skip

    async def _watch(self, request: web.Request, resource: str, namespace: str) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Type": "application/json"})
        await response.prepare(request)
        with contextlib.suppress(ConnectionResetError):  # whoever watched is gone
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(float(request.query.get("timeoutSeconds") or 1800)):
                    async for kind, found in self._changes(resource, namespace, request.query):
                        await response.write(json.dumps({"type": kind, "object": found}).encode() + b"\n")
            await response.write_eof()
        return response

    async def _changes(
        self, resource: str, namespace: str, query: Mapping[str, str]
    ) -> AsyncIterator[tuple[str, Object]]:
        """Give what is and what becomes: from the version that is asked for, or from all that there is."""
        wanted, asked, seen = selector(query), query.get("resourceVersion", ""), self.store.version
        if asked in ("", "0"):
            for each in [*self.store.of(resource, namespace)]:
                if wanted(each):
                    yield "ADDED", each
        else:
            seen = int(asked)
        while True:
            news = self.store.news
            if seen < self.store.first:
                yield "ERROR", Refused(410, f"too old resource version: {seen} ({self.store.first})").status
                return
            for change in self.store.changes[seen - self.store.first :]:
                kind = change.seen_by(wanted)
                if kind and change.key[0] == resource and namespace in ("", change.key[1]):
                    yield kind, change.now
                seen += 1
            await news.wait()


async def _session(request: web.Request) -> web.Response:
    """Answer as JupyterLab does at a path below `/user/`, where a pod runs that serves it."""
    parts = request.path.split("/")
    serving: dict[str, str] = request.app["serving"]
    if any("/".join(parts[:length]) + "/" in serving for length in (3, 4)):
        return web.json_response({"version": "2.0"}, headers={"X-JupyterHub-Version": jupyterhub.__version__})
    return web.Response(status=503)


async def serve(arguments: argparse.Namespace) -> None:
    """Serve until the process ends."""
    cluster = Cluster(Store(), arguments.delay, arguments.ending, arguments.sessions)
    sessions = web.Application()
    sessions["serving"] = cluster.serving
    sessions.router.add_get("/{path:.*}", _session)
    ports = []
    for app, host in ((Server(cluster, set(arguments.namespace)).app(), "127.0.0.1"), (sessions, arguments.sessions)):
        runner = web.AppRunner(app, access_log=None)
        await runner.setup()
        await web.TCPSite(runner, host, 0).start()
        ports.append(runner.addresses[0][1])
    print(json.dumps({"api": ports[0], "sessions": ports[1]}), flush=True)  # noqa: T201  (whoever started it reads it)
    await asyncio.Event().wait()


def main() -> None:
    """Take the arguments and serve."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--namespace", action="append", default=[], help="one that there is; may be repeated")
    parser.add_argument("--delay", type=float, default=0.0, help="seconds until a pod runs")
    parser.add_argument("--ending", type=float, default=0.0, help="seconds until a deleted pod is gone")
    parser.add_argument("--sessions", default="127.0.0.2", help="the address where all sessions answer")
    asyncio.run(serve(parser.parse_args()))


if __name__ == "__main__":
    main()
