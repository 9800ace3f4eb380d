"""A real DAW beside a test: Ardour without a screen (`ardour7-lua -i`, a prompt for Lua) on a private JACK server.

It has one MIDI track, sends MIDI clock, rolls from bar 1 and records; after `stop` the recorded notes are read back from
the file that Ardour itself wrote into its session.

Known of Ardour 7.3 (Debian 12):

- With the system's libjack 1.9.21 it loses JACK in one start of seven (two requests mix on one socket). The libjack of the
  python-rtmidi wheel does not do that, hence LD_LIBRARY_PATH; without it two more starts are tried.
- Song position is in clocks, not 16ths: `daw-assist live --spp-unit 1`.
- At periods under 256 frames it falls behind on a dummy server.
"""

from __future__ import annotations

import ctypes
import importlib.util
import os
import queue
import shutil
import signal
import subprocess
import threading
import time
from bisect import bisect_right
from collections import defaultdict
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from types import TracebackType
from typing import Self

import mido

from tests.jackdaw import CLOCK, PULSES_A_QUARTER, START, Timed
from tests.jackrig import PR_SET_PDEATHSIG, RATE_HZ, JackRig

BINARY = "ardour7-lua"
_USER = "ARDOUR.TransportRequestSource.TRS_UI"
_TRACK = 'Session:route_by_name("Rec"):to_track()'
_NEW_TRACK = (
    "m = ARDOUR.ChanCount(ARDOUR.DataType('midi'), 1) "
    "Session:new_midi_track(m, m, true, ARDOUR.PluginInfo(), nil, nil, 1, 'Rec', "
    "ARDOUR.PresentationInfo.max_order, ARDOUR.TrackMode.Normal, true)"
)


class ArdourError(Exception):
    """It ended, did not answer, or has no JACK; the text has its last words."""


def why_no_ardour() -> str | None:
    """A reason to skip, if it is not installed."""
    if shutil.which(BINARY) is None:
        return f"{BINARY} is not installed (Debian: apt-get install --no-install-recommends ardour)"
    return None


@dataclass(frozen=True, slots=True)
class Recorded:
    """A note of the track; ticks (24 a quarter) from Ardour's bar 1."""

    onset: float
    length: float | None
    """None: nothing ends it."""
    channel: int
    pitch: int


class Ardour:
    """One session in `folder`, which is Ardour's home as well. On exit the process is gone. Threads: one."""

    track_in = "ardour:Rec/midi_in 1"
    clock_out = "ardour:MIDI Clock out"

    def __init__(self, jack: JackRig, folder: Path, bpm: float = 120.0) -> None:
        self._jack, self._home, self._bpm = jack, folder, bpm
        self._process: subprocess.Popen[str] | None = None
        self._lines: queue.Queue[str | None] = queue.Queue()
        self._said: list[str] = []
        self._numbers = count()

    def __enter__(self) -> Self:
        for left in (2, 1, 0):
            try:
                return self._begin()
            except ArdourError:
                self.__exit__(None, None, None)
                if not left:
                    raise
        raise AssertionError

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        process, self._process = self._process, None
        if process is None:
            return
        assert process.stdin is not None
        with suppress(OSError, subprocess.TimeoutExpired):
            process.stdin.write("close_session()\nquit()\n")
            process.stdin.flush()
            process.wait(15.0)
        if process.poll() is None:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()
        with suppress(OSError):
            process.stdin.close()
        self._reader.join(5.0)
        assert process.stdout is not None
        process.stdout.close()

    def lua(self, code: str, timeout_s: float = 20.0) -> list[str]:
        """Run one line at the prompt; what it printed."""
        assert self._process is not None and self._process.stdin is not None
        mark = f"@@{next(self._numbers)}@@"
        try:
            self._process.stdin.write(f'{code}\nprint("{mark}")\n')
            self._process.stdin.flush()
        except OSError as error:
            raise self._failure("ended") from error
        printed: list[str] = []
        end = time.monotonic() + timeout_s
        while True:
            try:
                line = self._lines.get(timeout=max(0.01, end - time.monotonic()))
            except queue.Empty:
                raise self._failure(f"did not answer {code!r}") from None
            if line is None:
                raise self._failure("ended")
            self._said.append(line)
            if line.strip() == mark:
                return printed
            if not line.startswith("> "):  # the prompt's echo
                printed.append(line)

    def record(self) -> None:
        """Arm the track and the session, and roll from bar 1; returns once it rolls."""
        self.lua(f"{_TRACK}:rec_enable_control():set_value(1, PBD.GroupControlDisposition.NoGroup)")
        self.lua("Session:maybe_enable_record(false)")
        self.lua(f"Session:request_roll({_USER})")
        self._wait_until("Session:transport_rolling() and Session:actively_recording()")

    def roll_from(self, bar: int) -> None:
        """Roll from a bar of 4/4, counted from 0, without recording; it says so by song position and Continue."""
        sample = round(bar * 4 * 60 / self._bpm * RATE_HZ)
        self.lua(f"Session:request_locate({sample}, false, ARDOUR.LocateTransportDisposition.MustStop, {_USER})")
        self._wait_until(f"Session:transport_sample() == {sample}")
        self.lua(f"Session:request_roll({_USER})")

    def bar(self) -> int:
        """The bar of 4/4 in which it is, counted from 0."""
        return int(self.lua("print(Session:transport_sample())")[-1]) // round(4 * 60 / self._bpm * RATE_HZ)

    def stop(self) -> None:
        """Stop, and wait until what was recorded is a region of the track; then save the session."""
        self.lua(f"Session:request_stop(false, false, {_USER})")
        self._wait_until("not Session:transport_rolling()")
        with suppress(ArdourError):  # nothing was recorded
            self._wait_until(f"not {_TRACK}:playlist():region_list():empty()", 3.0)
        self.lua('Session:save_state("")')

    def recorded(self) -> list[Recorded]:
        """The notes of the track in order of time, once it is stopped; the position of the region counts."""
        regions = self.lua(
            f"for r in {_TRACK}:playlist():region_list():iter() do "
            f"print('region', r:position():samples(), r:source(0):name()) end"
        )
        found = [line.split(maxsplit=2)[1:] for line in regions if line.startswith("region")]
        per_tick = RATE_HZ * 60 / (self._bpm * PULSES_A_QUARTER)
        notes = [
            note
            for position, name in found
            for note in _notes_of(self._home / "session/interchange/session/midifiles" / name, int(position) / per_tick)
        ]
        return sorted(notes, key=lambda note: (note.onset, note.channel, note.pitch))

    def _begin(self) -> Self:
        shutil.rmtree(self._home / "session", ignore_errors=True)
        self._home.mkdir(parents=True, exist_ok=True)
        self._lines, self._said = queue.Queue(), []
        self._process = subprocess.Popen(
            [BINARY, "-i"],
            env=self._environment(),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            bufsize=1,
            start_new_session=True,
            preexec_fn=_end_with_parent,
        )
        self._reader = threading.Thread(target=_read, args=(self._process, self._lines), daemon=True)
        self._reader.start()
        self.lua('b = AudioEngine:set_backend("JACK", "ardour", "")')
        self.lua(f'create_session("{self._home / "session"}", "session", {RATE_HZ})', 40.0)
        if self.lua("print(AudioEngine:running())")[-1:] != ["true"]:
            raise self._failure("lost JACK")
        self.lua(_NEW_TRACK)
        self.lua(
            f"tm = Temporal.TempoMap.fetch_writable() "
            f"tm:set_tempo(Temporal.Tempo({self._bpm}, {self._bpm}, 4), Temporal.timepos_t(0)) "
            f"Temporal.TempoMap.update(tm) tm = nil"
        )
        self.lua("ARDOUR.config():set_send_midi_clock(true)")
        if not {self.track_in, self.clock_out} <= set(self._jack.ports()):
            raise self._failure("has no ports")
        return self

    def _environment(self) -> dict[str, str]:
        variables = {name: value for name, value in self._jack.environment.items() if not name.startswith("XDG_")}
        variables["HOME"] = str(self._home)
        if (library := _lent_libjack()) is not None:
            folder = self._home / "lib"
            folder.mkdir(exist_ok=True)
            with suppress(FileExistsError):
                (folder / "libjack.so.0").symlink_to(library)
            variables["LD_LIBRARY_PATH"] = str(folder)
        return variables

    def _wait_until(self, condition: str, limit_s: float = 10.0) -> None:
        end = time.monotonic() + limit_s
        while self.lua(f"print({condition})")[-1:] != ["true"]:
            if time.monotonic() > end:
                raise self._failure(f"waited in vain for {condition}")
            time.sleep(0.05)

    def _failure(self, what: str) -> ArdourError:
        return ArdourError(f"Ardour {what}: {' / '.join(self._said[-12:])}")


