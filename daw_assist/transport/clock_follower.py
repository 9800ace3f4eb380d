"""Follow a DAW's MIDI clock (F8), Start, Continue, Stop and Song Position Pointer.

One pulse is one tick of our grid. The sender's rules (MIDI 1.0): the first pulse after Start is tick 0, the first after
Continue is the song position; a song position is in 16ths (6 pulses) and 14 bits wide. Not in the protocol, and not
seen here: metre, bar, a loop jump without a song position, and the loss of the very first pulse after Start.
"""

from __future__ import annotations

from math import isfinite

from daw_assist.clock import NS_PER_MS, NS_PER_SECOND, HostNs
from daw_assist.music.metre import Metre
from daw_assist.transport.internal import BIG_TEMPO_CHANGE
from daw_assist.transport.position import NS_PER_MINUTE, ns_per_tick
from daw_assist.transport.pulse_line import PulseLine
from daw_assist.transport.source import Quality

CLOCK, START, CONTINUE, STOP, SONG_POSITION = 0xF8, 0xFA, 0xFB, 0xFC, 0xF2
SILENCE_NS = 250 * NS_PER_MS
"""No pulse for so long means stopped (also Ardour's rule); slower than 10 BPM cannot be followed."""
RESUME_NS = 2 * NS_PER_SECOND
"""A stream of pulses that breaks off without Stop and is back after at most this went on unheard meanwhile."""
HALF_A_16TH = 3.0
SURE_SIGMAS = 4.0


