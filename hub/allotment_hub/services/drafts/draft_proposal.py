"""A draft proposal: what somebody edits in the form or the file, and the files that it changes. Pure."""

import dataclasses
import functools
import itertools
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from allotment_hub.errors import refused
from allotment_hub.services.drafts.forms import Field, document_of, keys_without_field, roles_of, values_of
from allotment_hub.services.drafts.grants import Ask, check_size, has_grant, with_grant
from allotment_hub.services.drafts.options import option_fields, with_options
from allotment_hub.services.judging.checking import Files
from allotment_hub.services.proposals.proposing import check_number
from allotment_profiles.catalog.catalog import Catalog
from allotment_profiles.documents.parsing import parse_yaml
from allotment_profiles.documents.rewriting import rewrite
from allotment_profiles.model.limits import MAXIMUM_VALUES
from allotment_profiles.model.paths import data_role_path, file_ref, profile_path
from allotment_profiles.model.problems import Problem, quoted
from allotment_profiles.model.values.texts import is_name
from allotment_profiles.review.changes import Change

Tab = Literal["form", "file"]
_STILL_NEEDED = ("missing", "reason-missing", "name-missing", "team-missing")


@dataclass(frozen=True, slots=True)
class Acceptance:
    """A request that an administrator accepts a problem of the profile, as typed."""

    reason: str = ""
    until: str = ""
    """Empty where it has no end."""
    wanted: bool = True
    otherwise: str = ""
    """The reason where none of its own is written: that of the proposal."""

    @property
    def why(self) -> str:
        """The reason that the file gets; empty where it is not asked for, or not yet."""
        return (self.reason.strip() or self.otherwise.strip()) if self.wanted else ""

    @property
    def data(self) -> dict[str, str]:
        """The acceptance as the file says it."""
        typed = {"reason": self.why, "until": self.until.strip()}
        return {key: value for key, value in typed.items() if value}


