"""What becomes of a pod, in words that help whoever waits for it. Pure."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from allotment_profiles.access.people import ADMINISTRATORS
from allotment_profiles.model.problems import Refusal
from allotment_spawner.session.session import EndReason

_WHAT = "The session was not started."
_MAINTAINERS = "whoever maintains the profile, or an administrator of the platform"
TOO_MUCH_MEMORY = "It needed more memory than its profile gives."
_PATIENCE = 30.0
_LONGEST = 300


@dataclass(frozen=True, slots=True)
class PodProblem:
    """Why a pod does not come up."""

    refusal: Refusal
    patience: float | None
    """So many seconds it may mend itself; None: it may take as long as a start may."""


@dataclass(frozen=True, slots=True)
class PodEnd:
    """Why a session has ended by itself."""

    reason: EndReason
    sentence: str


def progress_message(event: Mapping[str, Any]) -> str | None:
    """Say what an event of a pod means to whoever waits; None where it means nothing to them."""
    reason, message = str(event.get("reason") or ""), _short(event.get("message"))
    if reason in _WORDS:
        return _WORDS[reason]
    if reason == "Pulled":
        return "The image has been downloaded" if message.startswith("Successfully pulled") else None
    if reason == "FailedScheduling":
        return _no_machine(message)
    if reason in _BEFORE:
        return f"{_BEFORE[reason]}: {message}"
    return message if event.get("type") == "Warning" else None


_CANNOT_MOUNT = "A folder or a credential of this session cannot be mounted yet"
_NOT_YET = "It does not work yet"
_BEFORE: Mapping[str, str] = {
    "FailedMount": _CANNOT_MOUNT,
    "FailedAttachVolume": _CANNOT_MOUNT,
    "FailedMapVolume": _CANNOT_MOUNT,
    "Failed": _NOT_YET,
    "BackOff": _NOT_YET,
    "InspectFailed": _NOT_YET,
    "ErrImageNeverPull": _NOT_YET,
}
_WORDS: Mapping[str, str | None] = {
    "Scheduled": "A machine has been found",
    "Pulling": "Downloading the image; the first time on a machine this can take some minutes",
    "Created": None,
    "Started": "The session has been started on its machine",
    "TriggeredScaleUp": "No machine has room, so another one is being started; this can take some minutes",
    "NotTriggerScaleUp": "No machine has room, and no kind of machine that could be started would have",
    "SuccessfulAttachVolume": "The home folder is attached",
    "Killing": "An earlier session of this name is being ended",
    "Preempted": "Something more urgent has taken the machine",
    "Evicted": "The machine has run short, and has ended the session",
    "FailedPostStartHook": "The links in the home folder could not be made: the image has no program sh",
}


def pod_problem(pod: Mapping[str, Any] | None) -> PodProblem | None:
    """Say why a pod does not come up, or None where nothing is known to be wrong."""
    if pod is None:
        return None
    status = pod.get("status") or {}
    if status.get("phase") == "Failed":
        why = _sentence(
            f"The cluster ended it: {_short(status.get('message') or status.get('reason') or 'no reason given')}"
        )
        return PodProblem(_refusal("session-ended", why, "Try again."), 0)
    if pod["metadata"].get("deletionTimestamp"):
        return deleted()
    for container in _containers(status):
        found = _waiting(container)
        if found:
            return found
    return _unscheduled(status)


def _unscheduled(status: Mapping[str, Any]) -> PodProblem | None:
    for condition in status.get("conditions") or ():
        if condition.get("type") == "PodScheduled" and condition.get("reason") == "Unschedulable":
            message = _short(condition.get("message"))
            if _lacks_volume(message):
                return PodProblem(
                    _refusal("volume-missing", _sentence(_no_machine(message)), "The volume has to be made."), None
                )
            remedy = "Choose a smaller size, or try again when others have ended their sessions."
            return PodProblem(_refusal("no-room", _sentence(_no_machine(message)), remedy), None)
    return None


def deleted() -> PodProblem:
    """Say that a pod was there and has been taken away."""
    why = "Somebody, or the cluster, has deleted it while it started."
    return PodProblem(_refusal("session-deleted", why, "Try again."), 0)


def still_ending(pod: Mapping[str, Any]) -> PodProblem | None:
    """Say that the pod of an earlier session stands in the way, or None where it is not being deleted."""
    if not pod["metadata"].get("deletionTimestamp"):
        return None
    why = f"An earlier session of this name is still being ended. {why_still_there(pod)}"
    return PodProblem(_refusal("still-ending", why, "Try again in some minutes."), None)


def why_still_there(pod: Mapping[str, Any] | None) -> str:
    """Say what keeps a pod that is being deleted, as far as it is known."""
    finalizers = (pod or {}).get("metadata", {}).get("finalizers")
    if finalizers:
        return f"The cluster waits for something of its own first ({_short(', '.join(finalizers))})."
    return "Its machine has not said that it has ended."


def blind(kind: str, namespace: str, status: int | None, *, loaded: bool) -> PodProblem:
    """Say why the hub does not see pods or events: the API's answer, or None where it gave none.

    Once it has seen them the session may come up all the same, so it may take as long as a start may.
    """
    if status in (401, 403, 404):
        why = f"The hub may not look at {kind} in the namespace {namespace}."
        remedy = f"The hub's role has to allow it to get, list and watch {kind} there."
        return PodProblem(_refusal("cluster-unseen", why, remedy), None if loaded else 0)
    return PodProblem(cluster_away(), None if loaded else _PATIENCE)


def end_of(pod: Mapping[str, Any] | None) -> PodEnd:
    """Say why a session has ended by itself, from the last that is known of its pod."""
    status = (pod or {}).get("status") or {}
    if status.get("phase") == "Failed" and status.get("reason"):
        # A machine that runs short, is shut down or the like; where a program fails there is no reason here.
        return PodEnd(
            "evicted", _sentence(f"Its machine had to end it: {_short(status.get('message') or status['reason'])}")
        )
    for condition in status.get("conditions") or ():
        if condition.get("type") == "DisruptionTarget" and condition.get("status") == "True":
            why = condition.get("message") or condition.get("reason")
            return PodEnd("evicted", _sentence(f"The cluster had to end it: {_short(why)}"))
    deleted_by_somebody = bool(pod and pod["metadata"].get("deletionTimestamp"))
    for container in status.get("containerStatuses") or ():
        over = (container.get("state") or {}).get("terminated") or {}
        if over.get("reason") == "OOMKilled":
            return PodEnd("out-of-memory", f"{TOO_MUCH_MEMORY} Choose a larger size.")
        if over and container.get("name") == "notebook" and not deleted_by_somebody:
            return PodEnd("exited", f"Its program ended with the code {over.get('exitCode')}.")
    return PodEnd("deleted", "Somebody, or the cluster, has deleted it.")


def memory_restarts(pod: Mapping[str, Any]) -> int:
    """Give how often the program of a session was started again, where it was memory that ended it the last time."""
    for container in (pod.get("status") or {}).get("containerStatuses") or ():
        over = (container.get("lastState") or {}).get("terminated") or {}
        if over.get("reason") == "OOMKilled":
            return int(container.get("restartCount") or 0)
    return 0


def _no_machine(message: str) -> str:
    if _lacks_volume(message):
        return f"A volume of this session is not there yet: {message}"
    return f"No machine has room for this session yet: {message}"


def _lacks_volume(message: str) -> bool:
    return "persistentvolumeclaim" in message.lower() or "volume node affinity" in message


def _containers(status: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    for kind in ("initContainerStatuses", "containerStatuses"):
        yield from status.get(kind) or ()


def _waiting(container: Mapping[str, Any]) -> PodProblem | None:
    state = container.get("state") or {}
    waiting = state.get("waiting") or {}
    reason, message = waiting.get("reason"), _short(waiting.get("message"))
    image = _short(container.get("image"))
    if reason in ("InvalidImageName", "ErrImageNeverPull"):
        why = _sentence(f"The image {image} is not there: {message}")
        return PodProblem(_refusal("image-missing", why, "Another image has to be named.", _MAINTAINERS), 0)
    if reason in ("ImagePullBackOff", "ErrImagePull", "RegistryUnavailable", "ImageInspectError"):
        why = _sentence(f"The image {image} cannot be downloaded: {message}")
        return PodProblem(_refusal("image-missing", why, "Check its name and tag.", _MAINTAINERS), _PATIENCE)
    if reason in ("CreateContainerConfigError", "CreateContainerError", "RunContainerError"):
        why = _sentence(f"Its container cannot be made: {message}")
        return PodProblem(_refusal("container-unmakeable", why, "It says what is missing.", ADMINISTRATORS), _PATIENCE)
    if reason == "CrashLoopBackOff":
        last = (container.get("lastState") or {}).get("terminated") or {}
        if last.get("reason") == "OOMKilled":
            return PodProblem(_refusal("out-of-memory", TOO_MUCH_MEMORY, "Choose a larger size.", _MAINTAINERS), 0)
        why = f"Its program ended again and again, with the code {last.get('exitCode', 'unknown')}."
        remedy = "The image has to have JupyterHub's single-user server."
        return PodProblem(_refusal("session-crashed", why, remedy, _MAINTAINERS), 0)
    return None


def too_long(seconds: float, found: PodProblem | None, last: str) -> Refusal:
    """Say that a session did not come up in its time, and why as far as it is known: `last` is what was told last."""
    if found:
        return found.refusal
    known = f"The last that is known: {last.rstrip('.')}." if last else "The cluster names no reason."
    why = f"It was not ready after {seconds:.0f} seconds. {known}"
    return _refusal("session-not-ready", why, "Try again; if that does not help, tell an administrator.")


def cluster_away() -> Refusal:
    """Say that the cluster does not answer."""
    why = "The cluster does not answer at the moment. Sessions that run are not affected."
    return _refusal("cluster-away", why, "Try again in a minute.")


def refused_by_cluster(status: int, body: str) -> Refusal:
    """Say that the cluster took no pod, from the API's answer: mostly its quota."""
    if status >= 500 or status in (408, 409, 429):
        return cluster_away()
    message = _message(body)
    if "exceeded quota" in message:
        why = "The cluster's quota for sessions is used up."
        return _refusal("quota", why, "Choose a smaller size, or try again when others have ended their sessions.")
    return _refusal("pod-refused", _sentence(f"The cluster refused it: {_short(message)}"), "", ADMINISTRATORS)


def pod_differs(found: list[str]) -> Refusal:
    """Say that a pod is not what was decided; nothing was sent."""
    why = f"What would have been started is not what was decided: {'; '.join(found[:5])}."
    remedy = "A setting of the hub stands against the profile, or against Pod Security `restricted`."
    return _refusal("pod-differs", why, remedy, ADMINISTRATORS)


def _refusal(code: str, why: str, remedy: str, decides: str = ADMINISTRATORS) -> Refusal:
    return Refusal(code, _WHAT, why, remedy, decides, 503)


def _message(body: str) -> str:
    """Take the sentence out of the API's answer."""
    try:
        return str(json.loads(body)["message"])
    except (ValueError, KeyError, TypeError):
        return body


def _sentence(text: str) -> str:
    """End what the cluster says as a sentence, where it does not by itself: more words follow."""
    return text if not text or text.endswith((".", "!", "?", "…")) else f"{text}."


def _short(text: object) -> str:
    plain = "".join(char if char.isprintable() else " " for char in str(text or ""))
    return plain if len(plain) <= _LONGEST else f"{plain[:_LONGEST]}…"
