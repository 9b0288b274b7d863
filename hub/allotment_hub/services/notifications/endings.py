"""What ends soon: grants, and profiles whose review is due; and who can renew it. Pure."""

import datetime as dt
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from urllib.parse import quote

from allotment_hub.services.notifications.texts import plain
from allotment_profiles.access.people import User, answers_for, works_on
from allotment_profiles.catalog.catalog import Catalog
from allotment_profiles.model.paths import data_role_path, profile_path

DAYS = (30, 7, 1)
"""So many days before, those who can renew it hear of it, each time once."""


@dataclass(frozen=True, slots=True)
class Ending:
    """Something that ends on a day, unless it is renewed."""

    path: str
    """The file that says so."""
    team: str
    """The team that loses it."""
    what: str
    """The beginning of a sentence: `The grant of prices to Housing`."""
    last_day: dt.date
    link: str
    """The page that proposes to renew it, below the service's prefix."""

    @property
    def key(self) -> str:
        """What it is told by; another day is another ending."""
        return f"ending {self.path} {self.team} {self.last_day}"

    def days_left(self, today: dt.date) -> int:
        """Return how many days it still has."""
        return (self.last_day - today).days

    def reached(self, today: dt.date) -> list[int]:
        """Return the `DAYS` that have come, the earliest first."""
        return [days for days in DAYS if self.days_left(today) <= days]

    def sentence(self, today: dt.date) -> str:
        """Return it as a sentence."""
        left = self.days_left(today)
        when = "today" if left == 0 else "tomorrow" if left == 1 else f"in {left} days"
        return f"{self.what} {when}, on {self.last_day.isoformat()}. This page proposes to renew it:"


def endings(catalog: Catalog, today: dt.date) -> Iterator[Ending]:
    """Yield all that will end some day and has not ended yet."""
    for name, role in catalog.data_roles.items():
        for team, grant in role.value.granted_to.items():
            if grant.last_day >= today and team in catalog.teams:
                title = catalog.teams[team].value.title
                what = f"The grant of “{plain(role.value.title, 80)}” to {plain(title, 80)} ends"
                link = f"data-roles/{quote(name, safe='')}/ask?team={quote(team, safe='')}"
                yield Ending(data_role_path(name), team, what, grant.last_day, link)
    for id_, profile in catalog.profiles.items():
        team, day = id_.partition("/")[0], profile.value.review_by
        retired = profile.value.retired_from
        if day and day >= today and team in catalog.teams and not (retired and retired <= day):
            what = f"The profile “{plain(profile.value.title, 80)}” has to be reviewed"
            yield Ending(profile_path(id_), team, what, day, f"propose?from={quote(id_)}")


def renewers(ending: Ending, catalog: Catalog, people: Iterable[User]) -> list[str]:
    """Return who can renew it: those who decide for the team, and the maintainers of a profile."""
    team = catalog.teams[ending.team]
    ids = [id_ for id_ in catalog.profiles if profile_path(id_) == ending.path]
    profile = catalog.profiles[ids[0]].value if ids else None
    return [
        user.name
        for user in people
        if answers_for(user, team.value) or (profile is not None and works_on(user, profile, team))
    ]
