"""The subcommands about the session that runs: what it is, what it uses, and what it could say of itself."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from allotment_session import output
from allotment_session.amounts import cpu_text, duration_text, memory_text, moment_of, moment_text, number_of
from allotment_session.capture.evidence import Use, evidence_of, observed
from allotment_session.capture.packages import RULE
from allotment_session.drafting import failed_with
from allotment_session.errors import Exit, SessionError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from allotment_session.client import ServiceClient
    from allotment_session.terminal import Terminal

SHOWN_PROPOSALS = 10
SHOWN_PACKAGES = 50
_NEAR = 0.9
"""From this share of the limit on, `status` warns."""


@dataclass(frozen=True)
class Captured:
    """What this session can say about itself."""

    session: dict[str, Any]
    """What the service says of it."""
    use: Use
    evidence: dict[str, Any]
    """As it is sent."""


def capture(client: ServiceClient, environment: Mapping[str, str]) -> Captured:
    """Ask what runs, and read what it used and what was added. Raise `SessionError`."""
    session = own_session(client)
    use = observed()
    home = Path(environment.get("HOME") or "~").expanduser()
    return Captured(session, use, evidence_of(session, use, environment, home)[0])


def own_session(client: ServiceClient) -> dict[str, Any]:
    """Return what the service says of this session. Raise `SessionError`."""
    answer = client.get("session")
    if isinstance(answer, dict):
        return answer
    raise SessionError("The service answered with a list instead of an object.", status=Exit.UNREACHABLE)


def whoami(client: ServiceClient, terminal: Terminal, environment: Mapping[str, str]) -> Exit:
    """Print what runs: from the service, or where it does not answer, what the environment says."""
    try:
        session = own_session(client)
    except SessionError:
        if not terminal.as_json:
            _show_environment(terminal, environment)
        raise
    terminal.print_json(session)
    _show_session(terminal, session)
    for line in short_of_memory(session, observed()):
        terminal.print(line)
    return Exit.DONE


def status(client: ServiceClient, terminal: Terminal) -> Exit:
    """Print the limits beside the use, when the session ends, and the user's own proposals."""
    session, use = own_session(client), observed()
    mine = [
        each
        for each in output.items_of(client.get("proposals", proposer=output.field_of(session, "user")), "proposals")
        if each.get("proposer") == session.get("user")
    ]
    used = {**use.values, "unknown": use.unknown}
    short = short_of_memory(session, use)
    terminal.print_json({"session": session, "use": used, "short_of_memory": short, "proposals": mine})
    _show_use(terminal, session, use)
    _show_ends(terminal, session)
    for line in short:
        terminal.print(line)
    terminal.print("Your proposals")
    output.show_proposals(terminal, mine[:SHOWN_PROPOSALS])
    return Exit.DONE


def in_trial(terminal: Terminal, command: str, environment: Mapping[str, str]) -> Exit:
    """Print what a trial knows without the service, which its token may not call. Raise `SessionError` for the rest."""
    if command not in ("whoami", "status"):
        raise SessionError(
            "A trial cannot ask the service.",
            why=f"This session tries {environment['ALLOTMENT_TRIAL']}, and its token reaches nothing else.",
            remedy="Run the command in a session of your own.",
            status=Exit.REFUSED,
        )
    use = observed()
    names = ("TRIAL", "PROFILE", "TEAM", "COMMIT")
    known = {name.lower(): environment.get(f"ALLOTMENT_{name}", "") for name in names}
    terminal.print_json({"session": known, "use": {**use.values, "unknown": use.unknown}})
    terminal.print(f"This is a trial of {known['trial']}.")
    _show_environment(terminal, environment)
    if command == "status":
        _show_rows(terminal, _use_rows(use, now=True))
    return Exit.DONE


def show_captured(client: ServiceClient, terminal: Terminal, environment: Mapping[str, str]) -> Exit:
    """Print all that `propose --running` would send beside the profile. Nothing is sent."""
    captured = capture(client, environment)
    terminal.print_json(captured.evidence)
    show_evidence(terminal, captured.evidence, unknown=captured.use.unknown, all_packages=True)
    return Exit.DONE


def show_evidence(
    terminal: Terminal, evidence: Mapping[str, Any], *, unknown: str = "", all_packages: bool = False
) -> None:
    """Print what is sent about this session, and what is not known."""
    used = evidence.get("use")
    used = used if isinstance(used, dict) else {}
    terminal.print("What is sent about this session (a claim of yours: reviewers are told that nobody checked it)")
    rows = [
        ("Profile", output.text_of(evidence.get("profile"))),
        ("Started from", output.text_of(evidence.get("revision"))),
        ("Options", _options(evidence.get("options"))),
        ("Image", " ".join(filter(None, map(output.text_of, (evidence.get("image"), evidence.get("digest")))))),
        ("Data", output.text_of(evidence.get("data_roles"))),
        ("GPUs", output.text_of(used.get("gpus"))),
        *_use_rows(Use(used, 0, unknown)),
    ]
    _show_rows(terminal, rows)
    packages = output.items_of(evidence, "packages")
    left_out = int(number_of(evidence.get("packages_left_out")))
    terminal.print(
        f"  {len(packages)} packages that you added" + (f"; {left_out} more are not sent" if left_out else "")
    )
    shown = packages if all_packages else packages[:SHOWN_PACKAGES]
    for package in shown:
        terminal.print("   ", *(output.field_of(package, name) for name in ("manager", "name", "version")))
    if len(shown) < len(packages):
        terminal.print(f"    and {len(packages) - len(shown)} more: `allotment-session capture` prints all")
    terminal.print(f"  {RULE}")


