"""Which data roles reach the same data, since their bindings name the same credential or overlapping folders. Pure.

Two names for one credential are two ways to the same data. Its owner decides about both, whoever owns the second name.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from allotment_profiles.model import Binding, DataRole

Credential = tuple[str, str]
"""What has to be the same, for two bindings to overlap: a kind of credential, and its name."""
Reach = tuple[str, ...]
"""All that a binding reaches: its credential, and the folder or the keys."""
_VAULT_VERBS = frozenset({"data", "creds", "sts"})
"""Parts of a path of Vault that say how a secret is read. The injector adds `data` where it is missing."""


@dataclass(frozen=True, slots=True)
class FormerRole:
    """What a data role was that is not valid now, has been removed, or has another binding since."""

    name: str
    owner: str
    binding: Binding


def credential_of(binding: Binding) -> Credential:
    """Return the credential behind a binding, whatever the way to it. Raise TypeError for a kind not known here."""
    if binding.volume:
        found = "claim", binding.volume.claim
    elif binding.secret:
        found = "secret", binding.secret.name
    elif binding.azure_identity:
        found = "azure", binding.azure_identity.client_id
    elif binding.vault:
        found = "vault", _vault_path(binding.vault.path)
    elif binding.gcp_service_account:
        found = "gcp", binding.gcp_service_account
    elif role := binding.aws_role or binding.eks_pod_identity:
        found = "aws", _aws_name(role)
    else:
        raise TypeError(f"no credential is known for the binding {binding!r}")
    return found


def _aws_name(role: str) -> str:
    """Return the account and the name of a role. A name is unique in its account, whatever its case and its path."""
    account, _, name = role.lower().split(":", 4)[4].partition(":")
    return f"{account}:{name.rpartition('/')[2]}"


def _vault_path(path: str) -> str:
    """Return a path without what may be left out. Engines differ in whether case counts: here it never does."""
    mount, *parts = path.lower().split("/")
    kept = [part for part in parts[:-1] if part not in _VAULT_VERBS]
    return "/".join([mount, *kept, *parts[-1:]])


def reach_of(binding: Binding) -> Reach:
    """Return all that a binding reaches. It is the same for bindings that differ in how, such as read-only ones."""
    parts = [binding.volume.sub_path] if binding.volume else []
    parts += sorted(set(binding.secret.variables.values())) if binding.secret else []
    return (*credential_of(binding), *parts)


def overlaps(one: Binding, other: Binding) -> bool:
    """Return whether two bindings reach some of the same data."""
    if credential_of(one) != credential_of(other):
        return False
    if one.volume and other.volume:
        paths = sorted(f"{volume.sub_path}/" for volume in (one.volume, other.volume))
        return paths[1].startswith(paths[0])
    if one.secret and other.secret:
        keys = [frozenset(secret.variables.values()) for secret in (one.secret, other.secret)]
        return not all(keys) or not keys[0].isdisjoint(keys[1])  # without variables, all keys become files
    return True


def by_credential(roles: Iterable[tuple[str, DataRole]]) -> dict[Credential, dict[str, DataRole]]:
    """Return the data roles of each credential by their names."""
    index: dict[Credential, dict[str, DataRole]] = {}
    for name, role in roles:
        index.setdefault(credential_of(role.binding), {})[name] = role
    return index


def also_through(name: str, role: DataRole, index: Mapping[Credential, Mapping[str, DataRole]]) -> tuple[str, ...]:
    """Return the other data roles that reach the same data, in order."""
    candidates = index.get(credential_of(role.binding), {})
    return tuple(
        sorted(other for other, value in candidates.items() if other != name and overlaps(role.binding, value.binding))
    )
