"""Eleven profiles, whose removal at once is quarantined, and what is quarantined."""

from support.repositories import Content, ProfilesRepository, profile

MANY: dict[str, Content] = {f"teams/red/profiles/p{n:02}.yaml": profile(title=f"Number {n}") for n in range(11)}
GONE: dict[str, Content] = dict.fromkeys(MANY)


def held(profiles: ProfilesRepository) -> set[tuple[str, str]]:
    return {(hold.path, hold.reason) for hold in profiles.catalog().quarantined}
