"""CODEOWNERS for a forge: whom it asks for a review by itself. A hint, since only the records say what was approved.

Nothing that people write in files gets into it: paths are made of names, which have no special characters, and the
accounts come from a file of the administrator.
"""

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal, get_args

from allotment_profiles.catalog.catalog import Catalog
from allotment_profiles.model.paths import data_role_path
from allotment_profiles.model.problems import quoted

ForgeKind = Literal["gitea", "github", "gitlab"]
FORGE_KINDS: tuple[ForgeKind, ...] = get_args(ForgeKind)
PLACES: Mapping[ForgeKind, tuple[str, ...]] = {
    "gitea": ("CODEOWNERS", "docs/CODEOWNERS", ".gitea/CODEOWNERS"),
    "github": (".github/CODEOWNERS", "CODEOWNERS", "docs/CODEOWNERS"),
    "gitlab": ("CODEOWNERS", "docs/CODEOWNERS", ".gitlab/CODEOWNERS"),
}
"""Where each forge looks for the file. The first one that is there counts."""
ADMINISTRATORS_KEY = "administrators"
"""The key of the administrators among the names of groups and users."""
_HEAD = "# Written by `allotment codeowners`. A hint for the forge: Allotment itself decides who has to approve.\n"
_PART = r"[A-Za-z0-9_](?:[A-Za-z0-9_.-]*[A-Za-z0-9_-])?"
_EMAIL = rf"{_PART}@{_PART}"
_ACCOUNTS: Mapping[ForgeKind, re.Pattern[str]] = {
    "gitea": re.compile(rf"@{_PART}(/{_PART})?"),
    "github": re.compile(rf"@{_PART}(/{_PART})?|{_EMAIL}"),
    "gitlab": re.compile(rf"@{_PART}(/{_PART})*|@@(developer|maintainer|owner)|{_EMAIL}"),
}


class AccountsError(ValueError):
    """The file with the accounts of groups and users cannot be used. The message is for the administrator."""


@dataclass(frozen=True, slots=True)
class CodeOwners:
    """The file for a forge."""

    text: str
    unknown: tuple[str, ...]
    """The groups and users without an account, and `administrators` if they have none."""


def accounts_from(content: Mapping[str, Any], forge: ForgeKind) -> dict[str, tuple[str, ...]]:
    """Return the accounts of each group and user. Raise AccountsError."""
    accounts = {}
    for name, value in content.items():
        listed = value if isinstance(value, list) else [value]
        wrong = [each for each in listed if not isinstance(each, str) or not _ACCOUNTS[forge].fullmatch(each)]
        if wrong or not listed:
            given = quoted(wrong[0]) if wrong else "an empty list"
            example = "@group/subgroup" if forge == "gitlab" else "@organisation/team"
            raise AccountsError(f"{quoted(name)}: {given} is no account of {forge}. Write @user or {example}.")
        accounts[name] = tuple(dict.fromkeys(listed))
    return accounts


def code_owners(catalog: Catalog, accounts: Mapping[str, tuple[str, ...]], forge: ForgeKind) -> CodeOwners:
    """Return the file for a forge. A path whose people have no account is left out."""
    unknown: set[str] = set()
    lines = []
    for path, people in _owned(catalog):
        owners = dict.fromkeys(account for name in people for account in accounts.get(name, ()))
        unknown |= {name for name in people if name not in accounts}
        if owners:
            lines.append(f"{_pattern(path, forge)} {' '.join(owners)}\n")
    return CodeOwners("".join([_HEAD, *lines]), tuple(sorted(unknown)))


def _owned(catalog: Catalog) -> Iterator[tuple[str, Iterable[str]]]:
    """Yield each path with its people. On most forges the last path that fits counts."""
    leads = {
        name: [*entry.value.leads.groups, *entry.value.leads.users] for name, entry in sorted(catalog.teams.items())
    }
    for team, people in leads.items():
        yield f"teams/{team}/", people
        yield f"teams/{team}/team.yaml", [ADMINISTRATORS_KEY]
    for name, entry in sorted(catalog.data_roles.items()):
        yield data_role_path(name), leads.get(entry.value.owner, [ADMINISTRATORS_KEY])
    yield "policy.yaml", [ADMINISTRATORS_KEY]


def _pattern(path: str, forge: ForgeKind) -> str:
    if forge == "gitea":
        # A regular expression; Gitea takes one backslash of two away before it reads it.
        return path.replace(".", r"\\.") + (".*" if path.endswith("/") else "")
    return f"/{path}"
