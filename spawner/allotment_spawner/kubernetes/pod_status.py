"""Why a pod does not start, what its events mean, and why a session ended. Pure."""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from allotment_profiles.access.people import ADMINISTRATORS
from allotment_profiles.model.problems import Refusal
from allotment_spawner.session.session import EndReason

_MAINTAINERS = "whoever maintains the profile, or an administrator of the platform"
_PATIENCE = 30.0
MEMORY_EXCEEDED = "It needed more memory than its profile gives."
_MAXIMUM_LENGTH = 300
_SHORTEST_SECRET = 8
"""Shorter values of variables are no secrets, and may be parts of words."""


@dataclass(frozen=True, slots=True)
class PodProblem:
    """Why a pod does not start."""

    refusal: Refusal
    patience: float | None
    """Seconds after which the start is given up; None: as long as a start may take."""


@dataclass(frozen=True, slots=True)
class PodEnd:
    """Why a session ended by itself."""

    reason: EndReason
    sentence: str


_PREFIXES = {
    **dict.fromkeys(
        ("FailedMount", "FailedAttachVolume", "FailedMapVolume"),
        "A folder or a credential of this session cannot be mounted yet",
    ),
    **dict.fromkeys(("Failed", "BackOff", "InspectFailed", "ErrImageNeverPull"), "The session cannot start yet"),
}
"""Event reason → what is written before the event's message."""
EARLIER_SESSION = "An earlier session of this name is being stopped"
_MESSAGES: Mapping[str, str | None] = {
    "Scheduled": "A machine has been found",
    "Pulling": "Downloading the image; the first time on a machine this can take some minutes",
    "Created": None,
    "Started": "The session has been started on its machine",
    "TriggeredScaleUp": "No machine has room, so another one is being started; this can take some minutes",
    "NotTriggerScaleUp": "No machine has room, and no kind of machine that could be started would have",
    "SuccessfulAttachVolume": "The home folder is attached",
    "Killing": EARLIER_SESSION,
    "Preempted": "A session of higher priority has taken the machine",
    "Evicted": "The machine has run out of resources and has ended the session",
    "FailedPostStartHook": "The links in the home folder could not be made: the image has no program sh",
}
"""Event reason → the whole message; None: not shown."""


def progress_message(event: Mapping[str, Any]) -> str | None:
    """Return what an event of a pod means to the waiting user; None if nothing."""
    reason, message = str(event.get("reason") or ""), _shortened(event.get("message"))
    if reason in _MESSAGES:
        return _MESSAGES[reason]
    if reason == "Pulled":
        return "The image has been downloaded" if message.startswith("Successfully pulled") else None
    if reason == "FailedScheduling":
        return _unscheduled_message(message)
    if reason in _PREFIXES:
        return f"{_PREFIXES[reason]}: {message}"
    return message if event.get("type") == "Warning" else None


def pod_problem(pod: Mapping[str, Any] | None) -> PodProblem | None:
    """Return why a pod does not start; None if no problem is known."""
    if pod is None:
        return None
    status = pod.get("status") or {}
    deleting = bool(pod["metadata"].get("deletionTimestamp"))
    cause = _shortened(status.get("message") or status.get("reason"))
    # A pod that is deleted fails, too, when its program is ended. If the cluster ended it, there is a cause.
    if status.get("phase") == "Failed" and (cause or not deleting):
        cause = cause or "no reason given"
        return PodProblem(_refusal("session-ended", _sentence(f"The cluster ended it: {cause}"), "Try again."), 0)
    if deleting:
        return deleted()
    containers = (*(status.get("initContainerStatuses") or ()), *(status.get("containerStatuses") or ()))
    return next(filter(None, map(_container_problem, containers)), None) or _unscheduled(status)


def _unscheduled(status: Mapping[str, Any]) -> PodProblem | None:
    for condition in status.get("conditions") or ():
        if condition.get("type") == "PodScheduled" and condition.get("reason") == "Unschedulable":
            message = _shortened(condition.get("message"))
            why = _sentence(_unscheduled_message(message))
            if _lacks_volume(message):
                return PodProblem(_refusal("volume-missing", why, "The volume has to be created."), None)
            remedy = "Choose a smaller size, or try again when others have ended their sessions."
            return PodProblem(_refusal("no-room", why, remedy), None)
    return None


def _unscheduled_message(message: str) -> str:
    if _lacks_volume(message):
        return f"A volume of this session does not exist yet: {message}"
    return f"No machine has room for this session yet: {message}"


def _lacks_volume(message: str) -> bool:
    return "persistentvolumeclaim" in message.lower() or "volume node affinity" in message


