"""Notochord: a recurrent network over single MIDI events; note-ons and note-offs are events of their own.

As its apps run it: `feed` for each event that happens, `query` for the next. The cheapest queries it has: the instrument is
fixed, and for a note-off the note is too, so that only its time is sampled. Polyphony follows ours: as many notes are held
as the prompt holds in the mean. One `feed` and one `query` are job B: neither the note-off of what came in nor that of
what comes out is counted. Its checkpoint lies where this cannot always be fetched, so its default size has random weights.
"""

from __future__ import annotations

import sys
import time
from pathlib import Path
from typing import Any

import torch
from notochord import Notochord

sys.path.append(str(Path(__file__).resolve().parents[4]))

from scripts.bench.peers.worker import Event, Options, Work, read_tune, serve, versions

PIANO = 1


class Recurrent:
    """Both jobs over one network."""

    def __init__(self, options: Options) -> None:
        torch.set_num_threads(options.threads)
        torch.manual_seed(0)
        self._net = Notochord().eval()
        notes, tune = read_tune(options.tune)
        self._prompt = _events([note for note in notes if note.bar < tune["prompt_bars"]])
        self._ninth = [note for note in notes if note.bar == tune["prompt_bars"]]
        length = tune["prompt_bars"] * tune["bar_ticks"] * 60.0 / tune["bpm"] / tune["ticks_per_quarter"]
        held = sum(note.duration for note in notes if note.bar < tune["prompt_bars"]) / length
        self._polyphony = max(1, round(held))
        self._run(8)
        self.hello: dict[str, Any] = {
            "versions": versions("notochord", "torch"),
            "weights": "random, its default size",
            "parameters": sum(p.numel() for p in self._net.parameters()),
            "path": "feed and query, event by event, as its apps do; cheapest constraints",
            "work": f"as many notes as ours, each a note-on and a note-off; {self._polyphony} held at a time",
        }

    def _read(self) -> None:
        self._net.reset()
        for pitch, wait, velocity in self._prompt:
            self._net.feed(PIANO, pitch, wait, velocity)

    def _run(self, notes: int) -> dict[str, Any]:
        net, held, started = self._net, list[int](), 0
        start = time.perf_counter()
        self._read()
        while started < notes or held:
            if started < notes and len(held) < self._polyphony:
                made = net.query(include_inst={PIANO}, exclude_pitch=set(held) or None, min_vel=1)
                held.append(made["pitch"])
                started += 1
            else:
                made = net.query(next_inst=PIANO, next_pitch=held.pop(0), next_vel=0)
            net.feed(made["inst"], made["pitch"], made["time"], made["vel"])
        return {"seconds": time.perf_counter() - start, "notes": started, "tokens": 2 * started}

    def calibrate(self, work: Work) -> Work:
        return {}

    def eight_bars(self, work: Work) -> dict[str, Any]:
        return self._run(work["notes"])

    def next_notes(self, work: Work, count: int) -> list[float]:
        self._read()
        state, spent = self._net.get_state(), []
        for index in range(count):
            note = self._ninth[index % len(self._ninth)]
            self._net.reset(state=state)
            start = time.perf_counter()
            self._net.feed(PIANO, note.pitch, 0.2, note.velocity)
            self._net.query(include_inst={PIANO}, min_vel=1)
            spent.append(time.perf_counter() - start)
        return spent


def _events(notes: list[Event]) -> list[tuple[int, float, int]]:
    """Pitch, seconds since the event before, velocity (0: the note ends), in time order."""
    moments = [(note.onset, 1, note.pitch, note.velocity) for note in notes]
    moments += [(note.onset + note.duration, 0, note.pitch, 0) for note in notes]
    found, last = [], 0.0
    for at, _, pitch, velocity in sorted(moments):
        found.append((pitch, at - last, velocity))
        last = at
    return found


if __name__ == "__main__":
    serve(Recurrent)
