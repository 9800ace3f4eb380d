"""The render process as its parent sees it: started, listened to, and cleared away whatever happens."""

from __future__ import annotations

import contextlib
import os
import queue
import signal
import subprocess
import sys
import threading
from collections.abc import Callable
from typing import Any, Final

import msgspec

from plugin_host.errors import SoundError
from plugin_host.job import Job, Progress, Report

PATIENCE_S: Final = 60.0
"""Without a word for so long, the process is taken to hang: most pieces of sound take milliseconds, most plug-ins a second."""


def render_apart(
    job: Job, on_progress: Callable[[Progress], None] = lambda told: None, patience_s: float = PATIENCE_S
) -> Report:
    """Render in a process of its own. `SoundError` in one line if that cannot be done, dies, or hangs."""
    started = subprocess.Popen(
        [sys.executable, "-m", "plugin_host.worker"],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, start_new_session=True,
    )  # fmt: skip
    lines: queue.Queue[bytes | None] = queue.Queue()
    noise = bytearray()
    readers = (
        threading.Thread(target=_read_lines, args=(started.stdout, lines), daemon=True),
        threading.Thread(target=_keep_last, args=(started.stderr, noise), daemon=True),
    )
    for reader in readers:
        reader.start()
    try:
        assert started.stdin is not None
        with contextlib.suppress(BrokenPipeError):
            started.stdin.write(msgspec.json.encode(job))
            started.stdin.close()
        return _listen(started, lines, noise, on_progress, patience_s)
    finally:
        _end(started)
        for reader in readers:
            reader.join(1.0)
        for stream in (started.stdin, started.stdout, started.stderr):
            with contextlib.suppress(BrokenPipeError, AttributeError):
                stream.close()  # type: ignore[union-attr]


def _listen(
    started: subprocess.Popen[bytes],
    lines: queue.Queue[bytes | None],
    noise: bytearray,
    on_progress: Callable[[Progress], None],
    patience_s: float,
) -> Report:
    doing = "starting"
    while True:
        try:
            line = lines.get(timeout=patience_s)
        except queue.Empty:
            raise SoundError(
                f"the renderer has said nothing for {patience_s:g} s while {doing} and was stopped: leave that plug-in out"
            ) from None
        if line is None:
            code = started.wait()
            said = noise.decode(errors="replace").strip().splitlines()
            why = f"signal {signal.Signals(-code).name}" if code < 0 else f"exit {code}"
            last = f": {said[-1][:200]}" if said else ""
            raise SoundError(f"the renderer died while {doing} ({why}{last}); a plug-in may have crashed: leave it out")
        told: dict[str, Any] = msgspec.json.decode(line)
        if "fault" in told:
            raise SoundError(str(told["fault"]))
        if "report" in told:
            return msgspec.convert(told["report"], Report)
        progress = msgspec.convert(told["progress"], Progress)
        doing = progress.doing
        on_progress(progress)


def _read_lines(stream: Any, lines: queue.Queue[bytes | None]) -> None:
    for line in stream:
        lines.put(line)
    lines.put(None)


def _keep_last(stream: Any, noise: bytearray) -> None:
    while chunk := stream.read1(4096):
        noise += chunk
        del noise[:-4096]


def _end(started: subprocess.Popen[bytes]) -> None:
    """Kill it and what it started."""
    if started.poll() is None:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            if hasattr(os, "killpg"):
                os.killpg(started.pid, signal.SIGKILL)
            else:
                started.kill()
    started.wait()