@dataclass(frozen=True, slots=True)
class _Waiting:
    """The refusal for a reason that a container waits for."""

    code: str
    why: str
    """With `{image}`, `{message}` and `{exit_code}` to fill in."""
    remedy: str
    decides: str = _MAINTAINERS
    patience: float = 0


_NO_IMAGE = _Waiting("image-missing", "The image {image} does not exist: {message}", "Another image has to be named.")
_NOT_PULLED = _Waiting(
    "image-missing", "The image {image} cannot be downloaded: {message}", "Check its name and tag.", patience=_PATIENCE
)
_NOT_CREATED = _Waiting(
    "container-unmakeable",
    "Its container cannot be created: {message}",
    "The message names what is missing.",
    ADMINISTRATORS,
    _PATIENCE,
)
_OUT_OF_MEMORY = _Waiting("out-of-memory", MEMORY_EXCEEDED, "Choose a larger size.")
_CRASHED = _Waiting(
    "session-crashed",
    "Its program exited again and again, with the code {exit_code}.",
    "The image has to have JupyterHub's single-user server.",
)
_WAITING = {
    **dict.fromkeys(("InvalidImageName", "ErrImageNeverPull"), _NO_IMAGE),
    **dict.fromkeys(("ImagePullBackOff", "ErrImagePull", "RegistryUnavailable", "ImageInspectError"), _NOT_PULLED),
    **dict.fromkeys(("CreateContainerConfigError", "CreateContainerError", "RunContainerError"), _NOT_CREATED),
    "CrashLoopBackOff": _CRASHED,
}


def _container_problem(container: Mapping[str, Any]) -> PodProblem | None:
    waiting = (container.get("state") or {}).get("waiting") or {}
    last = (container.get("lastState") or {}).get("terminated") or {}
    problem = _WAITING.get(str(waiting.get("reason")))
    if problem is None:
        return None
    if problem is _CRASHED and last.get("reason") == "OOMKilled":
        problem = _OUT_OF_MEMORY
    why = problem.why.format(
        image=_shortened(container.get("image")),
        message=_shortened(waiting.get("message")),
        exit_code=last.get("exitCode", "unknown"),
    )
    return PodProblem(_refusal(problem.code, _sentence(why), problem.remedy, problem.decides), problem.patience)


def deleted() -> PodProblem:
    """Return the problem of a pod that existed and was deleted."""
    why = "Somebody, or the cluster, has deleted it while it started."
    return PodProblem(_refusal("session-deleted", why, "Try again."), 0)


def still_ending(pod: Mapping[str, Any]) -> PodProblem | None:
    """Return the problem of an earlier session's pod that is being deleted; None if it is not."""
    if not pod["metadata"].get("deletionTimestamp"):
        return None
    why = f"An earlier session of this name is still being stopped. {why_still_there(pod)}"
    return PodProblem(_refusal("still-ending", why, "Try again in some minutes."), None)


def why_still_there(pod: Mapping[str, Any] | None) -> str:
    """Return why a pod that is being deleted still exists."""
    finalizers = (pod or {}).get("metadata", {}).get("finalizers")
    if finalizers:
        return f"The cluster waits for its finalizers ({_shortened(', '.join(finalizers))})."
    return "Its machine has not confirmed that it has ended."


def watch_problem(kind: str, namespace: str, status: int | None, *, loaded: bool) -> PodProblem:
    """Return the problem of a hub that cannot watch pods or events. `status` is the API's answer; None: no answer.

    If they were loaded before, the session may start all the same, so the start may take its full time.
    """
    if status in (401, 403, 404):
        why = f"The hub may not watch {kind} in the namespace {namespace}."
        remedy = f"The hub's role has to allow it to get, list and watch {kind} there."
        return PodProblem(_refusal("cluster-unseen", why, remedy), None if loaded else 0)
    return PodProblem(cluster_away(), None if loaded else _PATIENCE)


def end_of(pod: Mapping[str, Any] | None) -> PodEnd:
    """Return why a session ended by itself, from the last known state of its pod."""
    status = (pod or {}).get("status") or {}
    deleting = bool(pod and pod["metadata"].get("deletionTimestamp"))
    return (
        _evicted(status)
        or _terminated(status, deleting=deleting)
        or PodEnd("deleted", "Somebody, or the cluster, has deleted it.")
    )


def _evicted(status: Mapping[str, Any]) -> PodEnd | None:
    if status.get("phase") == "Failed" and status.get("reason"):
        # The machine ran out of resources or was shut down. A failed program has no reason here.
        cause = _shortened(status.get("message") or status["reason"])
        return PodEnd("evicted", _sentence(f"Its machine had to end it: {cause}"))
    for condition in status.get("conditions") or ():
        if condition.get("type") == "DisruptionTarget" and condition.get("status") == "True":
            cause = _shortened(condition.get("message") or condition.get("reason"))
            return PodEnd("evicted", _sentence(f"The cluster had to end it: {cause}"))
    return None


