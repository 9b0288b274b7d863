"""The webhooks of the forge: they hurry the next look, and decide nothing."""

import asyncio
import datetime as dt
from typing import ClassVar

from tornado.web import stream_request_body

from allotment_hub.api.handler import ApiHandler, operation
from allotment_hub.errors import ServiceError, refused, unavailable
from allotment_hub.forges.pull_requests.errors import ForgeCredentialError
from allotment_hub.forges.webhooks import Webhooks
from allotment_profiles.access.people import ADMINISTRATORS

_THE_FORGE = ("", False)
"""Whose requests these are, for the limit of requests that run at once: nobody's who has a name."""


@stream_request_body  # so that Tornado does not parse forms in a body before its signature was looked at
class ForgeWebhookHandler(ApiHandler):
    """The webhooks of the forge. The signature says that it sent them; there is no user."""

    open_to_all: ClassVar[bool] = True

    async def prepare(self) -> None:
        """Prepare to read the body, which the application cuts at its limit."""
        await super().prepare()
        self._body = bytearray()

    def data_received(self, chunk: bytes) -> None:
        """Keep a part of the body."""
        self._body += chunk

    @operation(status=202)
    async def post(self) -> None:
        """Look at the pull requests again, and fetch main if it may have moved. The forge signs the request."""
        pull_requests, forge = self.services.pull_requests, self.services.configuration.forge
        if pull_requests is None or forge is None or forge.webhook_secret_file is None:
            why = "The service has no forge, or no secret of its webhooks. It asks the forge by itself."
            raise refused(404, "webhooks-off", "Webhooks are not taken here.", why, "", ADMINISTRATORS)
        await self.services.request_limit.begin(_THE_FORGE)
        self._counted = _THE_FORGE
        webhooks = Webhooks(forge.kind, forge.webhook_secret_file)
        try:
            look = await asyncio.to_thread(webhooks.look, self.request.headers, bytes(self._body))
        except ForgeCredentialError as error:
            why = "The file with the secret of the webhooks cannot be used. The log has the reason."
            raise unavailable("forge-credential", why, "Write the secret to its file.", ADMINISTRATORS) from error
        except ServiceError:
            pull_requests.deliveries.refused = dt.datetime.now(dt.UTC)
            raise
        pull_requests.deliveries.accepted = dt.datetime.now(dt.UTC)
        if look.main:
            self.services.watcher.trigger()
        pull_requests.wake(look.number)
        self.answer({"looking": True})
