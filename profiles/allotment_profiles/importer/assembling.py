"""The whole import: a values file in, the files of a repository that passes its check, and the account of every key."""

import datetime as dt
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from allotment_profiles.documents.reading import read
from allotment_profiles.documents.writing import write
from allotment_profiles.importer.formatting import Names
from allotment_profiles.importer.ledger import Finding, Ledger
from allotment_profiles.importer.people import import_people
from allotment_profiles.importer.platform import Platform
from allotment_profiles.importer.profiles import Imported, import_profile
from allotment_profiles.importer.settings import (
    CHART_GUARANTEE,
    STAYS,
    KubeSpawnerSettings,
    read_defaults,
    read_override,
)
from allotment_profiles.importer.values import Node, UnreadableError, read_values
from allotment_profiles.model import EVERYONE, Profile
from allotment_profiles.model.paths import POLICY, file_ref, profile_path, team_path
from allotment_profiles.model.problems import Problem
from allotment_profiles.model.quantities import cpu_number, format_memory
from allotment_profiles.model.texts import image_name
from allotment_profiles.review.team_limits import images_of, reach_of
from allotment_profiles.store.loading import load
from allotment_profiles.store.snapshot import Snapshot, with_files

REPORT = "IMPORT.md"
LEADS = "allotment-leads"
_CEILINGS = {"cpu": 16000, "memory": 64 * 1024**3, "gpu": 0, "home": 100 * 1024**3}
_MAXIMUM_IMAGES = 50
MAXIMUM_PROFILES = 500


@dataclass(frozen=True, slots=True)
class Import:
    """What came out of a values file."""

    files: Mapping[str, bytes]
    findings: Sequence[Finding]
    profiles: Sequence[str]
    """Their ids."""


def import_values(data: bytes, team: str = EVERYONE, leads: Sequence[str] = ()) -> Import:
    """Turn a values file into a repository with one team; raises UnreadableError where it is no values file.

    `leads` are groups that lead the team, beside the administrators that the values name.
    """
    root, twice = read_values(data)
    ledger = Ledger()
    for node in twice:
        ledger.remark(node, "The key stands twice; the last one counts.")
    chart = _chart(root)
    platform = Platform()
    defaults, profiles = _profiles(chart, platform, ledger)
    groups = [group for each in profiles for group in _groups(each.value)]
    people = import_people(chart.at("hub"), team, groups, ledger)
    _leave(root, chart, ledger)
    if leads:
        people["leads"]["groups"] = list(dict.fromkeys((*people["leads"].get("groups", ()), *leads)))
    if not people["leads"]:
        people["leads"] = {"groups": [LEADS]}
        ledger.remark(chart, f"It names no administrators, so the group {LEADS} leads the team: put in your own.")
    if not people["members"]:
        people["members"] = {"groups": [team]}
        ledger.remark(chart, f"It names no members, so they are the group {team}: put in your own.")
    files = _settled(team, people, profiles, platform, ledger)
    _tell_unused(defaults, profiles, ledger)
    ledger.sweep(root)
    findings = ledger.findings
    files[REPORT] = _report(findings).encode()
    return Import(files, findings, [f"{team}/{each.name}" for each in profiles])


def _chart(root: Node) -> Node:
    """Find the chart's own values, which an umbrella chart holds below its name."""
    found: list[Node] = [root]
    for _ in range(3):
        for node in found:
            if isinstance(node.value, Mapping) and ("singleuser" in node.mapping or "hub" in node.mapping):
                return node
        found = [child for node in found for child in node.mapping.values()]
    raise UnreadableError(
        "Neither `singleuser` nor `hub` stands in the file: these are not the values of such a chart."
    )


def _leave(root: Node, chart: Node, ledger: Ledger) -> None:
    """Leave what is about the hub and the cluster where it is."""
    hub = chart.at("hub")
    for name, node in (hub.mapping if hub else {}).items():
        if name == "config":
            for section, each in node.mapping.items():
                if section != "KubeSpawner" and not section.endswith("uthenticator") and not each.says_nothing:
                    ledger.stays(each, STAYS)
        elif name == "extraConfig":
            _leave_code(node, ledger)
        elif not node.says_nothing:
            ledger.stays(node, STAYS)
    at = root
    while True:
        below = [node for node in at.mapping.values() if chart.path[: len(node.path)] != node.path]
        for node in below:
            if not node.says_nothing and not (at is chart and node.path[-1] in ("singleuser", "hub")):
                ledger.stays(node, STAYS)
        if at.path == chart.path:
            return
        at = at.mapping[str(chart.path[len(at.path)])]


