"""What all spawners of one hub share: one follower of the repository and one recorder of events."""

import logging
from collections.abc import MutableMapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from allotment_profiles.following import CatalogFollower
from allotment_profiles.git import Repository
from allotment_profiles.signatures import Verifier
from allotment_spawner.recording import Recorder

log = logging.getLogger(__name__)

_PLACE = "allotment"


@dataclass(frozen=True)
class Shared:
    """One follower and one recorder."""

    follower: CatalogFollower
    recorder: Recorder


def shared(
    settings: MutableMapping[str, Any],
    *,
    repository: str,
    allowed_signers: str,
    events_url: str,
    poll_seconds: float,
    cache: str = "",
) -> Shared:
    """Give what belongs to these settings of the hub, and make it at the first call, which is inside the hub's loop.

    JupyterHub makes a spawner for every user and every named server and gives them no common parent; its own
    dictionary of settings is the one thing that they all reach, so it holds this instead of a module's global.
    """
    places: dict[tuple[str, str], Shared] = settings.setdefault(_PLACE, {})
    key = (repository, events_url)
    if key not in places:
        verifier = Verifier(_text(allowed_signers)) if allowed_signers else None
        follower = CatalogFollower(Repository(Path(repository), verifier), poll_seconds, Path(cache) if cache else None)
        places[key] = Shared(follower, Recorder(events_url))
        follower.start()
    return places[key]


def _text(path: str) -> str:
    try:
        return Path(path).read_text()
    except OSError as error:
        # Without the keys every commit counts as unsigned: where the policy holds what was pushed, nothing new applies.
        log.warning("no allowed signers: %s", error)
        return ""
