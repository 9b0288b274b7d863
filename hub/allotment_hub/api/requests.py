"""The models of the API's request bodies."""

import json
from collections.abc import Mapping
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from allotment_hub.errors import refused
from allotment_hub.services.drafts.draft_proposal import Acceptance
from allotment_hub.services.drafts.grants import Ask
from allotment_hub.services.drafts.requested import ProfileRequest, encoded
from allotment_hub.services.judging.checking import Files
from allotment_hub.services.trials.trying import Wish
from allotment_profiles.model.limits import MAXIMUM_BYTES, MAXIMUM_DEPTH, MAXIMUM_VALUES
from allotment_profiles.model.values.texts import is_name
from allotment_profiles.records.evidence import SessionEvidence
from allotment_profiles.stops import StopTarget


class Body(BaseModel):
    """The base of all request bodies."""

    model_config = ConfigDict(extra="forbid", use_attribute_docstrings=True)


class ChangedFile(Body):
    """One changed file."""

    path: Annotated[str, Field(max_length=300)]
    """Relative to the repository's root."""
    content: Annotated[str, Field(max_length=200_000)] | None
    """The new content; null removes the file."""


class GrantBody(Body):
    """A request for a data role that the team does not have, or not for long enough."""

    data_role: Annotated[str, Field(max_length=100)]
    """The data role's name."""
    until: Annotated[str, Field(max_length=40)]
    """The last day of the grant, such as `2027-03-31`."""
    reason: Annotated[str, Field(max_length=2000)] = ""
    """Why the team needs the data."""


class AcceptanceBody(Body):
    """A problem that an administrator is asked to accept."""

    code: Annotated[str, Field(pattern=r"^[a-z0-9-]{1,40}$")]
    """The code of the problem, such as `cpu-envelope`."""
    reason: Annotated[str, Field(min_length=1, max_length=2000)]
    """Why it should be accepted."""
    until: Annotated[str, Field(max_length=40)] = ""
    """The last day of the acceptance; empty for no end."""


class CheckBody(Body):
    """A change: files, or one profile as data or as text."""

    files: Annotated[list[ChangedFile], Field(max_length=100)] | None = None
    """Changed files."""
    team: str | None = None
    """The team of the one profile."""
    name: str | None = None
    """The name of the one profile."""
    profile: dict[str, Any] | None = None
    """The profile as data, structured like its file."""
    content: Annotated[str, Field(max_length=200_000)] | None = None
    """The profile as the text of its file."""
    grants: Annotated[list[GrantBody], Field(max_length=20)] = []
    """Data roles that the team asks for in the same proposal. Requires `team`."""
    accept: Annotated[list[AcceptanceBody], Field(max_length=20)] = []
    """Soft problems to be accepted by an administrator. The proposal writes them into the profile. Requires `team`."""

    @model_validator(mode="after")
    def _one_form(self) -> Self:
        single = (self.profile is None) != (self.content is None)
        if self.files is not None:
            if any((self.team, self.name, self.profile, self.content, self.grants, self.accept)):
                raise ValueError("send either files, or team, name and one of profile and content")
        elif not single or not (is_name(self.team or "") and is_name(self.name or "")):
            raise ValueError("send files, or team and name (both names) and one of profile and content")
        if self.profile is not None and _depth(self.profile) > MAXIMUM_DEPTH:
            raise ValueError("the profile is nested too deeply")
        if self.profile is not None and _count(self.profile) > MAXIMUM_VALUES:
            raise ValueError("the profile has more keys and entries than a file may have")
        if self.profile is not None and len(json.dumps(self.profile)) > MAXIMUM_BYTES:
            raise ValueError("the profile is larger than a file may be")
        return self

    def changes(self) -> Files | ProfileRequest:
        """Return the requested change."""
        if self.files is not None:
            return {file.path: None if file.content is None else encoded(file.content) for file in self.files}
        return ProfileRequest(
            profile_id=f"{self.team}/{self.name}",
            value=self.profile,
            content=self.content,
            grants={grant.data_role: Ask(grant.until, grant.reason) for grant in self.grants},
            accepted={body.code: Acceptance(body.reason, body.until) for body in self.accept},
        )


class ProposalBody(CheckBody):
    """A change with its reason."""

    reason: str
    """Why the change is needed, in a sentence or two."""
    update: str | None = None
    """The id of an open proposal of one's own that this replaces, if no profile identifies it."""
    evidence: SessionEvidence | None = None
    """What the session that this is proposed from says about itself. Reviewers are shown it as a claim of the proposer;
    it changes nothing of what is required."""
    undoes: str = ""
    """The id of a merged proposal that this undoes, where `POST proposals/{id}/revert` cannot choose the values."""


