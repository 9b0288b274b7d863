"""What all spawners of one hub share: one watcher of the repository and one writer of events."""

import logging
from collections.abc import MutableMapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from allotment_profiles.git.mirror import Mirror
from allotment_profiles.git.remotes import Remote
from allotment_profiles.git.repository import Repository
from allotment_profiles.git.signatures import Keyring
from allotment_profiles.model.policy import EventRules
from allotment_profiles.store.watcher import CatalogWatcher
from allotment_spawner.hub.event_writer import EventWriter

_SETTING = "allotment"


@dataclass(frozen=True, slots=True)
class SharedConfiguration:
    """Where the repository and the table of events are."""

    repository: Path
    allowed_signers: Path | None
    events_url: str
    poll_seconds: float
    cache: Path | None
    remote: Remote | None
    fetch_seconds: float


@dataclass(frozen=True, slots=True)
class Shared:
    """One watcher and one writer."""

    watcher: CatalogWatcher
    event_writer: EventWriter


def shared(settings: MutableMapping[str, Any], configuration: SharedConfiguration, hub_log: logging.Logger) -> Shared:
    """Return the shared objects of a hub. The first call creates them and must be made in the hub's event loop.

    JupyterHub creates a spawner for every user and server. Its own dictionary of settings is the only object that all
    of them reach, so the shared objects are stored there. What our packages log goes to the hub's log.
    """
    stored: dict[tuple[Path, str], Shared] = settings.setdefault(_SETTING, {})
    key = (configuration.repository, configuration.events_url)
    if key not in stored:
        _log_into(hub_log)
        watcher = _watcher(configuration)
        stored[key] = Shared(watcher, EventWriter(configuration.events_url, lambda: _event_rules(watcher)))
        stored[key].watcher.start()
    return stored[key]


def _watcher(configuration: SharedConfiguration) -> CatalogWatcher:
    keyring = Keyring(configuration.allowed_signers) if configuration.allowed_signers else None
    verifier = keyring.verifier if keyring else None
    remote, path = configuration.remote, configuration.repository
    mirror = Mirror.opened(path, remote, verifier) if remote else None
    return CatalogWatcher(
        mirror.repository if mirror else Repository(path, verifier),
        configuration.poll_seconds,
        configuration.cache,
        mirror=mirror,
        fetch_seconds=configuration.fetch_seconds,
        proposals=False,  # what is not on main decides about no session
        upkeep=mirror is not None,
        keyring=keyring,
    )


def _event_rules(watcher: CatalogWatcher) -> EventRules | None:
    policy = watcher.catalog.policy
    return policy.value.events if policy else None


def watchers(settings: MutableMapping[str, Any]) -> list[CatalogWatcher]:
    """Return the watchers of a hub; none before the first start page."""
    return [each.watcher for each in settings.get(_SETTING, {}).values()]


def event_writers(settings: MutableMapping[str, Any]) -> list[EventWriter]:
    """Return the event writers of a hub; none before the first start page."""
    return [each.event_writer for each in settings.get(_SETTING, {}).values()]


def _log_into(hub_log: logging.Logger) -> None:
    """Send our log lines to the hub's log in its format, as JupyterHub does with those of Tornado."""
    for name in ("allotment_profiles", "allotment_spawner"):
        logger = logging.getLogger(name)
        logger.parent = hub_log
        logger.setLevel(hub_log.getEffectiveLevel())
