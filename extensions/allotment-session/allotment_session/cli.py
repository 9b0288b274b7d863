"""The command line: arguments and environment in, exit code out. Constructs everything, once."""

from __future__ import annotations

import argparse
import os
import sys
from typing import TYPE_CHECKING

from allotment_session import commands
from allotment_session.errors import Exit, SessionError
from allotment_session.screen import Screen
from allotment_session.service import Service
from allotment_session.showing import show_error

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

_CODES = "exit codes: 0 done, 1 problems found, 2 wrong usage, 3 the service refused, 4 the service can not be reached"


def parser() -> argparse.ArgumentParser:
    """Build the parser of the command line."""
    shared = argparse.ArgumentParser(add_help=False)
    shared.add_argument("--json", action="store_true", help="print the service's answer as JSON and never ask")
    top = argparse.ArgumentParser(
        prog="allotment-session",
        description="Look at, check and propose profiles from inside a session.",
        epilog=_CODES,
    )
    verbs = top.add_subparsers(dest="command", metavar="COMMAND", required=True)

    propose = verbs.add_parser(
        "propose",
        parents=[shared],
        epilog=_CODES,
        help="propose a changed or a new profile",
        description="Start from the profile that runs here, show what a change means and who will have to approve, "
        "ask, and propose it. Without --set, --unset and --file your editor opens on the profile's file.",
    )
    propose.add_argument("--name", metavar="[TEAM/]NAME", default="", help="make a new profile with this name")
    propose.add_argument("--from", dest="source", metavar="TEAM/NAME", default="", help="start from this profile")
    propose.add_argument(
        "--set",
        dest="settings",
        metavar="NAME=VALUE",
        action="append",
        default=[],
        help="change one setting, such as memory.limit=16GiB; += adds to a list, -= takes away; repeatable",
    )
    propose.add_argument(
        "--unset", dest="removed", metavar="NAME", action="append", default=[], help="remove one setting; repeatable"
    )
    propose.add_argument(
        "--grant",
        dest="grants",
        metavar="DATA-ROLE=DATE",
        action="append",
        default=[],
        help="ask for data that the team does not have yet, until a day; repeatable",
    )
    propose.add_argument(
        "--accept",
        dest="accepted",
        metavar="CODE=REASON",
        action="append",
        default=[],
        help="ask an administrator to accept a problem that may be accepted, such as cpu-envelope; repeatable",
    )
    propose.add_argument("--file", metavar="FILE", default="", help="propose this YAML file as it is written")
    propose.add_argument("--reason", metavar="TEXT", default="", help="why it is needed; the reviewers read it")
    propose.add_argument("--yes", action="store_true", help="propose without asking")

    check = verbs.add_parser("check", parents=[shared], epilog=_CODES, help="check a file without proposing it")
    check.add_argument("file", metavar="FILE", help="a profile's YAML file")
    check.add_argument(
        "--name", metavar="TEAM/NAME", default="", help="the profile that the file is for (the running one)"
    )

    show = verbs.add_parser("show", parents=[shared], epilog=_CODES, help="show one profile")
    show.add_argument("profile", metavar="TEAM/NAME", nargs="?", default="", help="the running one when left out")
    show.add_argument("--file", action="store_true", help="print its file and nothing else")

    verbs.add_parser("profiles", parents=[shared], epilog=_CODES, help="list the profiles")

    proposals = verbs.add_parser("proposals", parents=[shared], epilog=_CODES, help="list the proposals")
    proposals.add_argument("--state", metavar="STATE", default="", help="only those in this state, such as open")

    withdraw = verbs.add_parser("withdraw", parents=[shared], epilog=_CODES, help="take your own proposal back")
    withdraw.add_argument("proposal", metavar="ID", help="as `allotment-session proposals` lists it")
    withdraw.add_argument("--yes", action="store_true", help="withdraw without asking")
    return top


def main(arguments: Sequence[str], environment: Mapping[str, str]) -> Exit:
    """Carry a command line out and give its exit code."""
    options = parser().parse_args(arguments)
    screen = Screen(as_json=options.json)
    try:
        return _carried_out(options, environment, screen)
    except SessionError as error:
        show_error(screen, error)
        return error.status
    except KeyboardInterrupt:
        screen.note("Stopped; nothing more is sent.")
        return Exit.INTERRUPTED


def _carried_out(options: argparse.Namespace, environment: Mapping[str, str], screen: Screen) -> Exit:
    running = environment.get("ALLOTMENT_PROFILE", "")
    service = Service(environment.get("ALLOTMENT_URL", ""), environment.get("JUPYTERHUB_API_TOKEN", ""), screen)
    command: str = options.command
    if command == "profiles":
        return commands.profiles(service, screen)
    if command == "show":
        return commands.show(service, screen, options.profile or running, file_only=options.file)
    if command == "check":
        return commands.check(service, screen, options.file, options.name, running)
    if command == "proposals":
        return commands.proposals(service, screen, options.state)
    if command == "withdraw":
        return commands.withdraw(service, screen, options.proposal, agreed=options.yes)
    wish = commands.Wish(
        source=options.source or running,
        target=options.name,
        settings=options.settings,
        removed=options.removed,
        grants=options.grants,
        accepted=options.accepted,
        file=options.file,
        reason=options.reason,
        agreed=options.yes,
    )
    return commands.propose(service, screen, wish, environment.get("VISUAL") or environment.get("EDITOR") or "")


def run() -> None:
    """Run the command with the process's arguments and environment."""
    try:
        status = main(sys.argv[1:], os.environ)
        sys.stdout.flush()
    except BrokenPipeError:
        # The reader (`| head`) has seen enough; without this Python complains once more while it ends.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        status = Exit.DONE
    sys.exit(int(status))
