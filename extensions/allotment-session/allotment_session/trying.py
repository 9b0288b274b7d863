"""Try a proposal, or a file, before it is merged: start the trial, wait until it answers, and end it."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from allotment_session.commands import split
from allotment_session.editing import read_file
from allotment_session.errors import Exit, SessionError, usage
from allotment_session.output import field_of

if TYPE_CHECKING:
    from allotment_session.client import ServiceClient
    from allotment_session.terminal import Terminal

LOOK_SECONDS = 2.0
WAIT_SECONDS = 900.0


@dataclass(frozen=True)
class TryOptions:
    """The options of `try`."""

    proposal: str
    """Empty for a file, or for whatever trial runs."""
    file: str
    name: str
    """The profile, `team/name`: of a file, or of a proposal that has several."""
    choices: list[str]
    """Options of the profile: `OPTION=CHOICE`."""
    end: bool
    """Whether to end the trial instead."""


def try_it(client: ServiceClient, terminal: Terminal, options: TryOptions, running: str) -> Exit:
    """Start a trial and print its address once it answers; or end it."""
    if options.proposal and options.file:
        raise usage("A trial is of a proposal or of a file, not of both.")
    place = ("proposals", options.proposal, "trial") if options.proposal else ("trials",)
    if options.end:
        answer = _as_trial(client.delete(*place))
        terminal.print_json(answer)
        terminal.print("No trial runs." if field_of(answer, "state") in ("none", "ended") else "The trial is ending.")
        return Exit.DONE
    if not options.proposal and not options.file:
        raise usage("It is not clear what is to be tried.", "Name a proposal, or --file FILE.")
    answer = _as_trial(client.post(*place, body=_body(options, running)))
    terminal.note("It is starting: an empty home, none of your files, no data, for a limited time.")
    answer = _started(client, terminal, place, answer)
    terminal.print_json(answer)
    if field_of(answer, "state") == "running":
        terminal.print(f"It started in {field_of(answer, 'started_in')} s: {client.address(field_of(answer, 'url'))}")
        return Exit.DONE
    failed = SessionError(
        "The trial did not start.", why=field_of(answer, "why"), remedy="Change it, and try again.", status=Exit.REFUSED
    )
    failed.code = field_of(answer, "code")
    raise failed


def _body(options: TryOptions, running: str) -> dict[str, Any]:
    choices = {}
    for choice in options.choices:
        name, equals, value = choice.partition("=")
        if not (name and equals and value):
            raise usage(f"{choice!r} is not OPTION=CHOICE, such as size=large.")
        choices[name] = value
    if options.file:
        profile = "/".join(split(options.name or running))
        return {"profile": profile, "content": read_file(options.file), "options": choices}
    return {**({"profile": options.name} if options.name else {}), "options": choices}


def _started(
    client: ServiceClient, terminal: Terminal, place: tuple[str, ...], answer: dict[str, Any]
) -> dict[str, Any]:
    """Wait until a trial answers, or has ended. Raise `SessionError` after a while."""
    deadline = time.monotonic() + WAIT_SECONDS
    with terminal.waiting("waiting for the trial to answer"):
        while field_of(answer, "state") == "starting":
            if time.monotonic() > deadline:
                raise SessionError(
                    "The trial is still starting.",
                    remedy="Look at the proposal's page, or at the hub's home.",
                    status=Exit.REFUSED,
                )
            time.sleep(LOOK_SECONDS)
            answer = _as_trial(client.get(*place))
    return answer


def _as_trial(answer: Any) -> dict[str, Any]:
    if not isinstance(answer, dict):
        raise SessionError("The service's answer is no trial.", status=Exit.UNREACHABLE)
    return answer
