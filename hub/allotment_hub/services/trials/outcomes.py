"""How a trial went, as everybody who sees the proposal reads it: in words of our own.

What the hub says of a failed start is for its user alone. It quotes the cluster (names of nodes, addresses of
registries), counts what else the user runs, or says why somebody has stopped all sessions.
"""

from collections.abc import Mapping

from allotment_hub.services.trials.hub_trials import RunningTrial
from allotment_profiles.access.rules import REFUSALS
from allotment_profiles.model.values.texts import harmful_character
from allotment_profiles.records.evidence import TrialOutcome

_MAXIMUM_TEXT = 500
_FAILED = "trial-failed"
WHY: Mapping[str, str] = {
    "catalog-unavailable": "The hub has not read the profiles.",
    "checkout-unavailable": "This cluster has no image that fetches code.",
    "cluster-away": "The Kubernetes API did not answer.",
    "cluster-unseen": "The hub cannot watch its pod.",
    "container-unmakeable": "Its container could not be created.",
    "credentials-conflict": "One session cannot have these data roles together.",
    "data-missing": "The folder of a data role does not exist.",
    "data-place-taken": "A file is where data would be linked.",
    "home-missing": "Its home could not be created.",
    "image-missing": "The image does not exist or cannot be downloaded.",
    "no-room": "No node has room for it.",
    "nothing-chosen": "No profile was named.",
    "out-of-memory": "Its program needed more memory than the profile gives.",
    "pod-differs": "A setting of the hub changes its pod.",
    "pod-refused": "The Kubernetes API rejected its pod.",
    "quota": "The quota of the namespace is used up.",
    "service-account": "Its service account could not be created.",
    "session-crashed": "Its program exited again and again.",
    "session-deleted": "Its pod was deleted.",
    "session-ended": "The cluster ended its pod.",
    "session-not-ready": "It was not ready in time.",
    "still-ending": "An earlier trial was still being stopped.",
    "stopped-by-order": "It was stopped.",
    "team-folder-unavailable": "This cluster has no team folders.",
    "team-place-taken": "A file is where the team folder would be linked.",
    _FAILED: "The hub's log says why.",
    "trial-reserved": "Nothing was to be tried.",
    "trial-running": "Another trial of the same user ran.",
    "trial-stopped": "It was stopped before it answered.",
    "volume-missing": "A volume does not exist yet.",
}
"""Why a trial did not start, by the code of a deployment's refusal."""


def outcome_of(trial: RunningTrial) -> TrialOutcome:
    """Return how a trial that has ended went, as it is recorded."""
    if trial.started_in is None:
        code = trial.code or _FAILED
        meaning = REFUSALS.get(code, "")
        text = WHY.get(code) or (f"{meaning[:1].upper()}{meaning[1:]}." if meaning else "")
        return TrialOutcome(code=code, text=text)
    said = "".join(" " if harmful_character(each) else each for each in trial.why[:_MAXIMUM_TEXT])
    # The clock of the hub may have been set back meanwhile.
    return TrialOutcome(started_in=max(0.0, trial.started_in), text=" ".join(said.split()))
