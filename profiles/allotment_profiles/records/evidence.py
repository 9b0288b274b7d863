"""Evidence of a proposal: what a session said about itself, and the outcomes of trials.

What a session says is a claim of the proposer. No rule reads any of it: it never changes what a proposal requires.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Annotated, Literal, Self

from pydantic import Field, ValidationError, model_validator

from allotment_profiles.git.repository import Repository
from allotment_profiles.model.base import Model
from allotment_profiles.model.values.texts import Image, Lines, Name, ProfileId
from allotment_profiles.records.record import EVIDENCE_FILE, Record

MAXIMUM_PACKAGES = 10_000
_NAMES = {
    "pip": re.compile(r"[A-Za-z0-9]([A-Za-z0-9._-]{0,98}[A-Za-z0-9])?", re.ASCII),
    "uv": re.compile(r"[A-Za-z0-9]([A-Za-z0-9._-]{0,98}[A-Za-z0-9])?", re.ASCII),
    "conda": re.compile(r"[a-z0-9_][a-z0-9._-]{0,99}", re.ASCII),
    "r": re.compile(r"[A-Za-z][A-Za-z0-9.]{0,99}", re.ASCII),
}
_MOST_BYTES, _MOST_CORES, _MOST_SECONDS = 2**50, 4096.0, 10 * 365 * 86400

Bytes = Annotated[int, Field(ge=0, le=_MOST_BYTES)]
Cores = Annotated[float, Field(ge=0, le=_MOST_CORES, allow_inf_nan=False)]
Source = Literal["session", "metrics"]


class AddedPackage(Model):
    """A package that the user has added to what the image has."""

    manager: Literal["pip", "uv", "conda", "r"]
    """What installed it."""
    name: Annotated[str, Field(max_length=100)]
    """Its name."""
    version: Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9.!+~_-]{0,63}$")]
    """Its version."""

    @model_validator(mode="after")
    def _named(self) -> Self:
        if not _NAMES[self.manager].fullmatch(self.name):
            raise ValueError("this is no name of a package")
        return self


class ObservedUse(Model):
    """What a session used. What is not known is left out."""

    source: Source = "session"
    """Who measured it: the session itself, or the cluster's metrics."""
    seconds: Annotated[int, Field(ge=0, le=_MOST_SECONDS)]
    """For how long it was observed."""
    memory_peak: Bytes | None = None
    """The most memory, in bytes; with what the kernel has cached of files."""
    memory_typical: Bytes | None = None
    """The memory that it mostly used, in bytes."""
    memory_limit: Bytes | None = None
    """The limit of its memory, in bytes."""
    out_of_memory: Annotated[int, Field(ge=0, le=10**9)] = 0
    """How often the kernel ended a process of it for lack of memory."""
    cpu_peak: Cores | None = None
    """The most cores."""
    cpu_typical: Cores | None = None
    """The cores that it used on average."""
    cpu_limit: Cores | None = None
    """The limit of its cores."""
    cpu_throttled: Annotated[float, Field(ge=0, le=1, allow_inf_nan=False)] | None = None
    """The share of the time in which the limit of its cores held it back."""
    gpus: Annotated[int, Field(ge=0, le=64)] | None = None
    """How many GPUs it had."""


class SessionEvidence(Model):
    """What a session says about itself."""

    profile: ProfileId | Literal[""]
    """The id of the profile that it was started from; empty for readers who may not know of it."""
    revision: Annotated[str, Field(pattern=r"^([0-9a-f]{40,64})?$")] = ""
    """The commit of main that it was started from."""
    options: Annotated[dict[Name, Name], Field(max_length=20)] = Field(default_factory=dict)
    """The options that were chosen."""
    image: Image | None = None
    """Its image, as written in the profile."""
    digest: Annotated[str, Field(pattern=r"^(sha256:[0-9a-f]{64})?$")] = ""
    """The digest of the image that ran."""
    use: ObservedUse | None = None
    """What it used."""
    packages: Annotated[list[AddedPackage], Field(max_length=MAXIMUM_PACKAGES)] = Field(default_factory=list)
    """The packages that the user has added to the image."""
    packages_left_out: Annotated[int, Field(ge=0, le=10**6)] = 0
    """How many more there were than were sent."""
    data_roles: Annotated[list[Name], Field(max_length=50)] = Field(default_factory=list)
    """The data roles that it had."""

    def without_profile(self) -> Self:
        """Return it for readers who may not know of the profile: without what its file says."""
        return self.model_copy(
            update={"profile": "", "revision": "", "options": {}, "image": None, "digest": "", "data_roles": []}
        )


class TrialOutcome(Model):
    """How a trial went. Only the service writes it."""

    started_in: Annotated[float, Field(ge=0, le=_MOST_SECONDS, allow_inf_nan=False)] | None = None
    """After how many seconds the session answered; None where it did not start."""
    code: Annotated[str, Field(pattern=r"^[a-z0-9-]{0,60}$")] = ""
    """The code of the refusal or of the failure; empty where it started."""
    text: Lines | Literal[""] = ""
    """Why it did not start, or how it ended."""
    use: ObservedUse | None = None
    """What it used."""

    @model_validator(mode="after")
    def _one_outcome(self) -> Self:
        if (self.started_in is None) == (not self.code):
            raise ValueError("a trial has either started, or there is a code")
        return self


class Evidence(Model):
    """What is attached to one record: what a session said, or the outcome of a trial."""

    session: SessionEvidence | None = None
    """What the session of the proposer said."""
    trial: TrialOutcome | None = None
    """The outcome of a trial."""

    @model_validator(mode="after")
    def _one_kind(self) -> Self:
        if (self.session is None) == (self.trial is None):
            raise ValueError("evidence is either of a session or of a trial")
        return self

    def encoded(self) -> bytes:
        """Return the file that is attached to the record."""
        return self.model_dump_json(exclude_defaults=True).encode()


@dataclass(frozen=True, slots=True)
class RecordedEvidence:
    """Evidence with the record that it is attached to."""

    record: Record
    session: SessionEvidence | None
    trial: TrialOutcome | None


def read_evidence(repository: Repository, records: Iterable[Record]) -> tuple[RecordedEvidence, ...]:
    """Return the evidence that is attached to some records. What another version has written is left out. Blocks."""
    return tuple(found for record in records if record.has_evidence and (found := _read(repository, record)))


def _read(repository: Repository, record: Record) -> RecordedEvidence | None:
    data = repository.file(record.commit, EVIDENCE_FILE)
    try:
        evidence = Evidence.model_validate_json(data or b"")
    except ValidationError:
        return None
    return RecordedEvidence(record, evidence.session, evidence.trial)