@dataclass(frozen=True, slots=True)
class Pulses:
    """The clock that Ardour sent in one run: the frame of each pulse, the first one that of bar 1."""

    frames: tuple[int, ...]

    @classmethod
    def of(cls, heard: Iterable[Timed]) -> Pulses:
        """From the last Start on; empty if there was none."""
        frames: list[int] = []
        started = False
        for frame, message in heard:
            if message == START:
                frames, started = [], True
            elif message == CLOCK and started:
                frames.append(frame)
        return cls(tuple(frames))

    def tick(self, frame: float) -> float:
        """The tick of a frame, on the line between its two pulses; beyond the last one at the pace of the last two."""
        first = min(max(bisect_right(self.frames, frame) - 1, 0), len(self.frames) - 2)
        a, b = self.frames[first], self.frames[first + 1]
        return first + (frame - a) / (b - a)


def _notes_of(file: Path, start: float) -> list[Recorded]:
    """All notes of a file; `start` in ticks is where its region lies."""
    midi = mido.MidiFile(file)
    open_notes: dict[tuple[int, int], list[int]] = defaultdict(list)
    onsets: list[tuple[int, int | None, int, int]] = []
    now = 0
    for message in mido.merge_tracks(midi.tracks):
        now += message.time
        if message.type not in ("note_on", "note_off"):
            continue
        key = (message.channel, message.note)
        if message.type == "note_on" and message.velocity:
            open_notes[key].append(len(onsets))
            onsets.append((now, None, *key))
        elif open_notes[key]:
            number = open_notes[key].pop(0)
            onsets[number] = (onsets[number][0], now - onsets[number][0], *key)
    unit = PULSES_A_QUARTER / midi.ticks_per_beat
    return [
        Recorded(start + at * unit, None if long is None else long * unit, channel, pitch)
        for at, long, channel, pitch in onsets
    ]


def _read(process: subprocess.Popen[str], lines: queue.Queue[str | None]) -> None:
    assert process.stdout is not None
    with suppress(ValueError):  # closed
        for line in process.stdout:
            lines.put(line.rstrip("\n"))
    lines.put(None)


def _lent_libjack() -> Path | None:
    """The libjack that the python-rtmidi wheel brings, if it is a wheel."""
    found = importlib.util.find_spec("rtmidi")
    if found is None or found.origin is None:
        return None
    packages = Path(found.origin).parent.parent
    return next(iter(sorted(packages.glob("python_rtmidi*/libjack-*.so*"))), None)


def _end_with_parent() -> None:
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGTERM)
