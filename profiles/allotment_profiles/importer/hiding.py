"""Hide what was imported without what decides who may start it, which image it has, or how large it is.

An import never gives more than there was: what is not understood makes a hidden profile, which only the leads see until
somebody has looked at it.
"""

import ast
from collections.abc import Iterable

from allotment_profiles.importer.kubespawner_settings import current_name
from allotment_profiles.importer.ledger import HIDDEN, Ledger
from allotment_profiles.importer.profiles import ImportedProfile
from allotment_profiles.importer.values import Node, Path

_HARMLESS_SETTINGS = frozenset(
    {
        "args", "cmd", "consecutive_failure_limit", "debug", "default_url", "environment", "extra_annotations",
        "extra_containers", "extra_labels", "fs_gid", "gid", "http_timeout", "image_pull_policy", "image_pull_secrets",
        "init_containers", "lifecycle_hooks", "node_affinity_preferred", "notebook_dir", "poll_interval", "privileged",
        "allow_privilege_escalation", "pvc_name_template", "service_account", "start_timeout", "storage_capacity",
        "storage_class", "storage_pvc_ensure", "supplemental_gids", "uid", "volume_mounts", "volumes", "working_dir",
    }
)  # fmt: skip
"""Settings of a spawner that decide neither who, nor which image, nor how large, nor where. Any other one may."""
_HARMLESS_HUB = frozenset(
    {
        "active_server_limit", "admin_access", "allow_named_servers", "cleanup_servers", "concurrent_spawn_limit",
        "cookie_max_age_days", "default_url", "log_level", "logo_file", "named_server_limit_per_user",
        "redirect_to_server", "services", "shutdown_on_logout", "template_paths", "template_vars",
    }
)  # fmt: skip
"""Settings of JupyterHub that code may set and that decide nothing about sessions."""
_HARMLESS = frozenset({"default", "slug", "display_name", "description"})
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
    return not path or decides_setting(str(path[0]))


def decides_setting(name: str) -> bool:
    """Return whether a setting of a spawner may decide who starts which image, how large, and where."""
    return current_name(name) not in _HARMLESS_SETTINGS


def decides_code(code: str) -> bool:
    """Return whether Python code of the hub may decide about sessions: all but plain values for known settings."""
    try:
        statements = ast.parse(code).body
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return True
    return not all(map(_is_harmless, statements))


def _is_harmless(statement: ast.stmt) -> bool:
    match statement:
        case ast.Assign([ast.Attribute(ast.Attribute(ast.Name("c"), section), name)], value):
            if section == "JupyterHub":
                known = name in _HARMLESS_HUB
            else:
                known = section.endswith("Spawner") and not decides_setting(name)
            return known and _is_plain(value)
        case ast.Expr(ast.Constant(str())):
            return True
    return False


def _is_plain(value: ast.expr) -> bool:
    try:
        ast.literal_eval(value)
    except (ValueError, TypeError, SyntaxError, RecursionError, MemoryError):
        return False
    return True


def _decides_for_all(path: Path, chart: Node) -> bool:
    if path[: len(chart.path)] != chart.path:
        return False
    match path[len(chart.path) :]:
        case ("singleuser", name, *_):
            return name in _OF_ALL
        case ("hub", "config", section, name, *_) if str(section).endswith("Spawner"):
            return decides_setting(str(name))
        case ("hub", "config" | "extraConfig" | "extraFiles", *_):
            return True
    return False


def _where(path: Path, chart: Node) -> str:
    return Node(None, path[len(chart.path) :], 0, 0).where
