"""What an assistant can do: look up, explain, check, and draft. Nothing here proposes, approves or withdraws."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from allotment_session.assistant.telling import WholeText
from allotment_session.commands import as_object, fetch_profile, requested, settings_of, split
from allotment_session.drafting import draft
from allotment_session.editing import with_settings
from allotment_session.errors import usage
from allotment_session.output import field_of, items_of
from allotment_session.running import capture, own_session, short_of_memory

if TYPE_CHECKING:
    from collections.abc import Mapping

    from allotment_session.client import ServiceClient

LISTED = 40
"""How many profiles or proposals one answer lists."""
_PROFILE = (
    *("id", "title", "description", "purpose", "app", "image", "settings", "options", "data_roles", "cost", "owners"),
    *("members", "review_by", "reason", "approved_by", "startable", "refusal", "warnings", "problems", "url"),
)
_PROPOSAL = (
    *("id", "url", "state", "title", "reason", "proposer", "waits_for", "since", "problems", "conflicts", "changes"),
    *("access", "cost", "requirements", "automatic"),
)
_CHECK = ("ok", "problems", "changes", "access", "starts", "cost", "requirements", "automatic", "others")


@dataclass(frozen=True)
class Change:
    """A change of one profile as an assistant asks for it."""

    profile: str
    """`TEAM/NAME`; empty means the one that runs."""
    like: str = ""
    """The profile whose settings are changed; empty means `profile` itself."""
    settings: list[str] = field(default_factory=list)
    removed: list[str] = field(default_factory=list)
    content: str = ""
    """The whole file, in place of changed settings."""
    grants: list[str] = field(default_factory=list)
    accepted: list[str] = field(default_factory=list)


class Tools:
    """The tools of one session. Each returns a document, or raises `SessionError`."""

    def __init__(self, client: ServiceClient, environment: Mapping[str, str]) -> None:
        self._client = client
        self._environment = environment
        self._running = environment.get("ALLOTMENT_PROFILE", "")

    def list_profiles(self, search: str, startable: bool, offset: int) -> dict[str, Any]:
        """Return some of the profiles that the user may see."""
        words = search.lower().split()
        found = [
            each
            for each in items_of(self._client.get("profiles"), "profiles")
            if all(word in _searched(each) for word in words) and (not startable or each.get("startable") is True)
        ]
        listed = [_profile_line(each) for each in found[offset : offset + LISTED]]
        return {"running": self._running, "total": len(found), "offset": offset, "profiles": listed}

    def show_profile(self, profile: str) -> dict[str, Any]:
        """Return everything about one profile."""
        answer = fetch_profile(self._client, *split(profile or self._running))
        return {**_some(answer, _PROFILE), "file": WholeText(field_of(answer, "content"))}

    def show_session(self) -> dict[str, Any]:
        """Return what runs, what it used, and what that suggests."""
        captured = capture(self._client, self._environment)
        advice = short_of_memory(captured.session, captured.use)
        suggested: list[str] = []
        if profile := field_of(captured.session, "profile"):
            suggested = draft(settings_of(self._client, profile), captured.session, captured.use)[1]
        packages = items_of(captured.evidence, "packages")
        added = [" ".join(field_of(each, name) for name in ("manager", "name", "version")) for each in packages]
        use = {**captured.use.values, "unknown": captured.use.unknown}
        return {
            "session": captured.session,
            "use": use,
            "added_packages": added,
            "advice": [line.strip() for line in advice],
            "reasons_for_another_limit": suggested,
        }

    def explain_refusal(self, profile: str) -> dict[str, Any]:
        """Return why the user can or cannot start a profile, rule by rule."""
        return as_object(self._client.get("explain", profile="/".join(split(profile or self._running))))

    def check_change(self, change: Change) -> dict[str, Any]:
        """Return what a change would mean. Nothing is written."""
        return _some(as_object(self._client.post("checks", body=self._body(change, ""))), _CHECK)

    def draft_proposal(self, change: Change, reason: str) -> dict[str, Any]:
        """Leave a draft for the user, and return the page on which they decide about it."""
        body = {**self._body(change, reason), "reason": reason}
        answer = as_object(self._client.post("drafts", body=body))
        url = self._client.address(answer.get("url"))
        what = (
            "Nothing is proposed. The draft waits for its user: give them this address. On that page they see the "
            "whole file and the difference, and propose, edit or discard it. You cannot do that for them."
        )
        return {"what_now": what, "draft": {**answer, "url": url}}

    def list_proposals(self) -> dict[str, Any]:
        """Return the user's own drafts and proposals, the newest first."""
        user = field_of(own_session(self._client), "user")
        drafts = items_of(self._client.get("drafts"), "drafts")
        proposals = items_of(self._client.get("proposals", proposer=user), "proposals")
        return {"drafts": drafts, "total": len(proposals), "proposals": proposals[:LISTED]}

    def show_proposal(self, proposal: str) -> dict[str, Any]:
        """Return one proposal: its state, what it waits for, and what people said."""
        answer = as_object(self._client.get("proposals", proposal))
        said = [_some(each, ("kind", "by", "time", "text")) for each in items_of(answer, "records")]
        return {**_some(answer, _PROPOSAL), "records": said[-LISTED:]}

    def _body(self, change: Change, reason: str) -> dict[str, Any]:
        team, name = split(change.profile or self._running)
        asked = requested(change.grants, change.accepted, reason)
        if change.content:
            if change.settings or change.removed or change.like:
                raise usage("A whole file does not go with changed settings.", "Send one or the other.")
            return {"team": team, "name": name, "content": change.content, **asked}
        if not (change.settings or change.removed or change.like or asked):
            raise usage("Nothing is changed.", "Name settings, such as memory.limit=16GiB, or send the whole file.")
        settings = settings_of(self._client, change.like or f"{team}/{name}")
        profile = with_settings(settings, change.settings, change.removed)
        return {"team": team, "name": name, "profile": profile, **asked}


def _some(answer: Mapping[str, Any], names: tuple[str, ...]) -> dict[str, Any]:
    return {name: answer[name] for name in names if answer.get(name) not in (None, "", [], {})}


def _searched(profile: Mapping[str, Any]) -> str:
    return " ".join(field_of(profile, name) for name in ("id", "title", "description", "purpose", "app")).lower()


def _profile_line(profile: Mapping[str, Any]) -> dict[str, Any]:
    line = _some(profile, ("id", "title", "description", "app", "startable"))
    refusal = profile.get("refusal")
    return {**line, "refusal": _some(refusal, ("code", "why", "remedy", "decides"))} if refusal else line
