"""The service's answers as lines to read; a field that is missing or of another kind is left out, never an error."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable

    from allotment_session.errors import SessionError
    from allotment_session.screen import Screen

_MARKS = {"hard": "✗", "soft": "?", "advice": "!"}
_LEVELS = {"hard": "Has to be corrected.", "soft": "An administrator may accept this."}
NAMES = ("text", "summary", "title", "what", "message", "id", "name", "user")
"""Where the words of an answer's parts are looked for, in this order."""


def words(item: object, *names: str) -> str:
    """Give what a part of an answer says: itself, or the first of the named fields that says something."""
    if isinstance(item, dict):
        for name in names or NAMES:
            said = item.get(name)
            if said not in (None, "", [], {}):
                return words(said)
        return ""
    if isinstance(item, list):
        return ", ".join(filter(None, (words(part) for part in item)))
    if isinstance(item, bool):
        return "yes" if item else "no"
    return "" if item is None else str(item)


def listed(answer: object, name: str) -> list[dict[str, Any]]:
    """Give the objects of a list that an answer is, or carries under a name."""
    items = answer.get(name, answer.get("items")) if isinstance(answer, dict) else answer
    return [item for item in items if isinstance(item, dict)] if isinstance(items, list) else []


def has_errors(problems: Iterable[object]) -> bool:
    """Whether one of the problems is more than a warning."""
    return any(not isinstance(problem, dict) or problem.get("level") != "advice" for problem in problems)


def acceptable(problems: Iterable[object]) -> list[str]:
    """Name the codes that an administrator may accept; none where something else has to be corrected anyway."""
    levels = {problem.get("level") for problem in problems if isinstance(problem, dict)}
    if not levels <= {"soft", "advice"}:
        return []
    soft = (words(each, "code") for each in problems if isinstance(each, dict) and each.get("level") == "soft")
    return list(dict.fromkeys(filter(None, soft)))


def show_problems(screen: Screen, problems: list[Any]) -> None:
    """Write each problem with its place and its remedy."""
    for problem in problems:
        if not isinstance(problem, dict):
            screen.say(f"  ✗ {words(problem)}")
            continue
        place = ":".join(filter(None, (words(problem, name) for name in ("path", "line", "column"))))
        mark = _MARKS.get(words(problem, "level"), "✗")
        field = words(problem, "field")
        code = words(problem, "code")
        screen.say(
            f"  {mark} {place}", f"{field}:" if field else "", words(problem, "message"), f"[{code}]" if code else ""
        )
        if level := _LEVELS.get(words(problem, "level")):
            screen.say(f"      {level}")
        if remedy := words(problem, "remedy"):
            screen.say(f"      {remedy}")


def show_checks(screen: Screen, checks: dict[str, Any]) -> None:
    """Write what a dry run found: problems, changes, cost and who will have to approve."""
    problems = checks.get("problems") or []
    if problems:
        screen.say("Problems" if has_errors(problems) else "Advice")
        show_problems(screen, problems)
    changes = checks.get("changes") or []
    if changes:
        screen.say("What changes")
        _show_changes(screen, changes)
    elif not problems:
        screen.say("Nothing changes.")
    if access := checks.get("access"):
        screen.say("Who gains or loses data")
        for change in access if isinstance(access, list) else [access]:
            screen.say(f"  {words(change)}")
    if cost := words(checks.get("cost") or checks.get("costs"), "text", "summary", "after"):
        screen.say("Cost")
        screen.say(f"  {cost}")
    requirements = checks.get("requirements") or []
    if requirements:
        screen.say("Who will have to approve")
        for requirement in requirements:
            reason = words(requirement, "reason") if isinstance(requirement, dict) else ""
            text = words(requirement, "text", "summary", "title", "who", "kind")
            screen.say(f"  {text}" + (f": {reason}" if reason and reason not in text else ""))
    elif changes and not has_errors(problems):
        screen.say("Nobody has to approve this.")
        for reason in checks.get("automatic") or []:
            screen.say(f"  {words(reason)}")


def _show_changes(screen: Screen, changes: list[Any]) -> None:
    several = len({words(change, "subject") for change in changes if isinstance(change, dict)}) > 1
    for change in changes:
        summary = words(change)
        detail = words(change, "detail") if isinstance(change, dict) else ""
        subject = words(change, "subject") if several and isinstance(change, dict) else ""
        if subject and subject not in summary:
            summary = f"{subject}: {summary}"
        screen.say(f"  {summary}" + (f" ({detail})" if detail and detail not in summary else ""))


