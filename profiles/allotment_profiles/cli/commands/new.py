"""`allotment new`: a file that passes the check, from flags or from answers on a terminal."""

import sys
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from allotment_profiles.cli.commands.sources import asked_in_vain

if TYPE_CHECKING:
    from allotment_profiles.model.paths import Kind

repository = click.option(
    "--repository",
    "folder",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    default=".",
    help="The folder with the files.  [default: this folder]",
)


@click.group()
def new() -> None:
    """Write a new file that passes `allotment check`; nothing is ever overwritten.

    On a terminal it asks for what is missing.

    Ends with 0 when the file is written, with 1 when it would not pass its check or is there already (nothing is
    written then), and with 2 when the question makes no sense.
    """


@new.command()
@click.argument("profile")
@click.option("--title", help="What the start page says.")
@click.option("--purpose", help="What the work is for.")
@click.option("--app", default="jupyterlab", show_default=True, help="jupyterlab, rstudio, vscode or a tool.")
@click.option("--image", help="registry/name:tag, or better registry/name@sha256:…")
@click.option("--cpu", help="CPUs at most: 2.")
@click.option("--memory", help="Memory at most: 8 GiB.")
@click.option("--gpu", type=int, help="Whole GPUs.")
@click.option("--gpu-kind", help="The kind of GPU, as the policy names it.")
@click.option("--data-role", "data_roles", multiple=True, help="Data that it reaches; may be repeated.")
@repository
def profile(
    profile: str, title: str | None, purpose: str | None, app: str, image: str | None, cpu: str | None,
    memory: str | None, gpu: int | None, gpu_kind: str | None, data_roles: tuple[str, ...], folder: Path,
) -> None:  # fmt: skip
    """Write teams/TEAM/profiles/NAME.yaml for PROFILE (team/name)."""
    from allotment_profiles.model.paths import profile_path
    from allotment_profiles.model.texts import is_profile_id

    if not is_profile_id(profile):
        raise click.UsageError(f"{profile!r} is not TEAM/NAME in lower-case letters, digits and hyphens.")
    value: dict[str, Any] = {
        "title": _asked(title, "--title", "Title on the start page"),
        "purpose": _asked(purpose, "--purpose", "What is the work for"),
        "app": app,
        "image": _asked(image, "--image", "Image (registry/name:tag)"),
        "resources": {
            "cpu": {"limit": _number(_asked(cpu, "--cpu", "CPUs at most", "2"))},
            "memory": {"limit": _asked(memory, "--memory", "Memory at most", "4 GiB")},
        },
    }
    if gpu:
        value["resources"] |= {"gpu": gpu}
    if gpu_kind:
        value["resources"] |= {"gpu_kind": gpu_kind}
    if data_roles:
        value["data_roles"] = list(data_roles)
    _written(folder, "profile", profile_path(profile), value)


@new.command()
@click.argument("name")
@click.option("--title", help="The team's name as people say it.")
@click.option("--group", "groups", multiple=True, help="A group of members, by its full name; may be repeated.")
@click.option("--lead-group", "lead_groups", multiple=True, help="A group of leads; may be repeated.")
@click.option("--lead", "leads", multiple=True, help="A user who leads; may be repeated.")
@click.option("--cpu", help="CPUs of the largest session.")
@click.option("--memory", help="Memory of the largest session.")
@click.option("--images", multiple=True, help="Images it may use: registry/folder/*; may be repeated.")
@repository
def team(
    name: str, title: str | None, groups: tuple[str, ...], lead_groups: tuple[str, ...], leads: tuple[str, ...],
    cpu: str | None, memory: str | None, images: tuple[str, ...], folder: Path,
) -> None:  # fmt: skip
    """Write teams/NAME/team.yaml."""
    from allotment_profiles.model import EVERYONE
    from allotment_profiles.model.paths import team_path

    if not lead_groups and not leads:
        lead_groups = (_asked(None, "--lead-group", "Group of the leads"),)
    people = {"groups": list(lead_groups), "users": list(leads)}
    everyone = name == EVERYONE
    members = (
        {"everyone": True} if everyone else {"groups": list(groups) or [_asked(None, "--group", "Group of members")]}
    )
    value = {
        "title": _asked(title, "--title", "Title"),
        "members": members,
        "leads": {kind: names for kind, names in people.items() if names},
        "envelope": {
            "cpu": _number(_asked(cpu, "--cpu", "CPUs of the largest session", "4")),
            "memory": _asked(memory, "--memory", "Memory of the largest session", "16 GiB"),
            "images": list(images) or [_asked(None, "--images", "Images (registry/folder/*)")],
        },
    }
    _written(folder, "team", team_path(_named(name)), value)


