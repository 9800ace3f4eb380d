"""The loop of every process that is measured: a question a line on stdin, an answer a line on stdout, both JSON.

    {"ask": "calibrate", ...}       -> {"notes": 40, "new_tokens": 118, ...}      ours alone: how much work a job is
    {"ask": "a", "work": {...}}     -> {"seconds": 0.081, "notes": 40, "tokens": 118}
    {"ask": "b", "work": {...}, "count": 18} -> {"seconds": [0.004, ...]}

The first line out says what was loaded. The job is timed in here, so that the pipe is not. It needs the standard library
only, because it runs in the environment of each peer. What a library prints goes to stderr.
"""

from __future__ import annotations

import argparse
import importlib.metadata
import json
import os
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

Work = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Options:
    """What the driver says on the command line."""

    variant: str
    threads: int
    tune: Path
    """The tune of `tune.py`, which all play."""
    work: Path
    """The folder of the driver's `--work`."""


class Peer(Protocol):
    """One way to do the two jobs, loaded and warmed up."""

    @property
    def hello(self) -> dict[str, Any]:
        """`versions`, `weights`, `parameters`, `path` (how it is made fast), `work` (how its work was made equal)."""

    def calibrate(self, work: Work) -> Work:
        """How much a job is; {} if it is told."""

    def eight_bars(self, work: Work) -> dict[str, Any]:
        """Job A once, nothing remembered from before: `seconds`, `notes`, and `tokens` if it has any."""

    def next_notes(self, work: Work, count: int) -> list[float] | None:
        """Job B `count` times: seconds each; None: it has no such thing, and `hello` says so in `no_b`."""


def versions(*packages: str) -> dict[str, str]:
    """Of the packages that are installed here."""
    found = {}
    for name in packages:
        try:
            found[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            continue
    return found


def serve(make: Callable[[Options], Peer], arguments: list[str] | None = None) -> None:
    """Load, say hello, and answer until stdin ends."""
    parser = argparse.ArgumentParser(description="one process of the comparison; started by run.py")
    parser.add_argument("--variant", default="")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--tune", type=Path, required=True)
    parser.add_argument("--work", type=Path, required=True)
    args = parser.parse_args(arguments)
    line = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(2, 1)
    peer = make(Options(args.variant, args.threads, args.tune, args.work))

    def say(answer: dict[str, Any]) -> None:
        line.write(json.dumps(answer) + "\n")

    say(peer.hello)
    for question in sys.stdin:
        asked = json.loads(question)
        if asked["ask"] == "calibrate":
            say(peer.calibrate(asked["work"]))
        elif asked["ask"] == "a":
            say(peer.eight_bars(asked["work"]))
        else:
            say({"seconds": peer.next_notes(asked["work"], asked["count"])})


@dataclass(frozen=True, slots=True)
class Event:
    """A note as the peers are told of it: onset and duration in seconds, onset from the first bar line."""

    onset: float
    duration: float
    pitch: int
    velocity: int
    bar: int


def read_tune(path: Path) -> tuple[list[Event], dict[str, Any]]:
    """Its notes in time order, and the file itself (bars in ticks)."""
    tune = json.loads(path.read_text(encoding="utf-8"))
    tick = 60.0 / tune["bpm"] / tune["ticks_per_quarter"]
    found = [
        Event((index * tune["bar_ticks"] + onset) * tick, duration * tick, pitch, velocity, index)
        for index, bar in enumerate(tune["bars"])
        for onset, pitch, duration, velocity in bar
    ]
    return sorted(found, key=lambda e: (e.onset, e.pitch)), tune
