"""Settings of a repository on a forge, as far as it tells them: its webhooks, and how it notices merges."""

from typing import cast
from urllib.parse import quote

from pydantic import BaseModel

from allotment_hub.forges.pull_requests.adapter import PullRequestAdapter
from allotment_hub.forges.pull_requests.errors import ForgeCredentialError, ForgeMissingError
from allotment_hub.forges.pull_requests.forge import Forge
from allotment_hub.forges.webhooks import ForgeKind

WEBHOOK_PATH = "services/allotment/api/v1/webhooks/forge"
"""Where the service takes webhooks, below the hub's address."""


_MERGES = {
    "allow_manual_merge": "allow to mark a pull request as manually merged",
    "autodetect_manual_merge": "Enable autodetect manual merge",
}
"""The settings with which Gitea notices what was merged outside it."""


_EVENTS: dict[ForgeKind, dict[str, tuple[str, ...]]] = {
    "gitea": {
        "Push": ("push",),
        "Pull Request": ("pull_request",),
        "Pull Request Commented": ("pull_request_comment",),
        "Pull Request Reviewed": ("pull_request_review", "pull_request_review_approved"),
        "Pull Request Synchronized": ("pull_request_sync",),
    },
    "github": {
        "Pushes": ("push",),
        "Pull requests": ("pull_request",),
        "Pull request reviews": ("pull_request_review",),
        "Pull request review comments": ("pull_request_review_comment",),
        "Issue comments": ("issue_comment",),
    },
    "gitlab": {
        "Push events": ("push_events",),
        "Comments": ("note_events",),
        "Merge request events": ("merge_requests_events",),
    },
}
"""The events that a webhook has to send, by the words of the forge's page: one of these names stands for each."""


class _Config(BaseModel):
    url: str = ""


class _Webhook(BaseModel):
    url: str = ""
    """Of GitLab. Of GitHub it is the address in the API."""
    config: _Config | None = None
    active: bool = True
    events: tuple[str, ...] = ()
    push_events: bool = False
    note_events: bool = False
    merge_requests_events: bool = False

    @property
    def address(self) -> str:
        return self.config.url if self.config else self.url

    def missing(self, kind: ForgeKind) -> set[str]:
        """Return the events that it does not send."""
        on = ("push_events", "note_events", "merge_requests_events")
        sent = {*self.events, *(name for name in on if getattr(self, name))}
        return {words for words, names in _EVENTS[kind].items() if sent.isdisjoint((*names, "*"))}


async def missing_events(forge: Forge, kind: ForgeKind, repository: str) -> dict[str, list[str]] | None:
    """Return where the repository's active webhooks go, and which events none of them sends there.

    None where the account may not know. Raise ForgeError.
    """
    client = cast("PullRequestAdapter", forge).client
    place = f"projects/{quote(repository, safe='')}" if kind == "gitlab" else f"repos/{repository}"
    try:
        webhooks = await client.list(_Webhook, f"{place}/hooks", linked=kind != "gitea")
    except (ForgeCredentialError, ForgeMissingError):
        return None
    missing: dict[str, set[str]] = {}
    for webhook in webhooks:
        if webhook.active:
            missing.setdefault(webhook.address, set(_EVENTS[kind])).intersection_update(webhook.missing(kind))
    return {address: [each for each in _EVENTS[kind] if each in lacks] for address, lacks in missing.items()}


def webhooks_page(kind: ForgeKind, url: str, repository: str) -> str:
    """Return the page of the forge with the repository's webhooks."""
    return f"{url.rstrip('/')}/{repository}/{'-/hooks' if kind == 'gitlab' else 'settings/hooks'}"


async def missing_for_merges(forge: Forge, kind: ForgeKind, repository: str) -> tuple[str, ...] | None:
    """Return the settings without which the forge does not notice what the service merges; None: it does not tell them.

    Raise ForgeError.
    """
    if kind != "gitea":
        return ()
    found = await cast("PullRequestAdapter", forge).client.get(dict[str, object], f"repos/{repository}")
    return tuple(name for key, name in _MERGES.items() if not found[key]) if found.keys() >= _MERGES.keys() else None