@new.command("data-role")
@click.argument("name")
@click.option("--title", help="What the data is.")
@click.option("--owner", help="The team whose leads decide who may reach it.")
@click.option("--purpose", help="What the access is for.")
@click.option("--sensitivity", help="The classification: public.")
@click.option("--claim", help="Data in a volume: the claim's name; needs --folder as well.")
@click.option("--folder", "sub_path", help="Data in a volume: the folder inside.")
@click.option("--secret", help="Data behind a credential: the name of the Kubernetes Secret.")
@click.option("--aws-role", help="Data behind a role of AWS: its ARN.")
@repository
def data_role(
    name: str, title: str | None, owner: str | None, purpose: str | None, sensitivity: str | None,
    claim: str | None, sub_path: str | None, secret: str | None, aws_role: str | None, folder: Path,
) -> None:  # fmt: skip
    """Write data-roles/NAME.yaml."""
    from allotment_profiles.model.paths import data_role_path

    value: dict[str, Any] = {
        "title": _asked(title, "--title", "Title"),
        "owner": _asked(owner, "--owner", "Team that owns the data"),
        "purpose": _asked(purpose, "--purpose", "What is the access for"),
        "sensitivity": _asked(sensitivity, "--sensitivity", "Sensitivity", "public"),
    }
    if secret:
        value["binding"] = {"secret": {"name": secret}}
    elif aws_role:
        value["binding"] = {"aws_role": aws_role}
    else:
        claim = _asked(claim, "--claim", "Volume claim")
        value["binding"] = {"volume": {"claim": claim, "sub_path": _asked(sub_path, "--folder", "Folder inside")}}
    _written(folder, "data role", data_role_path(_named(name)), value)


@new.command("repository")
@click.argument("folder", type=click.Path(file_okay=False, path_type=Path))
def new_repository(folder: Path) -> None:
    """Make FOLDER a git repository with a policy and with the checks of every forge; FOLDER has to be new or empty."""
    from allotment_profiles.cli import scaffold
    from allotment_profiles.cli.commands.importing import write_new
    from allotment_profiles.git.process import GitProcess

    if folder.exists() and any(folder.iterdir()):
        raise click.ClickException(f"{click.format_filename(folder)} is not empty; nothing was written.")
    with asked_in_vain(folder):
        write_new(folder, scaffold.new_repository())
        GitProcess(folder).run("init", "--quiet", "--initial-branch=main", ".")
    click.echo(f"{click.format_filename(folder)} is a repository of profiles. Next: look at policy.yaml, then")
    click.echo("  allotment new team NAME")


def _named(name: str) -> str:
    from allotment_profiles.model.texts import is_name

    if not is_name(name):
        raise click.UsageError(f"{name!r} is not a name of lower-case letters, digits and hyphens.")
    return name


def _asked(value: str | None, option: str, question: str, default: str | None = None) -> str:
    """Take what was said, or ask for it where somebody can answer."""
    if value is not None:
        return value
    if not _somebody_answers():
        if default is not None:
            return default
        raise click.UsageError(f"Say {option}: nobody can be asked here.")
    answer: str = click.prompt(question, default=default)
    return answer


def _somebody_answers() -> bool:
    return sys.stdin.isatty()


def _number(text: str) -> int | float | str:
    """Give a number where it is one; what else it may be is for the check to say."""
    try:
        number = float(text)
    except ValueError:
        return text
    return int(number) if number.is_integer() else number


def _written(folder: Path, kind: "Kind", path: str, value: Mapping[str, Any]) -> None:
    """Check a new file among the others, then write it."""
    from allotment_profiles.cli import scaffold
    from allotment_profiles.cli.commands.importing import write_new
    from allotment_profiles.cli.report import write_report
    from allotment_profiles.store.loading import load
    from allotment_profiles.store.snapshot import in_folder, with_files

    if not (folder / "policy.yaml").is_file():
        raise click.UsageError(f"{click.format_filename(folder)} has no policy.yaml: see `allotment new repository`.")
    data = scaffold.new_file(kind, value)
    with asked_in_vain(folder):
        snapshot = with_files(in_folder(folder), {path: data})
        problems = [problem for problem in load(snapshot).problems if problem.path == path]
        if any(problem.blocks for problem in problems):
            write_report("text", snapshot, problems)
            raise click.ClickException("Nothing was written.")
        write_new(folder, {path: data})
    click.echo(f"{click.format_filename(folder / path)} is written.")
