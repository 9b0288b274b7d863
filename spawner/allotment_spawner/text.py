"""How the start page and the page of a pending start write amounts, ages and the names of apps. Pure."""

import datetime as dt

from allotment_profiles.model import GpuKind, Tool
from allotment_profiles.model.quantities import format_cpu, format_memory
from allotment_profiles.model.sizes import Size

_APPS = {"jupyterlab": "JupyterLab", "rstudio": "RStudio", "vscode": "VS Code"}


def app_title(app: str, tool: Tool | None) -> str:
    """Name an app, or the tool of the policy that it is, as people do."""
    return tool.title if tool else _APPS.get(app, app)


def size_text(size: Size, kind: GpuKind | None = None) -> str:
    """Write a size in one line: `0.5-2 CPU, 1-4 GiB memory`."""
    parts = [cpu_text(size), f"{memory_text(size)} memory", gpu_text(size, kind)]
    return ", ".join(part for part in parts if part)


def cpu_text(size: Size) -> str:
    """Write the CPUs: guarantee, then limit."""
    low, high = format_cpu(size.cpu_guarantee), format_cpu(size.cpu)
    return f"{high} CPU" if low == high else f"{low}\N{EN DASH}{high} CPU"


def memory_text(size: Size) -> str:
    """Write the memory: guarantee, then limit; the unit once where both have the same."""
    low, high = format_memory(size.memory_guarantee), format_memory(size.memory)
    if low == high:
        return high
    same = low.rpartition(" ")[2] == high.rpartition(" ")[2]
    return f"{low.rpartition(' ')[0]}\N{EN DASH}{high}" if same else f"{low} \N{EN DASH} {high}"


def gpu_text(size: Size, kind: GpuKind | None = None) -> str:
    """Write the GPUs, with what people call their kind; empty where there are none."""
    if not size.gpu:
        return ""
    return f"{size.gpu} GPU ({kind.title})" if kind else f"{size.gpu} GPU"


def age_text(age: dt.timedelta) -> str:
    """Write how long ago something was."""
    amount = _whole_units(age)
    return f"{amount} ago" if amount else "just now"


def left_text(left: dt.timedelta) -> str:
    """Write how long it is until something."""
    amount = _whole_units(left)
    if amount:
        return f"in {amount}"
    return "in less than a minute" if left > dt.timedelta(0) else "now"


def _whole_units(time: dt.timedelta) -> str:
    seconds = max(0, int(time.total_seconds()))
    for unit, length in (("day", 86400), ("hour", 3600), ("minute", 60)):
        if seconds >= length:
            number = seconds // length
            return f"{number} {unit}{'' if number == 1 else 's'}"
    return ""