def short_of_memory(session: Mapping[str, Any], use: Use) -> list[str]:
    """Return the lines that say that the memory did not suffice, with one step that helps; none where it did."""
    kills, limit = number_of(use.values.get("out_of_memory")), number_of(session.get("memory"))
    now = number_of(use.values.get("memory_now"))
    if kills:
        times = "once" if kills == 1 else f"{kills:.0f} times"
        what = f"Out of memory: the kernel ended a process of this session {times}"
        lines = [f"{what}, at its limit of {memory_text(limit)}."]
    elif failed := failed_with(session):
        lines = [f"Your last session of this profile ended for lack of memory, at a limit of {memory_text(failed)}."]
    elif limit and now >= _NEAR * limit:
        lines = [f"Memory is short: {memory_text(now)} of {memory_text(limit)} are used."]
    else:
        return []
    larger = next(iter(output.items_of(session, "larger")), None)
    if larger:
        called = " ".join(filter(None, (output.field_of(larger, "profile"), _options(larger.get("options")))))
        more = memory_text(number_of(larger.get("memory")))
        helps = f"  What helps: stop this session, and start {called} with {more}:"
        return [*lines, helps, f"  {output.field_of(larger, 'url')}"]
    return [*lines, "  What helps: propose a larger limit with `allotment-session propose --running`."]


def _show_environment(terminal: Terminal, environment: Mapping[str, str]) -> None:
    names = (("Profile", "PROFILE"), ("Team", "TEAM"), ("Started from", "COMMIT"), ("Data", "DATA_ROLES"))
    _show_rows(terminal, [(title, environment.get(f"ALLOTMENT_{name}", "")) for title, name in names])


def _show_session(terminal: Terminal, session: Mapping[str, Any]) -> None:
    title, newer = output.field_of(session, "title"), session.get("newer") is True
    rows = [
        ("Profile", " ".join(filter(None, (output.field_of(session, "profile"), f"({title})" if title else "")))),
        ("Session", output.field_of(session, "server")),
        ("Started from", output.field_of(session, "revision")[:10]),
        ("Newer", "The profile has changed since: a new start has the newer version." if newer else ""),
        ("Options", _options(session.get("options"))),
        ("Image", " ".join(filter(None, (output.field_of(session, "image"), output.field_of(session, "digest"))))),
        ("Memory", memory_text(number_of(session.get("memory")))),
        ("CPU", cpu_text(number_of(session.get("cpu")))),
        ("GPUs", output.field_of(session, "gpu") if session.get("gpu") else ""),
        *(("Data", _data_text(each)) for each in output.items_of(session, "data_roles")),
    ]
    _show_rows(terminal, rows)
    _show_ends(terminal, session)


def _data_text(role: Mapping[str, Any]) -> str:
    name, state, until = (output.field_of(role, key) for key in ("name", "state", "until"))
    return f"{name}: {state}" if state else f"{name} until {until}" if until else name


def _show_ends(terminal: Terminal, session: Mapping[str, Any]) -> None:
    now = dt.datetime.now(dt.timezone.utc)
    for end in output.items_of(session, "ends"):
        moment = moment_of(end.get("at"))
        if moment:
            terminal.print(f"  {'Ends:':<18}{moment_text(moment, now)}: {output.field_of(end, 'text')}")
    idle = number_of(session.get("idle"))
    if idle:
        terminal.print(f"  {'Ends when idle:':<18}after {duration_text(idle)} without activity")


def _show_use(terminal: Terminal, session: Mapping[str, Any], use: Use) -> None:
    limits = {"memory_limit": session.get("memory"), "cpu_limit": session.get("cpu")}
    known = {name: value for name, value in limits.items() if number_of(value) and use.values.get(name) is None}
    _show_rows(terminal, _use_rows(Use({**use.values, **known}, use.since, use.unknown), now=True))


def _use_rows(use: Use, *, now: bool = False) -> list[tuple[str, str]]:
    values = use.values

    def amount(name: str, form: Any) -> str:
        return form(values[name]) if values.get(name) is not None else ""

    memory_now = amount("memory_now", memory_text) if now else ""
    parts = {
        "Memory": [
            f"{memory_now} now" if memory_now else "",
            f"at most {amount('memory_peak', memory_text)}" if amount("memory_peak", memory_text) else "",
            f"of {amount('memory_limit', memory_text)}" if amount("memory_limit", memory_text) else "",
        ],
        "CPU": [
            f"{amount('cpu_typical', cpu_text)} on average" if amount("cpu_typical", cpu_text) else "",
            f"of {amount('cpu_limit', cpu_text)}" if amount("cpu_limit", cpu_text) else "",
            f"held back in {values['cpu_throttled']:.0%} of the time" if values.get("cpu_throttled") else "",
        ],
    }
    rows = [(title, ", ".join(filter(None, each))) for title, each in parts.items()]
    kills = values.get("out_of_memory")
    return [
        *rows,
        ("Out of memory", f"{kills} times" if kills else ""),
        ("Observed for", duration_text(values["seconds"]) if values.get("seconds") else ""),
        ("Not known", use.unknown),
    ]


def _options(options: object) -> str:
    return ", ".join(f"{name}: {choice}" for name, choice in options.items()) if isinstance(options, dict) else ""


def _show_rows(terminal: Terminal, rows: list[tuple[str, str]]) -> None:
    for title, value in rows:
        if value:
            terminal.print(f"  {title + ':':<18}{value}")
