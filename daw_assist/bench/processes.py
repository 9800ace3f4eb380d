"""What processes cost, read from /proc: processor time, memory, threads, file descriptors. Nothing where there is no /proc."""

from __future__ import annotations

import os
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

_TICKS_A_SECOND = os.sysconf("SC_CLK_TCK") if hasattr(os, "sysconf") else 100
_PAGE = os.sysconf("SC_PAGE_SIZE") if hasattr(os, "sysconf") else 4096


@dataclass(frozen=True, slots=True)
class Sample:
    """One process at one instant."""

    at_s: float
    cpu_s: float
    rss_mb: float
    threads: int
    descriptors: int


def sample(pid: int, proc: Path = Path("/proc")) -> Sample | None:
    """None if the process is not there, or not to be read."""
    folder = proc / str(pid)
    try:
        fields = (folder / "stat").read_text().rpartition(")")[2].split()
        pages = int((folder / "statm").read_text().split()[1])
        descriptors = sum(1 for _ in (folder / "fd").iterdir())
    except (OSError, ValueError, IndexError):
        return None
    cpu_s = (int(fields[11]) + int(fields[12])) / _TICKS_A_SECOND
    return Sample(time.monotonic(), cpu_s, pages * _PAGE / 1e6, int(fields[17]), descriptors)


def samples(pids: Mapping[str, int]) -> dict[str, Sample]:
    """Of each process that is there, by its name here."""
    return {name: found for name, pid in pids.items() if pid and (found := sample(pid)) is not None}


def cost(before: Mapping[str, Sample], after: Mapping[str, Sample]) -> dict[str, dict[str, Any]]:
    """CPU in percent of one core between the two, memory at both, threads and descriptors at the end."""
    told = {}
    for name in before.keys() & after.keys():
        old, new = before[name], after[name]
        told[name] = {
            "cpu_percent": round(100 * (new.cpu_s - old.cpu_s) / max(1e-3, new.at_s - old.at_s), 1),
            "rss_start_mb": round(old.rss_mb, 1), "rss_end_mb": round(new.rss_mb, 1),
            "threads": new.threads, "descriptors": new.descriptors,
        }  # fmt: skip
    return dict(sorted(told.items()))
