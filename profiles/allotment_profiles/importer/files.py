"""The files of an imported repository. What does not pass the check is removed."""

import datetime as dt
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from allotment_profiles.documents.reading import read
from allotment_profiles.documents.writing import write
from allotment_profiles.importer.ledger import HIDDEN, Finding, Ledger
from allotment_profiles.importer.platform import Platform
from allotment_profiles.importer.profiles import ImportedProfile
from allotment_profiles.importer.values import UnreadableError
from allotment_profiles.model import EVERYONE, Profile
from allotment_profiles.model.paths import POLICY, profile_path, team_path
from allotment_profiles.model.problems import Problem
from allotment_profiles.model.values.quantities import cpu_number, format_memory
from allotment_profiles.model.values.texts import image_name
from allotment_profiles.model.values.variables import restriction
from allotment_profiles.review.team_limits import reach_of
from allotment_profiles.store.loading import load
from allotment_profiles.store.snapshot import Snapshot, with_files

REPORT = "IMPORT.md"
_CEILINGS = {"cpu": 16000, "memory": 64 * 1024**3, "gpu": 0, "home": 100 * 1024**3}
_ENVELOPE = {"cpu": 1000, "memory": 1024**3, "gpu": 0, "home": 20 * 1024**3}
_MAXIMUM_IMAGES = 50
_MAXIMUM_REASON = 300


def valid_files(
    team: str,
    people: dict[str, Any],
    profiles: list[ImportedProfile],
    platform: Platform,
    ledger: Ledger,
    hide: Callable[[], None],
) -> dict[str, bytes]:
    """Write and check the files. Remove what does not pass, also from `profiles`, until there are no problems.

    `hide` is called before they are written: what was removed may decide who may start a profile.
    """
    empty = Snapshot("", dt.datetime.now(dt.UTC), {}, lambda ids: {})
    while True:
        hide()
        for profile in profiles:
            _accept_variables(profile)
        files: dict[str, bytes] = {
            profile_path(f"{team}/{profile.name}"): _profile_file(profile) for profile in profiles
        }
        readings = (read("profile", path, data) for path, data in files.items())
        values = [reading.value for reading in readings if isinstance(reading.value, Profile)]
        images = _patterns(values, (pattern for profile in profiles for pattern in profile.images))
        files |= {
            POLICY: _policy(values, images, platform),
            team_path(team): _team(team, people, values, images, platform),
        }
        problems = [problem for problem in load(with_files(empty, files)).problems if problem.blocks]
        if not problems:
            return files
        by_path = {profile_path(f"{team}/{profile.name}"): profile for profile in profiles}
        if not any(problem.path in by_path for problem in problems):
            raise UnreadableError(f"The imported files do not pass the check: {problems[0]}")
        for problem in problems:
            invalid = by_path.get(problem.path)
            if invalid is not None and not _remove_part(invalid, problem, ledger):
                profiles.remove(invalid)
                del by_path[problem.path]


def _remove_part(profile: ImportedProfile, problem: Problem, ledger: Ledger) -> bool:
    """Remove the choice, option or setting with a problem. Returns False if the whole profile has to be removed."""
    parts = problem.field.split(".")
    why = f"{problem.message} ({problem.code})"
    if parts[0] == "options" and f"options.{'.'.join(parts[1:2])}" in profile.sources:
        _remove_option(profile, parts, why, ledger)
        return True
    if parts[0] == "options" and "options" in profile.value:
        _remove_option(profile, ["options", list(profile.value["options"])[-1]], why, ledger)
        return True
    settings = {"environment": "environment.", "storage": "home", "node_pool": "labels."}.get(parts[0])
    if settings is not None and parts[0] in profile.value:
        for name, node in profile.settings.items():
            if name.startswith(settings):
                ledger.lost(node, why)
        del profile.value[parts[0]]
        return True
    ledger.lost(profile.node, why)
    return False


def _remove_option(profile: ImportedProfile, parts: list[str], why: str, ledger: Ledger) -> None:
    """Remove a choice, or the whole option if it is the default. An earlier problem may have removed it already."""
    options: dict[str, Any] = profile.value.get("options", {})
    name = parts[1]
    if name not in options:
        return
    choices = options[name]["choices"]
    if len(parts) > 3 and parts[3] != options[name]["default"]:
        if choices.pop(parts[3], None) is not None:
            ledger.lost(profile.sources[f"options.{name}.choices.{parts[3]}"], why)
        return
    ledger.lost(profile.sources[f"options.{name}"], why)
    del options[name]
    if not options:
        del profile.value["options"]