@dataclass(frozen=True)
class EditedProfile:
    """A profile while somebody edits it, in the form or as a file."""

    team: str = ""
    name: str = ""
    new: bool = True
    """Whether the profile does not exist yet."""
    tab: Tab = "form"
    """Whether the form or the file is edited. The other one follows from it."""
    content: str = ""
    """In the tab `file` the file as typed, in the tab `form` the file that the form started from."""
    values: Mapping[str, str] = field(default_factory=dict)
    """The form's fields as typed."""
    roles: tuple[str, ...] = ()
    """The data roles that are ticked in the form."""
    asks: Mapping[str, Ask] = field(default_factory=dict)
    """The requests for data that the team does not have yet, by data role."""
    accepts: Mapping[str, Acceptance] = field(default_factory=dict)
    """The problems that an administrator is asked to accept, by code. One without a reason is not asked for yet."""

    @property
    def id(self) -> str:
        """The profile's id."""
        return f"{self.team}/{self.name}"

    @functools.cached_property
    def source(self) -> dict[str, Any]:
        """The data of the file; empty where it cannot be read."""
        try:
            return dict(parse_yaml(self.content.encode("utf-8", "surrogatepass")))
        except ValueError:
            return {}

    def text(self, fields: Sequence[Field]) -> str:
        """Return the profile's file as edited. Raise a refusal where more was typed than a file may have."""
        self._check_amount(fields)
        content = self.content.encode("utf-8", "surrogatepass")
        if self.tab == "file":
            return with_acceptances(content, self.accepts).decode("utf-8", "surrogatepass")
        source = self.source
        wanted = document_of(self.values, self.roles, source, (*fields, *option_fields(source)))
        wanted = with_options(wanted, source, self.values)
        return rewrite("profile", content, _accepted(wanted, self.accepts, drop=True)).decode()

    def _check_amount(self, fields: Sequence[Field]) -> None:
        acceptances = [text for accept in self.accepts.values() for text in (accept.reason, accept.until)]
        check_size((*self.values.values(), *self.roles, *self.accepts, *acceptances))
        lists = (self.values.get(field.name, "") for field in fields if field.kind in ("list", "variables"))
        number = sum(text.count("\n") + text.count(",") for text in lists) + len(self.roles) + len(self.accepts)
        if number > MAXIMUM_VALUES:
            why = f"Its lists have {number} entries, and a file has at most {MAXIMUM_VALUES} keys and entries."
            raise refused(422, "values-many", "This cannot be checked.", why, "Make them shorter.")

    def settled(self) -> "EditedProfile":
        """Return it with the acceptances written into the file, if the file is edited."""
        if self.tab == "form" or not self.source:
            return self
        without_reason = {code: accept for code, accept in self.accepts.items() if not accept.why}
        return dataclasses.replace(self, content=self.text(()), accepts=without_reason)

    def roles_wanted(self) -> tuple[str, ...]:
        """Return the data roles that the profile names."""
        return self.roles if self.tab == "form" else roles_of(self.source)

    def asking(self, codes: Iterable[str], reason: str) -> "EditedProfile":
        """Return it with requests to accept some more problems, for a reason."""
        more = {code: Acceptance(otherwise=reason) for code in codes}
        return dataclasses.replace(self, accepts={**more, **self.accepts})

    def missing(self, catalog: Catalog) -> list[str]:
        """Return the data roles that the profile names and the team has no valid grant of."""
        return [
            role
            for role in self.roles_wanted()
            if role in catalog.data_roles and not has_grant(catalog, role, self.team)
        ]

    def without_field(self, fields: Sequence[Field]) -> list[str]:
        """Return the keys of the file that the form has no field for. They are kept."""
        source = self.source
        return keys_without_field(source, (*fields, *option_fields(source)))

    def switched(self, tab: Tab, fields: Sequence[Field]) -> "EditedProfile":
        """Return it in another tab. A file that cannot be read stays in the tab `file`."""
        if tab == self.tab:
            return self
        if tab == "file":
            return dataclasses.replace(self, tab="file", content=self.text(fields), accepts={})
        if self.content.strip() and not self.source:
            return self
        return self.filled(self.source, fields)

    def filled(self, data: Mapping[str, Any], fields: Sequence[Field]) -> "EditedProfile":
        """Return it with the form filled from a file's data."""
        return dataclasses.replace(
            self,
            tab="form",
            values=values_of(data, (*fields, *option_fields(data))),
            roles=roles_of(data),
            accepts={**self.accepts, **_acceptances_of(data)},
        )


@dataclass(frozen=True)
class DraftProposal:
    """What somebody edits before they propose it."""

    profile: EditedProfile | None = None
    """None where only other files are edited."""
    others: Mapping[str, str | None] = field(default_factory=dict)
    """Other files: path → content, None where the file is removed."""
    reason: str = ""
    update: str = ""
    """The id of the proposal that this updates; empty for a new one."""
    undoes: str = ""
    """The id of the merged proposal that this undoes; empty where it undoes none."""
    drafted: str = ""
    """The id of the assistant's draft that it started from; empty where it started from none."""
    collisions: tuple[Change, ...] = ()
    """What main has changed since then: `before` is the value on main, `after` the one from before the merge."""

    def files(self, fields: Sequence[Field], catalog: Catalog) -> Files:
        """Return the changed files: the profile, the data roles whose grants it asks for, and the others.

        Raise a refusal where they are too many, or more was typed than a file may have.
        """
        changed: dict[str, bytes | None] = {
            path: None if content is None else content.encode("utf-8", "surrogatepass")
            for path, content in self.others.items()
        }
        profile = self.profile
        if profile:
            changed[profile_path(profile.id)] = profile.text(fields).encode("utf-8", "surrogatepass")
            asks = {role: profile.asks[role] for role in profile.missing(catalog) if role in profile.asks}
            asks = {role: ask for role, ask in asks.items() if data_role_path(role) not in changed}
            check_number([*changed, *asks])
            for role, ask in asks.items():
                asked = Ask(ask.until, ask.reason or self.reason)
                changed[data_role_path(role)] = with_grant(catalog, role, profile.team, asked)
        return changed


def _acceptances_of(data: Mapping[str, Any]) -> dict[str, Acceptance]:
    accepted = data.get("accepted")
    return {
        code: Acceptance(str(value.get("reason", "")), str(value.get("until", "")))
        for code, value in (accepted.items() if isinstance(accepted, dict) else ())
        if isinstance(value, dict)
    }


