"""A draft: what somebody is about to propose, between the form, the file and what changes in the repository. Pure."""

import dataclasses
import datetime as dt
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from allotment_hub.errors import refused
from allotment_hub.services.browse.data_roles import grant_days_left
from allotment_hub.services.drafts.forms import Field, document_of, kept_aside, roles_of, values_of
from allotment_hub.services.proposals.checking import Files
from allotment_profiles.catalog.catalog import Catalog
from allotment_profiles.documents.parsing import parse_yaml
from allotment_profiles.documents.rewriting import rewrite
from allotment_profiles.documents.writing import write
from allotment_profiles.model import Profile
from allotment_profiles.model.paths import data_role_path, file_ref, profile_path
from allotment_profiles.model.problems import Problem, quoted
from allotment_profiles.model.texts import is_name

Tab = Literal["form", "file"]
_STILL_NEEDED = ("missing", "reason-missing", "name-missing", "team-missing")


@dataclass(frozen=True, slots=True)
class Ask:
    """The wish for a grant."""

    until: str
    reason: str


@dataclass(frozen=True, slots=True)
class Acceptance:
    """The wish that an administrator takes a problem on."""

    reason: str = ""
    until: str = ""
    """Empty: without an end."""

    @property
    def data(self) -> dict[str, str]:
        """Give what the file says."""
        said = {"reason": self.reason.strip(), "until": self.until.strip()}
        return {key: value for key, value in said.items() if value}


@dataclass(frozen=True)
class DraftProposal:
    """What somebody is about to propose."""

    team: str = ""
    name: str = ""
    new: bool = True
    """Whether the profile is to be a new one."""
    tab: Tab = "form"
    """Which of the two is being edited; the other one follows from it."""
    content: str = ""
    """The file: what is edited in the tab `file`, and what the form started from in the tab `form`."""
    values: Mapping[str, str] = field(default_factory=dict)
    """The form's fields as typed."""
    roles: tuple[str, ...] = ()
    """The data roles that are chosen in the form."""
    asks: Mapping[str, Ask] = field(default_factory=dict)
    """What was typed about data that the team does not have yet, by data role."""
    accepts: Mapping[str, Acceptance] = field(default_factory=dict)
    """The problems that an administrator is asked to accept, by code; without a reason it is not asked yet."""
    others: Mapping[str, str | None] = field(default_factory=dict)
    """Other files of the same proposal: path → content, None where removed."""
    reason: str = ""
    update: str = ""
    """The proposal that this brings up to date."""
    with_profile: bool = True
    """Whether there is a profile in it at all."""

    @property
    def profile_id(self) -> str:
        """The profile's id."""
        return f"{self.team}/{self.name}"

    @property
    def source(self) -> dict[str, Any]:
        """The file's data; empty where it does not read."""
        try:
            return dict(parse_yaml(self.content.encode("utf-8", "surrogatepass")))
        except ValueError:
            return {}

    def text(self, fields: Sequence[Field]) -> str:
        """Give the profile's file as it is now."""
        content = self.content.encode("utf-8", "surrogatepass")
        if self.tab == "file":
            return accepting(content, self.accepts).decode("utf-8", "surrogatepass")
        wanted = document_of(self.values, self.roles, self.source, fields)
        return rewrite("profile", content, _with_acceptances(wanted, self.accepts, drop=True)).decode()

    def settled(self) -> "DraftProposal":
        """Give the same draft with what is to be accepted in the file, where the file is what is edited."""
        if self.tab == "form" or not self.source:
            return self
        open_ones = {code: each for code, each in self.accepts.items() if not each.reason.strip()}
        return dataclasses.replace(self, content=self.text(()), accepts=open_ones)

    def roles_wanted(self) -> tuple[str, ...]:
        """Give the data roles that the profile would reach."""
        return self.roles if self.tab == "form" else roles_of(self.source)

    def files(self, fields: Sequence[Field], catalog: Catalog) -> Files:
        """Give the changed files: the profile, the grants that it needs and that are asked for, and the others."""
        changed: dict[str, bytes | None] = {
            path: None if content is None else content.encode("utf-8", "surrogatepass")
            for path, content in self.others.items()
        }
        if self.with_profile:
            changed[profile_path(self.profile_id)] = self.text(fields).encode("utf-8", "surrogatepass")
            for role in self.missing(catalog):
                ask = self.asks.get(role)
                if ask and data_role_path(role) not in changed:
                    reason = ask.reason or self.reason
                    changed[data_role_path(role)] = granted(catalog, role, self.team, ask.until, reason)
        return changed

    def missing(self, catalog: Catalog) -> list[str]:
        """Name the wanted data roles for which the team has no grant that still holds."""
        return [
            role for role in self.roles_wanted() if role in catalog.data_roles and not holds(catalog, role, self.team)
        ]

    def kept(self, fields: Sequence[Field]) -> list[str]:
        """Name what the form keeps but cannot show."""
        return kept_aside(self.source, fields)

    def switched(self, tab: Tab, fields: Sequence[Field]) -> "DraftProposal":
        """Give the same draft in another tab; a file that does not read stays a file."""
        if tab == self.tab:
            return self
        if tab == "file":
            return dataclasses.replace(self, tab="file", content=self.text(fields), accepts={})
        if self.content.strip() and not self.source:
            return self
        return filled(self, self.source, fields)