def _leave_code(node: Node, ledger: Ledger) -> None:
    for each in node.mapping.values() or [node]:
        if any(word in each.text for word in ("profile_list", "Spawner", "options_form")):
            ledger.lost(each, "This is Python that speaks of sessions, and is not run: write what it does as profiles.")
        elif not each.says_nothing:
            ledger.stays(each, STAYS)


def _profiles(chart: Node, platform: Platform, ledger: Ledger) -> tuple[list[Node], list[Imported]]:
    """Give the places of what holds for all sessions, and the profiles."""
    singleuser, direct = chart.at("singleuser"), chart.at("hub", "config", "KubeSpawner")
    defaults = (
        read_defaults(singleuser, ledger) if singleuser else KubeSpawnerSettings(memory_guarantee=CHART_GUARANTEE)
    )
    listed = chart.at("singleuser", "profileList")
    places: list[Node] = []
    if direct is not None:
        rest = Node(
            {name: node for name, node in direct.mapping.items() if name != "profile_list"},
            direct.path, direct.line, direct.column,
        )  # fmt: skip
        first, defaults = defaults, read_override(rest, ledger).over(defaults)
        places += first.places.values()
        if "profile_list" in direct.mapping:
            if listed is not None and not listed.says_nothing:
                ledger.lost(listed, "hub.config.KubeSpawner.profile_list stands there as well, and goes before it.")
            listed = direct.mapping["profile_list"]
    entries = list(_entries(listed))
    if not entries and (listed is None or listed.says_nothing):
        lonely = singleuser or chart
        entries = [(Node({}, lonely.path, lonely.line, lonely.column), "Default session")]
    names = Names()
    profiles: list[Imported] = []
    for node, key in entries:
        if len(profiles) < MAXIMUM_PROFILES:
            profiles.append(import_profile(node, key, names, defaults, platform, ledger))
        else:
            ledger.lost(node, f"An import takes at most {MAXIMUM_PROFILES} profiles.")
    return [*places, *defaults.places.values()], profiles


def _tell_unused(defaults: Iterable[Node], profiles: Iterable[Imported], ledger: Ledger) -> None:
    """Tell what holds for all sessions but is in none, for each says something else."""
    used = {node.path for each in profiles for node in each.settings.values()}
    for node in defaults:
        if node.path not in used:
            ledger.stays(node, "No profile needs it: each says its own, or there is none.")


def _entries(listed: Node | None) -> Iterator[tuple[Node, str]]:
    """Give the entries of a list of profiles, which may be a mapping; what is none is found by the sweep."""
    for name, node in (listed.mapping if listed else {}).items():
        if isinstance(node.value, Mapping):
            yield node, name
    for node in listed.entries if listed else ():
        if isinstance(node.value, Mapping):
            yield node, ""


def _groups(profile: Mapping[str, Any]) -> Iterator[str]:
    yield from profile.get("only", ())
    for option in profile.get("options", {}).values():
        for choice in option["choices"].values():
            yield from choice.get("only", ())


# -- files that pass the check


def _settled(
    team: str, people: dict[str, Any], profiles: list[Imported], platform: Platform, ledger: Ledger
) -> dict[str, bytes]:
    """Write the files, check them as everybody does, and take out what does not pass, until everything does."""
    while True:
        files = {profile_path(f"{team}/{each.name}"): _profile_file(each) for each in profiles}
        values = _models(files)
        images = _patterns(values, (pattern for each in profiles for pattern in each.images))
        files |= {
            POLICY: _policy(values, images, platform),
            team_path(team): _team(team, people, values, images, platform),
        }
        problems = [each for each in load(_snapshot(files)).problems if each.blocks]
        if not problems:
            return files
        by_path = {profile_path(f"{team}/{each.name}"): each for each in profiles}
        if not any(problem.path in by_path for problem in problems):
            raise UnreadableError(f"What came out does not pass its check: {problems[0]}")
        for problem in problems:
            profile = by_path.get(problem.path)
            if profile is not None and not _taken_out(profile, problem, ledger):
                profiles.remove(profile)
                del by_path[problem.path]


def _taken_out(profile: Imported, problem: Problem, ledger: Ledger) -> bool:
    """Take the choice, option or setting with a problem out; False where only the whole profile is left to go."""
    parts = problem.field.split(".")
    why = f"{problem.message} ({problem.code})"
    if parts[0] == "options" and f"options.{'.'.join(parts[1:2])}" in profile.places:
        _option_out(profile, parts, why, ledger)
        return True
    if parts[0] == "options" and "options" in profile.value:
        _option_out(profile, ["options", list(profile.value["options"])[-1]], why, ledger)
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


