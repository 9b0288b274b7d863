"""Format amounts, times and the titles of apps for the start page and the page of a pending start. Pure."""

import datetime as dt

from allotment_profiles.model import BUILT_IN_APPS, GpuKind, Tool
from allotment_profiles.model.sizes import Size
from allotment_profiles.model.values.dates import relative_time
from allotment_profiles.model.values.quantities import format_cpu, format_memory

_MINUTE = dt.timedelta(minutes=1)


def app_title(app: str, tool: Tool | None) -> str:
    """Return the title of an app, or of the policy's tool if the app is one."""
    return tool.title if tool else BUILT_IN_APPS.get(app, app)


def size_text(size: Size, kind: GpuKind | None = None) -> str:
    """Format a size in one line: `0.5-2 CPU, 1-4 GiB memory`."""
    parts = [cpu_text(size), f"{memory_text(size)} memory", gpu_text(size, kind)]
    return ", ".join(part for part in parts if part)


def cpu_text(size: Size) -> str:
    """Format the CPUs: guarantee, then limit."""
    low, high = format_cpu(size.cpu_guarantee), format_cpu(size.cpu)
    return f"{high} CPU" if low == high else f"{low}\N{EN DASH}{high} CPU"


def memory_text(size: Size) -> str:
    """Format the memory: guarantee, then limit; the unit once if both have the same."""
    low, high = format_memory(size.memory_guarantee), format_memory(size.memory)
    if low == high:
        return high
    same = low.rpartition(" ")[2] == high.rpartition(" ")[2]
    return f"{low.rpartition(' ')[0]}\N{EN DASH}{high}" if same else f"{low} \N{EN DASH} {high}"


def gpu_text(size: Size, kind: GpuKind | None = None) -> str:
    """Format the GPUs with the title of their kind; empty if there are none."""
    if not size.gpu:
        return ""
    return f"{size.gpu} GPU ({kind.title})" if kind else f"{size.gpu} GPU"


def deadline_text(deadline: dt.datetime, now: dt.datetime) -> str:
    """Format how long it is until a deadline: `in 2 hours`, `in less than a minute`, `now`."""
    if deadline - now >= _MINUTE:
        return relative_time(deadline, now)
    return "in less than a minute" if deadline > now else "now"
