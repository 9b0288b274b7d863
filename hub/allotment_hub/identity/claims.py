"""What identity providers send: the groups of a user in all their shapes, and the user's account. Pure."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from allotment_profiles.model.values.texts import is_group

MAXIMUM_GROUPS = 5000
"""Of one user. A group only ever gives something, so leaving out the others gives nobody more."""
_MAXIMUM_DEPTH = 8
_NAMES = ("full_path", "path", "email", "id", "value", "name")
"""Where an object has its name: what is unique at its provider comes before a name for people."""
_OWNERS = ("organization", "org")
_OWNER_NAMES = ("login", "username", "name")
_LOGINS = ("login", "preferred_username", "username", "nickname", "email", "name")


@dataclass(frozen=True)
class ReceivedGroups:
    """The groups of a user, as a file can name them, and what was received beside them."""

    names: frozenset[str] = frozenset()
    unusable: tuple[str, ...] = ()
    """The beginnings of what no file can name, each with the reason."""


@dataclass(frozen=True)
class Account:
    """A user's account at the provider that signed them in."""

    provider: str
    """Its kind: `github`, `gitlab`, `gitea`, `azuread`, `google`, `oidc`."""
    host: str
    """Its host, with the port if it is not the usual one."""
    id: str
    """The provider's own id, which it never gives to another account."""
    login: str
    """The account's name there at the last sign-in or refresh. It may change, and then belong to somebody else."""

    def at_same_provider(self, other: "Account") -> bool:
        """Whether two accounts can be compared."""
        return (self.provider, self.host) == (other.provider, other.host)


def claim_at(state: Any, key: str) -> Any:
    """Return what is at a key such as `oauth_user.groups`; None if there is nothing. A key may have dots itself."""
    if not isinstance(state, Mapping):
        return None
    if key in state:
        return state[key]
    for position in (position for position, character in enumerate(key) if character == "."):
        found = claim_at(state.get(key[:position]), key[position + 1 :])
        if found is not None:
            return found
    return None


def received_groups(claim: Any, name_key: str = "") -> ReceivedGroups:
    """Return the groups in a claim: a text, a number, an object, or lists of these.

    `name_key` says where objects have their name. A text is one name, whatever it contains.
    """
    names: dict[str, None] = {}
    unusable: dict[str, None] = {}
    for item in _items(claim, name_key, 0):
        name = item if isinstance(item, str) else ""
        if not is_group(name):
            unusable[f"{_beginning(item)}: {_why_unusable(item)}"] = None
        elif name in names or len(names) < MAXIMUM_GROUPS:
            names[name] = None
        else:
            unusable[f"more than {MAXIMUM_GROUPS} groups"] = None
    return ReceivedGroups(frozenset(names), tuple(unusable)[:20])


def _items(claim: Any, name_key: str, depth: int) -> Iterator[Any]:
    """Yield the names in a claim, and what is no name as it is."""
    if claim is None:
        return
    if isinstance(claim, list | tuple | set | frozenset):
        if depth == _MAXIMUM_DEPTH:
            yield ["nested too deeply"]
            return
        for item in claim:
            yield from _items(item, name_key, depth + 1)
    elif isinstance(claim, Mapping):
        name = _name_of(claim, name_key)
        # A whole claim that is no such object has a group in each key, as Zitadel sends roles.
        yield from [name] if name is not None else list(claim) if depth == 0 else [dict(claim)]
    elif isinstance(claim, int) and not isinstance(claim, bool):
        yield _beginning(claim)
    else:
        yield claim


def _name_of(item: Mapping[Any, Any], name_key: str) -> str | None:
    if name_key:
        return _text(item.get(name_key))
    owner = next((item[key] for key in _OWNERS if isinstance(item.get(key), Mapping)), None)
    if owner is not None:  # a team of GitHub or Gitea
        of = next(filter(None, (_text(owner.get(key)) for key in _OWNER_NAMES)), None)
        team = _text(item.get("slug")) or _text(item.get("name"))
        return f"{of}:{team}" if of and team else None
    return next(filter(None, (_text(item.get(key)) for key in _NAMES)), None)


def _text(value: Any) -> str | None:
    if isinstance(value, str):
        return value
    return _beginning(value) if isinstance(value, int) and not isinstance(value, bool) else None


def _beginning(item: Any) -> str:
    if isinstance(item, int) and item.bit_length() > 256:
        return "a very long number"  # Python refuses to convert more than 4,300 digits
    text = item if isinstance(item, str) else type(item).__name__ if isinstance(item, list | dict) else str(item)
    return "".join(character if character.isprintable() else "\N{REPLACEMENT CHARACTER}" for character in text[:60])


def _why_unusable(item: Any) -> str:
    if not isinstance(item, str):
        return "no text"
    if not item.strip():
        return "empty"
    if len(item) > 255:
        return "longer than 255 characters"
    return "spaces around it" if item != item.strip() else "a character that no file may contain"


def account_of(provider: str, host: str, claims: Any) -> Account | None:
    """Return the account that claims are about; None if they have no id."""
    if not isinstance(claims, Mapping):
        return None
    # Azure's `sub` differs from one application to the next.
    keys = ("oid", "sub") if provider == "azuread" else ("id", "sub") if provider == "github" else ("sub", "id")
    id_ = next(filter(None, (_text(claims.get(key)) for key in keys)), None)
    login = next(filter(None, (_text(claims.get(key)) for key in _LOGINS)), "")
    return Account(provider, host, id_, login or "") if id_ else None