def _option_out(profile: Imported, parts: list[str], why: str, ledger: Ledger) -> None:
    """Take out a choice, or the whole option where it is the default; an earlier problem may have done so already."""
    options: dict[str, Any] = profile.value.get("options", {})
    name = parts[1]
    if name not in options:
        return
    choices = options[name]["choices"]
    if len(parts) > 3 and parts[3] != options[name]["default"]:
        if choices.pop(parts[3], None) is not None:
            ledger.lost(profile.places[f"options.{name}.choices.{parts[3]}"], why)
        return
    ledger.lost(profile.places[f"options.{name}"], why)
    del options[name]
    if not options:
        del profile.value["options"]


def _profile_file(profile: Imported) -> bytes:
    comment = f"# Imported: it stood in line {profile.node.line} of the values file. {REPORT} says what is different.\n"
    return comment.encode() + write("profile", profile.value)


def _models(files: Mapping[str, bytes]) -> list[Profile]:
    read_ones = (read("profile", path, data).value for path, data in files.items())
    return [value for value in read_ones if isinstance(value, Profile)]


def _reach(values: Iterable[Profile], least: Mapping[str, int]) -> dict[str, int]:
    reached = dict(least)
    for value in values:
        for name, amount in reach_of(value).items():
            reached[name] = max(reached.get(name, 0), amount)
    return reached


def _patterns(values: Iterable[Profile], more: Iterable[str]) -> list[str]:
    """Give patterns for all images: their folders, or their registries where there are too many folders."""
    images = [image_name(image) for value in values for _, image in images_of(value)]
    found = {f"{folder}/*" if "/" in folder else image for image in images for folder in [image.rpartition("/")[0]]}
    found |= set(more)
    if len(found) > _MAXIMUM_IMAGES:
        found = {f"{each.partition('/')[0]}/*" for each in found}
    return sorted(found)[:_MAXIMUM_IMAGES] or ["quay.io/jupyter/*"]


def _policy(values: Sequence[Profile], images: list[str], platform: Platform) -> bytes:
    reach = _reach(values, _CEILINGS)
    policy: dict[str, Any] = {
        "format": 1,
        "ceilings": {
            "cpu": cpu_number(reach["cpu"]), "memory": format_memory(reach["memory"]), "gpu": reach["gpu"],
            "home": format_memory(reach["home"]),
        },
        "registries": images,
    }  # fmt: skip
    for name in ("gpu_kinds", "node_pools", "tools"):
        if getattr(platform, name):
            policy[name] = getattr(platform, name)
    comment = (
        "# Imported: as wide as the sessions of the values file need it. Add `prices` to see what sessions cost.\n"
    )
    return comment.encode() + write("policy", policy)


def _team(
    name: str, people: Mapping[str, Any], values: Sequence[Profile], images: list[str], platform: Platform
) -> bytes:
    reach = _reach(values, {"cpu": 1000, "memory": 1024**3, "gpu": 0, "home": 20 * 1024**3})
    envelope: dict[str, Any] = {
        "cpu": cpu_number(reach["cpu"]), "memory": format_memory(reach["memory"]), "gpu": reach["gpu"],
        "images": images,
        "home": format_memory(reach["home"]),
    }  # fmt: skip
    if platform.node_pools:
        envelope["node_pools"] = list(platform.node_pools)
    title = "Everyone" if name == EVERYONE else name.replace("-", " ").capitalize()
    comment = "# Imported: the envelope fits what the values file offered.\n"
    return comment.encode() + write("team", {"title": title, **people, "envelope": envelope})


def _snapshot(files: Mapping[str, bytes]) -> Snapshot:
    nothing = Snapshot("", dt.datetime.now(dt.UTC), {}, lambda ids: {})
    return with_files(nothing, {path: data for path, data in files.items() if file_ref(path)})


def _report(findings: Sequence[Finding]) -> str:
    """Write the account as a document that lies beside the files."""
    titles = {
        "lost": "Not carried over",
        "changed": "Carried over, but not as it was",
        "stays": "Not about profiles: it stays in the values of the chart",
        "note": "To know",
    }
    parts = ["# What the import could not carry over as it was", ""]
    for outcome, title in titles.items():
        rows = [each for each in findings if each.outcome == outcome]
        if rows:
            parts += [f"## {title}", "", "| key | line | why |", "| --- | --- | --- |"]
            parts += [f"| {_cell(each.path)} | {each.line} | {_cell(each.why)} |" for each in rows]
            parts.append("")
    if not findings:
        parts += ["Everything was carried over.", ""]
    return "\n".join(parts)


def _cell(text: str) -> str:
    """Keep a stranger's text from being read as markup."""
    text = "".join(each if each.isprintable() else "\N{REPLACEMENT CHARACTER}" for each in text)
    return "".join(f"&#{ord(each)};" if each in "|<>&`*_[]\\" and each not in "[]_" else each for each in text)
