"""How much processor time a server has used, as Linux accounts for it."""

from __future__ import annotations

import os
import time
from collections import defaultdict
from pathlib import Path

_TICKS = os.sysconf("SC_CLK_TCK")
# Fields of /proc/PID/stat, counted from the one after the command.
_PARENT, _CHILDREN_USER, _CHILDREN_SYSTEM = 1, 13, 14


def tree_cpu(pid: int) -> float:
    """Seconds that a process, its descendants and those that have ended spent, user and system."""
    stats = _stats()
    children = defaultdict(list)
    for child, fields in stats.items():
        children[int(fields[_PARENT])].append(child)
    seconds = 0.0
    left = [pid]
    while left:
        process = left.pop()
        left += children[process]
        if process in stats:
            ended = sum(int(stats[process][n]) for n in (_CHILDREN_USER, _CHILDREN_SYSTEM))
            seconds += _own_cpu(process) + ended / _TICKS
    return seconds


def _stats() -> dict[int, list[str]]:
    found = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                stat = (entry / "stat").read_text()
            except OSError:
                continue  # It has ended meanwhile.
            found[int(entry.name)] = stat.rpartition(")")[2].split()
    return found


def _own_cpu(pid: int) -> float:
    try:
        # The clock of a process as clock_getcpuclockid(3) names it: finer than /proc.
        return time.clock_gettime((~pid << 3) | 2)
    except OSError:
        return 0.0  # It has ended meanwhile.
