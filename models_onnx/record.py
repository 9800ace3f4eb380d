"""Where a figure comes from: commit, machine, versions, date, command. One JSON object a line in benchmarks/results.

A new line can be held against an earlier one of the same benchmark (`differences`).
"""

from __future__ import annotations

import datetime
import importlib.metadata
import json
import os
import platform
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

PACKAGES = (
    "daw-assist",
    "numpy",
    "onnxruntime",
    "onnxruntime-gpu",
    "torch",
    "mido",
    "python-rtmidi",
    "pyzmq",
    "msgspec",
)
VECTORS = ("avx2", "avx512f", "avx_vnni", "avx512_vnni", "asimddp", "i8mm")
"""Two machines of one name differ by these, and by a factor of two in 8 bits."""
ROOT = Path(__file__).resolve().parents[1]


def commit() -> str:
    """Short hash of the checkout, with `+` if files that git knows, but for results, have changed; `none` outside a repository."""
    try:
        head = subprocess.run(
            ["git", "rev-parse", "--short=12", "HEAD"], cwd=ROOT, capture_output=True, text=True, check=False
        )
        if head.returncode:
            return "none"
        changed = subprocess.run(
            ["git", "diff", "--quiet", "HEAD", "--", ".", ":!benchmarks"], cwd=ROOT, capture_output=True, check=False
        ).returncode
    except OSError:  # no git here
        return "none"
    return head.stdout.strip() + ("+" if changed else "")


def processor() -> str:
    """Name of the CPU as the system gives it."""
    try:
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    except OSError:  # not Linux
        pass
    return platform.processor() or platform.machine()


def vectors() -> list[str]:
    """Those of `VECTORS` that the processor has, as Linux names them."""
    try:
        text = Path("/proc/cpuinfo").read_text()
    except OSError:  # not Linux
        return []
    flags = next(
        (line.partition(":")[2].split() for line in text.splitlines() if line.startswith(("flags", "Features"))), []
    )
    return [name for name in VECTORS if name in flags]


def machine() -> dict[str, Any]:
    """CPU, what of its vector instructions matters here (empty if unknown), cores this process may use, memory in GiB (0 if
    unknown), system.
    """
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    memory = 0.0
    if hasattr(os, "sysconf") and "SC_PHYS_PAGES" in os.sysconf_names:
        memory = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") / 2**30
    return {
        "cpu": processor(),
        "vectors": vectors(),
        "cores": cores,
        "memory_gib": round(memory, 1),
        "system": f"{platform.system()} {platform.machine()}",
    }


def versions() -> dict[str, str]:
    """Python and those of `PACKAGES` that are installed."""
    found = {"python": platform.python_version()}
    for name in PACKAGES:
        try:
            found[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            continue
    return found


def provenance() -> dict[str, Any]:
    """All of the above, with the date (UTC) and the command without its folders."""
    now = datetime.datetime.now(datetime.UTC)
    command = " ".join([Path(sys.argv[0]).name, *(Path(a).name if "/" in a else a for a in sys.argv[1:])])
    return {
        "date": now.isoformat(timespec="seconds"), "commit": commit(), "command": command, "machine": machine(),
        "versions": versions(),
    }  # fmt: skip


def peak_memory_mb() -> float:
    """The most that this process held so far, 10^6 bytes; 0 where the system does not say (Windows)."""
    try:
        import resource
    except ImportError:
        return 0.0
    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return most / 1e6 if sys.platform == "darwin" else most * 1024 / 1e6


def append(path: Path, obj: dict[str, Any]) -> None:
    """Add one line; a single write, so that two runs at once do not mix theirs."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a", encoding="utf-8") as log:
        log.write(json.dumps(obj, ensure_ascii=False, sort_keys=False) + "\n")


def last_line(path: Path, benchmark: str) -> dict[str, Any] | None:
    """The newest line of that benchmark in a log, None where there is none. Errors: OSError; ValueError, not a log."""
    found = None
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
        try:
            told = json.loads(line) if line.strip() else {}
        except (ValueError, RecursionError):
            raise ValueError(f"{path} is no log of ours: line {number} is not JSON") from None
        if isinstance(told, dict) and benchmark in (told.get("benchmark"), told.get("bench")):
            found = told
    return found


def differences(earlier: dict[str, Any], now: dict[str, Any]) -> list[tuple[str, float, float]]:
    """(name, earlier, now) of every figure above zero that both have, in the order of `now`."""
    before = dict(_figures(earlier, ""))
    return [(name, before[name], value) for name, value in _figures(now, "") if before.get(name, 0) > 0 and value > 0]


def _figures(told: Any, name: str) -> Iterator[tuple[str, float]]:
    if isinstance(told, bool):
        return
    if isinstance(told, int | float):
        yield name, float(told)
    elif isinstance(told, dict):
        for key, value in told.items():
            if key not in ("machine", "versions", "date", "commit", "command"):
                yield from _figures(value, f"{name}.{key}" if name else key)
    elif isinstance(told, list):
        for place, value in enumerate(told):
            yield from _figures(value, f"{name}[{_title(value) or place}]")


def _title(told: Any) -> str:
    """How a row of a list is found again in another run: by the words and counts that name it."""
    if not isinstance(told, dict):
        return ""
    names = ("variant", "name", "mode", "bpm", "threads", "composers", "job")
    return " ".join(str(told[name]) for name in names if name in told)
