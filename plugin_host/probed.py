"""One plug-in file, looked at in a process that may die of it. Standard library only: the process loads the rest.

A plug-in is foreign code: it may crash, hang, print, or start processes of its own. `probe.py` loads it and plays a
note; here its words are read, its time is kept, and what is left of it is ended.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from plugin_host.errors import SoundError
from plugin_host.folders import lacking

TIMEOUT_S = 20.0
_START_S, _LOOK_S = 60.0, 0.05
"""Until Python and pedalboard are loaded; how often the process is looked at."""
_READ_BYTES = 8 << 20
"""Of what a probe says; more is a fault."""


@dataclass(frozen=True, slots=True)
class Found:
    """A plug-in of a file, or a file that holds none that works: `trouble` says why, in one line.

    `kind` is "instrument", "effect" or, where it is not known, "". `parameters` counts those a user can set.
    """

    path: Path
    name: str
    maker: str = ""
    kind: str = ""
    version: str = ""
    parameters: int = 0
    trouble: str | None = None


@dataclass(frozen=True, slots=True)
class Parameter:
    """`name` is the word to set it by; `low` and `high` are None where it has `choices` (texts) instead."""

    name: str
    value: str
    low: float | None = None
    high: float | None = None
    unit: str = ""
    choices: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Probed:
    """A plug-in and all its parameters."""

    found: Found
    parameters: tuple[Parameter, ...] = ()


def probed(path: Path, timeout_s: float = TIMEOUT_S) -> list[Probed]:
    """Each plug-in of the file, one process for each; at least one, which says so if there is trouble.

    Blocks for up to `timeout_s` a plug-in. Errors: `SoundError` if the probe itself cannot work here.
    """
    why = lacking(path)
    if why is not None:
        return [_broken(path, path.stem, why)]
    said = _asked(path, None, timeout_s)
    if len(said.names) < 2:
        return [_judged(path, said.names[0] if said.names else path.stem, said, timeout_s)]
    return [_judged(path, name, _asked(path, name, timeout_s), timeout_s) for name in said.names]


@dataclass(slots=True)
class _Said:
    """What came from a probe until it ended; `code` is its exit status, None if it was ended for its slowness."""

    code: int | None
    stage: str = ""
    names: tuple[str, ...] = ()
    plugin: dict[str, Any] | None = None
    trouble: str | None = None


def _asked(path: Path, name: str | None, timeout_s: float) -> _Said:
    command = [sys.executable, "-P", "-m", "plugin_host.probe", str(path), *([] if name is None else [name])]
    here = str(Path(__file__).parents[1])
    paths = os.pathsep.join(filter(None, (here, os.environ.get("PYTHONPATH"))))
    with tempfile.TemporaryFile() as out:
        # A process group of its own: what the plug-in starts is ended with it, and Ctrl-C is for us to judge.
        process = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=out, stderr=subprocess.DEVNULL,
            env={**os.environ, "PYTHONPATH": paths}, start_new_session=True,
        )  # fmt: skip
        try:
            code = _waited_for(process, out, timeout_s)
        finally:
            _end(process)
        said = _heard(out, code)
    if not said.stage:
        what = "ended" if code is not None else f"said nothing within {_START_S:g} s"
        raise SoundError(
            f"the probe of plug-ins {what} before it came to {path.name}: is pedalboard installed and sound?"
        )
    return said


def _waited_for(process: subprocess.Popen[bytes], out: IO[bytes], timeout_s: float) -> int | None:
    """Its exit status, or None after `timeout_s` from its first words on: a slow machine is no plug-in's fault."""
    begun, until = False, time.monotonic() + _START_S
    while time.monotonic() < until:
        with contextlib.suppress(subprocess.TimeoutExpired):
            return process.wait(_LOOK_S)
        if not begun and os.fstat(out.fileno()).st_size:
            begun, until = True, time.monotonic() + timeout_s
    return None


def _end(process: subprocess.Popen[bytes]) -> None:
    """The process and all that it started."""
    if sys.platform == "win32":
        if process.poll() is None:
            subprocess.run(["taskkill", "/F", "/T", "/PID", str(process.pid)], capture_output=True, check=False)
    else:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def _heard(out: IO[bytes], code: int | None) -> _Said:
    """Our lines among whatever else was printed."""
    said = _Said(code)
    out.seek(0)
    for line in out.read(_READ_BYTES).decode("utf-8", "replace").splitlines():
        with contextlib.suppress(ValueError, RecursionError):
            told = json.loads(line)
            if isinstance(told, dict) and "stage" in told:
                said.stage = str(told["stage"])
                said.names = tuple(map(str, told.get("names", said.names)))
                said.plugin = told.get("plugin", said.plugin)
                said.trouble = told.get("trouble", said.trouble)
    return said


def _judged(path: Path, name: str, said: _Said, timeout_s: float) -> Probed:
    trouble = said.trouble
    if trouble is None and said.stage != "done":
        if said.code is None:
            trouble = f"hung while {said.stage}: it was ended after {timeout_s:g} s"
        else:
            trouble = f"crashed while {said.stage} ({_cause(said.code)})"
    if said.plugin is None:
        return _broken(path, name, trouble or "said nothing of itself")
    told = said.plugin
    parameters = tuple(Parameter(**{**each, "choices": tuple(each["choices"])}) for each in told["parameters"])
    found = Found(path, told["name"], told["maker"], told["kind"], told["version"], len(parameters), trouble)
    return Probed(found, parameters)


def _broken(path: Path, name: str, trouble: str) -> Probed:
    return Probed(Found(path, name, trouble=trouble))


def _cause(code: int) -> str:
    if code >= 0:
        return f"exit status {code:#x}" if code > 255 else f"exit status {code}"
    try:
        return signal.Signals(-code).name
    except ValueError:
        return f"signal {-code}"