def _terminated(status: Mapping[str, Any], *, deleting: bool) -> PodEnd | None:
    for container in status.get("containerStatuses") or ():
        terminated = (container.get("state") or {}).get("terminated") or {}
        if terminated.get("reason") == "OOMKilled":
            return PodEnd("out-of-memory", f"{MEMORY_EXCEEDED} Choose a larger size.")
        if terminated and container.get("name") == "notebook" and not deleting:
            return PodEnd("exited", f"Its program exited with the code {terminated.get('exitCode')}.")
    return None


def memory_restarts(pod: Mapping[str, Any]) -> int:
    """Return how often the session's program was restarted, if the last time was for lack of memory; else 0."""
    for container in (pod.get("status") or {}).get("containerStatuses") or ():
        terminated = (container.get("lastState") or {}).get("terminated") or {}
        if terminated.get("reason") == "OOMKilled":
            return int(container.get("restartCount") or 0)
    return 0


def images_of(pod: Mapping[str, Any] | None) -> frozenset[str]:
    """Return the images of a pod: as it asks for them, and as they run, with their digests."""
    if pod is None:
        return frozenset()
    asked = (container.get("image") for container in pod.get("spec", {}).get("containers") or ())
    runs = (container.get("imageID") for container in pod.get("status", {}).get("containerStatuses") or ())
    return frozenset(filter(None, (*asked, *runs)))


def _refusal(code: str, why: str, remedy: str, decides: str = ADMINISTRATORS) -> Refusal:
    return Refusal(code, "The session was not started.", why, remedy, decides, 503)


def not_ready(seconds: float, last_message: str) -> Refusal:
    """Return the refusal of a start that took too long without a known problem."""
    known = f"The last message: {last_message.rstrip('.')}." if last_message else "The cluster names no reason."
    why = f"It was not ready after {seconds:.0f} seconds. {known}"
    return _refusal("session-not-ready", why, "Try again; if that does not help, tell an administrator.")


def cluster_away() -> Refusal:
    """Return the refusal for a cluster that does not answer."""
    why = "The cluster does not answer at the moment. Running sessions are not affected."
    return _refusal("cluster-away", why, "Try again in a minute.")


def rejection_in_log(status: int, body: str) -> str:
    """Return what the log says of an API error: code and fields, no text, which may quote the pod's variables."""
    try:
        answer = json.loads(body)
        causes = (answer.get("details") or {}).get("causes") or ()
        words = [answer.get("reason"), *(f"{cause.get('reason')} {cause.get('field')}" for cause in causes)]
    except (ValueError, AttributeError, TypeError):
        words = []
    return _shortened(", ".join([str(status), *(str(word) for word in words if word)]))


def rejected_by_cluster(status: int, body: str, variables: Iterable[str] = ()) -> Refusal:
    """Return the refusal for an error of the API when the pod was created, such as an exceeded quota.

    The values of the pod's variables are left out of it: the hub logs refusals.
    """
    if status >= 500 or status in (408, 409, 429):
        return cluster_away()
    message = _message(body)
    for value in sorted(set(variables), key=len, reverse=True):
        if len(value) >= _SHORTEST_SECRET:
            message = message.replace(value, "…")
    if "exceeded quota" in message:
        why = "The cluster's quota for sessions is used up."
        return _refusal("quota", why, "Choose a smaller size, or try again when others have ended their sessions.")
    return _refusal("pod-refused", _sentence(f"The cluster rejected it: {_shortened(message)}"), "")


def pod_differs(differences: list[str]) -> Refusal:
    """Return the refusal for a pod that differs from the approved profile and was not sent."""
    why = f"The pod differs from the approved profile: {'; '.join(differences[:5])}."
    remedy = "A setting of the hub (such as `modify_pod_hook`) overrides it, or violates Pod Security `restricted`."
    return _refusal("pod-differs", why, remedy)


def _sentence(text: str) -> str:
    return text if not text or text.endswith((".", "!", "?", "…")) else f"{text}."


def _shortened(text: object) -> str:
    """Return a message of the cluster as one printable line of limited length."""
    plain = "".join(char if char.isprintable() else " " for char in str(text or ""))
    return plain if len(plain) <= _MAXIMUM_LENGTH else f"{plain[:_MAXIMUM_LENGTH]}…"


def _message(body: str) -> str:
    try:
        return str(json.loads(body)["message"])
    except (ValueError, KeyError, TypeError):
        return body
