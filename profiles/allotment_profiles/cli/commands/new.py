"""`allotment new`: writes a file that passes the check, from flags or from answers on a terminal."""

import sys
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from allotment_profiles.cli.sources import usage_errors

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
    """Write a new file that passes `allotment check`; never overwrites a file.

    Asks for missing options on a terminal.

    Exit codes: 0 if the file is written; 1 if it would not pass the check, or exists already; 2 for a usage error.
    """


@new.command()
@click.argument("profile")
@click.option("--title", help="The title on the start page.")
@click.option("--purpose", help="The purpose of the work.")
@click.option("--app", default="jupyterlab", show_default=True, help="jupyterlab, rstudio, vscode or a tool.")
@click.option("--image", help="registry/name:tag, or better registry/name@sha256:…")
@click.option("--cpu", help="The limit of CPUs: 2.")
@click.option("--memory", help="The limit of memory: 8 GiB.")
@click.option("--gpu", type=int, help="The number of GPUs.")
@click.option("--gpu-kind", help="The kind of GPU, as the policy names it.")
@click.option("--data-role", "data_roles", multiple=True, help="A data role that sessions get; may be repeated.")
@repository
def profile(
    profile: str, title: str | None, purpose: str | None, app: str, image: str | None, cpu: str | None,
    memory: str | None, gpu: int | None, gpu_kind: str | None, data_roles: tuple[str, ...], folder: Path,
) -> None:  # fmt: skip
    """Write teams/TEAM/profiles/NAME.yaml for PROFILE (team/name)."""
    from allotment_profiles.model.paths import profile_path
    from allotment_profiles.model.values.texts import is_profile_id

    if not is_profile_id(profile):
        raise click.UsageError(f"{profile!r} is not TEAM/NAME in lower-case letters, digits and hyphens.")
    value: dict[str, Any] = {
        "title": _value(title, "--title", "Title on the start page"),
        "purpose": _value(purpose, "--purpose", "What is the work for"),
        "app": app,
        "image": _value(image, "--image", "Image (registry/name:tag)"),
        "resources": {
            "cpu": {"limit": _number(_value(cpu, "--cpu", "CPUs at most", "2"))},
            "memory": {"limit": _value(memory, "--memory", "Memory at most", "4 GiB")},
        },
    }
    value["resources"] |= {key: given for key, given in (("gpu", gpu), ("gpu_kind", gpu_kind)) if given}
    if data_roles:
        value["data_roles"] = list(data_roles)
    _write(folder, "profile", profile_path(profile), value)


@new.command()
@click.argument("name")
@click.option("--title", help="The title of the team.")
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
        lead_groups = (_value(None, "--lead-group", "Group of the leads"),)
    people = {"groups": list(lead_groups), "users": list(leads)}
    everyone = name == EVERYONE
    members = (
        {"everyone": True} if everyone else {"groups": list(groups) or [_value(None, "--group", "Group of members")]}
    )
    value = {
        "title": _value(title, "--title", "Title"),
        "members": members,
        "leads": {kind: names for kind, names in people.items() if names},
        "envelope": {
            "cpu": _number(_value(cpu, "--cpu", "CPUs of the largest session", "4")),
            "memory": _value(memory, "--memory", "Memory of the largest session", "16 GiB"),
            "images": list(images) or [_value(None, "--images", "Images (registry/folder/*)")],
        },
    }
    _write(folder, "team", team_path(_checked_name(name)), value)


@new.command("data-role")
@click.argument("name")
@click.option("--title", help="The title of the data.")
@click.option("--owner", help="The team whose leads decide who may reach the data.")
@click.option("--purpose", help="The purpose of the access.")
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
        "title": _value(title, "--title", "Title"),
        "owner": _value(owner, "--owner", "Team that owns the data"),
        "purpose": _value(purpose, "--purpose", "What is the access for"),
        "sensitivity": _value(sensitivity, "--sensitivity", "Sensitivity", "public"),
    }
    if secret:
        value["binding"] = {"secret": {"name": secret}}
    elif aws_role:
        value["binding"] = {"aws_role": aws_role}
    else:
        claim = _value(claim, "--claim", "Volume claim")
        value["binding"] = {"volume": {"claim": claim, "sub_path": _value(sub_path, "--folder", "Folder inside")}}
    _write(folder, "data role", data_role_path(_checked_name(name)), value)


@new.command("repository")
@click.argument("folder", type=click.Path(file_okay=False, path_type=Path))
def new_repository(folder: Path) -> None:
    """Make FOLDER a git repository with a policy and with checks for every forge; FOLDER must be new or empty."""
    from allotment_profiles.cli import scaffold
    from allotment_profiles.git.process import GitProcess

    if folder.exists() and any(folder.iterdir()):
        raise click.ClickException(f"{click.format_filename(folder)} is not empty; nothing was written.")
    with usage_errors(folder):
        scaffold.write_new(folder, scaffold.new_repository())
        GitProcess(folder).run("init", "--quiet", "--initial-branch=main", ".")
    click.echo(f"{click.format_filename(folder)} is a repository of profiles. Next, in this folder: edit policy.yaml,")
    click.echo("then run")
    click.echo("  allotment new team NAME")
    click.echo("  allotment new profile TEAM/NAME")
    click.echo("  allotment check")
    click.echo("  git add . && git commit -m 'The first team'")
    click.echo("and push main to an empty repository on the git server, before main is protected there:")
    click.echo("  git remote add origin ADDRESS && git push -u origin main")


def _checked_name(name: str) -> str:
    from allotment_profiles.model.values.texts import is_name

    if not is_name(name):
        raise click.UsageError(f"{name!r} is not a name of lower-case letters, digits and hyphens.")
    return name


def _value(value: str | None, option: str, question: str, default: str | None = None) -> str:
    """Return the value of an option; without one, ask for it on a terminal, or use the default."""
    if value is not None:
        return value
    if not is_interactive():
        if default is not None:
            return default
        raise click.UsageError(f"{option} is missing, and there is no terminal to ask for it.")
    answer: str = click.prompt(question, default=default)
    return answer


def is_interactive() -> bool:
    """Return whether somebody at a terminal can answer questions."""
    return sys.stdin.isatty()


def _number(text: str) -> int | float | str:
    """Return the number that a text means; return any other text as it is, for the check to report."""
    try:
        number = float(text)
    except ValueError:
        return text
    return int(number) if number.is_integer() else number


def _write(folder: Path, kind: "Kind", path: str, value: Mapping[str, Any]) -> None:
    """Check a new file together with the others, then write it."""
    from allotment_profiles.cli import scaffold
    from allotment_profiles.cli.report import write_report
    from allotment_profiles.store.loading import load
    from allotment_profiles.store.snapshot import in_folder, with_files

    if not (folder / "policy.yaml").is_file():
        raise click.UsageError(f"{click.format_filename(folder)} has no policy.yaml: see `allotment new repository`.")
    data = scaffold.new_file(kind, value)
    with usage_errors(folder):
        snapshot = with_files(in_folder(folder), {path: data})
        problems = [problem for problem in load(snapshot).problems if problem.path == path]
        if any(problem.blocks for problem in problems):
            write_report("text", snapshot, problems)
            raise click.ClickException("Nothing was written.")
        scaffold.write_new(folder, {path: data})
    click.echo(f"{click.format_filename(folder / path)} was written.")
