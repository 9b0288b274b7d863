"""The command line: parse the arguments, run a command, return its exit code."""

from __future__ import annotations

import argparse
import os
import sys
from typing import TYPE_CHECKING, Any

from allotment_session import commands, trying
from allotment_session import running as running_session
from allotment_session.capture.processes import session_environment
from allotment_session.client import ServiceClient
from allotment_session.errors import Exit, SessionError, usage
from allotment_session.output import show_error
from allotment_session.terminal import Terminal

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

_CODES = "exit codes: 0 done, 1 problems found, 2 wrong usage, 3 the service refused, 4 the service cannot be reached"

_PROPOSE_OPTIONS = (
    ("--name", "target", "[TEAM/]NAME", "make a new profile with this name"),
    ("--from", "source", "TEAM/NAME", "start from this profile"),
    (
        *("--set", "settings", "NAME=VALUE"),
        "change one setting, such as memory.limit=16GiB; += adds to a list, -= takes away; repeatable",
    ),
    ("--unset", "removed", "NAME", "remove one setting; repeatable"),
    (
        *("--grant", "grants", "DATA-ROLE=DATE"),
        "ask for data that the team does not have yet, until a day; repeatable",
    ),
    (
        *("--accept", "accepted", "CODE=REASON"),
        "ask an administrator to accept a problem that may be accepted, such as cpu-envelope; repeatable",
    ),
    ("--file", "file", "FILE", "propose this YAML file as it is written"),
    ("--reason", "reason", "TEXT", "why it is needed; the reviewers read it"),
    ("--save", "save", "FILE", "show all that would be sent, write it to this file, and send nothing"),
    ("--send", "send", "FILE", "propose what --save has written"),
)
"""Option, attribute of `ProposeOptions`, what stands for its value, and help; all but the repeatable ones take one."""

_LOOKING = (
    ("whoami", "show what runs here: profile, options, data, and when it ends"),
    ("status", "show limits and use, when this session ends, and your proposals"),
    ("capture", "show what `propose --running` would send about this session, without sending it"),
)
_MCP = (
    "mcp",
    "serve an assistant in a notebook or an editor (Model Context Protocol)",
    "Serve an assistant over standard input and output, until the input ends. It can look up, check and draft; "
    "a draft is proposed by its user, on the hub's page. Needs pip install 'allotment-session[mcp]'.",
)


def build_parser() -> argparse.ArgumentParser:
    """Build the parser of the command line."""
    shared = argparse.ArgumentParser(add_help=False)
    shared.add_argument("--json", action="store_true", help="print the service's answer as JSON and never ask")
    top = argparse.ArgumentParser(
        prog="allotment-session",
        description="Look at, check and propose profiles from inside a session.",
        epilog=_CODES,
    )
    subparsers = top.add_subparsers(dest="command", metavar="COMMAND", required=True)

    def add(name: str, summary: str, description: str | None = None) -> argparse.ArgumentParser:
        return subparsers.add_parser(name, parents=[shared], epilog=_CODES, help=summary, description=description)

    propose = add(
        "propose",
        "propose a changed or a new profile",
        "Start from the profile that runs here, show what a change means and who will have to approve, "
        "ask, and propose it. Without --running, --set, --unset, --file and --send your editor opens on the file.",
    )
    for option, attribute, metavar, summary in _PROPOSE_OPTIONS:
        repeatable: dict[str, Any] = {"action": "append", "default": []} if summary.endswith("repeatable") else {}
        propose.add_argument(option, dest=attribute, metavar=metavar, help=summary, **({"default": ""} | repeatable))
    running_help = "propose what runs: other limits by what it used, with the evidence, shown before it is sent"
    propose.add_argument("--running", "--capture", dest="running", action="store_true", help=running_help)
    propose.add_argument("--yes", dest="confirmed", action="store_true", help="propose without asking")
    check = add("check", "check a file without proposing it")
    check.add_argument("file", metavar="FILE", help="a profile's YAML file")
    name_help = "the profile that the file is for (the running one)"
    check.add_argument("--name", metavar="TEAM/NAME", default="", help=name_help)
    show = add("show", "show one profile")
    show.add_argument("profile", metavar="TEAM/NAME", nargs="?", default="", help="the running one when left out")
    show.add_argument("--file", action="store_true", help="print its file and nothing else")
    for words in _LOOKING:
        add(*words)
    trial = add(
        "try",
        "try a proposal or a file before it is merged",
        "Start a session of what is proposed beside this one: with an empty home, without your files and without data, "
        "for a limited time. It ends with the proposal.",
    )
    trial.add_argument(
        "proposal", metavar="ID", nargs="?", default="", help="as `allotment-session proposals` lists it"
    )
    trial.add_argument("--file", metavar="FILE", default="", help="try this YAML file, which is not proposed yet")
    trial_name = "the profile: of the file (the running one), or of a proposal that has several"
    trial.add_argument("--name", metavar="TEAM/NAME", default="", help=trial_name)
    trial.add_argument(
        "--option", dest="choices", metavar="OPTION=CHOICE", action="append", default=[],
        help="choose an option of the profile, such as size=large; repeatable",
    )  # fmt: skip
    trial.add_argument("--end", action="store_true", help="end your trial")
    add("profiles", "list the profiles")
    proposals = add("proposals", "list the proposals")
    proposals.add_argument("--state", metavar="STATE", default="", help="only those in this state, such as open")
    withdraw = add("withdraw", "take your own proposal back")
    withdraw.add_argument("proposal", metavar="ID", help="as `allotment-session proposals` lists it")
    withdraw.add_argument("--yes", action="store_true", help="withdraw without asking")
    add(*_MCP)
    return top