def filled(draft: DraftProposal, data: Mapping[str, Any], fields: Sequence[Field]) -> DraftProposal:
    """Fill the form of a draft from a file's data."""
    accepts = {**draft.accepts, **_acceptances_of(data)}
    return dataclasses.replace(draft, tab="form", values=values_of(data, fields), roles=roles_of(data), accepts=accepts)


def _acceptances_of(data: Mapping[str, Any]) -> dict[str, Acceptance]:
    said = data.get("accepted")
    return {
        code: Acceptance(str(each.get("reason", "")), str(each.get("until", "")))
        for code, each in (said.items() if isinstance(said, dict) else ())
        if isinstance(each, dict)
    }


def _with_acceptances(
    data: Mapping[str, Any], accepts: Mapping[str, Acceptance], *, drop: bool = False
) -> dict[str, Any]:
    said = data.get("accepted")
    accepted = dict(said) if isinstance(said, dict) else {}
    for code, each in accepts.items():
        if each.reason.strip():
            accepted[code] = each.data
        elif drop:
            accepted.pop(code, None)
    others = {key: value for key, value in data.items() if key != "accepted"}
    return {**others, "accepted": accepted} if accepted else others


def accepting(content: bytes, accepts: Mapping[str, Acceptance]) -> bytes:
    """Give a profile's file with problems to be accepted by an administrator; one that does not read stays as it is."""
    asked = {code: each for code, each in accepts.items() if each.reason.strip()}
    try:
        return rewrite("profile", content, _with_acceptances(parse_yaml(content), asked)) if asked else content
    except ValueError:
        return content


def holds(catalog: Catalog, role: str, team: str) -> bool:
    """Tell whether a team has a grant for a data role that has not ended and whose review is not overdue."""
    entry = catalog.data_roles.get(role)
    grant = entry.value.granted_to.get(team) if entry else None
    return grant is not None and grant_days_left(grant, dt.datetime.now(dt.UTC)) >= 0


def granted(catalog: Catalog, role: str, team: str, until: str, reason: str) -> bytes:
    """Give a data role's file with a team's grant added or renewed; the role must be one that reads.

    A day by which the owner looks at it again stays where it is still to come: deciding about this is looking at it.
    """
    source = catalog.data_roles[role].source
    data = dict(parse_yaml(source))
    grant: dict[str, Any] = {"until": until.strip()}
    held = catalog.data_roles[role].value.granted_to.get(team)
    if held and held.review_by and held.review_by >= dt.datetime.now(dt.UTC).date():
        grant["review_by"] = held.review_by.isoformat()
    if reason.strip():
        grant["reason"] = " ".join(reason.split())
    data["granted_to"] = {**(data.get("granted_to") or {}), team: grant}
    return rewrite("data role", source, data)


