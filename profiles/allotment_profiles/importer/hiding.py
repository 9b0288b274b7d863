"""Hide what was imported without what decides who may start it, which image it has, or how large it is.

An import never gives more than there was: what is not understood makes a hidden profile, which only the leads see until
somebody has looked at it.
"""

from collections.abc import Iterable

from allotment_profiles.importer.kubespawner_settings import current_name
from allotment_profiles.importer.ledger import HIDDEN, Ledger
from allotment_profiles.importer.profiles import ImportedProfile
from allotment_profiles.importer.values import Node, Path

_DECIDING = frozenset(
    {
        "image", "cpu_limit", "cpu_guarantee", "mem_limit", "mem_guarantee", "extra_resource_limits",
        "extra_resource_guarantees", "node_selector", "tolerations", "node_affinity_required",
    }
)  # fmt: skip
"""Settings that decide which image a session has, how large it is, and where it runs."""
_HARMLESS = frozenset({"default", "slug", "display_name", "description"})
_DECIDING_CODE = ("profile_list", "options_form")
_OF_ALL = frozenset(
    {"image", "cpu", "memory", "extraResource", "nodeSelector", "extraTolerations", "extraNodeAffinity"}
)
_WHAT = "not imported, and it decides who may start a session, which image it has, or how large it is"


def hide_uncertain(profiles: Iterable[ImportedProfile], chart: Node, ledger: Ledger) -> None:
    """Hide the profiles of which something is lost that decides."""
    lost = ledger.lost_paths
    for_all = sorted({_where(path, chart) for path in lost if _decides_for_all(path, chart)})
    for profile in profiles:
        own = sorted({_where(path, chart) for path in lost if _decides(path, profile.node.path)})
        if (own or for_all) and profile.value.get("visibility") != "draft":
            profile.value["visibility"] = "draft"
            keys = ", ".join((own or for_all)[:5])
            ledger.remark(profile.node, f"{_WHAT.capitalize()} ({keys}): {HIDDEN}")


def _decides(path: Path, profile: Path) -> bool:
    """Return whether a lost key of a profile decides. A choice that is left out gives nobody more."""
    # Without a list of profiles, the only one is made from the settings for all sessions.
    in_list = any(part in ("profileList", "profile_list") for part in profile)
    if not in_list or path[: len(profile)] != profile or path == profile:
        return False
    first, *rest = path[len(profile) :]
    if first == "kubespawner_override":
        return _decides_override(rest)
    if first == "profile_options":
        in_choice = len(rest) > 3 and rest[1] == "choices" and rest[3] == "kubespawner_override"
        return len(rest) < 2 or (in_choice and _decides_override(rest[4:]))
    return first not in _HARMLESS


def _decides_override(path: list[str | int]) -> bool:
    return not path or current_name(str(path[0])) in _DECIDING


def _decides_for_all(path: Path, chart: Node) -> bool:
    if path[: len(chart.path)] != chart.path:
        return False
    match path[len(chart.path) :]:
        case ("singleuser", name, *_):
            return name in _OF_ALL
        case ("hub", "config", "KubeSpawner", name, *_):
            return current_name(str(name)) in _DECIDING
        case ("hub", "extraConfig", *_):
            node: Node | None = chart.at(*map(str, path[len(chart.path) :]))
            return node is not None and any(word in node.text for word in _DECIDING_CODE)
    return False


def _where(path: Path, chart: Node) -> str:
    return Node(None, path[len(chart.path) :], 0, 0).where
