"""What a stand-in for a Kubernetes cluster holds: objects with their versions, and pods that come up and end."""

import asyncio
import datetime as dt
import itertools
import re
import uuid
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

KINDS = {
    "events": "Event", "persistentvolumeclaims": "PersistentVolumeClaim", "pods": "Pod", "secrets": "Secret",
    "serviceaccounts": "ServiceAccount", "services": "Service",
}  # fmt: skip
SESSION = "notebook"
_NAME = re.compile(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*")
_LABEL = re.compile(r"([A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?)?")
_REASONS = {
    400: "BadRequest", 403: "Forbidden", 404: "NotFound", 409: "Conflict", 410: "Expired",
    415: "UnsupportedMediaType", 422: "Invalid",
}  # fmt: skip

Object = dict[str, Any]
Key = tuple[str, str, str]
"""Resource, namespace, name."""


class Refused(Exception):  # noqa: N818  (an answer of the server, not an error of its own)
    """What the server answers in place of an object."""

    def __init__(self, code: int, message: str, *, reason: str = "", **details: Any) -> None:
        super().__init__(message)
        self.code = code
        self.status = {
            "kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure", "message": message,
            "reason": reason or _REASONS[code], "details": details, "code": code,
        }  # fmt: skip


@dataclass(frozen=True)
class Change:
    """One version of one object."""

    key: Key
    kind: str
    now: Object
    before: Object | None

    def seen_by(self, wanted: Callable[[Object], bool]) -> str | None:
        """Give the kind of change for somebody who wants only some objects; None where it is none of theirs."""
        was, is_now = self.before is not None and wanted(self.before), self.kind != "DELETED" and wanted(self.now)
        return {(False, True): "ADDED", (True, True): "MODIFIED", (True, False): "DELETED"}.get((was, is_now))


@dataclass
class Store:
    """Every object, and every change since `first`. Objects are never changed, only replaced."""

    objects: dict[Key, Object] = field(default_factory=dict)
    changes: list[Change] = field(default_factory=list)
    first: int = 1000
    """The version before the first change that is still known."""
    news: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def version(self) -> int:
        """The version of now; each change is the next one."""
        return self.first + len(self.changes)

    def write(self, key: Key, found: Mapping[str, Any]) -> Object:
        """Take an object as it is from now on."""
        before = self.objects.get(key)
        metadata = {**found["metadata"], "resourceVersion": str(self.version + 1)}
        now: Object = {"kind": KINDS[key[0]], "apiVersion": "v1", **found, "metadata": metadata}
        self.objects[key] = now
        self._changed(Change(key, "MODIFIED" if before else "ADDED", now, before))
        return now

    def remove(self, key: Key) -> Object:
        """Forget an object."""
        before = self.objects.pop(key)
        now = {**before, "metadata": {**before["metadata"], "resourceVersion": str(self.version + 1)}}
        self._changed(Change(key, "DELETED", now, before))
        return now

    def forget(self) -> None:
        """Forget how everything came to be as it is: who watches from before gets a 410."""
        self.first, self.changes = self.version, []

    def of(self, resource: str, namespace: str) -> Iterator[Object]:
        """Give the objects of one kind; of all namespaces for an empty one."""
        yield from (each for key, each in self.objects.items() if key[0] == resource and namespace in ("", key[1]))

    def _changed(self, change: Change) -> None:
        self.changes.append(change)
        news, self.news = self.news, asyncio.Event()
        news.set()


def selector(query: Mapping[str, str]) -> Callable[[Object], bool]:
    """Give what `labelSelector` and `fieldSelector` of a request want: equalities with commas between them."""
    labels = [_term(each) for each in query.get("labelSelector", "").split(",") if each]
    fields = [_term(each) for each in query.get("fieldSelector", "").split(",") if each]

    def wanted(found: Object) -> bool:
        own = found["metadata"].get("labels") or {}
        return all((own.get(name) == value) is equal for name, value, equal in labels) and all(
            (_at(found, name) == value) is equal for name, value, equal in fields
        )

    return wanted


def _term(text: str) -> tuple[str, str, bool]:
    name, sign, value = re.split(r"(!=|==?)", text, maxsplit=1)
    return name, value, sign != "!="


def _at(found: Any, path: str) -> str:
    for name in path.split("."):
        found = found.get(name) if isinstance(found, dict) else None
    return "" if found is None else str(found)


def _now() -> str:
    return dt.datetime.now(dt.UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


@dataclass
class Cluster:
    """What becomes of pods."""

    store: Store
    delay: float
    """Seconds until a pod runs."""
    ending: float
    """Seconds until a deleted pod is gone."""
    address: str
    """Where every session answers."""
    serving: dict[str, str] = field(default_factory=dict)
    """The path of a session that answers → its pod's uid."""
    _numbers: Iterator[int] = field(default_factory=itertools.count)

    def begin(self, key: Key) -> None:
        """Let a new pod run."""
        uid = self.store.objects[key]["metadata"]["uid"]
        loop = asyncio.get_running_loop()
        loop.call_later(self.delay / 2, self._scheduled, key, uid)
        loop.call_later(self.delay, self._running, key, uid)

    def end(self, key: Key, seconds: float | None) -> Object:
        """Let a pod end, at once or in the time that it has."""
        pod = self.store.objects[key]
        if seconds == 0:
            return self._gone(key, pod["metadata"]["uid"]) or pod
        if "deletionTimestamp" in pod["metadata"]:
            return pod
        ending = {"deletionTimestamp": _now(), "deletionGracePeriodSeconds": 30 if seconds is None else seconds}
        asyncio.get_running_loop().call_later(self.ending, self._gone, key, pod["metadata"]["uid"])
        return self.store.write(key, {**pod, "metadata": {**pod["metadata"], **ending}})

    def _alive(self, key: Key, uid: str) -> Object | None:
        pod = self.store.objects.get(key)
        return pod if pod and pod["metadata"]["uid"] == uid else None

    def _scheduled(self, key: Key, uid: str) -> None:
        pod = self._alive(key, uid)
        if pod and "deletionTimestamp" not in pod["metadata"]:
            conditions = [{"type": "PodScheduled", "status": "True", "lastTransitionTime": _now()}]
            status = {**pod["status"], "conditions": conditions}
            self.store.write(key, {**pod, "spec": {**pod["spec"], "nodeName": "node-1"}, "status": status})
            self._tell(pod, "Scheduled", f"Successfully assigned {key[1]}/{key[2]} to node-1")

    def _running(self, key: Key, uid: str) -> None:
        pod = self._alive(key, uid)
        if not pod or "deletionTimestamp" in pod["metadata"]:
            return
        image = next(each["image"] for each in pod["spec"]["containers"])
        states = [
            {"name": each["name"], "image": each["image"], "imageID": each["image"], "ready": True, "restartCount": 0,
             "started": True, "state": {"running": {"startedAt": _now()}}}
            for each in pod["spec"]["containers"]
        ]  # fmt: skip
        conditions = [*pod["status"]["conditions"], {"type": "Ready", "status": "True", "lastTransitionTime": _now()}]
        self.store.write(key, {**pod, "status": {
            "phase": "Running", "conditions": conditions, "hostIP": "127.0.0.1", "podIP": self.address,
            "podIPs": [{"ip": self.address}], "startTime": _now(), "containerStatuses": states, "qosClass": "Burstable",
        }})  # fmt: skip
        self.serving[_prefix(pod)] = uid
        self._tell(pod, "Pulled", f'Container image "{image}" already present on machine')
        self._tell(pod, "Started", f"Started container {SESSION}")

    def _gone(self, key: Key, uid: str) -> Object | None:
        pod = self._alive(key, uid)
        if pod is None:
            return None
        if self.serving.get(_prefix(pod)) == uid:
            del self.serving[_prefix(pod)]
        return self.store.remove(key)

    def _tell(self, pod: Object, reason: str, message: str) -> None:
        own = {each: pod["metadata"][each] for each in ("namespace", "name", "uid")}
        about = {"kind": "Pod", "apiVersion": "v1", **own}
        name = f"{about['name'][:200]}.{next(self._numbers):x}"
        self.store.write(("events", about["namespace"], name), {
            "metadata": identified({"name": name, "namespace": about["namespace"]}), "involvedObject": about,
            "reason": reason, "message": message, "type": "Normal", "count": 1, "eventTime": None,
            "firstTimestamp": _now(), "lastTimestamp": _now(), "source": {"component": "stand-in"},
        })  # fmt: skip


def identified(metadata: Mapping[str, Any]) -> Object:
    return {**metadata, "uid": str(uuid.uuid4()), "creationTimestamp": _now()}


def _prefix(pod: Object) -> str:
    """Give the path that a session answers at."""
    variables = (each for container in pod["spec"]["containers"] for each in container.get("env") or ())
    return next((each.get("value", "") for each in variables if each["name"] == "JUPYTERHUB_SERVICE_PREFIX"), "")


def check(resource: str, found: Object) -> None:
    """Refuse what a real server would not take, as far as it matters here."""
    metadata, causes = found["metadata"], []
    if not _NAME.fullmatch(metadata["name"]) or len(metadata["name"]) > 253:
        causes.append(("metadata.name", f'Invalid value: "{metadata["name"]}": a lowercase RFC 1123 subdomain'))
    causes += [
        ("metadata.labels", f'Invalid value: "{value}": a valid label must be an empty string or consist of …')
        for value in (metadata.get("labels") or {}).values()
        if not isinstance(value, str) or not _LABEL.fullmatch(value)
    ]
    if resource == "pods" and not (found.get("spec") or {}).get("containers"):
        causes.append(("spec.containers", "Required value"))
    if causes:
        text = ", ".join(f"{where}: {what}" for where, what in causes)
        raise Refused(
            422, f'{KINDS[resource]} "{metadata["name"]}" is invalid: {text}', name=metadata["name"],
            kind=KINDS[resource], causes=[{"field": where, "message": what} for where, what in causes],
        )  # fmt: skip


def merged(old: Any, new: Any) -> Any:
    """Apply a JSON merge patch."""
    if not isinstance(new, dict):
        return new
    result = dict(old) if isinstance(old, dict) else {}
    for name, value in new.items():
        if value is None:
            result.pop(name, None)
        else:
            result[name] = merged(result.get(name), value)
    return result


def without(found: Any, before: Any, now: Any) -> Any:
    """Take away what one manager wrote before and does not write now."""
    if not all(isinstance(each, dict) for each in (found, before, now)):
        return found
    kept = {name: value for name, value in found.items() if name not in before or name in now}
    return {name: without(value, before.get(name), now.get(name)) for name, value in kept.items()}
