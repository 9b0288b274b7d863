"""What all spawners of one hub share: one follower of the repository and one recorder of events."""

import logging
from collections.abc import MutableMapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from allotment_profiles.git.mirror import Mirror
from allotment_profiles.git.remotes import Remote
from allotment_profiles.git.repository import Repository
from allotment_profiles.git.signatures import Verifier
from allotment_profiles.store.watcher import CatalogWatcher
from allotment_spawner.hub.event_writer import EventWriter

_log = logging.getLogger(__name__)

_PLACE = "allotment"


@dataclass(frozen=True)
class Shared:
    """One follower and one recorder."""

    watcher: CatalogWatcher
    recorder: EventWriter


def shared(
    settings: MutableMapping[str, Any],
    *,
    repository: str,
    allowed_signers: str,
    events_url: str,
    poll_seconds: float,
    log: logging.Logger,
    cache: str = "",
    remote: Remote | None = None,
    fetch_seconds: float = 30,
) -> Shared:
    """Give what belongs to these settings of the hub, and make it at the first call, which is inside the hub's loop.

    JupyterHub makes a spawner for every user and every named server and gives them no common parent; its own
    dictionary of settings is the one thing that they all reach, so it holds this instead of a module's global.
    What these packages log then goes where `log`, the hub's own, does.
    """
    places: dict[tuple[str, str], Shared] = settings.setdefault(_PLACE, {})
    key = (repository, events_url)
    if key not in places:
        _log_into(log)
        verifier = Verifier(_text(allowed_signers)) if allowed_signers else None
        mirror = Mirror.opened(Path(repository), remote, verifier) if remote else None
        watcher = CatalogWatcher(
            mirror.repository if mirror else Repository(Path(repository), verifier), poll_seconds,
            Path(cache) if cache else None, mirror=mirror, fetch_seconds=fetch_seconds,
        )  # fmt: skip
        places[key] = Shared(watcher, EventWriter(events_url))
        watcher.start()
    return places[key]


def watchers(settings: MutableMapping[str, Any]) -> list[CatalogWatcher]:
    """Give the followers of a hub; none before the first start page."""
    return [each.watcher for each in settings.get(_PLACE, {}).values()]


def _log_into(hub: logging.Logger) -> None:
    """Have our lines look as the hub's do and go where they go, as JupyterHub does it with tornado's."""
    for name in ("allotment_profiles", "allotment_spawner"):
        logger = logging.getLogger(name)
        logger.parent = hub
        logger.setLevel(hub.getEffectiveLevel())


def _text(path: str) -> str:
    try:
        return Path(path).read_text()
    except OSError as error:
        # Without the keys every commit counts as unsigned: where the policy holds what was pushed, nothing new applies.
        _log.warning("no allowed signers: %s", error)
        return ""
