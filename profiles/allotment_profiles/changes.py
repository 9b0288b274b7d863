"""What differs between two catalogs, in the language of people: `memory limit 4 GiB → 8 GiB`, never lines. Pure."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from allotment_profiles.catalog import Catalog, Entry
from allotment_profiles.model import DataRole, Model
from allotment_profiles.paths import POLICY, data_role_path, place
from allotment_profiles.quantities import shown

ChangeKind = Literal["added", "changed", "removed", "rewritten", "unreadable"]

_LABELS = {
    "resources.cpu.guarantee": "CPU guarantee",
    "resources.cpu.limit": "CPU limit",
    "resources.memory.guarantee": "memory guarantee",
    "resources.memory.limit": "memory limit",
    "resources.gpu": "GPUs",
    "data_roles": "data role",
    "members.groups": "group of members",
    "members.users": "member",
    "leads.groups": "group of leads",
    "leads.users": "lead",
    "envelope.cpu": "largest session, CPU",
    "envelope.memory": "largest session, memory",
    "envelope.gpu": "largest session, GPUs",
    "envelope.images": "images that the team may use",
    "lifetime.idle": "time until an idle session ends",
    "lifetime.total": "longest time of a session",
    "review_by": "to be reviewed by",
    "granted_to": "grant",
    "image_source.repository": "image's recipe",
    "image_source.commit": "image's recipe, commit",
}


@dataclass(frozen=True, slots=True)
class Change:
    """One difference in one file."""

    kind: ChangeKind
    path: str
    subject: str
    """`profile housing/notebook`, `team housing`, `data role rail`, `the policy`."""
    field: str
    """Dotted; empty where the file as a whole is added or removed."""
    label: str
    """The field in words."""
    before: str | None
    after: str | None

    @property
    def text(self) -> str:
        """The change as half a sentence."""
        if self.kind == "unreadable":
            return f"{self.subject}: it has problems, so what it would change cannot be said"
        if self.kind == "rewritten":
            return f"{self.subject}: other words or layout, the same meaning"
        if not self.field:
            return f"{self.subject} {self.kind}"
        return f"{self.label}: {self.after}" if self.kind == "added" else f"{self.label} {self._step}"

    @property
    def _step(self) -> str:
        if self.before is None:
            return f"{self.after} added"
        return f"{self.before} removed" if self.after is None else f"{self.before} → {self.after}"

    def as_dict(self) -> dict[str, str | None]:
        """Give the form that JSON answers carry."""
        return {
            "kind": self.kind, "path": self.path, "subject": self.subject, "field": self.field, "label": self.label,
            "before": self.before, "after": self.after, "text": self.text,
        }  # fmt: skip


@dataclass(frozen=True, slots=True)
class AccessChange:
    """Somebody gains or loses a way to data."""

    gains: bool
    data_role: str
    team: str
    people: str
    """The groups and users of the team, in words."""
    through: str
    """The profiles, in words; empty where the team has the grant but no profile uses it."""
    until: str
    """The last day of the grant."""

    @property
    def text(self) -> str:
        """The change as a sentence."""
        way = f" through {self.through}" if self.through else ", but no profile uses it yet"
        if self.gains:
            return f"{self.team} ({self.people}) can reach {self.data_role} until {self.until}{way}."
        return f"{self.team} ({self.people}) can no longer reach {self.data_role}."

    def as_dict(self) -> dict[str, str | bool]:
        """Give the form that JSON answers carry."""
        return {
            "gains": self.gains, "data_role": self.data_role, "team": self.team, "people": self.people,
            "through": self.through, "until": self.until, "text": self.text,
        }  # fmt: skip


def subject_of(path: str) -> str:
    """Say what a path is about, in words."""
    where = place(path)
    if where is None:
        return f"the file {shown(path)}"
    return "the policy" if where.kind == "policy" else f"{where.kind} {where.id}"


def label_of(field: str) -> str:
    """Say a field in words."""
    if field in _LABELS:
        return _LABELS[field]
    parts = field.split(".")
    if parts[0] == "options" and len(parts) > 4:
        return f"option {parts[1]}, choice {parts[3]}: {label_of('.'.join(parts[4:]))}"
    if parts[0] == "options" and len(parts) > 2:
        return f"option {parts[1]}: {' '.join(parts[2:])}"
    if parts[0] == "environment":
        return f"variable {'.'.join(parts[1:])}"
    if parts[0] == "granted_to" and len(parts) > 1:
        return f"grant to {parts[1]}" + (f", {parts[2]}" if len(parts) > 2 else "")
    return " ".join(parts).replace("_", " ")


def _flat(value: Any, field: str = "") -> Iterator[tuple[str, Any]]:
    if isinstance(value, Mapping) and value:
        for key, inner in value.items():
            yield from _flat(inner, f"{field}.{key}" if field else str(key))
    elif value not in (None, {}):
        yield field, value


def _written(value: object) -> str:
    return "yes" if value is True else "no" if value is False else str(value)


def compare_values(path: str, before: Model | None, after: Model | None) -> list[Change]:
    """Compare two versions of one file; None where there is no readable version."""
    subject = subject_of(path)
    if before is None and after is None:
        return []
    if after is None:
        return [Change("removed", path, subject, "", "", None, None)]
    if before is None:
        return [Change("added", path, subject, "", "", None, None), *_facts(path, subject, after)]
    old = dict(_flat(before.model_dump(mode="json")))
    new = dict(_flat(after.model_dump(mode="json")))
    changes = []
    for field in [*old, *(field for field in new if field not in old)]:
        was, now = old.get(field), new.get(field)
        if was == now:
            continue
        label = label_of(field)
        if isinstance(was or now, list):
            removed = [item for item in was or [] if item not in (now or [])]
            added = [item for item in now or [] if item not in (was or [])]
            changes += [Change("changed", path, subject, field, label, str(item), None) for item in removed]
            changes += [Change("changed", path, subject, field, label, None, str(item)) for item in added]
            continue
        changes.append(
            Change(
                "changed", path, subject, field, label,
                None if was is None else _written(was), None if now is None else _written(now),
            )
        )  # fmt: skip
    return changes


def _facts(path: str, subject: str, value: Model) -> Iterator[Change]:
    """Give what a new file says, without what it leaves at its default."""
    for field, fact in _flat(value.model_dump(mode="json", exclude_unset=True)):
        for each in fact if isinstance(fact, list) else [fact]:
            yield Change("added", path, subject, field, label_of(field), None, _written(each))


def _entries(catalog: Catalog) -> dict[str, Entry[Any]]:
    entries: dict[str, Entry[Any]] = {POLICY: catalog.policy} if catalog.policy else {}
    by_kind: tuple[Mapping[str, Entry[Any]], ...] = (catalog.teams, catalog.data_roles, catalog.profiles)
    for kind in by_kind:
        entries.update({entry.path: entry for entry in kind.values()})
    return entries


def compare(before: Catalog, after: Catalog) -> list[Change]:
    """List everything that differs between two catalogs, by path."""
    old, new = _entries(before), _entries(after)
    changes = []
    for path in sorted(set(old) | set(new) | after.broken):
        if path in after.broken:
            if path not in before.broken:
                changes.append(Change("unreadable", path, subject_of(path), "", "", None, None))
            continue
        one, other = old.get(path), new.get(path)
        if one and other and one.blob == other.blob:
            continue
        changes += compare_values(path, one.value if one else None, other.value if other else None)
    return changes


@dataclass(frozen=True, slots=True)
class _Reach:
    team: str
    people: frozenset[str]
    until: str
    profiles: tuple[str, ...]


def people_of(team: str, catalog: Catalog) -> frozenset[str]:
    """Name the groups and users that belong to a team."""
    entry = catalog.teams.get(team)
    if entry is None:
        return frozenset()
    members, leads = entry.value.members, entry.value.leads
    return frozenset([*members.groups, *members.users, *leads.groups, *leads.users])


def _reach(catalog: Catalog) -> dict[tuple[str, str], _Reach]:
    reach = {}
    for role, entry in catalog.data_roles.items():
        for team, grant in entry.value.granted_to.items():
            profiles = tuple(
                profile_id
                for profile_id, profile in catalog.profiles.items()
                if profile_id.startswith(f"{team}/") and role in profile.value.data_roles
            )
            reach[role, team] = _Reach(team, people_of(team, catalog), grant.until.isoformat(), profiles)
    return reach


def compare_access(before: Catalog, after: Catalog) -> list[AccessChange]:
    """Say who gains and who loses which data."""
    old, new = _reach(before), _reach(after)
    found = []
    for key in sorted(set(old) | set(new)):
        role, team = key
        was, now = old.get(key), new.get(key)
        gained_people = now.people - was.people if was and now else now.people if now else frozenset()
        lost_people = was.people - now.people if was and now else was.people if was else frozenset()
        longer = bool(was and now and now.until > was.until)
        newly_used = bool(now and now.profiles and not (was and was.profiles))
        if now and (gained_people or longer or newly_used):
            people = now.people if longer or newly_used else gained_people
            through = ", ".join(now.profiles)
            found.append(AccessChange(True, role, team, ", ".join(sorted(people)) or "nobody", through, now.until))
        lost_use = bool(was and was.profiles and now and not now.profiles)
        if was and (lost_people or lost_use):
            people = was.people if lost_use else lost_people
            found.append(AccessChange(False, role, team, ", ".join(sorted(people)) or "nobody", "", was.until))
    return found


def owner_before(path: str, before: Catalog, after: Catalog) -> str | None:
    """Give the team that owns a data role's file: as it stands on main, else as it is proposed."""
    for catalog in (before, after):
        for role, entry in catalog.data_roles.items():
            if data_role_path(role) == path and isinstance(entry.value, DataRole):
                return entry.value.owner
    return None
