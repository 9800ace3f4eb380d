"""A DAW made of nothing but a JACK client: it sends MIDI clock and a tune sample-exactly, and stamps what comes back.

Everything is in frames of the JACK server: a pulse lies at its own frame inside the period, as a real DAW writes it, and a
message that comes in has the frame at which its sender put it. So an offset between the two needs no clock of this
process, and no pacing by a thread of it. What the figures include is what lies between: our own input (RtMidi stamps by
period), the threads behind it, and our output (RtMidi sends at the start of the next period).

JACK calls the client on a real-time thread, which needs its interpreter: beside a test that collects garbage or waits for
its turn the whole server would stall. Hence `JackDaw` puts the client (`jackclient.py`) into a process of its own, composes
what it is to send on this side, and exchanges with it a few hundred messages at a time.
"""

from __future__ import annotations

import multiprocessing
import time
from collections.abc import Iterable
from dataclasses import dataclass
from multiprocessing.managers import BaseManager
from typing import Any

from daw_assist.bench.jackclient import JackClient, Timed, prepare

__all__ = ["CLOCK", "PULSES_A_QUARTER", "START", "STOP", "JackDaw", "Note", "Run", "Timed"]

PULSES_A_QUARTER = 24
CLOCK, START, STOP = b"\xf8", b"\xfa", b"\xfc"
CHUNK = 400
"""Messages that cross at once: a quarter of a millisecond of the client's interpreter."""


@dataclass(frozen=True, slots=True)
class Note:
    """A note of the tune; ticks (24 a quarter) from the start of the song."""

    onset: int
    length: int
    pitch: int


@dataclass(frozen=True, slots=True)
class Run:
    """One run of the song: its first frame, and frames a tick."""

    start: int
    interval: float

    def frame(self, tick: float) -> float:
        """The frame of a tick: for a whole one, that of its pulse before rounding down to a sample."""
        return self.start + tick * self.interval


class JackDaw:
    """The client in its process. Threads: one. `close` ends it."""

    def __init__(self, name: str = "daw") -> None:
        self._manager = _Manager(ctx=multiprocessing.get_context("spawn"))
        self._manager.start(prepare)
        try:
            self._client = self._manager.Client(name)  # type: ignore[attr-defined]
        except BaseException:
            self._manager.shutdown()
            raise
        self._heard: list[Timed] = []
        figures = self.figures()
        self.rate: int = figures["rate"]
        self.pid: int = figures["pid"]

    @property
    def heard(self) -> list[Timed]:
        """What came in so far, less what was taken with `take`."""
        self._heard += self._fetch()
        return list(self._heard)

    def take(self) -> list[Timed]:
        """What came in since the last look, and is forgotten here: for long runs."""
        taken, self._heard = self._heard + self._fetch(), []
        return taken

    def figures(self) -> dict[str, Any]:
        """`rate`, `pid`, `xruns`, `periods`, `written`, `written_late`; lists `xrun_frames`, `cycle_late`. See `JackClient`."""
        found: dict[str, Any] = self._client.figures()
        return found

    @property
    def xruns(self) -> int:
        """Of the server, since this client came."""
        return int(self.figures()["xruns"])

    @property
    def written_late(self) -> int:
        """Messages whose frame had passed when their period came (after an xrun)."""
        return int(self.figures()["written_late"])

    def now(self) -> int:
        """The present frame."""
        return int(self._client.now())

    def connect(self, sink: str, source: str) -> None:
        """Our out to `sink`, and `source` to our in; may be done for several."""
        self._client.connect(sink, source)

    def play(self, bpm: float, ticks: int, tune: Iterable[Note], channel: int = 0, lead_s: float = 0.1) -> Run:
        """Send Start, then `ticks` pulses and the tune; what was still to be sent is forgotten."""
        run = Run(self.now() + int(lead_s * self.rate), self.rate * 60 / (bpm * PULSES_A_QUARTER))
        score = composed(run, ticks, tune, channel)
        score.append((run.start - self.rate // 200, 0, START))
        score.sort()
        self._client.forget()
        for first in range(0, len(score), CHUNK):
            self._client.extend([(frame, message) for frame, _, message in score[first : first + CHUNK]])
        return run

    def at(self, frame: float, message: bytes) -> None:
        """Send one message more at a frame of what `play` has planned."""
        self._client.at(int(frame), message)

    def send(self, message: bytes) -> int:
        """Send in the next period; about when, as a frame."""
        return int(self._client.send(message))

    def fall_silent(self) -> int:
        """No clock any more, and nothing else; no Stop either. The frame from which on that is so."""
        return int(self._client.forget())

    def wait_until(self, frame: float) -> None:
        """Sleep until the server is there; at most 120 s."""
        end = time.monotonic() + 120.0
        while (left := (frame - self.now()) / self.rate) > 0 and time.monotonic() < end:
            time.sleep(min(left, 0.2))

    def close(self) -> None:
        """Leave the server and end the process."""
        self._client.close()
        self._manager.shutdown()

    def _fetch(self) -> list[Timed]:
        found: list[Timed] = []
        while chunk := self._client.take_heard(CHUNK):
            found += chunk
            if len(chunk) < CHUNK:
                break
        return found


def composed(run: Run, ticks: int, tune: Iterable[Note], channel: int) -> list[tuple[int, int, bytes]]:
    """(frame, order within it, message) of all pulses and notes."""
    score = [(int(run.frame(tick)), 1, CLOCK) for tick in range(ticks)]
    for note in tune:
        score.append((int(run.frame(note.onset)), 2, bytes((0x90 | channel, note.pitch, 80))))
        # A player lets go a little before the next note; at the same tick the off would be a coin toss.
        score.append((int(run.frame(note.onset + note.length - 0.5)), 0, bytes((0x80 | channel, note.pitch, 0))))
    return score


class _Manager(BaseManager):
    """Serves one client to the process that started it."""


_Manager.register("Client", JackClient)
