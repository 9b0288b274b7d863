"""The spawner class for Kubernetes: converts a Launch to KubeSpawner's traits, and reports faults of the cluster."""

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
from allotment_spawner.kubernetes import accounts, pod_status
from allotment_spawner.kubernetes.names import SERVERNAME, USERNAME, label
from allotment_spawner.kubernetes.pod_check import differences, missing_variables
from allotment_spawner.kubernetes.pod_settings import (
    TRAITS,
    PodDefaults,
    PodSettings,
    escape_variable,
    merge_traits,
    pod_settings,
)
from allotment_spawner.kubernetes.pods import apply_patch
from allotment_spawner.kubernetes.reflector import REPLACED
from allotment_spawner.kubernetes.retry import CONNECTION_ERRORS, is_temporary, wait_retry_after
from allotment_spawner.kubernetes.spawn_monitor import START, SpawnMonitor, is_earlier
from allotment_spawner.session.errors import spawn_exception
from allotment_spawner.session.session import default_url

_ENDED = "allotment_ended"
_VERSION = "kubespawner_version"
_POLL_SECONDS = 1.0
_REFUSE_BEFORE = 5.0
"""Seconds before the hub's own timeout at which a start is refused, so that the refusal names the reason."""


class KubernetesProfileSpawner(ProfileSpawnerMixin, KubeSpawner):
    """Runs a profile as a pod."""

    home = Unicode("/home/jovyan", config=True, help="Where the home folder is mounted in a session.")
    team_claim = Unicode(config=True, help="The volume claim with a folder for each team. Empty: there are none.")
    preparing_image = Unicode(config=True, help="The image that fetches a profile's code. Empty: none is fetched.")

    _settings: PodSettings | None = None
    _start_id = ""
    _unconfirmed = False
    """Whether a create request was sent and the reflector has not shown the pod yet, so that it may exist."""
    _last_pod: dict[str, Any] | None = None
    _restarts = 0
    _of_older_version = False
    """Whether the state was stored by a KubeSpawner before 7, which did not store the name of the home's claim."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        # The deployment's traits. Each start begins with them, so that nothing of an earlier start remains.
        self._configured = {name: getattr(self, name) for name in TRAITS}
        if self.for_trials:
            self.storage_pvc_ensure = False  # a trial has an empty volume instead of a home

    def capabilities(self) -> Capabilities:
        """Return what a cluster can do."""
        return cluster()

    # -- from a Launch to a pod

    async def prepare(self, launch: Launch) -> None:
        """Set KubeSpawner's traits, and create the service account."""
        settings = pod_settings(launch, self.user.name, self.pod_defaults())
        for name, value in merge_traits(self._configured, settings.traits).items():
            setattr(self, name, value)
        self._settings = settings
        await self._ensure_account(settings)

    def pod_defaults(self) -> PodDefaults:
        """Return what the deployment decides for every pod, with this user's own names in it."""
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
        account, annotations = settings.traits.service_account, settings.patch.account_annotations
        ensure = partial(accounts.ensure, self.api, self.namespace, account, annotations, self.k8s_api_request_timeout)
        try:
            await exponential_backoff(
                ensure, f"no service account {account}", timeout=self.k8s_api_request_retry_timeout
            )
        except (TimeoutError, *CONNECTION_ERRORS) as error:
            raise RefusedError(pod_status.cluster_away()) from error

    def escape_variable(self, value: str) -> str:
        """Escape a variable's value for the kubelet."""
        return escape_variable(value)

    def get_env(self) -> dict[str, Any]:
        """Return the environment, with the page that the session opens and the variables of its credentials."""
        env: dict[str, Any] = super().get_env()
        if self._launch and self._settings:
            env["JUPYTERHUB_DEFAULT_URL"] = default_url(self._launch)
            # A folder below the home is opened only if the init container creates it.
            folder = self._launch.tool.folder if self._launch.tool and self._settings.init_container else None
            env["JUPYTERHUB_ROOT_DIR"] = f"{self.home}/{folder}" if folder else self.home
            env.update(self._settings.patch.environment)
        return env

    async def load_user_options(self) -> None:
        """Skip KubeSpawner's own list of profiles: everything is decided already."""

    def _build_common_labels(self, extra_labels: dict[str, str]) -> dict[str, str]:
        """Label pods and claims with a valid and unique name of the user."""
        labels: dict[str, str] = super()._build_common_labels({USERNAME: label(self.user.name), **extra_labels})
        return labels

    def _build_pod_labels(self, extra_labels: dict[str, str]) -> dict[str, str]:
        labels: dict[str, str] = super()._build_pod_labels(extra_labels)
        return {**labels, SERVERNAME: label(self.name)}

    async def get_pod_manifest(self) -> Any:
        """Return KubeSpawner's pod with the additions of the Launch."""
        pod = await super().get_pod_manifest()
        if self._settings and self._launch:
            apply_patch(pod, self._settings).metadata.annotations[START] = self._start_id
        return pod

    # -- requests to the cluster

    async def _make_create_pod_request(self, pod: Any, request_timeout: float) -> Any:
        """Check the pod and create it. Nothing changes the pod after the check. Return False to be called again.

        Replaces KubeSpawner's method, which logs a rejected pod with the session's token.
        """
        settings = self._settings
        if settings and self._launch:
            found = differences(self.api.api_client.sanitize_for_serialization(pod), settings)
            if found:
                raise RefusedError(pod_status.pod_differs(found))
        before, self._unconfirmed = self._unconfirmed, True
        try:
            await asyncio.wait_for(self.api.create_namespaced_pod(self.namespace, pod), request_timeout)
        except ApiException as error:
            if error.status < 500:
                self._unconfirmed = before  # the API did not create this one
            return await self._handle_rejection(error)
        except CONNECTION_ERRORS as error:
            if not is_temporary(error):
                raise
            return False
        for reflector in (self.pod_reflector, self.event_reflector):
            if reflector:
                reflector.trigger()
        return True

    async def _handle_rejection(self, error: ApiException) -> bool:
        """Remove the cause of a rejected create request. Return True if the pod exists, False to retry, or raise."""
        settings, existing = self._settings, self._pod()
        if error.status == 409 and existing and not is_earlier(existing, self._start_id):
            return True  # an earlier attempt created it, and its response was lost
        if error.status == 409:
            await super().stop(now=True)  # the pod of an earlier session of this name
        elif settings and error.status == 403 and "serviceaccount" in str(error.body):
            accounts.forget(self.namespace, settings.traits.service_account)  # somebody deleted it
            await self._ensure_account(settings)
        elif not is_temporary(error):
            raise error
        await wait_retry_after(error)
        return False

    async def _make_create_pvc_request(self, pvc: Any, request_timeout: float) -> Any:
        """Create the volume claim of the home. Return False after a temporary failure, to be called again."""
        try:
            return await super()._make_create_pvc_request(pvc, request_timeout)
        except (ApiException, *CONNECTION_ERRORS) as error:
            if not is_temporary(error):
                raise
            await wait_retry_after(error)
            return False

    async def _make_delete_pod_request(self, *pod: Any) -> Any:
        """Delete a pod, however long the cluster is away. If this failed, the hub would forget a running session."""
        while True:
            try:
                if await super()._make_delete_pod_request(*pod):
                    return True
            except (ApiException, *CONNECTION_ERRORS) as error:
                # 401 is temporary because the hub's token is renewed while it runs; 403 is not.
                if isinstance(error, ApiException) and not (is_temporary(error) or error.status == 401):
                    raise
                await wait_retry_after(error)
            await asyncio.sleep(_POLL_SECONDS)

    async def _start_reflector(self, kind: str, reflector_class: Any, replace: bool = False, **settings: Any) -> Any:
        """Start our reflector, which never gives up, instead of KubeSpawner's.

        It is never replaced: a new one starts empty, as if every session had ended. The shield is needed because
        cancelling one waiter for its first list would cancel the wait of all others.
        """
        ours = REPLACED.get(reflector_class, reflector_class)
        return await asyncio.shield(super()._start_reflector(kind, ours, **settings))

    # -- the start

    async def start(self) -> Any:
        """Start the session. Fails early, with the reason, if the pod cannot start."""
        self._settings, self._last_pod, self._start_id, self._unconfirmed = None, None, secrets.token_hex(8), False
        starting = asyncio.ensure_future(super().start())
        watching = asyncio.ensure_future(self._watch())
        try:
            await asyncio.wait({starting, watching}, return_when=asyncio.FIRST_COMPLETED)
            if not starting.done():
                raise RefusedError(watching.result())
            address = await starting
            self._report_missing_credentials()
            self.notice, self._restarts, self._unconfirmed = "", 0, False
            return address
        except RefusedError as error:
            raise spawn_exception(error.refusal) from None
        except ApiException as error:
            body = str(error.body)
            reason = pod_status.rejection_in_log(error.status, body)
            self.log.warning("the cluster rejected the pod of %s: %s", self._log_name, reason)
            refusal = pod_status.rejected_by_cluster(error.status, body, self.get_env().values())
            raise spawn_exception(refusal) from None
        except CONNECTION_ERRORS as error:
            self.log.warning("the cluster did not answer for %s: %r", self._log_name, error)
            raise spawn_exception(pod_status.cluster_away()) from None
        finally:
            await _cancel(starting, watching)

    def _report_missing_credentials(self) -> None:
        pod, settings = self._pod(), self._settings
        if pod and settings:
            for missing in missing_variables(pod, settings):
                self.log.warning("the session %s lacks a credential: %s", self._log_name, missing)
                self.report(95, f"A credential is missing: {missing}")

    def _pod(self) -> dict[str, Any] | None:
        reflector = self.pod_reflector
        return reflector.pods.get(f"{self.namespace}/{self.pod_name}") if reflector else None

    @property
    def images(self) -> frozenset[str]:
        """The image of the session, as written and as the cluster runs it, with its digest."""
        return super().images | pod_status.images_of(self._pod())

    async def get_url(self) -> str:
        """Return the address of a session that a restarted hub finds, also if the hub stopped during its start."""

        def settled() -> bool:
            pod = self._pod()
            return pod is None or self.is_pod_running(pod)

        with contextlib.suppress(TimeoutError):
            await exponential_backoff(settled, "its pod does not run", timeout=self.start_timeout)
        pod = self._pod()
        if pod and self.is_pod_running(pod) and self.server:
            return f"{self._get_pod_url(pod)}{self.server.base_url}"
        return str(await super().get_url())  # nothing answers there, so the hub ends the session

    async def _watch(self) -> Refusal:
        """Report the pod's progress until it cannot start. Return the reason."""
        began = time.monotonic()
        monitor = SpawnMonitor(self.report, self._start_id, max(self.start_timeout - _REFUSE_BEFORE, _REFUSE_BEFORE))
        while True:
            await asyncio.sleep(_POLL_SECONDS)
            pod = self._pod()
            if pod and not is_earlier(pod, self._start_id):
                self._unconfirmed = False
            events = self.events if pod else ()
            outdated = bool(self.pod_reflector and self.pod_reflector.last_error)
            elapsed = time.monotonic() - began
            refusal = monitor.update(pod, events, elapsed, self._watch_problem(), outdated=outdated)
            if refusal:
                return refusal

    def _watch_problem(self) -> pod_status.PodProblem | None:
        for reflector in (self.pod_reflector, self.event_reflector):
            if reflector and reflector.last_error:
                status = getattr(reflector.last_error, "status", None)
                return pod_status.watch_problem(reflector.kind, self.namespace, status, loaded=reflector.loaded)
        return None

    # -- the end of a session

    async def poll(self) -> int | None:
        """Return None while the session runs. If it ended by itself, the start page says why."""
        await self._start_watching_pods()
        pod = self._pod()  # before KubeSpawner deletes one that has ended
        self._last_pod = pod or self._last_pod
        status: int | None = await super().poll()
        if self._session and not self._unready:
            if status is not None and self._end_reason is None:
                end = pod_status.end_of(self._last_pod)
                self._end_reason = end.reason
                self._set_notice(f"has ended by itself. {end.sentence}")
            elif pod and (restarts := pod_status.memory_restarts(pod)) > self._restarts:
                self._restarts = restarts
                self._set_notice(f"was restarted and lost its unsaved state. {pod_status.MEMORY_EXCEEDED}")
        # After a failed start the hub stops only what runs, so a pod that may exist counts as running.
        return None if self._unconfirmed else status

    def _set_notice(self, what: str) -> None:
        """Log what happened to the session, and show it on the start page until the next start."""
        self.log.warning("the session %s %s", self._log_name, what)
        if self._session:
            self.notice = f"Your last session ({self._session.profile}) {what}"

    async def stop(self, now: bool = False) -> None:
        """Stop the session. It ends for the hub once the cluster accepts the request, even if the pod stays longer."""
        pod = self._pod()
        if pod and is_earlier(pod, self._start_id) and pod_status.still_ending(pod) and not self._unconfirmed:
            return  # the start was refused because of an earlier pod; it has no pod of its own
        try:
            await super().stop(now)
        except TimeoutError:
            reason = pod_status.why_still_there(self._pod())
            text = "the pod of the stopped session %s still exists after %s seconds: %s"
            self.log.warning(text, self._log_name, self.start_timeout, reason)
        self._unconfirmed = False

    def load_state(self, state: Mapping[str, Any]) -> None:
        """Restore why the last session ended."""
        super().load_state(state)
        self.notice = str(state.get(_ENDED, ""))
        self._of_older_version = bool(state) and _VERSION not in state

    def get_state(self) -> dict[str, Any]:
        """Return what the hub or the next page needs after a restart.

        KubeSpawner looks for a home that an older version of it has created as long as the state names no version. So
        the version is stored only once a start has found or created the home.
        """
        state = super().get_state()
        if self._of_older_version and "pvc_name" not in state:
            del state[_VERSION]
        return {**state, _ENDED: self.notice} if self.notice else state


async def _cancel(*tasks: asyncio.Future[Any]) -> None:
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
