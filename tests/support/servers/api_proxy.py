"""Stands between a hub and the API server of the real cluster, and makes the faults that such a server has.

async with ApiProxy.opened() as proxy:
    hub = ClusterHub(tmp_path, namespace, k8s_api_host=proxy.address)
    proxy.answer(429, path="pods$", method="POST", retry_after=1)
    async with proxy.away():
        ...
"""

import asyncio
import json
import re
import ssl
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from typing import Self

import aiohttp
from aiohttp import web
from kubernetes_asyncio import config
from kubernetes_asyncio.client import Configuration
from kubespawner import clients
from support.connections import cut_connections
from support.servers.cluster import configuration
from yarl import URL

_HOP = frozenset({"connection", "content-length", "host", "keep-alive", "transfer-encoding", "authorization"})
_REASONS = {403: "Forbidden", 409: "Conflict", 410: "Expired", 429: "TooManyRequests", 500: "InternalError"}


@dataclass(frozen=True)
class Asked:
    """One request that came in."""

    method: str
    path: str
    watch: bool
    at: float
    """When, on the loop's clock."""


@dataclass
class _Fault:
    """What the next requests of one kind get instead of the server's answer."""

    method: str
    path: str
    watch: bool | None
    status: int
    times: int
    retry_after: int | None = None
    event: bool = False
    lost: bool = False

    def meets(self, asked: Asked) -> bool:
        return (
            self.times > 0
            and self.method == asked.method
            and self.watch in (None, asked.watch)
            and re.search(self.path, asked.path) is not None
        )

    def response(self) -> web.Response:
        reason = _REASONS.get(self.status, "Unknown")
        status = {"kind": "Status", "apiVersion": "v1", "status": "Failure", "reason": reason, "code": self.status}
        status["message"] = f"made up by the test: {reason}"
        if self.event:
            return web.json_response({"type": "ERROR", "object": status}, dumps=lambda value: json.dumps(value) + "\n")
        headers = {} if self.retry_after is None else {"Retry-After": str(self.retry_after)}
        return web.json_response(status, status=self.status, headers=headers)


