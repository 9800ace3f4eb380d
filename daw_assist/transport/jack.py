"""Follow JACK's transport: Ardour and whoever else rolls with it.

The position is asked for from the music thread; nothing of ours runs on JACK's real-time thread. A client that is not
activated may ask (jackd 1 and 2). Times: JACK stamps its periods with a clock of its own (CLOCK_MONOTONIC_RAW in
jackd2: 0.25 s off the monotonic clock after 15 minutes here, and drifting), so stamps are not used. The server is asked
at which frame the song is *now*, and our clock is read before and after.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass, replace
from math import isfinite, log
from typing import Literal, Protocol

from daw_assist.clock import NS_PER_MS, NS_PER_SECOND, HostNs
from daw_assist.errors import PortError
from daw_assist.mailbox import Latest
from daw_assist.music.metre import Metre
from daw_assist.music.time import TICKS_PER_QUARTER
from daw_assist.transport.anchored import Anchored
from daw_assist.transport.position import NS_PER_MINUTE
from daw_assist.transport.source import Quality

RETRY_NS = NS_PER_SECOND
DEAD_NS = 500 * NS_PER_MS
"""No new period for so long: the server is gone (libjack goes on answering what it last knew)."""
STARTING_NS = 100 * NS_PER_MS
"""A jump of a rolling transport passes through "starting" for a period or two; longer, it waits for a slow client."""
PROBATION_S = 0.25
"""How long the position is watched until it says which note the told tempo counts."""
CUT_S = 0.05
"""Frames beside the host's time by so much were jumped over: the watch begins anew."""
LARGEST_BPM = 2000.0


class NotInstalledError(PortError):
    """There is no JACK on this machine, or no JACK-Client in this Python: another try is of no use."""


State = Literal["stopped", "starting", "rolling"]


@dataclass(frozen=True, slots=True)
class Bbt:
    """Bar, beat (both from 1) and tick at the beginning of a period, as the timebase master tells them.

    `bpm` counts beats of `beat_type` by the letter, but some masters mean quarters. `offset_frames`: by how much the
    period's beginning is later than this place.
    """

    bar: int
    beat: int
    tick: float
    ticks_per_beat: float
    beats_per_bar: float
    beat_type: float
    bpm: float
    offset_frames: int = 0

    @property
    def is_sane(self) -> bool:
        """Whether it can be meant: while JACK locates, masters are asked with half-filled values."""
        sizes = (self.ticks_per_beat, self.beats_per_bar, self.beat_type, self.bpm)
        return all(isfinite(size) and size > 0 for size in sizes) and self.bpm <= LARGEST_BPM

    @property
    def ticks(self) -> float:
        """Our ticks from the song's beginning, had all bars the present metre."""
        beats = (self.bar - 1) * self.beats_per_bar + self.beat - 1 + self.tick / self.ticks_per_beat
        return beats * 4 * TICKS_PER_QUARTER / self.beat_type

    @property
    def metre(self) -> Metre | None:
        """None for one beyond the grid."""
        if self.beats_per_bar % 1 or self.beat_type % 1:
            return None
        metre = Metre(int(self.beats_per_bar), int(self.beat_type))
        return metre if metre.is_supported else None


@dataclass(frozen=True, slots=True)
class Snapshot:
    """The transport: `frame` (and `bbt`) at the beginning of the running period, `frame_now` at host time `at`.

    `width_ns` is how far `at` is uncertain. `stamp` is the server's own time of the period: it only shows life.
    """

    state: State
    frame: int
    frame_now: int
    rate_hz: int
    stamp: int
    at: HostNs
    width_ns: int = 0
    bbt: Bbt | None = None


class JackClient(Protocol):
    """What we need of a JACK client (`jack_client.open_jack`). Threads: one asks; another may open and close it."""

    def query(self) -> Snapshot:
        """The transport as it is now; a few microseconds, never waits."""

    def close(self) -> None:
        """Leave the server; up to a second if that has died."""


def in_thread(job: Callable[[], None]) -> None:
    """Run `job` beside the caller."""
    threading.Thread(target=job, name="transport", daemon=True).start()


