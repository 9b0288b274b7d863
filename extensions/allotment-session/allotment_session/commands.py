"""What each subcommand does: ask the service, show what it answers, and the exit code that follows."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import PurePath
from typing import TYPE_CHECKING, Any

from allotment_session.editing import Draft, read_file, with_settings
from allotment_session.errors import Exit, SessionError, usage
from allotment_session.showing import (
    acceptable,
    has_errors,
    listed,
    show_checks,
    show_problems,
    show_profile,
    show_profiles,
    show_proposals,
    words,
)

if TYPE_CHECKING:
    from allotment_session.screen import Screen
    from allotment_session.service import Service

_PROFILE = re.compile(r"([a-z0-9][a-z0-9-]{0,62})/([a-z0-9][a-z0-9-]{0,62})")
_PROFILE_FILE = re.compile(r"(?:.*/)?teams/([^/]+)/profiles/([^/]+)\.yaml")


@dataclass(frozen=True)
class Wish:
    """What the user asked `propose` for."""

    source: str
    """The profile to start from, `team/name`; empty where there is none."""
    target: str
    """The new profile, `name` or `team/name`; empty means the source itself."""
    settings: list[str]
    removed: list[str]
    grants: list[str]
    """Data that the team asks for: `DATA-ROLE=DATE`."""
    accepted: list[str]
    """Problems that an administrator is asked to accept: `CODE=REASON`."""
    file: str
    reason: str
    agreed: bool
    """Whether to propose without asking."""


def profiles(service: Service, screen: Screen) -> Exit:
    """List the profiles."""
    answer = service.get("profiles")
    screen.answer(answer)
    show_profiles(screen, listed(answer, "profiles"))
    return Exit.DONE


def show(service: Service, screen: Screen, profile: str, *, file_only: bool) -> Exit:
    """Show one profile, or its file alone."""
    answer = _fetched(service, *split(profile))
    screen.answer(answer)
    if screen.as_json:
        return Exit.DONE
    if file_only:
        screen.text(words(answer, "content"))
        return Exit.DONE
    show_profile(screen, answer)
    return Exit.DONE


def check(service: Service, screen: Screen, file: str, profile: str, running: str) -> Exit:
    """Check a file without proposing it: for the named profile, the one that its path names, or the running one."""
    content = read_file(file)
    place = _PROFILE_FILE.fullmatch(PurePath(file).as_posix())
    team, name = split(profile or ("/".join(place.groups()) if place else running))
    checks = _object(service.post("checks", body={"team": team, "name": name, "content": content}))
    screen.answer(checks)
    show_checks(screen, checks)
    return Exit.PROBLEMS if has_errors(checks.get("problems") or []) else Exit.DONE


def proposals(service: Service, screen: Screen, state: str) -> Exit:
    """List the proposals."""
    answer = service.get("proposals", state=state)
    screen.answer(answer)
    show_proposals(screen, listed(answer, "proposals"))
    return Exit.DONE


def withdraw(service: Service, screen: Screen, proposal: str, *, agreed: bool) -> Exit:
    """Take the user's own proposal back."""
    if not agreed:
        _needs_terminal(screen, "Add --yes to withdraw without being asked.")
        if not screen.agrees(f"Withdraw the proposal {proposal}?"):
            screen.say("Nothing was withdrawn.")
            return Exit.DONE
    answer = _object(service.post("proposals", proposal, "withdrawal", body={}))
    screen.answer(answer)
    screen.say(f"The proposal {proposal} is withdrawn.")
    return Exit.DONE


def propose(service: Service, screen: Screen, wish: Wish, editor: str) -> Exit:
    """Check a wish, show what it means, ask, and propose it."""
    by_hand = not (wish.file or wish.settings or wish.removed or wish.accepted)
    if by_hand:
        _needs_terminal(screen, "Use --set or --file, and --yes.")
    if not wish.agreed:
        _needs_terminal(screen, "Add --yes to propose without being asked.")
    if not wish.reason:
        _needs_terminal(screen, "Add --reason; the people who review it read it.")
    team, name = _target(wish)
    if not by_hand:
        return _proposed(service, screen, wish, _body(service, wish, team, name))
    draft = Draft(_content(service, wish.source), editor)
    try:
        outcome = _edited(service, screen, wish, draft, (team, name))
    except (SessionError, KeyboardInterrupt):
        screen.note(draft.kept)
        raise
    if outcome is None:
        screen.say(draft.kept)
        return Exit.PROBLEMS
    draft.discard()
    return outcome


def split(profile: str) -> tuple[str, str]:
    """Give team and name of `team/name`; raises SessionError."""
    match = _PROFILE.fullmatch(profile)
    if match:
        return match[1], match[2]
    if not profile:
        raise usage(
            "It is not clear which profile is meant: this session names none (ALLOTMENT_PROFILE).",
            "Name one as TEAM/NAME; `allotment-session profiles` lists them.",
        )
    raise usage(f"{profile!r} is not TEAM/NAME.", "`allotment-session profiles` lists what exists.")


