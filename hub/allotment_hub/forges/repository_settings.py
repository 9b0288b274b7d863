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


class _Config(BaseModel):
    url: str = ""


class _Webhook(BaseModel):
    url: str = ""
    """Of GitLab. Of GitHub it is the address in the API."""
    config: _Config | None = None
    active: bool = True

    @property
    def address(self) -> str:
        return self.config.url if self.config else self.url


async def webhook_addresses(forge: Forge, kind: ForgeKind, repository: str) -> frozenset[str] | None:
    """Return where the repository's active webhooks go; None where the account may not know. Raise ForgeError."""
    client = cast("PullRequestAdapter", forge).client
    place = f"projects/{quote(repository, safe='')}" if kind == "gitlab" else f"repos/{repository}"
    try:
        webhooks = await client.list(_Webhook, f"{place}/hooks", linked=kind != "gitea")
    except (ForgeCredentialError, ForgeMissingError):
        return None
    return frozenset(webhook.address for webhook in webhooks if webhook.active)


async def missing_for_merges(forge: Forge, kind: ForgeKind, repository: str) -> tuple[str, ...] | None:
    """Return the settings without which the forge does not notice what the service merges; None: it does not tell them.

    Raise ForgeError.
    """
    if kind != "gitea":
        return ()
    found = await cast("PullRequestAdapter", forge).client.get(dict[str, object], f"repos/{repository}")
    return tuple(name for key, name in _MERGES.items() if not found[key]) if found.keys() >= _MERGES.keys() else None