def _accept_variables(profile: ImportedProfile) -> None:
    """Accept the restricted variables that the values set, for this profile alone."""
    given = [
        profile.value,
        *(each for option in profile.value.get("options", {}).values() for each in option["choices"].values()),
    ]
    names = sorted({name for each in given for name in each.get("environment", {}) if restriction(name, (), ())})
    profile.value.pop("accepted", None)
    if names:
        reason = f"The values of the chart set them: {', '.join(names)}"[:_MAXIMUM_REASON]
        profile.value["accepted"] = {"environment-restricted": {"reason": reason}}


def _profile_file(profile: ImportedProfile) -> bytes:
    comment = f"# Imported from line {profile.node.line} of the values file. {REPORT} lists what is different.\n"
    return comment.encode() + write("profile", profile.value)


def _limits(values: Iterable[Profile], minimum: Mapping[str, int]) -> dict[str, Any]:
    """Return the limits that the profiles need, at least a minimum, as values for a file."""
    limits = dict(minimum)
    for value in values:
        for name, amount in reach_of(value).items():
            limits[name] = max(limits.get(name, 0), amount)
    return {
        "cpu": cpu_number(limits["cpu"]),
        "memory": format_memory(limits["memory"]),
        "gpu": limits["gpu"],
        "home": format_memory(limits["home"]),
    }


def _patterns(values: Iterable[Profile], more: Iterable[str]) -> list[str]:
    """Return patterns for all images: their folders, or their registries if there are too many folders."""
    images = [image_name(image) for value in values for _, image in value.images()]
    folders = {image: image.rpartition("/")[0] for image in images}
    patterns = {f"{folder}/*" if "/" in folder else image for image, folder in folders.items()} | set(more)
    if len(patterns) > _MAXIMUM_IMAGES:
        patterns = {f"{pattern.partition('/')[0]}/*" for pattern in patterns}
    return sorted(patterns)[:_MAXIMUM_IMAGES] or ["quay.io/jupyter/*"]


def _policy(values: Sequence[Profile], images: list[str], platform: Platform) -> bytes:
    policy: dict[str, Any] = {"format": 1, "ceilings": _limits(values, _CEILINGS), "registries": images}
    for name in ("gpu_kinds", "node_pools", "tools"):
        if getattr(platform, name):
            policy[name] = getattr(platform, name)
    comment = "# Imported: the ceilings fit the sessions of the values file. Add `prices` to see what sessions cost.\n"
    return comment.encode() + write("policy", policy)


def _team(
    name: str, people: Mapping[str, Any], values: Sequence[Profile], images: list[str], platform: Platform
) -> bytes:
    limits = _limits(values, _ENVELOPE)
    home = limits.pop("home")
    envelope: dict[str, Any] = {**limits, "images": images, "home": home}
    if platform.node_pools:
        envelope["node_pools"] = list(platform.node_pools)
    title = "Everyone" if name == EVERYONE else name.replace("-", " ").capitalize()
    comment = "# Imported: the envelope fits the sessions of the values file.\n"
    return comment.encode() + write("team", {"title": title, **people, "envelope": envelope})


_TITLES = {
    "lost": "Not imported",
    "changed": "Imported with a difference",
    "stays": "Not about profiles: stays in the values of the chart",
    "note": "Remarks",
}


def report(findings: Sequence[Finding]) -> str:
    """Format the findings as a Markdown document."""
    parts = ["# Differences between the values file and the imported files", ""]
    sections = [("Hidden until somebody has looked at them", [each for each in findings if each.why.endswith(HIDDEN)])]
    sections += [(title, [each for each in findings if each.outcome == name]) for name, title in _TITLES.items()]
    for title, rows in sections:
        if rows:
            parts += [f"## {title}", "", "| key | line | why |", "| --- | --- | --- |"]
            parts += [f"| {_cell(finding.path)} | {finding.line} | {_cell(finding.why)} |" for finding in rows]
            parts.append("")
    if not findings:
        parts += ["Everything was imported.", ""]
    return "\n".join(parts)


def _cell(text: str) -> str:
    """Escape Markdown in a text of the values file."""
    text = "".join(char if char.isprintable() else "\N{REPLACEMENT CHARACTER}" for char in text)
    return "".join(f"&#{ord(char)};" if char in "|<>&`*\\" else char for char in text)
