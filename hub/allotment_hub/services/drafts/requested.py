"""One profile that a request asks for, as data or as text, and the files that this changes."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from allotment_hub.services.drafts.draft_proposal import Acceptance, with_acceptances
from allotment_hub.services.drafts.grants import Ask, with_grants
from allotment_hub.services.judging.checking import Files
from allotment_profiles.catalog.catalog import Catalog
from allotment_profiles.documents.rewriting import rewrite
from allotment_profiles.model.paths import profile_path


@dataclass(frozen=True)
class ProfileRequest:
    """A profile and what has to come with it."""

    profile_id: str
    value: Mapping[str, Any] | None
    """The profile as data, in the form of its file; or"""
    content: str | None
    """the text of its file."""
    grants: Mapping[str, Ask]
    """Data role → what the team asks for."""
    accepted: Mapping[str, Acceptance]
    """Code of a soft problem → why an administrator should accept it."""


def requested_files(asked: Files | ProfileRequest, catalog: Catalog) -> Files:
    """Return the changed files, path → content (None: removed); comments in an existing file are kept."""
    if not isinstance(asked, ProfileRequest):
        return asked
    entry = catalog.profiles.get(asked.profile_id)
    if asked.content is not None:
        data = encoded(asked.content)
    else:
        data = rewrite("profile", entry.source if entry else b"", dict(asked.value or {}))
    files = {profile_path(asked.profile_id): with_acceptances(data, asked.accepted)}
    return with_grants(files, catalog, asked.profile_id.partition("/")[0], asked.grants)


def encoded(text: str) -> bytes:
    """Encode text that came as JSON; a lone surrogate, which UTF-8 cannot hold, is refused by the reader later."""
    return text.encode("utf-8", "surrogatepass")