class ClockFollower:
    """A `Source` led by MIDI clock. Threads: one (the music thread feeds, polls and reads).

    `hint_bpm`: tempo assumed until pulses say otherwise. `spp_unit`: pulses a song position counts; 6, but Ardour up
    to 7.3 sends single pulses (1). `lossless`: see `PulseLine`. `reason` says in words why it stands or runs.
    """

    name = "midi clock"
    metre: Metre | None = None

    def __init__(self, hint_bpm: float = 120.0, spp_unit: int = 6, lossless: bool = False) -> None:
        self._line = PulseLine(ns_per_tick(hint_bpm), lossless)
        self._spp_unit = spp_unit
        self._wrap = 16384 * spp_unit
        self._offset = 0  # tick of the song minus number of the pulse
        self._entry = 0.0  # where this run or jump came in: the position never reads below it
        self._stood_at: tuple[float, HostNs] = (0.0, HostNs(0))
        self._resume = 0  # tick of the first pulse after Continue
        self._last_pulse: HostNs | None = None
        self._armed = False
        self._timed_out = False
        self._planned_interval = self._line.interval
        self._counts = dict.fromkeys(
            ("pulses", "starts", "stops", "timeouts", "resumed", "jumps", "reanchored", "redundant", "ignored"), 0
        )
        self._counts["resyncs"] = 0
        self.running = False
        self.epoch = 0
        self.reason = "no clock yet"

    @property
    def bpm(self) -> float:
        return NS_PER_MINUTE / (self._line.interval * 24)

    def counters(self) -> dict[str, int]:
        line = self._line
        return {
            **self._counts,
            "inserted": line.inserted,
            "stalls": line.stalls,
            "tempo_changes": line.tempo_changes,
        }

    def quality(self) -> Quality:
        line = self._line
        known: Quality = {"jitter_ms": round(line.jitter / NS_PER_MS, 3), "lost_pulses": line.inserted}
        if isfinite(line.uncertainty):
            known["tempo_doubt_bpm"] = round(self.bpm * line.uncertainty / line.interval, 3)
        return known

    def tick_at(self, now: HostNs) -> float:
        if not self.running:
            return self._stood_at[0]
        return max(self._entry, self._offset + self._line.number_at(now))

    def host_at(self, tick: float) -> HostNs:
        if not self.running:
            stood, since = self._stood_at
            return HostNs(since + round((tick - stood) * self._line.interval))
        return HostNs(round(self._line.time_of(tick - self._offset)))

    def set_metre(self, metre: Metre) -> None:
        """The position does not hang on it."""

    def feed(self, message: bytes, at: HostNs) -> None:
        """Take one whole MIDI message that came at `at`; what is not about the clock is ignored."""
        status = message[0] if message else 0
        if status == CLOCK:
            self._pulse(at)
        elif status == START:
            self._arm(0, "started", at)
        elif status == CONTINUE:
            self._continue(at)
        elif status == STOP:
            self._stop(at, "stopped by the DAW", "stops")
            self._armed = False
        elif status == SONG_POSITION and len(message) == 3:
            self._locate((message[1] & 0x7F | (message[2] & 0x7F) << 7) * self._spp_unit, at)
        else:
            self._counts["ignored"] += 1

    def poll(self, now: HostNs) -> None:
        """Notice that the pulses have stopped; to be called at least every 100 ms."""
        if self.running and self._last_pulse is not None and now - self._last_pulse > SILENCE_NS:
            self._stop(self._last_pulse, f"no clock for {SILENCE_NS // NS_PER_MS} ms", "timeouts")
            self._timed_out = True

    def resync(self, now: HostNs) -> None:
        """A song that ran goes on with the next pulse, as one that was stopped and continued: pulses are ticks.

        If the DAW went on while only we stood still, its next song position puts that right.
        """
        waits = self.running or self._armed or self._timed_out
        if self.running:
            self._stop(now if self._last_pulse is None else self._last_pulse, "slept", "resyncs")
        else:
            self._counts["resyncs"] += 1
            self.epoch += 1
        self._line.restart()
        self._last_pulse = None
        if waits:
            self._stand(self._resume, now)
            self._armed = True
            self.reason = "slept, waits for the next pulse"

    def close(self) -> None:
        self.running = self._armed = self._timed_out = False
        self.reason = "closed"

    def _pulse(self, at: HostNs) -> None:
        self.poll(at)
        self._counts["pulses"] += 1
        silence = None if self._last_pulse is None else at - self._last_pulse
        self._last_pulse = at
        if self._timed_out and not self._armed and silence is not None:
            self._resume_after(silence)
        elif self._armed or silence is None or silence > SILENCE_NS:
            self._line.restart()
        self._line.pulse(at)
        if self._armed:
            self._run()
        elif self.running:
            self._check_tempo()

    def _run(self) -> None:
        self._armed = False
        self._offset = self._resume - self._line.last
        self._entry = float(self._resume)
        self._planned_interval = self._line.interval
        self._timed_out = False
        self.running = True
        self.epoch += 1
        self.reason = "follows the clock"
        self._counts["starts"] += 1

    def _resume_after(self, silence: int) -> None:
        self._timed_out = False
        if silence > RESUME_NS:
            self._line.restart()
            return
        self._line.skip(max(0, round(silence / self._line.interval) - 1))
        self._entry = float(self._offset + self._line.last + 1)
        self.running = True
        self.epoch += 1
        self.reason = "the clock is back"
        self._counts["resumed"] += 1

    def _check_tempo(self) -> None:
        interval, planned = self._line.interval, self._planned_interval
        off, sigma = abs(interval - planned), self._line.uncertainty
        if off > BIG_TEMPO_CHANGE * planned and off > SURE_SIGMAS * sigma and sigma < BIG_TEMPO_CHANGE / 3 * interval:
            self._planned_interval = interval
            self.epoch += 1

    def _continue(self, at: HostNs) -> None:
        if self.running or self._armed:
            self._counts["redundant"] += 1
        else:
            self._arm(self._resume, "continued", at)

    def _arm(self, tick: int, reason: str, at: HostNs) -> None:
        """Wait for the pulse that is `tick`."""
        if self.running:
            self._stop(at, "started anew", "redundant")
        self._stand(tick, at)
        self._armed = True
        self.reason = f"{reason}, waits for the first pulse"

    def _stop(self, at: HostNs, reason: str, counter: str) -> None:
        if not self.running:
            return
        self._line.settle()
        newest = self._offset + self._line.last
        self._stood_at = (min(max(self.tick_at(at), newest), newest + 1), at)
        self._resume = newest + 1
        self.running = False
        self.epoch += 1
        self.reason = reason
        self._counts[counter] += 1

    def _stand(self, tick: int, at: HostNs) -> None:
        self._resume = tick
        self._stood_at = (float(tick), at)
        self._timed_out = False

    def _locate(self, tick: int, at: HostNs) -> None:
        """A song position: of the next pulse. Where it repeats what we know (less whole wraps of 14 bits), no jump."""
        here = self.tick_at(at)
        wraps = round((here - tick) / self._wrap)
        told = tick + max(0, wraps) * self._wrap
        known = abs(here - told) <= HALF_A_16TH
        self._counts["reanchored" if known else "jumps"] += 1
        if not known:
            self.epoch += 1
            told = tick
        if not self.running:
            self._stand(told, at)
            return
        self._line.settle()
        newest = self._offset + self._line.last
        # Some senders tell the position before its pulse, some right after it: both say what we have.
        if not known or told not in (newest, newest + 1):
            self._offset = told - self._line.last - 1
            self._entry = float(told)