class ApiProxy:
    """Passes requests on to the cluster of KUBECONFIG, unless told otherwise."""

    def __init__(self, upstream: Configuration, session: aiohttp.ClientSession) -> None:
        self.asked: list[Asked] = []
        """Every request that came in, in order."""
        self.delay = 0.0
        """Seconds before a request is passed on."""
        self.port = 0
        self._upstream = upstream
        self._session = session
        self._moving = asyncio.Event()
        self._moving.set()
        self._faults: list[_Fault] = []
        self._site: web.TCPSite | None = None
        application = web.Application(client_max_size=8 * 1024**2)
        application.router.add_route("*", "/{path:.*}", self._pass_on)
        self._runner = web.AppRunner(application, access_log=None, handler_cancellation=True, shutdown_timeout=1)

    @classmethod
    @asynccontextmanager
    async def opened(cls) -> AsyncIterator[Self]:
        """Listen on a port of this machine; KubeSpawner's clients are as before when it ends."""
        upstream = Configuration()
        await config.load_kube_config(str(configuration()), client_configuration=upstream)
        connector = aiohttp.TCPConnector(ssl=_tls(upstream), limit=0)
        async with aiohttp.ClientSession(connector=connector, auto_decompress=False) as session:
            proxy = cls(upstream, session)
            await proxy._runner.setup()
            await proxy.come_back()
            with _clients_as_before():
                try:
                    yield proxy
                finally:
                    proxy._moving.set()
                    await proxy._runner.cleanup()
                    await cut_connections()

    @property
    def address(self) -> str:
        """What KubeSpawner's `k8s_api_host` is set to."""
        return f"http://127.0.0.1:{self.port}"

    # -- faults

    async def go_away(self) -> None:
        """Refuse connections, and cut those that are open."""
        assert self._site is not None
        await self._site.stop()
        self._site = None
        assert self._runner.server is not None
        for connection in list(self._runner.server.connections):
            if connection.transport:
                connection.transport.abort()

    async def come_back(self) -> None:
        """Listen again, at the same address."""
        self._site = web.TCPSite(self._runner, "127.0.0.1", self.port, reuse_address=True)
        await self._site.start()
        self.port = self._runner.addresses[0][1]

    @asynccontextmanager
    async def away(self) -> AsyncIterator[None]:
        """Be away for a while."""
        await self.go_away()
        try:
            yield
        finally:
            await self.come_back()

    @contextmanager
    def hanging(self) -> Iterator[None]:
        """Take connections and requests, and answer nothing until the end; what is open stands still."""
        self._moving.clear()
        try:
            yield
        finally:
            self._moving.set()

    def answer(
        self, status: int, *, method: str = "GET", path: str = "", watch: bool | None = None, times: int = 1,
        retry_after: int | None = None, event: bool = False,
    ) -> None:  # fmt: skip
        """Answer the next requests with an error; `path` is looked for in theirs, `event` makes it one of a watch."""
        self._faults.append(_Fault(method, path, watch, status, times, retry_after, event))

    def lose(self, *, method: str, path: str, times: int = 1) -> None:
        """Pass the next requests on, and cut the connection in place of their answers."""
        self._faults.append(_Fault(method, path, None, 0, times, lost=True))

    def waiting_faults(self) -> int:
        """Give how many errors have not been asked for yet."""
        return sum(fault.times for fault in self._faults)

    def requests(self, *, method: str = "GET", path: str = "", watch: bool | None = None) -> list[Asked]:
        """Give the requests of one kind that came in."""
        kind = _Fault(method, path, watch, 0, 1)
        return [asked for asked in self.asked if kind.meets(asked)]

    # -- passing on

    async def _pass_on(self, request: web.Request) -> web.StreamResponse:
        watch = request.query.get("watch", "").lower() in ("true", "1")
        asked = Asked(request.method, request.path, watch, asyncio.get_running_loop().time())
        self.asked.append(asked)
        if self.delay:
            await asyncio.sleep(self.delay)
        await self._moving.wait()
        fault = next((fault for fault in self._faults if fault.meets(asked)), None)
        if fault:
            fault.times -= 1
            if not fault.lost:
                return fault.response()
        headers = {name: value for name, value in request.headers.items() if name.lower() not in _HOP}
        token = await self._upstream.get_api_key_with_prefix("BearerToken")
        if token:
            headers["Authorization"] = token
        async with self._session.request(
            request.method, URL(self._upstream.host + request.raw_path, encoded=True), headers=headers,
            data=await request.read(), allow_redirects=False, timeout=aiohttp.ClientTimeout(total=None),
        ) as answer:  # fmt: skip
            if fault:
                await answer.read()
                assert request.transport is not None
                request.transport.abort()
                return web.Response()
            try:
                return await self._answer_with(answer, request)
            except BaseException:
                # Whoever asked has gone: a proper end of the encrypted connection would outlast the test.
                if answer.connection and answer.connection.transport:
                    answer.connection.transport.abort()
                raise

    async def _answer_with(self, answer: aiohttp.ClientResponse, request: web.Request) -> web.StreamResponse:
        headers = {name: value for name, value in answer.headers.items() if name.lower() not in _HOP}
        response = web.StreamResponse(status=answer.status, reason=answer.reason, headers=headers)
        await response.prepare(request)
        async for chunk in answer.content.iter_any():
            await self._moving.wait()
            await response.write(chunk)
        await response.write_eof()
        return response


def _tls(upstream: Configuration) -> ssl.SSLContext:
    context = ssl.create_default_context(cafile=upstream.ssl_ca_cert)
    if upstream.cert_file:
        context.load_cert_chain(upstream.cert_file, upstream.key_file)
    return context


@contextmanager
def _clients_as_before() -> Iterator[None]:
    """Let KubeSpawner read the way to the cluster anew, now and afterwards: it keeps it for the whole process."""
    clients.load_config.cache_clear()
    try:
        yield
    finally:
        clients.load_config.cache_clear()
        Configuration.set_default(None)
