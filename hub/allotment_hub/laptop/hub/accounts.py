"""The three accounts of a laptop deployment: an analyst, a team lead and an administrator."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Account:
    """One local account, with the groups that an identity provider would name."""

    about: str
    groups: tuple[str, ...]
    admin: bool = False


ACCOUNTS = {
    "analyst": Account(
        about="member of housing-statistics and transport-analysis: starts sessions, proposes profiles",
        groups=("/example/housing-statistics", "/example/transport-analysis"),
    ),
    "lead": Account(
        about="leads housing-statistics and transport-analysis: reviews and merges what they may decide",
        groups=("/example/housing-statistics", "/example/housing-statistics/leads"),
    ),
    "admin": Account(
        about="runs the hub and answers for open-data: reviews what is left to the platform",
        groups=("/example/open-data", "/example/open-data/leads"),
        admin=True,
    ),
}
