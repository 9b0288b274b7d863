"""The panel beside a form: the result of checking what is in it, and what is still missing. Pure."""

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from allotment_hub.services.drafts.draft_proposal import DraftProposal, field_of, still_needed
from allotment_hub.services.drafts.forms import Field
from allotment_hub.services.judging.checking import Check
from allotment_profiles.model.problems import Problem


@dataclass(frozen=True)
class Panel:
    """What stands beside a form."""

    check: Check | None
    """None before there is anything to check."""
    needed: tuple[Problem, ...] = ()
    """What is not filled in yet."""
    problems: tuple[Problem, ...] = ()
    """Errors and warnings."""
    by_field: Mapping[str, Sequence[Problem]] = field(default_factory=dict)
    """The problems that are shown beside a field of the form."""
    unchanged: bool = False
    automatic: tuple[str, ...] = ()
    """Why nobody has to approve, where the policy lets the proposer do without."""

    @property
    def hard(self) -> list[Problem]:
        """What has to be corrected."""
        return [problem for problem in self.problems if problem.level == "hard"]

    @property
    def soft(self) -> list[Problem]:
        """What an administrator may accept."""
        return [problem for problem in self.problems if problem.level == "soft"]

    @property
    def acceptable(self) -> list[str]:
        """The codes of what an administrator may accept, where nothing else stands in the way."""
        others = self.needed or self.unchanged or self.hard
        return [] if others else list(dict.fromkeys(problem.code for problem in self.soft))

    @property
    def ready(self) -> bool:
        """Whether it can be proposed."""
        blocked = self.needed or self.unchanged or any(problem.blocks for problem in self.problems)
        return self.check is not None and not blocked

    def without_name(self) -> "Panel":
        """Return it without what the check says of the name, where the file was checked under another one."""
        needed, problems = (
            tuple(dataclasses.replace(each, path="") for each in found) for found in (self.needed, self.problems)
        )
        return dataclasses.replace(self, check=None, needed=needed, problems=problems, automatic=())


def panel_of(
    check: Check | None,
    draft: DraftProposal | None = None,
    fields: Sequence[Field] = (),
    own: Sequence[Problem] = (),
) -> Panel:
    """Sort the problems of a check, and `own` ones, for a page. Without a form, no problem stands beside a field."""
    problems = [*own, *(check.problems if check else ())]
    by_field: dict[str, list[Problem]] = {}
    for problem in problems:
        name = field_of(problem, draft, fields) if draft else ""
        if name and not still_needed(problem):
            by_field.setdefault(name, []).append(problem)
    return Panel(
        check=check,
        needed=tuple(problem for problem in problems if still_needed(problem)),
        problems=tuple(problem for problem in problems if not still_needed(problem) and problem.code != "no-change"),
        by_field=by_field,
        unchanged=any(problem.code == "no-change" for problem in problems),
        automatic=check.automatic if check and not check.requirements else (),
    )
