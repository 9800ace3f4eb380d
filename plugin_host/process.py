"""The render process as its parent sees it: started, listened to, and cleared away whatever happens."""

from __future__ import annotations

import contextlib
import json
import os
import queue
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Final

import msgspec

from plugin_host.errors import SoundError
from plugin_host.job import Job, Progress, Report
from plugin_host.words import plain

_LOOK_S: Final = 0.5
PATIENCE_S: Final = 60.0
"""Without a word for so long, the process is taken to hang: most pieces of sound take milliseconds, most plug-ins a second."""


def render_apart(
    job: Job, on_progress: Callable[[Progress], None] = lambda told: None, patience_s: float = PATIENCE_S
) -> Report:
    """Render in a process of its own. `SoundError` in one line if that cannot be done, dies, or hangs."""
    with _ending_in_order():
        return _rendered(job, on_progress, patience_s)


@contextlib.contextmanager
def _ending_in_order() -> Iterator[None]:
    """SIGTERM and SIGHUP end what is under way as Ctrl-C does, where nobody else has a use for them."""
    kept = {}
    if threading.current_thread() is threading.main_thread():
        for name in ("SIGTERM", "SIGHUP"):
            number = getattr(signal, name, None)
            if number is not None and signal.getsignal(number) is signal.SIG_DFL:
                kept[number] = signal.signal(number, lambda got, frame: sys.exit(128 + got))
    try:
        yield
    finally:
        for number, before in kept.items():
            signal.signal(number, before)


def _rendered(job: Job, on_progress: Callable[[Progress], None], patience_s: float) -> Report:
    here = str(Path(__file__).parents[1])
    paths = os.pathsep.join(filter(None, (here, os.environ.get("PYTHONPATH"))))
    # -P: a scipy.py in the folder of the music is not ours. A session of its own: Ctrl-C is for us to judge.
    started = subprocess.Popen(
        [sys.executable, "-P", "-m", "plugin_host.worker"], env={**os.environ, "PYTHONPATH": paths},
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, start_new_session=sys.platform != "win32",
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
            started.stdin.write(json.dumps(msgspec.to_builtins(job)).encode())
            started.stdin.close()
        return _listen(started, lines, noise, on_progress, patience_s, _blamed(job))
    finally:
        _end(started)
        for reader in readers:
            reader.join(1.0)
        for stream in (started.stdin, started.stdout, started.stderr):
            with contextlib.suppress(BrokenPipeError, AttributeError):
                stream.close()  # type: ignore[union-attr]


def _blamed(job: Job) -> str:
    """What to do if it dies or hangs: the plug-ins that were in it are the likeliest to have done it."""
    names = ", ".join(Path(path).name for path in job.rack.plugins())
    return f"leave a plug-in out ({names})" if names else "try again, and report it if it happens again"


def _listen(
    started: subprocess.Popen[bytes],
    lines: queue.Queue[bytes | None],
    noise: bytearray,
    on_progress: Callable[[Progress], None],
    patience_s: float,
    advice: str,
) -> Report:
    doing = "starting"
    while True:
        line = _next_line(started, lines, patience_s)
        if line == b"":
            raise SoundError(
                f"the renderer has said nothing for {patience_s:g} s while {doing} and was stopped: {advice}"
            )
        if line is None:
            code = started.wait()
            said = plain(noise.decode(errors="replace").strip().rpartition("\n")[2])
            why = f"signal {signal.Signals(-code).name}" if code < 0 else f"exit {code}"
            raise SoundError(f"the renderer died while {doing} ({why}{': ' if said else ''}{said[:200]}): {advice}")
        told: dict[str, Any] = json.loads(line)
        if "fault" in told:
            raise SoundError(str(told["fault"]))
        if "report" in told:
            return msgspec.convert(told["report"], Report)
        progress = msgspec.convert(told["progress"], Progress)
        doing = progress.doing
        on_progress(progress)


def _next_line(started: subprocess.Popen[bytes], lines: queue.Queue[bytes | None], patience_s: float) -> bytes | None:
    """The next line; None when it has ended (what a plug-in started may hold the pipe open), empty when it is silent."""
    until = time.monotonic() + patience_s
    while time.monotonic() < until:
        with contextlib.suppress(queue.Empty):
            return lines.get(timeout=min(_LOOK_S, patience_s))
        if started.poll() is not None and lines.empty():
            return None
    return b""


def _read_lines(stream: Any, lines: queue.Queue[bytes | None]) -> None:
    for line in stream:
        lines.put(line)
    lines.put(None)


def _keep_last(stream: Any, noise: bytearray) -> None:
    while chunk := stream.read1(4096):
        noise += chunk
        del noise[:-4096]


def _end(started: subprocess.Popen[bytes]) -> None:
    """Kill it, and what its plug-ins started."""
    if hasattr(os, "killpg"):
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(started.pid, signal.SIGKILL)
    elif started.poll() is None:
        started.kill()
    started.wait()
