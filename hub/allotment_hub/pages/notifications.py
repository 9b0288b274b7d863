"""The page on which users choose what they hear of."""

import asyncio

from allotment_hub.pages.page import Page
from allotment_hub.services.notifications.notices import KINDS
from allotment_profiles.access.people import belongs


class NotificationsPage(Page):
    """What is sent to the reader, and where; each kind can be turned off."""

    async def get(self) -> None:
        """GET notifications."""
        user, notifier = self.actor.user, self.services.notifier
        addresses = notifier.sender.addresses if notifier else None
        reached = addresses is not None and await asyncio.to_thread(addresses.reaches, ("user", user.name))
        channels = await asyncio.to_thread(addresses.read_channels) if addresses else frozenset()
        await self.show(
            "notifications.html",
            kinds={name: text for name, (text, _) in KINDS.items()},
            off=await asyncio.to_thread(self.services.choices.off, user.name),
            is_on=notifier is not None,
            reached=reached,
            email=addresses.email_of(user.name) if addresses else "",
            channels=self._channels(channels),
            saved=self.get_query_argument("saved", "") == "yes",
        )

    def _channels(self, known: frozenset[str]) -> list[tuple[str, str, bool]]:
        """Return the reader's teams with a channel: title, channel, and whether the administrator has set it up."""
        user, teams = self.actor.user, self.services.catalog.teams.values()
        return [
            (team.value.title, team.value.channel, team.value.channel in known)
            for team in teams
            if team.value.channel and belongs(user, team.value)
        ]

    async def post(self) -> None:
        """POST notifications: the names of the kinds that stay on."""
        self.require_person("notifications")
        on = self.get_body_arguments("on")
        await asyncio.to_thread(self.services.choices.choose, self.actor.user.name, on)
        self.go("notifications?saved=yes")
