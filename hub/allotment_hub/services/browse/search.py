"""Search for profiles by words. The words of a profile are kept, and read again only when a file has changed."""

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass

from allotment_hub.errors import refused
from allotment_profiles.access.subjects import people_of
from allotment_profiles.catalog.catalog import Catalog
from allotment_profiles.model import Profile
from allotment_profiles.model.paths import file_ref, profile_path
from allotment_profiles.store.provenance import Provenance

MAXIMUM_WORDS = 20
"""How many different words a search may have."""
MAXIMUM_CHARACTERS = 1000
"""How many characters these may have together."""


def words_of(profile_id: str, profile: Profile | None, team_title: str, members: str, approvers: Iterable[str]) -> str:
    """Return the text in which the words of a search are looked up, in lower case.

    The index of the server and the filter in the browser both use it, so that they find the same profiles.
    """
    texts = [profile_id, team_title, members, *approvers]
    if profile:
        texts += [profile.title, profile.description, profile.purpose, profile.app, profile.image]
        texts += [*profile.data_roles, profile.visibility, profile.resources.gpu_kind or ""]
    return " ".join(texts).lower()


@dataclass(frozen=True, slots=True)
class IndexedProfile:
    """What the index knows of one profile."""

    key: tuple[str, ...]
    """The versions of what the words were read from."""
    words: str
    hidden: bool
    """Whether its visibility is `draft`."""


class ProfileIndex:
    """The words of all profiles."""

    def __init__(self) -> None:
        self._indexed: dict[str, IndexedProfile] = {}
        self._catalog: Catalog | None = None

    def updated(self, catalog: Catalog, provenance: Provenance) -> dict[str, IndexedProfile]:
        """Return all profiles of a catalog, invalid ones included, in the order of their ids."""
        if self._catalog is catalog:
            return self._indexed
        members = {name: ", ".join(sorted(people_of(name, catalog))) for name in catalog.teams}
        broken = [where.id for path in catalog.broken if (where := file_ref(path)) and where.kind == "profile"]
        self._indexed = {
            profile_id: self._profile(catalog, provenance, profile_id, members)
            for profile_id in sorted({*catalog.profiles, *broken})
        }
        self._catalog = catalog
        return self._indexed

    def _profile(
        self, catalog: Catalog, provenance: Provenance, profile_id: str, members: dict[str, str]
    ) -> IndexedProfile:
        entry, name = catalog.profiles.get(profile_id), profile_id.partition("/")[0]
        team, last_change = catalog.teams.get(name), provenance.last(profile_path(profile_id))
        key = (entry.blob if entry else "", team.blob if team else "", last_change.commit if last_change else "")
        known = self._indexed.get(profile_id)
        if known and known.key == key:
            return known
        profile = entry.value if entry else None
        approvers = last_change.approved_by if last_change else ()
        words = words_of(profile_id, profile, team.value.title if team else name, members.get(name, ""), approvers)
        return IndexedProfile(key, words, bool(profile and profile.visibility == "draft"))


def words_in(query: str) -> tuple[str, ...]:
    """Return the words of a search, each once. Raise a refusal where they are too many, or too long."""
    words = tuple(dict.fromkeys(query.lower().split()))
    if len(words) > MAXIMUM_WORDS or sum(map(len, words)) > MAXIMUM_CHARACTERS:
        why = f"It has more than {MAXIMUM_WORDS} words, or more than {MAXIMUM_CHARACTERS} characters."
        raise refused(422, "search-long", "This search is too long.", why, "Search for fewer words.")
    return words


def matching(index: Mapping[str, IndexedProfile], words: Collection[str]) -> Iterator[str]:
    """Yield the ids of the profiles that have all words of a search."""
    return (profile_id for profile_id, profile in index.items() if all(word in profile.words for word in words))