def _target(wish: Wish) -> tuple[str, str]:
    if not wish.target or "/" in wish.target:
        return split(wish.target or wish.source)
    if not wish.source:
        raise usage("It is not clear which team the new profile is for.", "Write --name TEAM/NAME.")
    return split(f"{split(wish.source)[0]}/{wish.target}")


def _body(service: Service, wish: Wish, team: str, name: str) -> dict[str, Any]:
    """Give the body of a check or proposal for a file, or for settings changed by name."""
    if wish.file:
        if wish.settings or wish.removed:
            raise usage("--file takes the file as it is written; --set and --unset do not go with it.")
        return {"team": team, "name": name, "content": read_file(wish.file), **_asked(wish)}
    settings = _fetched(service, *split(wish.source)).get("settings")
    if not isinstance(settings, dict):
        raise SessionError(
            f"The service does not give the settings of {wish.source}.",
            remedy=f"Save its file with `allotment-session show {wish.source} --file`, change it and use --file.",
            status=Exit.REFUSED,
        )
    profile = with_settings(settings, wish.settings, wish.removed)
    return {"team": team, "name": name, "profile": profile, **_asked(wish)}


def _asked(wish: Wish) -> dict[str, Any]:
    """Give what goes with a proposal: requests for data, and problems that an administrator is asked to accept."""
    accepted = []
    for each in wish.accepted:
        code, equals, reason = each.partition("=")
        if not (code and equals and reason.strip()):
            raise usage(f"{each!r} is not CODE=REASON, such as cpu-envelope='The census is larger this year'.")
        accepted.append({"code": code.strip(), "reason": reason.strip()})
    return {**_grants(wish), **({"accept": accepted} if accepted else {})}


def _grants(wish: Wish) -> dict[str, Any]:
    asked = []
    for grant in wish.grants:
        role, equals, until = grant.partition("=")
        if not (role and equals and until):
            raise usage(f"{grant!r} is not DATA-ROLE=DATE, such as housing-open=2027-03-31.")
        asked.append({"data_role": role, "until": until, "reason": wish.reason})
    return {"grants": asked} if asked else {}


def _edited(service: Service, screen: Screen, wish: Wish, draft: Draft, target: tuple[str, str]) -> Exit | None:
    """Let the user edit until it is proposed, dropped, or left with problems (None)."""
    same_profile = target == split(wish.source)
    while True:
        content = draft.edit()
        if not content.strip() or (content == draft.original and same_profile):
            screen.say("Nothing was changed, so nothing is proposed.")
            return Exit.DONE
        body = {"team": target[0], "name": target[1], "content": content, **_asked(wish)}
        outcome = _proposed(service, screen, wish, body)
        if outcome is not Exit.PROBLEMS:
            return outcome
        if not screen.agrees("Edit it again?", default=True):
            return None


def _proposed(service: Service, screen: Screen, wish: Wish, body: dict[str, Any]) -> Exit:
    checks = _object(service.post("checks", body=body))
    problems = checks.get("problems") or []
    show_checks(screen, checks)
    if has_errors(problems):
        screen.answer({"checks": checks, "proposal": None})
        screen.say("Nothing was proposed: the problems above come first.")
        for code in acceptable(problems):
            screen.say(f"An administrator may accept {code}: add --accept {code}='WHY'")
        return Exit.PROBLEMS
    if not checks.get("changes") and "content" not in body:
        screen.answer({"checks": checks, "proposal": None})
        screen.say("So nothing is proposed.")
        return Exit.DONE
    reason = wish.reason or screen.ask("Why is it needed? (for the people who review it) ")
    if not reason.strip():
        raise usage("A proposal needs a reason; nothing was proposed.", "Add --reason.")
    if not wish.agreed and not screen.agrees(f"Propose {body['team']}/{body['name']}?"):
        screen.say("Nothing was proposed.")
        return Exit.DONE
    proposal = _object(service.post("proposals", body={**body, "reason": reason}))
    screen.answer({"checks": checks, "proposal": proposal})
    if proposal.get("problems"):
        show_problems(screen, proposal["problems"])
    state = words(proposal, "state")
    screen.say(f"Proposed as {words(proposal, 'id')}" + (f", {state}." if state else "."))
    if waits := words(proposal, "waits_for", "waiting_for"):
        screen.say(f"It waits for {waits}.")
    screen.say(service.address(proposal.get("url")))
    return Exit.DONE


def _content(service: Service, profile: str) -> str:
    content = _fetched(service, *split(profile)).get("content")
    if not isinstance(content, str) or not content:
        raise SessionError(
            f"The service does not give the file of {profile}.",
            why="Some values are for the team and administrators.",
            remedy="Write the file yourself and use --file.",
            status=Exit.REFUSED,
        )
    return content


def _fetched(service: Service, team: str, name: str) -> dict[str, Any]:
    return _object(service.get("profiles", team, name))


def _object(answer: object) -> dict[str, Any]:
    if isinstance(answer, dict):
        return answer
    raise SessionError("The service answered with a list where one thing was asked for.", status=Exit.UNREACHABLE)


def _needs_terminal(screen: Screen, remedy: str) -> None:
    if not screen.interactive:
        raise usage("Nobody is there to answer: this is no terminal, or --json was given.", remedy)