class JackTransport(Anchored):
    """A `Source` led by JACK's transport. Threads: one, and a short one for each try to reach a server.

    `open_client` may wait and raises `PortError` (`NotInstalledError` ends the tries); `run` calls it at the first
    `poll`, and once a second while there is no server. Without a timebase master, frames are counted at `hint_bpm` from
    frame 0. A bar grid of the told `metre` from tick 0 gives the DAW's bar number; for that, a change of metre moves us.
    """

    name = "jack"

    def __init__(
        self,
        open_client: Callable[[], JackClient],
        hint_bpm: float = 120.0,
        run: Callable[[Callable[[], None]], None] = in_thread,
    ) -> None:
        super().__init__(hint_bpm)
        self._counts |= dict.fromkeys(("metre_changes", "invalid", "connects", "lost_servers"), 0)
        self._hint_bpm = hint_bpm
        self._open, self._run = open_client, run
        self._opened: Latest[JackClient | PortError] = Latest()
        self._client: JackClient | None = None
        self._dead: JackClient | None = None
        self._tried: HostNs | None = None
        self._trying = self._closed = self._hopeless = False
        self._stamp, self._alive = -1, HostNs(0)
        self._starting: HostNs | None = None
        self._rate_hz = 0
        self._bbt: Bbt | None = None
        self._watched: tuple[float, int] = (0.0, 0)  # ticks and frame since which tempo and metre hold
        self._last: tuple[int, HostNs] = (0, HostNs(0))  # frame and host time of the last reading
        self._per_beat: float | None = None  # quarters that the told tempo counts, once known
        self.reason = "no JACK server yet"
        self.metre: Metre | None = None

    def connect(self, now: HostNs) -> None:
        """Reach a server at once, waiting; to be called before the first `poll`. `PortError` if there is none."""
        if self._client is None:
            self._tried = now
            self._accept(self._open(), now)

    def set_metre(self, metre: Metre) -> None:
        """The position does not hang on it."""

    def feed(self, message: bytes, at: HostNs) -> None:
        """MIDI does not lead here."""

    def poll(self, now: HostNs) -> None:
        if self._client is None:
            self._reach(now)
        if self._client is None:
            return
        snapshot = self._client.query()
        if snapshot.stamp != self._stamp:
            self._stamp, self._alive = snapshot.stamp, now
            self._read(snapshot, now)
        elif now - self._alive > DEAD_NS:
            self._lose(now)
        else:
            self._read(snapshot, now)

    def quality(self) -> Quality:
        known: Quality = {"connected": self._client is not None, "timebase": self._bbt is not None}
        if self._rate_hz:
            known |= {"rate_hz": self._rate_hz, "off_ms": round(self._off_ms, 3)}
        if self._bbt is not None:
            known["told_metre"] = f"{self._bbt.beats_per_bar:g}/{self._bbt.beat_type:g}"
        return known

    def resync(self, now: HostNs) -> None:
        self._forget()
        self._alive = now
        self._starting = None
        self.reason = "asks anew where the transport is"

    def close(self) -> None:
        """Leave the server. Waits for a moment if the server has just died."""
        self._closed = True
        dead = None if self._trying else self._dead  # else the try closes it
        for client in (self._client, dead, self._opened.take()):
            if client is not None and not isinstance(client, PortError):
                client.close()
        self._client = None
        self.running = False
        self.reason = "closed"

    def _reach(self, now: HostNs) -> None:
        """Take what a try has brought; begin another if it is time."""
        brought = self._opened.take()
        if brought is not None:
            self._trying = False
            if not isinstance(brought, PortError):
                self._accept(brought, now)
                return
            self._hopeless = isinstance(brought, NotInstalledError)
            if not self._counts["lost_servers"]:
                self.reason = str(brought)
        due = self._tried is None or now - self._tried >= RETRY_NS
        if due and not (self._trying or self._closed or self._hopeless):
            self._trying, self._tried = True, now
            self._run(self._try)

    def _try(self) -> None:
        """On the thread of the try. A dead client goes first: opening before that makes libjack crash on its close."""
        if self._dead is not None:
            self._dead.close()
            self._dead = None
        try:
            client = self._open()
        except PortError as reason:
            self._opened.put(reason)
            return
        self._opened.put(client)
        if self._closed and self._opened.take() is not None:
            client.close()

    def _accept(self, client: JackClient, now: HostNs) -> None:
        self._client = client
        self._stamp, self._alive = -1, now
        self._counts["connects"] += 1
        self.reason = "the JACK transport stands"

    def _lose(self, now: HostNs) -> None:
        self._stand(self.tick_at(self._alive), self._alive)
        self._dead, self._client = self._client, None
        self._tried = now
        self._bbt = None
        self._counts["lost_servers"] += 1
        self.reason = "the JACK server is gone: waits for it to be back"

    def _read(self, snapshot: Snapshot, now: HostNs) -> None:
        if snapshot.state == "starting":
            self._starting = now if self._starting is None else self._starting
            if self.running and now - self._starting > STARTING_NS:
                self._stand(self.tick_at(self._starting), self._starting)
                self.reason = "JACK waits for a slow client"
            return
        self._starting = None
        self._rate_hz = snapshot.rate_hz
        tick, bpm = self._place_of(snapshot)
        if snapshot.state == "stopped":
            self._stand(tick, snapshot.at, bpm)
            self.reason = "the JACK transport stands"
        elif self.running:
            self._follow(tick, snapshot.at, bpm, snapshot.width_ns)
            since, then = self._last
            went = (snapshot.at - then) * snapshot.rate_hz / NS_PER_SECOND
            if abs(snapshot.frame_now - since - went) > CUT_S * snapshot.rate_hz:
                self._watch(snapshot)
        else:
            self._begin(tick, snapshot.at, bpm)
            self._watch(snapshot)
            self.reason = "follows the JACK transport"
        self._last = (snapshot.frame_now, snapshot.at)

    def _place_of(self, snapshot: Snapshot) -> tuple[float, float]:
        """Tick at `snapshot.at`, and the tempo in quarters."""
        if snapshot.bbt is not None and not snapshot.bbt.is_sane:
            self._counts["invalid"] += 1
            snapshot = replace(snapshot, bbt=None)
        bbt = snapshot.bbt
        self._compare(bbt, snapshot)
        if bbt is None:
            self._bbt = None
            return self._ticks_of(snapshot.frame_now, self._hint_bpm), self._hint_bpm
        self._bbt = bbt
        bpm = bbt.bpm * (self._per_beat or 4 / bbt.beat_type)
        since = snapshot.frame_now - snapshot.frame + bbt.offset_frames
        return bbt.ticks + self._ticks_of(since, bpm), bpm

    def _ticks_of(self, frames: int, bpm: float) -> float:
        return frames / self._rate_hz * bpm * TICKS_PER_QUARTER * NS_PER_SECOND / NS_PER_MINUTE

    def _compare(self, bbt: Bbt | None, snapshot: Snapshot) -> None:
        """Notice another metre or tempo; after a second of the same ones, find which note the tempo counts."""
        old = self._bbt
        metre = bbt.metre if bbt is not None else None
        if metre != self.metre:
            if old is not None and bbt is not None:
                self._counts["metre_changes"] += 1
            self.metre, self._per_beat = metre, None
            self.epoch += 1
        if bbt is None or old is None or (bbt.bpm, bbt.beat_type) != (old.bpm, old.beat_type):
            self._watch(snapshot)
            return
        frames = snapshot.frame - self._watched[1]
        if self._per_beat is None and self.running and frames > PROBATION_S * snapshot.rate_hz:
            quarters = (bbt.ticks - self._watched[0]) / TICKS_PER_QUARTER
            counted = quarters * snapshot.rate_hz * 60 / frames / bbt.bpm
            candidates = (4 / bbt.beat_type, 1.0)
            self._per_beat = min(candidates, key=lambda note: abs(log(max(counted, 1e-6) / note)))

    def _watch(self, snapshot: Snapshot) -> None:
        bbt = snapshot.bbt
        self._watched = (bbt.ticks if bbt is not None and bbt.is_sane else 0.0, snapshot.frame)
