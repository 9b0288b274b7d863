"""Finding profiles by words without reading thousands of files for every question: what was read once is kept."""

from collections.abc import Iterable
from dataclasses import dataclass

from allotment_profiles.access.subjects import people_of
from allotment_profiles.catalog.catalog import Catalog
from allotment_profiles.model.paths import file_ref, profile_path
from allotment_profiles.store.provenance import Provenance


@dataclass(frozen=True, slots=True)
class Findable:
    """What one profile is found by."""

    key: tuple[str, ...]
    """The versions of what the words were taken from."""
    words: str
    """Lower case."""
    draft: bool


class ProfileIndex:
    """The words of all profiles; only what has changed is read again."""

    def __init__(self) -> None:
        self._known: dict[str, Findable] = {}
        self._catalog: Catalog | None = None

    def renewed(self, catalog: Catalog, provenance: Provenance) -> dict[str, Findable]:
        """Give what the profiles are found by, broken ones among them, in the order of their ids."""
        if self._catalog is catalog:
            return self._known
        members = {name: ", ".join(sorted(people_of(name, catalog))) for name in catalog.teams}
        broken = [where.id for path in catalog.broken if (where := file_ref(path)) and where.kind == "profile"]
        self._known = {
            profile_id: self._findable(catalog, provenance, profile_id, members)
            for profile_id in sorted({*catalog.profiles, *broken})
        }
        self._catalog = catalog
        return self._known

    def _findable(self, catalog: Catalog, provenance: Provenance, profile_id: str, members: dict[str, str]) -> Findable:
        entry, name = catalog.profiles.get(profile_id), profile_id.partition("/")[0]
        team, landing = catalog.teams.get(name), provenance.last(profile_path(profile_id))
        key = (entry.blob if entry else "", team.blob if team else "", landing.commit if landing else "")
        known = self._known.get(profile_id)
        if known and known.key == key:
            return known
        parts = [profile_id, team.value.title if team else name, members.get(name, "")]
        parts += landing.approved_by if landing else ()
        profile = entry.value if entry else None
        if profile:
            parts += [profile.title, profile.description, profile.purpose, profile.app, profile.image]
            parts += [*profile.data_roles, profile.visibility, profile.resources.gpu_kind or ""]
        return Findable(key, " ".join(parts).lower(), bool(profile and profile.visibility == "draft"))


def matching(index: dict[str, Findable], words: str) -> Iterable[str]:
    """Give the ids of the profiles that have all the words."""
    wanted = words.lower().split()
    return (profile_id for profile_id, each in index.items() if all(word in each.words for word in wanted))
