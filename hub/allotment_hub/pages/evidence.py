"""Prepares the evidence of a proposal for its page: amounts as bars, packages by what installed them. Pure."""

from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from allotment_hub.services.proposals.proposals import ProposalView, profiles_in
from allotment_profiles.model import Profile
from allotment_profiles.model.paths import profile_path
from allotment_profiles.model.sizes import Size, size_of
from allotment_profiles.model.values.quantities import format_count, format_cpu
from allotment_profiles.records.evidence import ObservedUse, RecordedEvidence, SessionEvidence, TrialOutcome

Kind = Literal["limit", "proposed", "observed"]
_Amounts = Mapping[str, tuple[float | None, Kind]]
_UNITS = (("TiB", 1024**4), ("GiB", 1024**3), ("MiB", 1024**2))
_MANAGERS = {"pip": "pip", "uv": "uv", "conda": "conda", "r": "R"}
_SOURCES = {"session": "measured by the session itself", "metrics": "measured by the cluster"}
FEW_PACKAGES = 12
"""So many packages are shown without a click."""


@dataclass(frozen=True, slots=True)
class Bar:
    """One amount beside others of its kind."""

    label: str
    text: str
    share: float
    """Percent of the largest amount beside it."""
    kind: Kind


@dataclass(frozen=True, slots=True)
class Figure:
    """The amounts of one resource: what was observed beside what is requested."""

    title: str
    bars: tuple[Bar, ...]


@dataclass(frozen=True, slots=True)
class ShownEvidence:
    """Evidence as the page shows it."""

    recorded: RecordedEvidence
    earlier: bool
    """Whether it was recorded with an earlier version of the proposal."""
    figures: tuple[Figure, ...]
    notes: tuple[str, ...]
    """What was observed, in sentences."""
    packages: Mapping[str, Sequence[str]]
    """What installed them → names with versions."""

    @property
    def said(self) -> SessionEvidence | None:
        """What the session said; None for a trial."""
        return self.recorded.session

    @property
    def trial(self) -> TrialOutcome | None:
        """The outcome of a trial; None for what a session said."""
        return self.recorded.trial

    @property
    def package_count(self) -> int:
        """How many packages are listed."""
        return sum(map(len, self.packages.values()))

    @property
    def folded(self) -> bool:
        """Whether the packages are behind a click."""
        return self.package_count > FEW_PACKAGES


def shown_evidence(view: ProposalView) -> list[ShownEvidence]:
    """Return the evidence of a proposal for its reader, the newest first."""
    return [_shown(each, view) for each in view.evidence]


def _shown(recorded: RecordedEvidence, view: ProposalView) -> ShownEvidence:
    said, trial = recorded.session, recorded.trial
    use = said.use if said else trial.use if trial else None
    size = _proposed_size(view, said.options if said else {})
    packages = defaultdict[str, list[str]](list)
    for package in said.packages if said else ():
        packages[_MANAGERS[package.manager]].append(f"{package.name} {package.version}")
    return ShownEvidence(
        recorded,
        earlier=recorded.record.head != view.case.stored.head,
        figures=tuple(_figures(use, size)) if use else (),
        notes=tuple(_notes(use)) if use else (),
        packages=packages,
    )


def _proposed_size(view: ProposalView, options: Mapping[str, str]) -> Size | None:
    """Return the size that is proposed, with the options of the session as far as the profile has them.

    None where several profiles are proposed, or the reader may not see the file.
    """
    profiles = profiles_in(view.files)
    entry = view.case.check.after.profiles.get(profiles[0]) if len(profiles) == 1 else None
    if entry is None or profile_path(profiles[0]) not in view.seen:
        return None
    profile: Profile = entry.value
    chosen = {
        f"options.{name}.choices.{key}": profile.options[name].choices[key]
        for name, key in options.items()
        if name in profile.options and key in profile.options[name].choices
    }
    return size_of(profile, chosen)


def _figures(use: ObservedUse, size: Size | None) -> Iterator[Figure]:
    memory: _Amounts = {
        "Peak": (use.memory_peak, "observed"),
        "Typical": (use.memory_typical, "observed"),
        "Limit of the session": (use.memory_limit, "limit"),
        "Proposed limit": (size and size.memory, "proposed"),
    }
    cpu: _Amounts = {
        "Peak": (use.cpu_peak, "observed"),
        "Average": (use.cpu_typical, "observed"),
        "Limit of the session": (use.cpu_limit, "limit"),
        "Proposed limit": (size and size.cpu / 1000, "proposed"),
    }
    for title, amounts, text in (("Memory", memory, memory_text), ("CPU", cpu, cpus_text)):
        figure = _figure(title, amounts, text)
        if figure:
            yield figure


def _figure(title: str, amounts: _Amounts, text: Callable[[float], str]) -> Figure | None:
    """Return a figure; None where nothing was observed, as there is nothing to compare."""
    if not any(amount is not None for amount, kind in amounts.values() if kind == "observed"):
        return None
    largest = max(amount or 0 for amount, _ in amounts.values()) or 1
    bars = (
        Bar(label, text(amount), round(100 * amount / largest, 2), kind)
        for label, (amount, kind) in amounts.items()
        if amount is not None
    )
    return Figure(title, tuple(bars))


def _notes(use: ObservedUse) -> Iterator[str]:
    if use.out_of_memory:
        yield f"The kernel ended a process for lack of memory: {format_count(use.out_of_memory, 'time')}."
    if use.cpu_throttled is not None and use.cpu_throttled >= 0.01:
        yield f"The limit of its CPU held it back in {use.cpu_throttled:.0%} of the time."
    if use.gpus:
        yield f"It had {format_count(use.gpus, 'GPU')}."
    if use.memory_peak is not None and use.source == "session":
        yield "The peak of memory includes files that the kernel has cached."
    yield f"Observed for {duration_text(use.seconds)}, {_SOURCES[use.source]}."


def memory_text(size: float) -> str:
    """Format an observed amount of memory: what was measured is rounded, unlike what somebody has written."""
    for unit, factor in _UNITS:
        if size >= factor:
            return f"{size / factor:.1f}".removesuffix(".0") + f" {unit}"
    return f"{size / 1024:.0f} KiB"


def cpus_text(cores: float) -> str:
    """Format an observed number of CPUs."""
    text = format_cpu(round(round(cores, 2 if cores < 10 else 0) * 1000))
    return f"{text} CPU{'' if text == '1' else 's'}"


def duration_text(seconds: int) -> str:
    """Format how long something was observed, in whole minutes or hours."""
    if seconds < 120:
        return format_count(seconds, "second")
    return format_count(seconds // 60, "minute") if seconds < 2 * 3600 else format_count(seconds // 3600, "hour")
