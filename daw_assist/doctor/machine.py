"""Checks of the machine and of this installation. Standard library only, nothing here can wait long."""

from __future__ import annotations

import os
import platform
import re
import sys
from collections.abc import Callable
from contextlib import suppress
from importlib import import_module, metadata
from pathlib import Path
from typing import Any

from daw_assist.doctor.finding import Asked, Finding
from daw_assist.errors import DawAssistError

OLDEST_PYTHON = (3, 11)
FEW_CORES = 2
LITTLE_MEMORY_GB = 1.0
"""`live` with its engine takes about 0.3 GB, and a DAW stands beside it."""

_AGAIN = "install it again: pip install --force-reinstall daw-assist"


def check_python(_: Asked, version: tuple[int, ...] = sys.version_info[:3]) -> Finding:
    """Python's version."""
    told = f"{'.'.join(map(str, version))} on {platform.system()} ({platform.machine()})"
    if version < OLDEST_PYTHON:
        return Finding("python", "problem", told, "install Python 3.11 or newer, and daw-assist into it")
    return Finding("python", "ok", told)


def check_packages(
    _: Asked,
    requirements: Callable[[], list[str]] = lambda: metadata.requires("daw-assist") or [],
    version: Callable[[str], str] = metadata.version,
) -> Finding:
    """Whether every package that the program needs is there, and at least as new as it must be."""
    there, wrong = [], []
    for name, least in _needed(requirements()):
        try:
            have = version(name)
        except metadata.PackageNotFoundError:
            if name == "onnxruntime-gpu":
                with suppress(metadata.PackageNotFoundError):
                    there.append(f"onnxruntime {version('onnxruntime')}")
                    continue
            wrong.append(f"{name} is missing")
            continue
        there.append(f"{name} {have}")
        if _numbers(have) < _numbers(least):
            wrong.append(f"{name} is {have}, needed is {least} or newer")
    if wrong:
        return Finding("packages", "problem", "; ".join(wrong), _AGAIN)
    return Finding("packages", "ok", ", ".join(there) or "none needed")


def _needed(requirements: list[str]) -> list[tuple[str, str]]:
    """Name and least version of those that are for this machine; extras are left out."""
    found = []
    for line in requirements:
        words, _, marker = line.partition(";")
        if "extra ==" in marker or not _is_for_here(marker):
            continue
        match = re.match(r"\s*([\w.-]+)(?:\[[^]]*\])?\s*(?:\(?\s*>=\s*([\d.]+))?", words)
        if match:
            found.append((match[1], match[2] or "0"))
    return found


def _is_for_here(marker: str) -> bool:
    """Of two packages that exclude each other (onnxruntime's), the one that this machine gets."""
    if "platform_machine" not in marker:
        return True
    gpu = sys.platform in ("linux", "win32") and platform.machine() in ("x86_64", "AMD64")
    return gpu == ("==" in marker)


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(int(number) for number in re.findall(r"\d+", version.partition("+")[0])[:3])


def check_machine(
    _: Asked, cores: Callable[[], int] | None = None, memory_gb: Callable[[], float | None] | None = None
) -> Finding:
    """Cores, memory, and what else the machine is doing."""
    count = (cores or _cores)()
    free = (memory_gb or _free_gb)()
    told = f"{count} core{'s' * (count != 1)}" + ("" if free is None else f", {free:.1f} GB of memory free")
    with suppress(OSError, AttributeError):  # AttributeError: Windows
        told += f", load {os.getloadavg()[0]:.1f}"
    if free is not None and free < LITTLE_MEMORY_GB:
        return Finding("machine", "warning", told, "close what you do not need: the engine takes about 0.3 GB")
    if count < FEW_CORES:
        return Finding("machine", "warning", told, "the DAW and the engine share one core: expect drafts to come late")
    return Finding("machine", "ok", told)


def _cores() -> int:
    with suppress(AttributeError):  # not on macOS and Windows
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _free_gb() -> float | None:
    with suppress(OSError, ValueError, IndexError):
        lines = Path("/proc/meminfo").read_text(encoding="ascii").splitlines()
        return next(int(line.split()[1]) / 1e6 for line in lines if line.startswith("MemAvailable"))
    return None


_RIGHTS = (
    "allow it: the lines `@audio - rtprio 95` and `@audio - memlock unlimited` in /etc/security/limits.d/audio.conf, "
    "yourself in the group audio (usermod -aG audio NAME), then log in again; without it JACK misses its time under load"
)


def check_real_time(
    _: Asked,
    system: str = sys.platform,
    limit: Callable[[], int] | None = None,
    may: Callable[[], bool] | None = None,
) -> Finding:
    """Whether this user may run threads in real time, which a JACK server and its clients want. Tries it on itself."""
    if system != "linux":
        return Finding("real time", "ok", "nothing to set on this system")
    highest = (limit or _rtprio_limit)()
    told = "rtprio limit " + ("unlimited" if highest < 0 else str(highest))
    if (may or _may_run_real_time)():
        return Finding("real time", "ok", f"allowed (tried; {told})")
    return Finding("real time", "warning", f"not allowed ({told})", _RIGHTS)


def _rtprio_limit() -> int:
    """-1: unlimited."""
    import resource  # not there on Windows

    return resource.getrlimit(getattr(resource, "RLIMIT_RTPRIO", 14))[0]


def _may_run_real_time() -> bool:
    """The limit does not say it all: root may in spite of a limit of 0, and a container may not in spite of any."""
    try:
        os.sched_setscheduler(0, os.SCHED_RR, os.sched_param(1))
    except OSError:
        return False
    os.sched_setscheduler(0, os.SCHED_OTHER, os.sched_param(0))
    return True


def check_configuration(_: Asked, load: Callable[[], Any] | None = None) -> Finding:
    """Whether the configuration file, if there is one, can be read and means something."""
    try:
        if load is None:
            load = import_module("daw_assist.config").load
        config = load()
    except ModuleNotFoundError as error:
        if error.name != "daw_assist.config":
            raise
        return Finding("configuration", "ok", "this version has no configuration file")
    except DawAssistError as error:
        return Finding("configuration", "problem", str(error), "correct or remove that file")
    where = getattr(config, "path", None)
    return Finding("configuration", "ok", f"{where} is in order" if where else "there is no file, so all is as usual")