def _accepted(data: Mapping[str, Any], accepts: Mapping[str, Acceptance], *, drop: bool = False) -> dict[str, Any]:
    """Return a file's data with acceptances. With `drop`, those without a reason are removed."""
    current = data.get("accepted")
    accepted = dict(current) if isinstance(current, dict) else {}
    for code, accept in accepts.items():
        if accept.why:
            accepted[code] = accept.data
        elif drop:
            accepted.pop(code, None)
    others = {key: value for key, value in data.items() if key != "accepted"}
    return {**others, "accepted": accepted} if accepted else others


def with_acceptances(content: bytes, accepts: Mapping[str, Acceptance]) -> bytes:
    """Return a profile's file with acceptances added. A file that cannot be read is returned unchanged."""
    complete = {code: accept for code, accept in accepts.items() if accept.why}
    try:
        return rewrite("profile", content, _accepted(parse_yaml(content), complete)) if complete else content
    except ValueError:
        return content


def own_problems(draft: DraftProposal, catalog: Catalog) -> list[Problem]:
    """Return what is wrong with the team, the name and the reason, which are no part of the files."""
    problems = list(_problems_of_the_name(draft.profile, draft.update, catalog)) if draft.profile else []
    if not draft.reason.strip():
        remedy = "Write the reason in a sentence."
        problems.append(Problem("", "reason-missing", "The reason is missing.", remedy, field="reason"))
    return problems


def _problems_of_the_name(profile: EditedProfile, update: str, catalog: Catalog) -> Iterator[Problem]:
    if not profile.team:
        yield Problem("", "team-missing", "No team is chosen.", "Choose the team that offers it.", field="team")
    elif not is_name(profile.team):
        yield Problem("", "name", f"{quoted(profile.team)} is no team.", "Choose one of the list.", field="team")
    remedy = "Use up to 40 lower-case letters, digits and hyphens, such as rail-maps."
    if not profile.name:
        yield Problem("", "name-missing", "The name is missing.", remedy, field="name")
    elif not is_name(profile.name):
        yield Problem("", "name", f"{quoted(profile.name)} is not a name.", remedy, field="name")
    elif profile.new and not update and profile.id in catalog.profiles:
        message, remedy = f"There is already a profile {profile.id}.", "Choose another name, or change that profile."
        yield Problem("", "name-taken", message, remedy, field="name")


def free_name(profile: EditedProfile, catalog: Catalog) -> str:
    """Return a name under which a profile can be checked whose own name is missing or wrong."""
    names = (f"unnamed-{number}" for number in itertools.count(1))
    return next(name for name in names if f"{profile.team}/{name}" not in catalog.profiles)


def still_needed(problem: Problem) -> bool:
    """Whether a problem only says that something is not filled in yet."""
    return problem.code in _STILL_NEEDED


def field_of(problem: Problem, draft: DraftProposal, fields: Iterable[Field]) -> str:
    """Return the name of the form's field that a problem is shown beside; empty where there is none."""
    if not problem.path:
        return problem.field
    ref = file_ref(problem.path)
    if ref and ref.kind == "data role" and problem.field.startswith("granted_to"):
        return f"grant.{ref.id}.{'reason' if problem.field.endswith('.reason') else 'until'}"
    profile = draft.profile
    if profile is None or problem.path != profile_path(profile.id) or profile.tab == "file":
        return ""
    if problem.field.startswith("data_roles."):
        index = problem.field.removeprefix("data_roles.").partition(".")[0]
        roles = profile.roles_wanted()
        return f"data_roles.{roles[int(index)]}" if index.isdecimal() and int(index) < len(roles) else ""
    names = [field.name for field in (*fields, *option_fields(profile.source))]
    found = next((name for name in names if f"{problem.field}.".startswith(f"{name}.")), "")
    if found:
        return found
    # A limit below its guarantee is a problem of both. The limit is the last of them.
    return next((name for name in reversed(names) if problem.field and name.startswith(f"{problem.field}.")), "")
