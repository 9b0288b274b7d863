"""The class that the hub starts sessions with: a Launch becomes KubeSpawner's settings; everything else is its own."""

import asyncio
import contextlib
import secrets
import time
from collections.abc import Mapping
from functools import partial
from typing import Any

from jupyterhub.utils import exponential_backoff
from kubernetes_asyncio.client import ApiException
from kubespawner import KubeSpawner
from traitlets import Unicode

from allotment_profiles.access.deployments import Capabilities, cluster
from allotment_profiles.access.launch import Launch
from allotment_profiles.model.problems import Refusal, RefusedError
from allotment_spawner.hub.mixin import ProfileSpawnerMixin
from allotment_spawner.kubernetes import accounts
from allotment_spawner.kubernetes.names import SERVERNAME, USERNAME, label
from allotment_spawner.kubernetes.pod_check import differences, missing_variables
from allotment_spawner.kubernetes.pod_status import (
    TOO_MUCH_MEMORY,
    PodProblem,
    blind,
    cluster_away,
    end_of,
    memory_restarts,
    pod_differs,
    refused_by_cluster,
    still_ending,
    why_still_there,
)
from allotment_spawner.kubernetes.pods import apply_patch
from allotment_spawner.kubernetes.reflector import REPLACED
from allotment_spawner.kubernetes.retry import AWAY, passes, pause
from allotment_spawner.kubernetes.settings import (
    TRAITS,
    PodDefaults,
    PodSettings,
    literal_environment,
    merge_pod_settings,
    pod_settings,
)
from allotment_spawner.kubernetes.spawn_monitor import START, SpawnMonitor, is_earlier
from allotment_spawner.session.default_url import default_url
from allotment_spawner.session.errors import spawn_exception

_ENDED = "allotment_ended"
_LOOK_SECONDS = 1.0
_IN_TIME = 5.0
"""So long before the hub gives a start up it is told why."""


