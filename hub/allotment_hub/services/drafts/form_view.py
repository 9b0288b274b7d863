"""What the page shows of a profile that is edited in the form. Pure."""

import functools
from collections.abc import Collection
from dataclasses import dataclass
from typing import Any

from allotment_hub.services.drafts.draft_proposal import EditedProfile
from allotment_hub.services.drafts.forms import (
    MORE,
    Field,
    ProfileForm,
    items_of,
    roles_of,
    sections_of,
    titles_of,
    values_of,
)
from allotment_hub.services.drafts.grants import has_grant
from allotment_hub.services.drafts.options import NEW, OptionView, added_names, option_fields, options_in
from allotment_profiles.access.people import User, leads_of
from allotment_profiles.access.visibility import team_is_listed
from allotment_profiles.catalog.catalog import Catalog


@dataclass(frozen=True)
class FormView:
    """What the page shows of a profile that is edited."""

    profile: EditedProfile
    form: ProfileForm
    catalog: Catalog
    reader: User

    @property
    def teams(self) -> dict[str, str]:
        """The teams to choose from, with their titles."""
        teams = {name: bounds["title"] for name, bounds in self.form.teams.items()}
        if self.profile.team in self.catalog.teams and team_is_listed(self.catalog, self.reader, self.profile.team):
            teams.setdefault(self.profile.team, self.catalog.teams[self.profile.team].value.title)
        return teams

    @property
    def bounds(self) -> Any:
        """What the chosen team may ask for; None where the reader does not belong to it."""
        return self.form.teams.get(self.profile.team)

    @functools.cached_property
    def sections(self) -> dict[str, list[Field]]:
        """The fields by section."""
        return sections_of(self.form.fields, self.profile.values, self.bounds)

    def is_open(self, section: str, problems: Collection[str]) -> bool:
        """Return whether a section is shown at once: what differs from where the form started, or has a problem."""
        begun, profile = self.profile.source, self.profile
        if section not in (*MORE, "Options") and (
            not begun or section == "Size" or (section == "Description" and profile.new)
        ):
            return True
        if section == "Data":
            roles = {role.partition("data_roles.")[2] for role in problems if role.startswith("data_roles.")}
            return set(profile.roles) != set(roles_of(begun)) or bool(roles)
        fields = option_fields(begun) if section == "Options" else self.sections.get(section, ())
        before = values_of(begun, fields)
        typed = section == "Options" and any(profile.values.get(name, "").strip() for name in added_names(begun))
        return typed or any(
            field.name in problems or profile.values.get(field.name, "").strip() != before[field.name].strip()
            for field in fields
        )

    def summary(self, section: str) -> str:
        """Return what is in a section, in a line."""
        if section == "Data":
            roles = (self.catalog.data_roles.get(role) for role in self.profile.roles)
            return ", ".join(role.value.title for role in roles if role) or "none"
        if section == "Options":
            return "; ".join(map(self._option_text, self.options)) or "none"
        titles = titles_of(self.catalog)
        values = ((field.name, self.profile.values.get(field.name, "")) for field in self.sections.get(section, ()))
        return ", ".join(titles.get(name, {}).get(value, value) for name, value in values if value.strip())

    def _option_text(self, option: OptionView) -> str:
        """Return an option in a line: its choices, with the amounts that they do not have from the profile."""
        choices = []
        for title, fields in option.rows:
            texts = (self._amount(field) for field in fields if not field.name.endswith(".title"))
            own = ", ".join(filter(None, texts))
            choices.append(f"{title} ({own})" if own else title)
        return f"{option.title}: {', '.join(choices)}"

    def _amount(self, field: Field) -> str:
        typed = self.profile.values.get(field.name, "").strip()
        return f"{typed} {field.label}" if typed and field.kind == "number" else typed

    @functools.cached_property
    def options(self) -> tuple[OptionView, ...]:
        """The options of the file, each with its fields."""
        return options_in(self.profile.source)

    @property
    def new_option(self) -> str:
        """Where the names of the fields for a new option begin."""
        return NEW

    @functools.cached_property
    def missing(self) -> set[str]:
        """The data roles that the chosen team has no valid grant of."""
        return {role for role in self.catalog.data_roles if not has_grant(self.catalog, role, self.profile.team)}

    @property
    def kept(self) -> list[str]:
        """The keys of the file that the form has no field for."""
        return self.profile.without_field(self.form.fields) if self.profile.tab == "form" else []

    def owners_of(self, role: str) -> str:
        """Return who decides about a data role, in words."""
        return leads_of(self.catalog, self.catalog.data_roles[role].value.owner)

    def items_of(self, field: Field) -> list[str]:
        """Return what is chosen in a field that is a list."""
        return items_of(self.profile.values.get(field.name, ""), field)
