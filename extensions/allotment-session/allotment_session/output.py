"""Format the service's answers for a terminal. A field that is missing or has an unexpected type is left out."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable

    from allotment_session.errors import SessionError
    from allotment_session.terminal import Terminal

_MARKS = {"hard": "✗", "soft": "?", "advice": "!"}
_LEVELS = {"hard": "Has to be corrected.", "soft": "An administrator may accept this."}


def text_of(value: object) -> str:
    """Format a value in one line: lists with commas, booleans as yes and no, None and objects as nothing."""
    if isinstance(value, list):
        return ", ".join(filter(None, map(text_of, value)))
    if isinstance(value, bool):
        return "yes" if value else "no"
    return "" if value is None or isinstance(value, dict) else str(value)


def field_of(value: object, name: str) -> str:
    """Format a field of an object in an answer."""
    return text_of(value.get(name)) if isinstance(value, dict) else ""


def items_of(answer: object, name: str) -> list[dict[str, Any]]:
    """Return the objects of the list with this name in an answer."""
    items = answer.get(name) if isinstance(answer, dict) else None
    return [item for item in items if isinstance(item, dict)] if isinstance(items, list) else []


def has_errors(problems: Iterable[object]) -> bool:
    """Whether a problem is more than a warning."""
    return any(field_of(problem, "level") != "advice" for problem in problems)


def acceptable(problems: Iterable[object]) -> list[str]:
    """Return the codes that an administrator may accept; none if another problem has to be corrected anyway."""
    problems = list(problems)
    if any(field_of(problem, "level") not in {"soft", "advice"} for problem in problems):
        return []
    codes = (field_of(problem, "code") for problem in problems if field_of(problem, "level") == "soft")
    return list(dict.fromkeys(filter(None, codes)))


def show_problems(terminal: Terminal, problems: Iterable[object]) -> None:
    """Print each problem with its place and its remedy."""
    for problem in problems:
        place = ":".join(filter(None, (field_of(problem, name) for name in ("path", "line", "column"))))
        level, field, code = (field_of(problem, name) for name in ("level", "field", "code"))
        message = field_of(problem, "message")
        terminal.print(
            f"  {_MARKS.get(level, '✗')} {place}", f"{field}:" if field else "", message, f"[{code}]" if code else ""
        )
        for line in filter(None, (_LEVELS.get(level), field_of(problem, "remedy"))):
            terminal.print(f"      {line}")


def show_checks(terminal: Terminal, checks: dict[str, Any]) -> None:
    """Print the result of a dry run: problems, changes, data access, cost and the approvals that it needs."""
    problems, changes, requirements = (items_of(checks, name) for name in ("problems", "changes", "requirements"))
    if problems:
        terminal.print("Problems" if has_errors(problems) else "Advice")
        show_problems(terminal, problems)
    total = field_of(checks.get("totals"), "changes")
    more = int(total) - len(changes) if total.isdecimal() else 0
    _show_list(terminal, "What changes", [*_texts(changes), f"and {more} more" if more > 0 else ""])
    if not changes and not problems:
        terminal.print("Nothing changes.")
    _show_list(terminal, "Who gains or loses data", _texts(items_of(checks, "access")))
    _show_list(terminal, "Cost", [field_of(checks.get("cost"), "text")])
    _show_list(terminal, "Who will have to approve", _texts(requirements))
    if changes and not requirements and not has_errors(problems):
        terminal.print("Nobody has to approve this.")
        if automatic := text_of(checks.get("automatic")):
            terminal.print(f"  {automatic}")


def _texts(items: Iterable[object]) -> list[str]:
    return [field_of(item, "text") for item in items]


def _show_list(terminal: Terminal, title: str, lines: Iterable[str]) -> None:
    for index, line in enumerate(filter(None, lines)):
        if not index:
            terminal.print(title)
        terminal.print(f"  {line}")


def show_profile(terminal: Terminal, profile: dict[str, Any]) -> None:
    """Print everything about one profile."""
    settings = profile.get("settings")
    settings = settings if isinstance(settings, dict) else {}
    resources = settings.get("resources")
    terminal.print(f"{field_of(profile, 'id')}: {field_of(profile, 'title')}")
    if description := field_of(profile, "description"):
        terminal.print(f"  {description}")
    rows = [
        ("What for", field_of(profile, "purpose")),
        ("Application", field_of(profile, "app")),
        ("Image", field_of(profile, "image")),
        ("CPU", _amount(resources, "cpu")),
        ("Memory", _amount(resources, "memory")),
        ("Options", _options(settings.get("options"))),
        ("Data", field_of(profile, "data_roles")),
        ("Review by", field_of(profile, "review_by")),
        ("Why it exists", field_of(profile, "reason")),
        ("Approved by", field_of(profile, "approved_by")),
        ("File", field_of(profile, "path")),
        ("Revision", field_of(profile, "revision")),
        ("You can start it", field_of(profile, "startable")),
        ("Why not", field_of(profile.get("refusal"), "why")),
        ("What helps", field_of(profile.get("refusal"), "remedy")),
        ("Who decides", field_of(profile.get("refusal"), "decides")),
    ]
    for name, value in rows:
        if value:
            terminal.print(f"  {name + ':':<18}{value}")


def show_profiles(terminal: Terminal, profiles: list[dict[str, Any]]) -> None:
    """Print one line for each profile."""
    width = max((len(field_of(profile, "id")) for profile in profiles), default=0)
    for profile in profiles:
        refused = field_of(profile.get("refusal"), "why")
        note = f"  (refused: {refused})" if refused else ""
        terminal.print(f"{field_of(profile, 'id'):<{width}}  {field_of(profile, 'title')}{note}")
    if not profiles:
        terminal.print("There are no profiles that you may see.")


def show_proposals(terminal: Terminal, proposals: list[dict[str, Any]]) -> None:
    """Print each proposal with its state, its proposer and its title."""
    for proposal in proposals:
        identifier, state, proposer, title = (field_of(proposal, key) for key in ("id", "state", "proposer", "title"))
        terminal.print(f"{identifier}  {state}", f" by {proposer}" if proposer else "")
        if title:
            terminal.print(f"  {title}")
    if not proposals:
        terminal.print("There are no proposals.")


def show_error(terminal: Terminal, error: SessionError) -> None:
    """Print what happened, why, and what helps."""
    if terminal.as_json:
        terminal.print_json(error.as_dict())
        return
    show_problems(terminal, error.problems)
    terminal.note(error.what, f"[{error.code}]" if error.code and error.code not in error.what else "")
    if error.why:
        terminal.note(f"  Why: {error.why}")
    if error.remedy:
        terminal.note(f"  What helps: {error.remedy}")
    if error.address:
        terminal.note(f"  See {error.address}")


def _amount(resources: object, name: str) -> str:
    amount = resources.get(name) if isinstance(resources, dict) else None
    if not isinstance(amount, dict):
        return text_of(amount)
    guarantee, limit = field_of(amount, "guarantee"), field_of(amount, "limit")
    return f"{guarantee} to {limit}" if guarantee and limit else guarantee or limit


def _options(options: object) -> str:
    if not isinstance(options, dict):
        return ""
    texts = []
    for name, option in options.items():
        choices = option.get("choices") if isinstance(option, dict) else None
        texts.append(f"{name} ({', '.join(choices)})" if isinstance(choices, dict) else str(name))
    return "; ".join(texts)