def with_grants(files: Files, catalog: Catalog, team: str, asks: Mapping[str, Ask]) -> Files:
    """Add a team's requests for data to changed files; raises a refusal for a data role that does not read."""
    changed = dict(files)
    for role, ask in asks.items():
        if role not in catalog.data_roles:
            raise refused(
                422, "data-role-unknown", "This data cannot be asked for.",
                f"There is no readable data role {quoted(role)}.", "Look at the list of data roles.",
            )  # fmt: skip
        changed[data_role_path(role)] = granted(catalog, role, team, ask.until, ask.reason)
    return changed


def own_problems(draft: DraftProposal, catalog: Catalog) -> list[Problem]:
    """Say what is wrong with a draft before its files can be checked."""
    found = _problems_of_the_name(draft, catalog) if draft.with_profile else []
    if not draft.reason.strip():
        found.append(Problem("", "reason-missing", "The reason is missing.", "Say why in a sentence.", field="reason"))
    return found


def _problems_of_the_name(draft: DraftProposal, catalog: Catalog) -> list[Problem]:
    found = []
    if not draft.team:
        found.append(Problem("", "team-missing", "No team is chosen.", "Choose the team that offers it.", field="team"))
    elif not is_name(draft.team):
        found.append(Problem("", "name", f"{quoted(draft.team)} is no team.", "Choose one of the list.", field="team"))
    remedy = "Use up to 40 lower-case letters, digits and hyphens, such as rail-maps."
    if not draft.name:
        found.append(Problem("", "name-missing", "The name is missing.", remedy, field="name"))
    elif not is_name(draft.name):
        found.append(Problem("", "name", f"{quoted(draft.name)} is not a name.", remedy, field="name"))
    elif draft.new and not draft.update and draft.profile_id in catalog.profiles:
        message = f"There is already a profile {draft.profile_id}."
        found.append(Problem("", "name-taken", message, "Choose another name, or change that profile.", field="name"))
    return found


def still_needed(problem: Problem) -> bool:
    """Tell whether a problem only says that something has not been filled in yet."""
    return problem.code in _STILL_NEEDED


def field_of(problem: Problem, draft: DraftProposal, fields: Iterable[Field]) -> str:
    """Name the form's field that a problem stands beside; empty where there is none."""
    if not problem.path:
        return problem.field
    where = file_ref(problem.path)
    if where and where.kind == "data role" and problem.field.startswith("granted_to"):
        return f"grant.{where.id}.{'reason' if problem.field.endswith('.reason') else 'until'}"
    if problem.path != profile_path(draft.profile_id) or draft.tab == "file":
        return ""
    if problem.field.startswith("data_roles."):
        index = problem.field.removeprefix("data_roles.").partition(".")[0]
        roles = draft.roles_wanted()
        return f"data_roles.{roles[int(index)]}" if index.isdecimal() and int(index) < len(roles) else ""
    names = [each.name for each in fields]
    if problem.field in names:
        return problem.field
    # A limit below its guarantee is a problem of both; the limit stands last.
    return next((name for name in reversed(names) if problem.field and name.startswith(f"{problem.field}.")), "")


def draft_of_profile(
    catalog: Catalog, profile_id: str, fields: Sequence[Field], *, copy_to: str | None = None
) -> DraftProposal:
    """Begin with a profile: a change of it, or (`copy_to` a team) a new one like it."""
    entry = catalog.profiles[profile_id]
    team, _, name = profile_id.partition("/")
    content = entry.source.decode()
    new = copy_to is not None
    draft = DraftProposal(
        team=copy_to if copy_to is not None else team, name="" if new else name, new=new, content=content
    )
    return filled(draft, draft.source, fields)


def has_variables(profile: Profile) -> bool:
    """Tell whether a profile sets environment variables anywhere."""
    choices = (choice for option in profile.options.values() for choice in option.choices.values())
    return bool(profile.environment) or any(choice.environment for choice in choices)


