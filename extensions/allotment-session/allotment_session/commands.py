"""The subcommands: each calls the service, prints the answer and returns an exit code."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from pathlib import PurePath
from typing import TYPE_CHECKING, Any

from allotment_session import output
from allotment_session.drafting import draft
from allotment_session.editing import EditedFile, read_file, read_request, with_settings, write_request
from allotment_session.errors import Exit, SessionError, usage
from allotment_session.running import capture, show_evidence

if TYPE_CHECKING:
    from collections.abc import Mapping

    from allotment_session.client import ServiceClient
    from allotment_session.terminal import Terminal

_PROFILE = re.compile(r"([a-z0-9][a-z0-9-]{0,62})/([a-z0-9][a-z0-9-]{0,62})")
_PROFILE_FILE = re.compile(r"(?:.*/)?teams/([^/]+)/profiles/([^/]+)\.yaml")


@dataclass(frozen=True)
class ProposeOptions:
    """The options of `propose`."""

    source: str
    """The profile to start from, `team/name`; empty if there is none."""
    target: str
    """The new profile, `name` or `team/name`; empty means the source."""
    settings: list[str]
    removed: list[str]
    grants: list[str]
    """Data that the team asks for: `DATA-ROLE=DATE`."""
    accepted: list[str]
    """Problems that an administrator is asked to accept: `CODE=REASON`."""
    file: str
    reason: str
    confirmed: bool
    """Whether to propose without asking."""
    running: bool = False
    """Whether to propose what runs: limits by what it used, with the evidence."""
    save: str = ""
    """The file to which all that would be sent is written, instead of sending it."""
    send: str = ""
    """The file whose content is sent."""


def profiles(client: ServiceClient, terminal: Terminal) -> Exit:
    """List the profiles."""
    answer = client.get("profiles")
    terminal.print_json(answer)
    output.show_profiles(terminal, output.items_of(answer, "profiles"))
    return Exit.DONE


def show(client: ServiceClient, terminal: Terminal, profile: str, *, file_only: bool) -> Exit:
    """Show one profile, or its file alone."""
    answer = fetch_profile(client, *split(profile))
    terminal.print_json(answer)
    if terminal.as_json:
        return Exit.DONE
    if file_only:
        terminal.print_file(output.field_of(answer, "content"))
        return Exit.DONE
    output.show_profile(terminal, answer)
    return Exit.DONE


def check(client: ServiceClient, terminal: Terminal, file: str, profile: str, running: str) -> Exit:
    """Check a file without proposing it: as the named profile, as the one in its path, or as the running one."""
    content = read_file(file)
    path = _PROFILE_FILE.fullmatch(PurePath(file).as_posix())
    team, name = split(profile or ("/".join(path.groups()) if path else running))
    checks = as_object(client.post("checks", body={"team": team, "name": name, "content": content}))
    terminal.print_json(checks)
    output.show_checks(terminal, checks)
    return Exit.PROBLEMS if output.has_errors(output.items_of(checks, "problems")) else Exit.DONE


def proposals(client: ServiceClient, terminal: Terminal, state: str) -> Exit:
    """List the proposals."""
    answer = client.get("proposals", state=state)
    terminal.print_json(answer)
    output.show_proposals(terminal, output.items_of(answer, "proposals"))
    return Exit.DONE


def withdraw(client: ServiceClient, terminal: Terminal, proposal: str, *, confirmed: bool) -> Exit:
    """Withdraw a proposal of the user."""
    if not confirmed:
        _require_terminal(terminal, "Add --yes to withdraw without being asked.")
        if not terminal.confirm(f"Withdraw the proposal {proposal}?"):
            terminal.print("Nothing was withdrawn.")
            return Exit.DONE
    answer = as_object(client.post("proposals", proposal, "withdrawal", body={}))
    terminal.print_json(answer)
    terminal.print(f"The proposal {proposal} is withdrawn.")
    return Exit.DONE


def propose(client: ServiceClient, terminal: Terminal, options: ProposeOptions, editor: str) -> Exit:
    """Check a change, print the result, ask, and propose it."""
    in_editor = not (options.file or options.settings or options.removed or options.accepted)
    if in_editor:
        _require_terminal(terminal, "Use --set or --file, and --yes.")
    if not options.save:
        _require_consent(terminal, options)
        if not options.reason:
            _require_terminal(terminal, "Add --reason; the people who review it read it.")
    target = _target(options)
    if not in_editor:
        return _check_and_propose(client, terminal, options, _body(client, options, *target))
    file = EditedFile(_fetch_content(client, options.source), editor)
    try:
        status = _edit_and_propose(client, terminal, options, file, target)
    except (SessionError, KeyboardInterrupt):
        terminal.note(file.saved_message)
        raise
    if status is None:
        terminal.print(file.saved_message)
        return Exit.PROBLEMS
    file.discard()
    return status


def propose_running(
    client: ServiceClient, terminal: Terminal, options: ProposeOptions, environment: Mapping[str, str]
) -> Exit:
    """Draft other limits from what this session used, show all that would be sent, ask, and propose it."""
    if options.file:
        raise usage("--running drafts from the profile that runs; --file does not go with it.", "Use --set.")
    if not options.save:
        _require_consent(terminal, options)
    captured = capture(client, environment)
    running = output.field_of(captured.session, "profile")
    options = replace(options, source=options.source or running)
    team, name = _target(options)
    drafted, reasons = draft(settings_of(client, options.source), captured.session, captured.use)
    profile = with_settings(drafted, options.settings, options.removed)
    if not reasons and not options.settings and not options.removed:
        terminal.print_json({"checks": None, "proposal": None, "evidence": captured.evidence})
        show_evidence(terminal, captured.evidence, unknown=captured.use.unknown)
        terminal.print("Nothing is proposed: what it used suggests no other limit.")
        terminal.note("  What helps: name one: `allotment-session propose --running --set memory.limit=16GiB`")
        return Exit.DONE
    if (team, name) != split(options.source) and profile.get("title") == drafted.get("title"):
        profile["title"] = _title(profile)
    body = {"team": team, "name": name, "profile": profile, **_requests(options)}
    evidence, unknown, suggested = captured.evidence, captured.use.unknown, " ".join(reasons)
    return _check_and_propose(client, terminal, options, body, evidence=evidence, unknown=unknown, suggested=suggested)


def propose_saved(client: ServiceClient, terminal: Terminal, options: ProposeOptions) -> Exit:
    """Propose what `--save` has shown and written, as it is; only the reason can be another."""
    if options.running or options.file or options.settings or options.removed or options.accepted or options.save:
        raise usage("--send proposes a file as --save has written it; only --reason and --yes go with it.")
    _require_consent(terminal, options)
    body = read_request(options.send)
    evidence, reason = body.pop("evidence", None), output.field_of(body, "reason")
    body.pop("reason", None)
    evidence = evidence if isinstance(evidence, dict) else {}
    if not options.confirmed:
        return _check_and_propose(client, terminal, options, body, evidence=evidence, suggested=reason)
    reason = options.reason or reason
    _require_reason(reason)
    return _send(client, terminal, {**body, "reason": reason}, evidence)


def _title(profile: dict[str, Any]) -> str:
    """Return the title of a new profile: the old one with what is different."""
    resources = profile.get("resources")
    memory = resources.get("memory") if isinstance(resources, dict) else None
    limit, title = output.field_of(memory, "limit"), output.field_of(profile, "title")
    return f"{title[:60]}, {limit}" if limit else title


def split(profile: str) -> tuple[str, str]:
    """Split `team/name`. Raise `SessionError`."""
    match = _PROFILE.fullmatch(profile)
    if match:
        return match[1], match[2]
    if not profile:
        raise usage(
            "It is not clear which profile is meant: this session names none (ALLOTMENT_PROFILE).",
            "Name one as TEAM/NAME; `allotment-session profiles` lists them.",
        )
    raise usage(f"{profile!r} is not TEAM/NAME.", "`allotment-session profiles` lists what exists.")


def _target(options: ProposeOptions) -> tuple[str, str]:
    if not options.target or "/" in options.target:
        return split(options.target or options.source)
    if not options.source:
        raise usage("It is not clear which team the new profile is for.", "Write --name TEAM/NAME.")
    return split(f"{split(options.source)[0]}/{options.target}")


def _body(client: ServiceClient, options: ProposeOptions, team: str, name: str) -> dict[str, Any]:
    """Return the request body for a check or a proposal, from a file or from changed settings."""
    if options.file:
        if options.settings or options.removed:
            raise usage("--file takes the file as it is written; --set and --unset do not go with it.")
        return {"team": team, "name": name, "content": read_file(options.file), **_requests(options)}
    profile = with_settings(settings_of(client, options.source), options.settings, options.removed)
    return {"team": team, "name": name, "profile": profile, **_requests(options)}


def settings_of(client: ServiceClient, profile: str) -> dict[str, Any]:
    """Return the settings of a profile. Raise `SessionError`."""
    settings = fetch_profile(client, *split(profile)).get("settings")
    if not isinstance(settings, dict):
        raise SessionError(
            f"The service does not give the settings of {profile}.",
            remedy=f"Save its file with `allotment-session show {profile} --file`, change it and use --file.",
            status=Exit.REFUSED,
        )
    return settings


def _requests(options: ProposeOptions) -> dict[str, Any]:
    return requested(options.grants, options.accepted, options.reason)


def requested(grants: list[str], accepted: list[str], reason: str) -> dict[str, Any]:
    """Return the requests for data, and to accept problems, that go with a change. Raise `SessionError`."""
    acceptances, asked = [], []
    for acceptance in accepted:
        code, equals, why = acceptance.partition("=")
        if not (code and equals and why.strip()):
            raise usage(f"{acceptance!r} is not CODE=REASON, such as cpu-envelope='The census is larger this year'.")
        acceptances.append({"code": code.strip(), "reason": why.strip()})
    for grant in grants:
        role, equals, until = grant.partition("=")
        if not (role and equals and until):
            raise usage(f"{grant!r} is not DATA-ROLE=DATE, such as housing-open=2027-03-31.")
        asked.append({"data_role": role, "until": until, "reason": reason})
    return {**({"grants": asked} if asked else {}), **({"accept": acceptances} if acceptances else {})}


def _edit_and_propose(
    client: ServiceClient, terminal: Terminal, options: ProposeOptions, file: EditedFile, target: tuple[str, str]
) -> Exit | None:
    """Let the user edit until the file is proposed or dropped; return None if the user leaves it with problems."""
    same_profile = target == split(options.source)
    while True:
        content = file.edit()
        if not content.strip() or (content == file.original and same_profile):
            terminal.print("Nothing was changed, so nothing is proposed.")
            return Exit.DONE
        body = {"team": target[0], "name": target[1], "content": content, **_requests(options)}
        status = _check_and_propose(client, terminal, options, body)
        if status is not Exit.PROBLEMS:
            return status
        if not terminal.confirm("Edit it again?", default=True):
            return None


def _check_and_propose(
    client: ServiceClient,
    terminal: Terminal,
    options: ProposeOptions,
    body: dict[str, Any],
    *,
    evidence: dict[str, Any] | None = None,
    unknown: str = "",
    suggested: str = "",
) -> Exit:
    """Check, show all that would be sent, and save it; or ask, and propose it.

    `unknown` is what the evidence cannot know, `suggested` the reason where the user writes none.
    """
    checks = as_object(client.post("checks", body=body))
    problems = output.items_of(checks, "problems")
    output.show_checks(terminal, checks)
    if output.has_errors(problems):
        terminal.print_json({"checks": checks, "proposal": None})
        terminal.print("Nothing was proposed: the problems above come first.")
        for code in output.acceptable(problems):
            terminal.print(f"An administrator may accept {code}: add --accept {code}='WHY'")
        return Exit.PROBLEMS
    if not checks.get("changes") and "content" not in body:
        terminal.print_json({"checks": checks, "proposal": None})
        terminal.print("So nothing is proposed.")
        return Exit.DONE
    if evidence:
        show_evidence(terminal, evidence, unknown=unknown, all_packages=bool(options.save))
    if options.save:
        return _save(terminal, options, checks, {**body, "reason": options.reason or suggested}, evidence)
    reason = options.reason or _ask_reason(terminal, suggested, asks=not options.confirmed)
    _require_reason(reason)
    if not options.confirmed and not terminal.confirm(f"Propose {body['team']}/{body['name']}?"):
        terminal.print("Nothing was proposed.")
        return Exit.DONE
    return _send(client, terminal, {**body, "reason": reason}, evidence, checks)


def _save(
    terminal: Terminal,
    options: ProposeOptions,
    checks: dict[str, Any],
    body: dict[str, Any],
    evidence: dict[str, Any] | None,
) -> Exit:
    request = {**body, **({"evidence": evidence} if evidence else {})}
    write_request(options.save, request)
    terminal.print_json({"checks": checks, "proposal": None, "request": request})
    if body["reason"]:
        terminal.print(f"Reason: {body['reason']}")
    terminal.note(f"Nothing is sent. `allotment-session propose --send {options.save}` proposes it.")
    return Exit.DONE


def _send(
    client: ServiceClient,
    terminal: Terminal,
    body: dict[str, Any],
    evidence: dict[str, Any] | None,
    checks: dict[str, Any] | None = None,
) -> Exit:
    sent = {"evidence": evidence} if evidence else {}
    proposal = as_object(client.post("proposals", body={**body, **sent}))
    terminal.print_json({"checks": checks, "proposal": proposal, **sent})
    output.show_problems(terminal, output.items_of(proposal, "problems"))
    state = output.field_of(proposal, "state")
    terminal.print(f"Proposed as {output.field_of(proposal, 'id')}" + (f", {state}." if state else "."))
    if waits := output.field_of(proposal, "waits_for"):
        terminal.print(f"It waits for {waits}.")
    terminal.print(client.address(proposal.get("url")))
    return Exit.DONE


def _ask_reason(terminal: Terminal, suggested: str, *, asks: bool) -> str:
    if suggested:
        terminal.print(f"Reason: {suggested}")
        if not asks:
            return suggested
    question = "Another reason (Enter keeps this one)" if suggested else "Why is it needed?"
    return terminal.ask(f"{question} (for the people who review it) ") or suggested


def _fetch_content(client: ServiceClient, profile: str) -> str:
    content = fetch_profile(client, *split(profile)).get("content")
    if not isinstance(content, str) or not content:
        raise SessionError(
            f"The service does not give the file of {profile}.",
            why="Some values are for the team and administrators.",
            remedy="Write the file yourself and use --file.",
            status=Exit.REFUSED,
        )
    return content


def fetch_profile(client: ServiceClient, team: str, name: str) -> dict[str, Any]:
    """Return everything about a profile. Raise `SessionError`."""
    return as_object(client.get("profiles", team, name))


def as_object(answer: object) -> dict[str, Any]:
    """Return an answer that has to be an object. Raise `SessionError`."""
    if isinstance(answer, dict):
        return answer
    raise SessionError("The service answered with a list instead of an object.", status=Exit.UNREACHABLE)


def _require_reason(reason: str) -> None:
    if not reason.strip():
        raise usage("A proposal needs a reason; nothing was proposed.", "Add --reason.")


def _require_consent(terminal: Terminal, options: ProposeOptions) -> None:
    if not options.confirmed:
        _require_terminal(terminal, "Add --yes to propose without being asked.")


def _require_terminal(terminal: Terminal, remedy: str) -> None:
    if not terminal.interactive:
        raise usage("The command cannot ask questions: this is not a terminal, or --json was given.", remedy)
