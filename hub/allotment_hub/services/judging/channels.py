"""The channels that teams may point at: an administrator has set them up, and files name them. Pure."""

from collections.abc import Callable, Iterable, Iterator

from allotment_profiles.catalog.catalog import Catalog
from allotment_profiles.model.paths import file_ref
from allotment_profiles.model.problems import Problem

Channels = Callable[[], frozenset[str]]
"""Returns the names of the channels that are set up now. It reads a file."""


def no_channels() -> frozenset[str]:
    """Return the channels of a service that sends nothing."""
    return frozenset()


def channel_advice(after: Catalog, paths: Iterable[str], channels: Channels) -> Iterator[Problem]:
    """Yield an advice for each changed team whose channel is not set up: what is sent there reaches nobody."""
    for path in paths:
        ref = file_ref(path)
        entry = after.teams.get(ref.id) if ref and ref.kind == "team" else None
        channel = entry.value.channel if entry else None
        if channel and channel not in channels():
            message = f"No administrator has set up a channel {channel}, so nothing is sent there."
            remedy = "Ask an administrator for the names of the channels, or leave the key out."
            yield Problem(path, "channel-unknown", message, remedy, field="channel", level="advice")
