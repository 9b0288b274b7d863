"""The whole import: from a values file to the files of a repository, and a finding for every key that differs."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from allotment_profiles.importer.files import REPORT, report, valid_files
from allotment_profiles.importer.formatting import Names
from allotment_profiles.importer.hiding import decides_code, decides_setting, hide_uncertain
from allotment_profiles.importer.kubespawner_settings import (
    CHART_GUARANTEE,
    STAYS,
    KubeSpawnerSettings,
    read_defaults,
    read_override,
)
from allotment_profiles.importer.ledger import Finding, Ledger
from allotment_profiles.importer.people import MAXIMUM_NAMES, import_people
from allotment_profiles.importer.platform import Platform
from allotment_profiles.importer.profiles import ImportedProfile, ProfileImporter
from allotment_profiles.importer.values import Node, UnreadableError, read_values
from allotment_profiles.model import EVERYONE

LEADS = "allotment-leads"
MAXIMUM_PROFILES = 500


@dataclass(frozen=True, slots=True)
class Import:
    """The result of an import."""

    files: Mapping[str, bytes]
    findings: Sequence[Finding]
    profiles: Sequence[str]


def import_values(data: bytes, team: str = EVERYONE, leads: Sequence[str] = ()) -> Import:
    """Convert a values file to a repository with one team, which the groups `leads` lead as well."""
    root, duplicates = read_values(data)
    ledger = Ledger()
    for node in duplicates:
        ledger.remark(node, "The key occurs twice; the last one is used.")
    chart = _chart(root)
    platform = Platform()
    defaults, profiles = _profiles(chart, platform, ledger)
    groups = [group for profile in profiles for group in _groups(profile.value)]
    people = import_people(chart.at("hub"), team, groups, ledger)
    _record_hub(chart, ledger)
    _record_other_charts(root, chart, ledger)
    if leads:
        people["leads"]["groups"] = list(dict.fromkeys((*people["leads"].get("groups", ()), *leads)))
    if not people["leads"]:
        people["leads"] = {"groups": [LEADS]}
        ledger.remark(chart, f"The values name no administrators. The group {LEADS} leads the team: replace it.")
    if left_out := people["members"].get("groups", [])[MAXIMUM_NAMES["groups"] :]:
        del people["members"]["groups"][MAXIMUM_NAMES["groups"] :]
        ledger.remark(chart, f"A team lists at most {MAXIMUM_NAMES['groups']} groups. Left out: {', '.join(left_out)}.")
    if not people["members"]:
        people["members"] = {"groups": [team]}
        ledger.remark(chart, f"The values name no members. The members are the group {team}: replace it.")
    for profile in profiles:
        ledger.sweep(profile.node)
    files = valid_files(team, people, profiles, platform, ledger, lambda: hide_uncertain(profiles, chart, ledger))
    _record_unused(defaults, profiles, ledger)
    ledger.sweep(root)
    findings = ledger.findings
    files[REPORT] = report(findings).encode()
    return Import(files, findings, [f"{team}/{profile.name}" for profile in profiles])


def _chart(root: Node) -> Node:
    """Return the values of the JupyterHub chart. An umbrella chart has them below the name of the chart."""
    nodes: list[Node] = [root]
    for _ in range(3):
        for node in nodes:
            if isinstance(node.value, Mapping) and ("singleuser" in node.mapping or "hub" in node.mapping):
                return node
        nodes = [child for node in nodes for child in node.mapping.values()]
    raise UnreadableError("The file contains neither `singleuser` nor `hub`: these are not the values of JupyterHub.")


def _record_hub(chart: Node, ledger: Ledger) -> None:
    hub = chart.at("hub")
    for name, node in (hub.mapping if hub else {}).items():
        if name == "config":
            for section, settings in node.mapping.items():
                if section != "KubeSpawner" and not section.endswith("uthenticator"):
                    _record_section(section, settings, ledger)
        elif name == "extraConfig":
            for code in node.mapping.values() or [node]:
                _record_code(code, ledger)
        elif name == "extraFiles":
            for file in node.mapping.values() or [node]:
                _record_file(file, ledger)
        else:
            _record_stays(node, ledger)


def _record_section(section: str, node: Node, ledger: Ledger) -> None:
    """Record the settings of a class other than KubeSpawner. Those of its base classes apply to its sessions, too."""
    for name, setting in node.mapping.items():
        if section.endswith("Spawner") and decides_setting(name):
            ledger.lost(setting, "Only settings below hub.config.KubeSpawner are imported.")
        elif (section, name) == ("JupyterHub", "spawner_class") and "kubespawner" not in setting.text.lower():
            ledger.lost(setting, "Another spawner may decide otherwise than KubeSpawner.")
        else:
            _record_stays(setting, ledger)
    if not node.mapping:
        _record_stays(node, ledger)


def _record_code(node: Node, ledger: Ledger) -> None:
    if not node.is_empty and decides_code(node.text):
        ledger.lost(node, "This Python code may configure sessions. It is not run: replace it by profiles.")
    else:
        _record_stays(node, ledger)


def _record_file(node: Node, ledger: Ledger) -> None:
    """Record a file for the hub. JupyterHub runs those in the folder of its configuration."""
    place, text = node.at("mountPath"), node.at("stringData")
    if place and place.text.endswith(".py") and (text is None or decides_code(text.text)):
        ledger.lost(node, "This file may be Python code that configures sessions: replace it by profiles.")
    else:
        _record_stays(node, ledger)


def _record_other_charts(root: Node, chart: Node, ledger: Ledger) -> None:
    """Record the keys beside the values of the chart, and its own keys besides `singleuser` and `hub`."""
    current = root
    while True:
        for node in current.mapping.values():
            is_above_chart = chart.path[: len(node.path)] == node.path
            is_imported = current is chart and node.path[-1] in ("singleuser", "hub")
            if not is_above_chart and not is_imported:
                _record_stays(node, ledger)
        if current.path == chart.path:
            return
        current = current.mapping[str(chart.path[len(current.path)])]


def _record_stays(node: Node, ledger: Ledger) -> None:
    if not node.is_empty:
        ledger.stays(node, STAYS)


def _profiles(chart: Node, platform: Platform, ledger: Ledger) -> tuple[list[Node], list[ImportedProfile]]:
    singleuser, direct = chart.at("singleuser"), chart.at("hub", "config", "KubeSpawner")
    defaults = KubeSpawnerSettings(memory_guarantee=CHART_GUARANTEE)
    if singleuser:
        defaults = read_defaults(singleuser, ledger)
    listed = chart.at("singleuser", "profileList")
    sources: list[Node] = []
    if direct is not None:
        settings = {name: node for name, node in direct.mapping.items() if name != "profile_list"}
        sources += defaults.sources.values()
        override = read_override(Node(settings, direct.path, direct.line, direct.column), ledger, for_all=True)
        defaults = override.over(defaults)
        if "profile_list" in direct.mapping:
            if listed is not None and not listed.is_empty:
                ledger.lost(listed, "hub.config.KubeSpawner.profile_list is set as well, and takes precedence.")
            listed = direct.mapping["profile_list"]
    entries = list(_entries(listed))
    if not entries and (listed is None or listed.is_empty):
        only = singleuser or chart
        entries = [(Node({}, only.path, only.line, only.column), "Default session")]
    names = Names()
    profiles: list[ImportedProfile] = []
    for node, key in entries:
        if len(profiles) < MAXIMUM_PROFILES:
            profiles.append(ProfileImporter(node, key, names, defaults, platform, ledger).run())
        else:
            ledger.lost(node, f"An import has at most {MAXIMUM_PROFILES} profiles.")
    return [*sources, *defaults.sources.values()], profiles


def _record_unused(defaults: Iterable[Node], profiles: Iterable[ImportedProfile], ledger: Ledger) -> None:
    """Record settings for all sessions that every profile overrides."""
    used = {node.path for profile in profiles for node in profile.settings.values()}
    for node in defaults:
        if node.path not in used:
            ledger.stays(node, "No profile uses it: every profile has its own value.")


def _entries(listed: Node | None) -> Iterator[tuple[Node, str]]:
    """Return the entries of a list or mapping of profiles, with their keys. The sweep records what is not a mapping."""
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