def show_profile(screen: Screen, profile: dict[str, Any]) -> None:
    """Write everything about one profile."""
    settings = profile.get("settings")
    settings = settings if isinstance(settings, dict) else {}
    both = {**settings, **profile}
    screen.say(f"{profile_id(profile)}: {words(both, 'title')}")
    if description := words(both, "description"):
        screen.say(f"  {description}")
    rows = [
        ("What for", words(both, "purpose")),
        ("Application", words(both, "app")),
        ("Image", words(both, "image")),
        ("CPU", _amount(settings, "cpu")),
        ("Memory", _amount(settings, "memory")),
        ("Options", _options(settings)),
        ("Data", words(both, "data_roles")),
        ("Review by", words(both, "review_by")),
        ("Why it exists", words(both, "why", "reason")),
        ("Approved by", words(both, "approved_by")),
        ("File", words(both, "path")),
        ("Revision", words(both, "revision")),
        ("You can start it", _startable(profile)),
    ]
    for name, value in rows:
        if value:
            screen.say(f"  {name + ':':<18}{value}")
    refusal = profile.get("refusal")
    if refusal:
        screen.say(f"  {'Why not:':<18}{words(refusal, 'why', 'what', 'sentence', 'text', 'message')}")
        for name in ("remedy", "decides") if isinstance(refusal, dict) else ():
            if said := words(refusal, name):
                screen.say(f"  {'Who decides:' if name == 'decides' else 'What helps:':<18}{said}")


def show_profiles(screen: Screen, profiles: list[dict[str, Any]]) -> None:
    """Write one line for each profile."""
    width = max((len(profile_id(profile)) for profile in profiles), default=0)
    for profile in profiles:
        refused = words(profile.get("refusal"), "why", "code", "what", "text")
        note = f"  (refused: {refused})" if refused else ""
        title = words(profile, "title") or words(profile.get("settings"), "title")
        screen.say(f"{profile_id(profile):<{width}}  {title}{note}")
    if not profiles:
        screen.say("There are no profiles that you may see.")


def show_proposals(screen: Screen, proposals: list[dict[str, Any]]) -> None:
    """Write each proposal with its state and what it waits for."""
    for proposal in proposals:
        author = words(proposal, "author", "proposer", "user")
        screen.say(f"{words(proposal, 'id')}  {words(proposal, 'state')}", f" by {author}" if author else "")
        if said := words(proposal, "title", "reason"):
            screen.say(f"  {said}")
        if waits := words(proposal, "waits_for", "waiting_for"):
            screen.say(f"  waits for {waits}")
    if not proposals:
        screen.say("There are no proposals.")


def show_error(screen: Screen, error: SessionError) -> None:
    """Write what, why and what helps; the place for it is beside the answer."""
    if screen.as_json:
        screen.answer(error.as_dict())
        return
    show_problems(screen, error.problems)
    screen.note(error.what, f"[{error.code}]" if error.code and error.code not in error.what else "")
    if error.why:
        screen.note(f"  Why: {error.why}")
    if error.remedy:
        screen.note(f"  What helps: {error.remedy}")
    if error.address:
        screen.note(f"  See {error.address}")


def profile_id(profile: dict[str, Any]) -> str:
    """Give `team/name` of a profile in an answer."""
    return words(profile, "id", "profile") or f"{words(profile, 'team')}/{words(profile, 'name')}"


def _amount(settings: dict[str, Any], name: str) -> str:
    resources = settings.get("resources")
    amount = resources.get(name) if isinstance(resources, dict) else None
    if not isinstance(amount, dict):
        return words(amount)
    guarantee, limit = words(amount.get("guarantee")), words(amount.get("limit"))
    return f"{guarantee} to {limit}" if guarantee and limit else guarantee or limit


def _options(settings: dict[str, Any]) -> str:
    options = settings.get("options")
    if not isinstance(options, dict):
        return ""
    said = []
    for name, option in options.items():
        choices = option.get("choices") if isinstance(option, dict) else None
        said.append(f"{name} ({', '.join(choices)})" if isinstance(choices, dict) else str(name))
    return "; ".join(said)


def _startable(profile: dict[str, Any]) -> str:
    return words(profile.get("startable")) if isinstance(profile.get("startable"), bool) else ""
