"""Hours of it: one `live` with its server and engine throughout, steered through all modes, and what that costs by the minute.

The memory of each process has one line through all minutes; the first round of the modes is left out, for each mode loads what
it needs. On JACK with real-time rights libjack locks all memory of its clients, so `live` shows more of it than it
uses. Below `JUDGED_MINUTES` the slope is told and not held against anybody.
"""

from __future__ import annotations

import subprocess
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

from daw_assist.bench import figures
from daw_assist.bench.case import Setup, perform
from daw_assist.bench.echo import EchoRig
from daw_assist.bench.liverig import LiveRig, RealServer, until
from daw_assist.bench.modes import BenchMode
from daw_assist.bench.processes import samples
from daw_assist.errors import DawAssistError

WARM_UP_MINUTES = 1.0
SAMPLE_S = 60.0
LEAK_MB_AN_HOUR = 5.0
JUDGED_MINUTES = 30.0
WATCHED = ("live", "server", "engine")


class Minutes:
    """One reading of every process about once a minute. Threads: one."""

    def __init__(self, every_s: float = SAMPLE_S) -> None:
        self.readings: list[dict[str, Any]] = []
        self._every_s = every_s
        self._began = self._last = time.monotonic()
        self._born: dict[int, float] = {}
        self._counted_s = 0.0

    def watch(self, pids: dict[str, int], live: LiveRig) -> None:
        """To be called about once a second."""
        now = time.monotonic()
        for pid in pids.values():
            self._born.setdefault(pid, now)
        if now - self._last < self._every_s:
            return
        self._last = now
        reading: dict[str, Any] = {"minute": round((now - self._began) / 60, 2), "processes": {}}
        for name, found in samples(pids).items():
            reading["processes"][name] = {
                "pid": pids[name], "age_min": round((now - self._born[pids[name]]) / 60, 2),
                "rss_mb": round(found.rss_mb, 2), "cpu_s": round(found.cpu_s, 2), "threads": found.threads,
                "descriptors": found.descriptors,
            }  # fmt: skip
        with suppress(DawAssistError):
            state = live.live_state()
            reading["late_dropped"], reading["counters"] = state.get("late_dropped"), state.get("counters")
        self.readings.append(reading)


def growth(readings: Sequence[dict[str, Any]], warm_up_min: Mapping[str, float]) -> dict[str, dict[str, Any]]:
    """Of each watched process from some age on: MB an hour; memory, threads and descriptors, first, last and most. Pure."""
    told: dict[str, dict[str, Any]] = {}
    for name in WATCHED:
        since = warm_up_min.get(name, WARM_UP_MINUTES)
        seen = [
            (reading["minute"], process)
            for reading in readings
            if (process := reading["processes"].get(name)) is not None and process["age_min"] >= since
        ]
        if not seen:
            continue
        per_minute = figures.slope([(str(process["pid"]), minute, process["rss_mb"]) for minute, process in seen])
        told[name] = {
            "mb_an_hour": None if per_minute is None else round(per_minute * 60, 2),
            "rss_first_mb": seen[0][1]["rss_mb"], "rss_last_mb": seen[-1][1]["rss_mb"],
            "rss_max_mb": max(process["rss_mb"] for _, process in seen),
            "threads_max": max(process["threads"] for _, process in seen),
            "descriptors_first": seen[0][1]["descriptors"], "descriptors_last": seen[-1][1]["descriptors"],
            "descriptors_max": max(process["descriptors"] for _, process in seen), "readings": len(seen),
        }  # fmt: skip
    return told


def leaks(grown: dict[str, dict[str, Any]]) -> list[str]:
    """The processes that grow by more than `LEAK_MB_AN_HOUR`, or leave files open."""
    return [
        name
        for name, found in grown.items()
        if (found["mb_an_hour"] or 0.0) > LEAK_MB_AN_HOUR or found["descriptors_last"] > found["descriptors_first"] + 8
    ]


def soak(
    setup: Setup,
    echo: EchoRig,
    modes: Sequence[BenchMode],
    tempi: Sequence[float],
    minutes: float,
    engine: Sequence[str],
    most_minutes: float,
    say: Callable[[dict[str, Any]], None],
) -> dict[str, Any]:
    """`cases`, one a segment, and what was read by the minute; `engine`: options for `daw-assist serve`.

    A mode lasts `most_minutes` at a time.
    """
    segment = min(most_minutes, minutes / len(modes))
    end, taken = time.monotonic() + minutes * 60, Minutes(min(SAMPLE_S, segment * 15))
    cases: list[dict[str, Any]] = []
    setup = replace(setup, watch=taken.watch)
    with tempfile.TemporaryDirectory(prefix="daw-") as name:
        folder = Path(name)
        with (
            RealServer(folder, *engine),
            LiveRig(setup.jack, folder, "daw-assist", *modes[0].options, *setup.options) as live,
        ):
            until(lambda: bool(live.live_state()), 10.0)
            while not cases or time.monotonic() + segment * 30 < end:
                number = len(cases)
                mode, bpm = modes[number % len(modes)], tempi[number // len(modes) % len(tempi)]
                try:
                    case = perform(setup, echo, folder, mode, bpm, segment, live)
                except (DawAssistError, subprocess.SubprocessError) as error:
                    case = {"mode": mode.name, "bpm": bpm, "failed": str(error).splitlines()[-1]}
                    case["verdict"] = figures.verdict(case)
                say(case)
                cases.append(case)
    # In a soak of less than three rounds the first one is too much of it to leave out.
    first = segment * len(modes) if minutes >= 3 * segment * len(modes) else segment / 2
    grown = growth(taken.readings, dict.fromkeys(WATCHED, first))
    found = leaks(grown)
    return {
        "soak_minutes": minutes, "cases": cases, "readings": taken.readings, "growth": grown, "leaks": found,
        "leak_free": not found if minutes >= JUDGED_MINUTES else None,
    }  # fmt: skip