def without_variables(draft: DraftProposal, fields: Sequence[Field]) -> DraftProposal:
    """Give a draft whose file sets no variables and has no comments, which could name them."""
    data = {key: value for key, value in draft.source.items() if key != "environment"}
    for option in (data.get("options") or {}).values():
        for choice in option["choices"].values():
            choice.pop("environment", None)
    return filled(dataclasses.replace(draft, content=write("profile", data).decode()), data, fields)


def blank_draft(catalog: Catalog, team: str, fields: Sequence[Field]) -> DraftProposal:
    """Begin from scratch: the program and image of a profile of the team, a small session, a year until its review."""
    own = next((entry.value for name, entry in catalog.profiles.items() if name.startswith(f"{team}/")), None)
    year = dt.datetime.now(dt.UTC).date() + dt.timedelta(days=365)
    data = {
        "app": own.app if own else "jupyterlab",
        "image": own.image if own else "",
        "resources": {
            "cpu": {"guarantee": 0.5, "limit": 2},
            "memory": {"guarantee": "1 GiB", "limit": "4 GiB"},
        },
        "lifetime": {"idle": "2 h", "total": "12 h"},
        "review_by": year.isoformat(),
    }
    return filled(DraftProposal(team=team), data, fields)


def draft_of_paths(catalog: Catalog, paths: Iterable[str]) -> DraftProposal:
    """Begin with files that are no profiles, as text."""
    texts: dict[str, str | None] = {}
    for path in paths:
        where = file_ref(path)
        if where and where.kind != "profile":
            texts[path] = _source(catalog, path)
    return DraftProposal(with_profile=False, others=texts, tab="file")


def _source(catalog: Catalog, path: str) -> str:
    entries: list[Any] = [catalog.policy, *catalog.teams.values(), *catalog.data_roles.values()]
    return next((entry.source.decode() for entry in entries if entry and entry.path == path), "")


def draft_of_proposal(
    proposal: str, files: Files, reason: str, catalog: Catalog, fields: Sequence[Field]
) -> DraftProposal:
    """Begin with what an open proposal proposes, to bring it up to date with main."""
    texts = {path: None if data is None else data.decode(errors="replace") for path, data in files.items()}
    profiles = [
        path
        for path, text in texts.items()
        if text is not None and (where := file_ref(path)) and where.kind == "profile"
    ]
    if len(profiles) != 1:
        return DraftProposal(others=texts, reason=reason, update=proposal, with_profile=False, tab="file")
    where = file_ref(profiles[0])
    team, _, name = (where.id if where else "").partition("/")
    content = texts.pop(profiles[0]) or ""
    asks, others = {}, {}
    for path, text in texts.items():
        ask = _asked(catalog, path, team, text)
        role = path.removeprefix("data-roles/").removesuffix(".yaml")
        if ask:
            asks[role] = ask
        else:
            others[path] = text
    new = f"{team}/{name}" not in catalog.profiles
    draft = DraftProposal(
        team=team, name=name, new=new, content=content, asks=asks, others=others, reason=reason, update=proposal
    )  # fmt: skip
    return filled(draft, draft.source, fields) if draft.source else dataclasses.replace(draft, tab="file")


def _asked(catalog: Catalog, path: str, team: str, text: str | None) -> Ask | None:
    """Recognise a data role's file that differs from main in one team's grant alone."""
    where = file_ref(path)
    if text is None or where is None or where.kind != "data role" or where.id not in catalog.data_roles:
        return None
    try:
        proposed, now = parse_yaml(text.encode()), parse_yaml(catalog.data_roles[where.id].source)
        grant = proposed["granted_to"].pop(team)
        (now.get("granted_to") or {}).pop(team, None)
        same = {**proposed, "granted_to": None} == {**now, "granted_to": None}
        if same and proposed["granted_to"] == (now.get("granted_to") or {}):
            return Ask(str(grant["until"]), str(grant.get("reason", "")))
    except (ValueError, KeyError, TypeError, AttributeError):
        pass
    return None
