"""Advice about changed files: channels that nobody has set up, and titles that profiles of a team share. Pure."""

from collections.abc import Callable, Collection, Iterable, Iterator

from allotment_profiles.access.people import User
from allotment_profiles.access.visibility import profile_is_listed
from allotment_profiles.catalog.catalog import Catalog
from allotment_profiles.catalog.titles import equal_titles
from allotment_profiles.model.paths import file_ref
from allotment_profiles.model.problems import Problem

Channels = Callable[[], frozenset[str]]
"""Returns the names of the channels that are set up now. It reads a file."""


def no_channels() -> frozenset[str]:
    """Return the channels of a service that sends nothing."""
    return frozenset()


def advice_on(after: Catalog, paths: Collection[str], channels: Channels, reader: User) -> Iterator[Problem]:
    """Yield the advice about changed files that a reader may be told."""
    yield from _channel_advice(after, paths, channels)
    refs = (file_ref(path) for path in paths)
    profiles = [ref.id for ref in refs if ref and ref.kind == "profile"]
    listed = [each for each in profiles if each in after.profiles and profile_is_listed(after, reader, each)]
    yield from equal_titles(after, listed, lambda each: profile_is_listed(after, reader, each))


def _channel_advice(after: Catalog, paths: Iterable[str], channels: Channels) -> Iterator[Problem]:
    """Yield an advice for each changed team whose channel is not set up: what is sent there reaches nobody."""
    for path in paths:
        ref = file_ref(path)
        entry = after.teams.get(ref.id) if ref and ref.kind == "team" else None
        channel = entry.value.channel if entry else None
        if channel and channel not in channels():
            message = f"No administrator has set up a channel {channel}, so nothing is sent there."
            remedy = "Ask an administrator for the names of the channels, or leave the key out."
            yield Problem(path, "channel-unknown", message, remedy, field="channel", level="advice")
