"""Where a forge sends its webhooks, as far as it tells the service's account."""

from typing import cast
from urllib.parse import quote

from pydantic import BaseModel

from allotment_hub.forges.pull_requests.adapter import PullRequestAdapter
from allotment_hub.forges.pull_requests.errors import ForgeCredentialError, ForgeMissingError
from allotment_hub.forges.pull_requests.forge import Forge
from allotment_hub.forges.webhooks import ForgeKind

WEBHOOK_PATH = "services/allotment/api/v1/webhooks/forge"
"""Where the service takes webhooks, below the hub's address."""


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