def main(arguments: Sequence[str], environment: Mapping[str, str]) -> Exit:
    """Run a command line and return its exit code."""
    options = build_parser().parse_args(arguments)
    terminal = Terminal(as_json=options.json)
    try:
        return _run_command(options, environment, terminal)
    except SessionError as error:
        show_error(terminal, error)
        return error.status
    except KeyboardInterrupt:
        terminal.note("Stopped; nothing more is sent.")
        return Exit.INTERRUPTED


def _run_command(options: argparse.Namespace, environment: Mapping[str, str], terminal: Terminal) -> Exit:
    running = environment.get("ALLOTMENT_PROFILE", "")
    if environment.get("ALLOTMENT_TRIAL"):
        return running_session.in_trial(terminal, options.command, environment)
    client = ServiceClient(environment.get("ALLOTMENT_URL", ""), environment.get("JUPYTERHUB_API_TOKEN", ""), terminal)
    command: str = options.command
    calls: dict[str, Callable[[], Exit]] = {
        "whoami": lambda: running_session.whoami(client, terminal, environment),
        "status": lambda: running_session.status(client, terminal),
        "capture": lambda: running_session.show_captured(client, terminal, environment),
        "try": lambda: trying.try_it(client, terminal, _try_options(options), running),
        "profiles": lambda: commands.profiles(client, terminal),
        "show": lambda: commands.show(client, terminal, options.profile or running, file_only=options.file),
        "check": lambda: commands.check(client, terminal, options.file, options.name, running),
        "proposals": lambda: commands.proposals(client, terminal, options.state),
        "withdraw": lambda: commands.withdraw(client, terminal, options.proposal, confirmed=options.yes),
        "propose": lambda: _propose(options, client, terminal, environment),
        "mcp": lambda: _serve(client, environment),
    }
    return calls[command]()


def _serve(client: ServiceClient, environment: Mapping[str, str]) -> Exit:
    try:
        from allotment_session.assistant.server import serve  # noqa: PLC0415  (what it imports is an extra)
    except ImportError as error:
        raise usage(
            f"The package mcp is missing here, or older than version 2: {error}.",
            "Install it beside this command, with Python 3.10 or newer: pip install 'allotment-session[mcp]'",
        ) from error
    serve(client, environment)
    return Exit.DONE


def _try_options(options: argparse.Namespace) -> trying.TryOptions:
    return trying.TryOptions(options.proposal, options.file, options.name, options.choices, options.end)


def _propose(
    options: argparse.Namespace, client: ServiceClient, terminal: Terminal, environment: Mapping[str, str]
) -> Exit:
    given = {name: value for name, value in vars(options).items() if name not in ("command", "json")}
    source = options.source or environment.get("ALLOTMENT_PROFILE", "")
    propose_options = commands.ProposeOptions(**{**given, "source": source})
    if propose_options.send:
        return commands.propose_saved(client, terminal, propose_options)
    if propose_options.running:
        return commands.propose_running(client, terminal, propose_options, environment)
    editor = environment.get("VISUAL") or environment.get("EDITOR") or ""
    return commands.propose(client, terminal, propose_options, editor)


def run() -> None:
    """Run the command with the process's arguments and environment."""
    try:
        status = main(sys.argv[1:], session_environment(os.environ))
        sys.stdout.flush()
    except BrokenPipeError:
        # The reader of a pipe, such as `head`, has ended. Python would report that once more at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        status = Exit.DONE
    sys.exit(int(status))