class KubernetesProfileSpawner(ProfileSpawnerMixin, KubeSpawner):
    """Sessions as pods."""

    home = Unicode("/home/jovyan", config=True, help="Where the home folder is mounted in a session.")
    team_claim = Unicode(config=True, help="The volume claim with a folder for each team; empty: there are none.")
    preparing_image = Unicode(config=True, help="The image that fetches a profile's code; empty: none is fetched.")

    _settings: PodSettings | None = None
    _start_id = ""
    _unseen = False
    """Whether a pod of this start was sent that the hub has not seen yet: the cluster may have it all the same."""
    _seen: dict[str, Any] | None = None
    """The pod as it was seen last."""
    _restarts = 0

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        # What the deployment says; each start begins from it, so that nothing of an earlier one remains.
        self._configured = {name: getattr(self, name) for name in TRAITS}

    def capabilities(self) -> Capabilities:
        """Say what a cluster can do."""
        return cluster()

    # -- from a Launch to a pod

    async def prepare(self, launch: Launch) -> None:
        """Translate the launch, and make its service account ready."""
        settings = pod_settings(launch, self.user.name, self._place())
        for name, value in merge_pod_settings(self._configured, settings).items():
            setattr(self, name, value)
        self._settings = settings
        await self._ensure_account(settings)

    def _place(self) -> PodDefaults:
        mounts = self.volume_mounts.values() if isinstance(self.volume_mounts, dict) else self.volume_mounts
        homes = [mount for mount in mounts if mount.get("mountPath") == self.home]
        volumes = self.volumes.values() if isinstance(self.volumes, dict) else self.volumes
        claims = [
            volume["persistentVolumeClaim"]["claimName"] for volume in volumes if "persistentVolumeClaim" in volume
        ]
        return PodDefaults(
            home=self.home,
            home_mount=self._expand_all(homes[0]) if homes else {},
            team_claim=self.team_claim,
            preparing_image=self.preparing_image,
            own_claims=frozenset(self._expand_all(claims)),
        )

    async def _ensure_account(self, settings: PodSettings) -> None:
        ensured = partial(
            accounts.ensure, self.api, self.namespace, settings.account, settings.parts.account_annotations,
            self.k8s_api_request_timeout,
        )  # fmt: skip
        try:
            await exponential_backoff(
                ensured, f"no service account {settings.account}", timeout=self.k8s_api_request_retry_timeout
            )
        except (TimeoutError, *AWAY) as error:
            raise RefusedError(cluster_away()) from error

    def get_env(self) -> dict[str, Any]:
        """Give the environment, with the page that the session opens and what its credentials say."""
        env: dict[str, Any] = super().get_env()
        if self._launch and self._settings:
            own = {name: value for name, value in self._launch.environment.items() if env.get(name) == value}
            env.update(literal_environment(own))
            env["JUPYTERHUB_DEFAULT_URL"] = default_url(self._launch)
            env["JUPYTERHUB_ROOT_DIR"] = self._folder(self._launch, self._settings)
            env.update(self._settings.parts.environment)
        return env

    def _folder(self, launch: Launch, settings: PodSettings) -> str:
        """Give the folder that the session opens; one below the home only where it is made before."""
        folder = launch.tool.folder if launch.tool else None
        return f"{self.home}/{folder}" if folder and settings.init_container else self.home

    async def load_user_options(self) -> None:
        """Leave KubeSpawner's own list of profiles alone: everything is decided by now."""

    def _build_common_labels(self, extra_labels: dict[str, str]) -> dict[str, str]:
        """Say on pods and claims whose they are, in letters that Kubernetes takes."""
        labels: dict[str, str] = super()._build_common_labels({USERNAME: label(self.user.name), **extra_labels})
        return labels

    def _build_pod_labels(self, extra_labels: dict[str, str]) -> dict[str, str]:
        labels: dict[str, str] = super()._build_pod_labels(extra_labels)
        return {**labels, SERVERNAME: label(self.name)}

    async def get_pod_manifest(self) -> Any:
        """Make KubeSpawner's pod, and add what a Launch says."""
        pod = await super().get_pod_manifest()
        if self._settings and self._launch:
            apply_patch(pod, self._settings).metadata.annotations[START] = self._start_id
        return pod

    async def _make_create_pod_request(self, pod: Any, request_timeout: float) -> Any:
        """Send a pod that is what was decided; nothing looks at it or changes it after this.

        In place of KubeSpawner's own, which writes a pod that is refused into the log, with its session's token.
        """
        settings = self._settings
        if settings and self._launch:
            found = differences(self.api.api_client.sanitize_for_serialization(pod), settings)
            if found:
                raise RefusedError(pod_differs(found))
        before, self._unseen = self._unseen, True
        try:
            await asyncio.wait_for(self.api.create_namespaced_pod(self.namespace, pod), request_timeout)
        except ApiException as error:
            if error.status < 500:
                self._unseen = before  # this one was not taken
            there = self._pod()
            if error.status == 409 and there and not is_earlier(there, self._start_id):
                return True  # it was made, and the answer was lost
            if error.status == 409:
                await super().stop(now=True)  # the pod of an earlier session of this name
            elif settings and error.status == 403 and "serviceaccount" in str(error.body):
                accounts.forget(self.namespace, settings.account)  # somebody deleted it
                await self._ensure_account(settings)
            elif not passes(error):
                raise
            await pause(error)
            return False
        except AWAY as error:
            if not passes(error):
                raise
            return False
        for reflector in (self.pod_reflector, self.event_reflector):
            if reflector:
                reflector.trigger()
        return True

    async def _make_create_pvc_request(self, pvc: Any, request_timeout: float) -> Any:
        """Make the volume of the home; what passes by itself is asked again."""
        try:
            return await super()._make_create_pvc_request(pvc, request_timeout)
        except (ApiException, *AWAY) as error:
            if not passes(error):
                raise
            await pause(error)
            return False

    async def _make_delete_pod_request(self, *pod: Any) -> Any:
        """Have a pod deleted, however long the cluster is away: the hub forgets a session that it could not end."""
        while True:
            try:
                if await super()._make_delete_pod_request(*pod):
                    return True
            except (ApiException, *AWAY) as error:
                # The hub's token is renewed while it runs: being unknown to the API passes, being forbidden does not.
                if isinstance(error, ApiException) and not (passes(error) or error.status == 401):
                    raise
                await pause(error)
            await asyncio.sleep(_LOOK_SECONDS)

    async def _start_reflector(self, kind: str, reflector_class: Any, replace: bool = False, **settings: Any) -> Any:
        """Watch with what never gives up, in the place of KubeSpawner's own.

        It is never replaced: a new one begins with an empty view, in which every session would have ended. And who
        waits for its first view waits behind a shield: being cancelled, it would end the waiting of all others.
        """
        ours = REPLACED.get(reflector_class, reflector_class)
        return await asyncio.shield(super()._start_reflector(kind, ours, **settings))

    # -- a start, and what becomes of it

    async def start(self) -> Any:
        """Start the session; ends early, and says why, where the pod cannot come up."""
        self._settings, self._seen, self._start_id, self._unseen = None, None, secrets.token_hex(8), False
        starting = asyncio.ensure_future(super().start())
        watching = asyncio.ensure_future(self._watch())
        try:
            await asyncio.wait({starting, watching}, return_when=asyncio.FIRST_COMPLETED)
            if not starting.done():
                raise RefusedError(watching.result())
            address = await starting
            self._look_for_credentials()
            self.notice, self._restarts, self._unseen = "", 0, False
            return address
        except RefusedError as error:
            raise spawn_exception(error.refusal) from None
        except ApiException as error:
            self.log.warning("the cluster took no pod for %s: %s %s", self._log_name, error.status, error.body)
            raise spawn_exception(refused_by_cluster(error.status, str(error.body))) from None
        except AWAY as error:
            self.log.warning("the cluster did not answer for %s: %r", self._log_name, error)
            raise spawn_exception(cluster_away()) from None
        finally:
            await _end(starting, watching)

    def _look_for_credentials(self) -> None:
        """Say which credential the cluster should have added and did not: something outside is not set up."""
        pod, settings = self._pod(), self._settings
        if pod and settings:
            for missing in missing_variables(pod, settings):
                self.log.warning("the session %s lacks a credential: %s", self._log_name, missing)
                self.tell(95, f"A credential is missing: {missing}")

    def _pod(self) -> dict[str, Any] | None:
        reflector = self.pod_reflector
        return reflector.pods.get(f"{self.namespace}/{self.pod_name}") if reflector else None

    async def get_url(self) -> str:
        """Give the address of a session that a hub finds when it starts, also of one whose start was cut off."""

        def settled() -> bool:
            pod = self._pod()
            return pod is None or self.is_pod_running(pod)

        with contextlib.suppress(TimeoutError):
            await exponential_backoff(settled, "its pod does not run", timeout=self.start_timeout)
        pod = self._pod()
        if pod and self.is_pod_running(pod) and self.server:
            return f"{self._get_pod_url(pod)}{self.server.base_url}"
        return str(await super().get_url())  # where nothing answers: the hub ends the session

    async def _watch(self) -> Refusal:
        """Tell what happens to the pod; ends with the reason where it will not come up."""
        began = time.monotonic()
        watch = SpawnMonitor(self.tell, self._start_id, max(self.start_timeout - _IN_TIME, _IN_TIME))
        while True:
            await asyncio.sleep(_LOOK_SECONDS)
            pod = self._pod()
            if pod and not is_earlier(pod, self._start_id):
                self._unseen = False
            events = self.events if pod else ()
            reason = watch.look(pod, events, time.monotonic() - began, self._blind())
            if reason:
                return reason

    def _blind(self) -> PodProblem | None:
        """Say why the hub does not see what becomes of a pod; None where it does."""
        for reflector in (self.pod_reflector, self.event_reflector):
            if reflector and reflector.last_error:
                status = getattr(reflector.last_error, "status", None)
                return blind(reflector.kind, self.namespace, status, loaded=reflector.loaded)
        return None

    # -- the end of a session

    async def poll(self) -> int | None:
        """Tell whether the session runs; where it has ended by itself, its user is told why on the start page."""
        await self._start_watching_pods()
        pod = self._pod()  # before KubeSpawner deletes one that has ended
        self._seen = pod or self._seen
        status: int | None = await super().poll()
        if self._session and not self._unready:
            if status is not None and self._end_reason is None:
                end = end_of(self._seen)
                self._end_reason = end.reason
                self._note(f"has ended by itself. {end.sentence}")
            elif pod and (restarts := memory_restarts(pod)) > self._restarts:
                self._restarts = restarts
                self._note(f"lost what it was doing, and was started again in its place. {TOO_MUCH_MEMORY}")
        # The hub ends a start that failed only where something runs; what it has not seen would run for ever.
        return None if self._unseen else status

    def _note(self, what: str) -> None:
        """Have something about the session in the log, and on the start page until the next start."""
        self.log.warning("the session %s %s", self._log_name, what)
        if self._session:
            self.notice = f"Your last session ({self._session.profile}) {what}"

    async def stop(self, now: bool = False) -> None:
        """End the session; once the cluster has taken that, it ends for the hub, even where the pod stays."""
        pod = self._pod()
        if pod and is_earlier(pod, self._start_id) and still_ending(pod) and not self._unseen:
            return  # a start that is over because of it: nothing of its own is there
        try:
            await super().stop(now)
        except TimeoutError:
            self.log.warning(
                "the cluster was told to end the session %s, and its pod is still there after %s seconds: %s",
                self._log_name, self.start_timeout, why_still_there(self._pod()),
            )  # fmt: skip
        self._unseen = False

    def load_state(self, state: Mapping[str, Any]) -> None:
        """Take up why the last session ended."""
        super().load_state(state)
        self.notice = str(state.get(_ENDED, ""))

    def get_state(self) -> dict[str, Any]:
        """Give what has to be known after a restart of the hub, or by the next page."""
        state = super().get_state()
        return {**state, _ENDED: self.notice} if self.notice else state


async def _end(*tasks: asyncio.Future[Any]) -> None:
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