class DraftBody(CheckBody):
    """A change that an assistant drafts for its user, with the reason that the user would give."""

    reason: Annotated[str, Field(max_length=2000)]
    """Why the change is needed, in a sentence or two. The user reads it before anybody else does."""


class CommentBody(Body):
    """A comment."""

    text: str
    """The text."""


class HeadBody(Body):
    """A decision about exactly one version of a proposal."""

    head: Annotated[str, Field(pattern=r"^[0-9a-f]{40,64}$")]
    """The head of the proposal that was looked at."""
    digest: Annotated[str, Field(pattern=r"^([0-9a-f]{64})?$")] = ""
    """The `digest` of the proposal that was looked at. Without one, nothing is decided."""


class MergeBody(HeadBody):
    """A merge of exactly one version of a proposal."""

    confirm_removal: bool = False
    """Whether the removal of many files at once is intended."""


class ConfirmationBody(Body):
    """An administrator's confirmation of quarantined changes."""

    reason: str
    """Why the changes are right."""
    kind: Literal["", "removal", "direct-push"] = ""
    """Which changes of the commit, where it has both kinds."""


class TrialBody(Body):
    """What is to be tried of a proposal."""

    profile: Annotated[str, Field(max_length=100)] = ""
    """The id of the profile, `TEAM/NAME`, where the proposal has several."""
    options: Annotated[dict[str, str], Field(max_length=20)] = {}
    """Options of the profile and their choices; one that is left out has its default."""
    data_roles: Annotated[list[str], Field(max_length=20)] = []
    """Data that the trial is to reach: what the profile on main has as well. A session's token cannot ask for it."""

    @property
    def wish(self) -> Wish:
        """What is to be tried."""
        return Wish(self.profile, self.options, tuple(self.data_roles))


class DraftTrialBody(TrialBody):
    """A profile that is to be tried before it is proposed: as data, or as the text of its file."""

    profile: Annotated[str, Field(pattern=r"^[^/]{1,64}/[^/]{1,64}$")]
    """The id of the profile, `TEAM/NAME`. It need not exist."""
    settings: dict[str, Any] | None = None
    """The profile as data, structured like its file."""
    content: Annotated[str, Field(max_length=200_000)] | None = None
    """The profile as the text of its file."""

    def check(self) -> CheckBody:
        """Return the change as it would be checked. Raises ValidationError."""
        team, _, name = self.profile.partition("/")
        return CheckBody(team=team, name=name, profile=self.settings, content=self.content)

    @model_validator(mode="after")
    def _one_form(self) -> Self:
        self.check()
        return self


class RejectionBody(Body):
    """A rejection."""

    reason: str
    """Why the proposal is rejected."""


class RevertBody(Body):
    """A wish to undo a merged proposal."""

    reason: str
    """Why it is undone, in a sentence or two."""


class RedactionBody(Body):
    """The redaction of a text."""

    record: Annotated[str, Field(pattern=r"^[0-9a-f]{40,64}$")]
    """The `commit` of the record whose text is confidential."""
    reason: str
    """Why it is redacted. It stands in the place of the text, so nothing of the text belongs into it."""


class StopBody(Body):
    """Which sessions are stopped: send exactly one of `user`, `profile`, `image` and `data_role`."""

    user: str = ""
    """The name of a user."""
    profile: str = ""
    """The id of a profile, `TEAM/NAME`."""
    image: str = ""
    """An image: its digest, or its reference as written in the profile."""
    data_role: str = ""
    """The name of a data role."""
    reason: str
    """Why, in a sentence. The users of the sessions are shown it."""

    @property
    def target(self) -> StopTarget:
        """The target. Raises ServiceError if there is not exactly one."""
        return stop_target(self.model_dump(exclude={"reason"}))


def stop_target(named: Mapping[str, str]) -> StopTarget:
    """Return the one target that is named. Raise ServiceError if there is not exactly one."""
    given = {kind.replace("_", "-"): name for kind, name in named.items() if name}
    targets = [StopTarget.parse(kind, name) for kind, name in given.items()]
    if len(targets) != 1 or targets[0] is None:
        why = "It names no user, profile, image or data role, or several of them, or one that cannot exist."
        raise refused(400, "stop-target", "Nothing was stopped.", why, "Name exactly one of them.")
    return targets[0]


def _depth(value: Any, level: int = 0) -> int:
    if level > MAXIMUM_DEPTH or not isinstance(value, dict | list):
        return level
    inner = value.values() if isinstance(value, dict) else value
    return max((_depth(each, level + 1) for each in inner), default=level)


def _count(value: Any) -> int:
    """Count keys and entries. Their nesting has been checked."""
    inner = list(value.values()) if isinstance(value, dict) else value if isinstance(value, list) else []
    return len(inner) + sum(map(_count, inner))
