"""How many threads the processor's kernels take here, found once for each machine and model, and remembered.

A step and the reading of a prompt are measured apart: a token is a chain of small products, which more threads mostly
slow down, a prompt is not. More threads must be worth it (`GAIN`), because the DAW wants them too. The numbers that come out
are the same for any count, so the choice changes no note.

ONNX Runtime's threads never spin while they wait: beside a DAW the machine is always busy, and there a spinning pair took
5.0 ms a token where a sleeping one took 2.7 (19 M weights, one busy neighbour).

Kept in `threads.json` in the user's cache folder, by model, processor, cores and version of ONNX Runtime; a file that
cannot be read or written costs a new measurement each time (half a second), nothing else.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import onnxruntime as ort

from models_onnx import manifest as models
from models_onnx.record import machine
from models_onnx.session import DecoderSession

GAIN = 0.85
"""More threads are taken if their median is below this share of the fewer's."""
COUNTS = (1, 2, 4)
"""Tried where there are as many cores: a model of a few million weights has no work for more."""
_PROMPT, _READS, _STEPS = 128, 5, 30
_FIRST_ID = 3


@dataclass(frozen=True, slots=True)
class Threads:
    """Of ONNX Runtime, for a token and for a prompt."""

    step: int
    read: int


def threads_for(folder: Path, provider: str, asked: int, file: Path | None = None) -> Threads:
    """As `asked` for; for 0 what is remembered, else what is measured now.

    On a busy machine, where a measurement says little, one of each, and nothing is remembered. `file`: where it is
    kept. Errors: `ModelError` of a model that does not open.
    """
    told = models.read(folder)
    if asked or provider == "cuda" or (provider == "auto" and told.precision == "fp16"):
        return Threads(asked or 1, asked or 1)
    path = file or cache_folder() / "threads.json"
    key = _key(told.sha256 + told.reader_sha256)
    kept = _remembered(path).get(key)
    if kept is not None:
        return kept
    cores = int(machine()["cores"] or 1)
    if cores == 1 or _is_busy(cores):
        return Threads(1, 1)
    found = measured(lambda count: DecoderSession.open(folder, "cpu", count, count), cores)
    _remember(path, key, found)
    return found


def measured(opened: Callable[[int], DecoderSession], cores: int) -> Threads:
    """Opens the model with each count of `COUNTS` up to `cores` and takes the best of each."""
    steps: dict[int, float] = {}
    reads: dict[int, float] = {}
    for count in [count for count in COUNTS if count <= cores]:
        session = opened(count)
        prompt = [_FIRST_ID] * min(_PROMPT, session.spec.context // 2)
        reads[count] = _median(lambda s=session, p=prompt: _read(s, p), _READS)  # type: ignore[misc]
        steps[count] = _median(lambda s=session: s.step(_FIRST_ID), _STEPS)  # type: ignore[misc]
    return Threads(best(steps), best(reads))


def best(times: Mapping[int, float]) -> int:
    """The count whose time is worth it, from count to time: each further one must gain on the best so far by `GAIN`."""
    chosen = min(times)
    for count in sorted(times):
        if times[count] < GAIN * times[chosen]:
            chosen = count
    return chosen


def cache_folder() -> Path:
    """The user's folder for what can be made again, by the system's custom; it need not exist."""
    if sys.platform == "win32":
        base = Path(os.environ.get("LOCALAPPDATA") or tempfile.gettempdir())
    elif sys.platform == "darwin":
        base = Path(os.path.expanduser("~/Library/Caches"))  # noqa: PTH111 - must not raise without a home
    else:
        base = Path(os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache"))  # noqa: PTH111
    # Without a home there is nothing absolute to go by.
    return (base if base.is_absolute() else Path(tempfile.gettempdir())) / "daw-assist"


def _read(session: DecoderSession, prompt: list[int]) -> None:
    session.rewind(0)
    session.read(prompt)


def _median(act: Callable[[], object], count: int) -> float:
    act()
    times = []
    for _ in range(count):
        start = time.perf_counter()
        act()
        times.append(time.perf_counter() - start)
    return statistics.median(times)


def _is_busy(cores: int) -> bool:
    return hasattr(os, "getloadavg") and os.getloadavg()[0] > cores / 2


def _key(sha256: str) -> str:
    told = machine()
    model = hashlib.sha256(sha256.encode()).hexdigest()[:16]
    return "|".join((model, str(told["cpu"]), " ".join(told["vectors"]), str(told["cores"]), str(ort.__version__)))


def _remembered(path: Path) -> dict[str, Threads]:
    """What is there and makes sense."""
    try:
        raw: Any = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        return {}
    found = {}
    for key, value in raw.items() if isinstance(raw, dict) else ():
        counts: list[Any] = [value.get("step"), value.get("read")] if isinstance(value, dict) else []
        if len(counts) == 2 and all(type(count) is int and count in COUNTS for count in counts):
            found[str(key)] = Threads(counts[0], counts[1])
    return found


def _remember(path: Path, key: str, threads: Threads) -> None:
    """Beside what is there; written whole or not at all."""
    kept = {**_remembered(path), key: threads}
    told = {name: {"step": value.step, "read": value.read} for name, value in kept.items()}
    with contextlib.suppress(OSError):
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        with tempfile.TemporaryDirectory(dir=path.parent) as folder:
            partial = Path(folder) / path.name
            partial.write_text(json.dumps(told, indent=1) + "\n", encoding="utf-8")
            partial.replace(path)
