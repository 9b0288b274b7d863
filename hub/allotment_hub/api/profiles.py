"""The API for reading: profiles, teams, the readers of data roles, and what may be asked for."""

import datetime as dt

from allotment_hub.api.handler import ApiHandler, operation
from allotment_hub.api.responses import ExplainAnswer, ProfileAnswer, ProfileDetails, ReadersAnswer, TeamAnswer
from allotment_hub.api.serializers import explain_answer, profile_answer, profile_details, readers_answer, team_answer
from allotment_profiles.access.form_schema import form_schema
from allotment_profiles.reference.schema import schema_of


class ProfilesHandler(ApiHandler):
    """All profiles."""

    @operation(ProfileAnswer, listed="profiles")
    async def get(self) -> None:
        """List the profiles that the caller may see."""
        rows = await self.services.profiles.rows(self.actor.user)
        await self.answer_list(lambda row: profile_answer(row, self.address(f"profiles/{row.id}")), rows)


class ProfileHandler(ApiHandler):
    """One profile."""

    @operation(ProfileDetails)
    async def get(self, team: str, name: str) -> None:
        """Return one profile."""
        row = await self.services.profiles.row(self.actor.user, f"{team}/{name}")
        await self.answer_made(lambda: profile_details(row, self.address(f"profiles/{row.id}")))


class ExplainHandler(ApiHandler):
    """Explanations of access."""

    @operation(
        ExplainAnswer,
        query={"user": "The name of the user; empty for the caller.", "profile": "The id of the profile, TEAM/NAME."},
    )
    async def get(self) -> None:
        """Explain why a user can or cannot start a profile."""
        user = self.get_query_argument("user", "") or self.actor.user.name
        profile = self.get_query_argument("profile", "")
        offer = await self.services.profiles.explain(self.actor.user, user, profile)
        identity = await self.services.identities.shown(self.actor.user, user)
        await self.answer_made(lambda: explain_answer(user, offer, identity))


class ReadersHandler(ApiHandler):
    """The readers of a data role."""

    @operation(ReadersAnswer)
    async def get(self, name: str) -> None:
        """List who can reach a data role."""
        row = await self.services.data_roles.readers(self.actor.user, name)
        await self.answer_made(lambda: readers_answer(row))


class TeamHandler(ApiHandler):
    """One team."""

    @operation(TeamAnswer)
    async def get(self, name: str) -> None:
        """Return one team."""
        page = await self.services.teams.page(self.actor.user, name)
        await self.answer_made(lambda: team_answer(page))


class SchemaHandler(ApiHandler):
    """The schema of a profile."""

    @operation()
    async def get(self) -> None:
        """Return the JSON Schema of a profile, with the limits of the caller's teams."""
        catalog, now = self.services.watcher.catalog, dt.datetime.now(dt.UTC)
        await self.answer_made(lambda: form_schema(schema_of("profile"), catalog, self.actor.user, now))
