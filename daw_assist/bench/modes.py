"""What the DAW of the bench does for each mode of `live`, and where the notes that come back have to lie. Pure.

How a note's place is known, and what that is worth:

    plan    the engine publishes the notes of every candidate, and the pitches say which one was played from which bar line.
            A note that is a bar late is still a bar late. (continue, trade, fill)
    slots   chords begin on half bars, which are half a second and more apart: the nearest one is meant. (harmonize)
    grid    what is played is not published: the nearest tick (24 a quarter) is taken for the place. It is `2500 / bpm` ms to
            the next, so a note off by more than half of that looks better than it is: at 120 BPM 10.4 ms, at 300 BPM 4.2 ms,
            about the bound itself. Beside it stands what the sender itself says of its lateness. (accompany, and any
            window that no plan explains)
    thru    the player's own note is the place.

All in 4/4: the other metres are `scripts/bench/live_jack.py`'s.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from daw_assist.bench.jackdaw import Note

BAR = 96
ACCEPT = bytes((0xB0, 66, 127))
TO_THE_START = bytes((0xF2, 0, 0))

# (length in eighths, pitch; 0 is a rest), eight eighths a bar: two phrases in C major, one in A minor, one to G and back.
_PHRASES = (
    "2:67 1:64 1:65 2:67 2:72 3:71 1:69 4:67 2:65 1:64 1:62 2:64 2:60 6:62 2:0",
    "2:67 1:64 1:65 2:67 2:72 1:74 2:76 1:74 4:72 2:69 1:71 1:72 2:71 2:67 6:72 2:0",
    "1:0 1:69 1:71 1:72 2:76 2:74 3:72 1:71 4:69 1:0 1:69 1:68 1:69 2:71 2:64 6:69 2:0",
    "2:74 2:74 1:76 1:74 2:71 3:72 1:74 4:67 2:66 2:69 2:72 2:66 4:67 1:65 1:64 1:62 1:59",
)
TUNE_BARS = 16


@dataclass(frozen=True, slots=True)
class Window:
    """Here an answer is to begin, and to last so many bars. `trigger`: tick of what asked for it, None: its own line."""

    line: int
    bars: int
    trigger: float | None = None

    @property
    def end(self) -> int:
        """Tick after its last bar."""
        return self.line + self.bars * BAR


@dataclass(frozen=True, slots=True)
class Script:
    """A whole case in ticks of the DAW's run."""

    notes: tuple[Note, ...]
    end: int
    """Here Stop is sent: in the middle of something."""
    controls: tuple[tuple[float, bytes], ...] = ()
    windows: tuple[Window, ...] = ()
    slots: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class BenchMode:
    """One way to play with `live`."""

    name: str
    options: tuple[str, ...]
    cycle_bars: int
    places: str
    """plan, slots, grid or thru, as above."""
    compose: Callable[[int], Script]
    """The script of so many cycles."""
    plays_always: bool = True
    """An answer without a note is a miss; if not, only what `live` counts tells."""

    @property
    def steer(self) -> tuple[str, ...]:
        """What brings a `live` that runs into this mode, as words of `ask steer`."""
        words = dict(zip(self.options[::2], self.options[1::2], strict=False))
        told = [f"{name.removeprefix('--')}={value}" for name, value in words.items() if value]
        return (*told, f"thru={'true' if '--thru' in self.options else 'false'}")

    def cycles(self, minutes: float, bpm: float) -> int:
        """How many fit, at least one."""
        return max(1, round(minutes * bpm / 4 / self.cycle_bars))


def tune(first: int, bars: int, at: int) -> list[Note]:
    """Bars `first` .. of the tune, which goes round, laid from the tick `at` on; the last note ends with its bar."""
    whole, tick = [], 0
    for word in " ".join(_PHRASES).split():
        eighths, pitch = map(int, word.split(":"))
        if pitch:
            whole.append(Note(tick, 12 * eighths - 1, pitch))
        tick += 12 * eighths
    notes = []
    for number in range(bars):
        start = (first + number) % TUNE_BARS * BAR
        here = at + number * BAR
        left = (bars - number) * BAR
        notes += [
            Note(here + n.onset - start, min(n.length, left - (n.onset - start) - 1), n.pitch)
            for n in whole
            if start <= n.onset < start + BAR
        ]
    return notes


def _continue(cycles: int) -> Script:
    """Eight bars, accepted in the last of them, four bars back."""
    notes, controls, windows = [], [], []
    for number in range(cycles):
        start = number * 12 * BAR
        notes += tune(8 * number, 8, start)
        window = Window(start + 8 * BAR, 4, start + 7.3 * BAR)
        controls.append((start + 7.3 * BAR, ACCEPT))
        windows.append(window)
    return Script(tuple(notes), _inside(windows[-1]), tuple(controls), tuple(windows))


def _trade(cycles: int) -> Script:
    """Four bars and four bars, without being asked."""
    notes, windows = [], []
    for number in range(cycles):
        notes += tune(4 * number, 4, number * 8 * BAR)
        windows.append(Window((number * 8 + 4) * BAR, 4))
    return Script(tuple(notes), _inside(windows[-1]), (), tuple(windows))


def _harmonize(cycles: int) -> Script:
    """The tune all the time; a chord on every half bar from the second bar on."""
    end = cycles * TUNE_BARS * BAR - 20
    return Script(tuple(tune(0, cycles * TUNE_BARS, 0)), end, slots=tuple(range(BAR, end, BAR // 2)))


def _accompany(cycles: int) -> Script:
    """The tune all the time; something under each bar from the third on."""
    bars = cycles * TUNE_BARS
    windows = tuple(Window(bar * BAR, 1) for bar in range(2, bars))
    return Script(tuple(tune(0, bars, 0)), bars * BAR - 20, (), windows)


def _fill(cycles: int) -> Script:
    """A loop of eight bars of which the fifth and sixth are left to the assistant, from the second pass on."""
    notes, windows = [], []
    controls: list[tuple[float, bytes]] = [(9.5 * BAR, ACCEPT)]
    for number in range(cycles + 1):
        start = number * 8 * BAR
        notes += [*tune(0, 4, start), *tune(6, 2, start + 6 * BAR)]
        if number:
            controls.append((start - 0.5, TO_THE_START))
            windows.append(Window(start + 4 * BAR, 2, 9.5 * BAR if number == 1 else None))
    return Script(tuple(notes), _inside(windows[-1]), tuple(controls), tuple(windows))


def _thru(cycles: int) -> Script:
    """The tune all the time, and nothing but the tune."""
    bars = cycles * TUNE_BARS
    return Script(tuple(tune(0, bars, 0)), bars * BAR - 20)


def _inside(window: Window) -> int:
    """Where something of the window still sounds."""
    return window.line + round(0.6 * window.bars * BAR)


MODES: dict[str, BenchMode] = {
    mode.name: mode
    for mode in (
        BenchMode("continue", ("--mode", "continue", "--bars", "4"), 12, "plan", _continue),
        BenchMode("trade", ("--mode", "trade", "--bars", "4"), 8, "plan", _trade),
        BenchMode("harmonize", ("--mode", "harmonize"), TUNE_BARS, "slots", _harmonize),
        BenchMode("accompany", ("--mode", "accompany"), TUNE_BARS, "grid", _accompany, plays_always=False),
        BenchMode("fill", ("--mode", "fill", "--fill", "5-6"), 8, "plan", _fill),
        BenchMode("thru", ("--mode", "continue", "--thru"), TUNE_BARS, "thru", _thru),
    )
}
"""`thru` is no mode of `live`: it is what `--thru` adds to the player's own notes."""
