"""One voice is given, three are set to it: a 16th at a time, several candidates in step, best first.

Inside a step the order is the model's: soprano, bass, alto, tenor, but for the given one. The given line is read by the model and
never written: what comes out holds the three new voices only. It knows nothing of requests, processes or host time.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Final, Protocol

import numpy as np

from daw_assist.engine import voice_rules
from daw_assist.engine.generate import Stale
from daw_assist.engine.voice_grid import RESTING, STEP_TICKS, Grid, join_lines, read_grid, write_line
from daw_assist.errors import UsageError
from daw_assist.music.bars import Bar, flatten
from daw_assist.music.key_finding import find_key
from daw_assist.music.keys import Key, parse_key
from daw_assist.music.melody_line import melody_of
from daw_assist.music.notes import Note
from daw_assist.music.parts import Part
from daw_assist.music.time import Ticks
from daw_assist.suggest.harmony import VOICE_NAMES, HarmonySettings
from daw_assist.suggest.part_writing import RANGES, PartWriting, examine, in_words
from models_onnx.voices_spec import HIGHEST, LOWEST, ORDER, REST, SYMBOLS, UNKNOWN, VOICES, pitch_of

Ids = np.ndarray[Any, np.dtype[np.int64]]
Floats = np.ndarray[Any, np.dtype[np.float32]]

TOP_P: Final = 0.9
CALMER: Final = 0.5
"""What the temperature of a cell is of that asked for: a bar takes some fifty choices, nearly all of which are to hold a note.
With this and `voice_rules.FOUND_KEY`, set to the six validation hymns on which both were chosen, chords shared 65 % of
their tones with the hymn's own; 57 % without the key, 60 % at a temperature of 0.7."""
LEAST_ROWS: Final = 6
"""So many ways are tried, and the best of them kept: six rows take less than twice the time of one."""
LISTENING: Final = 4
"""Steps for which the voices wait, live: a chord chosen before the first note is heard is in any key, and the model keeps to
what it has begun."""
HEARD: Final = 128
"""Steps of the given line from which the key is found, live."""
FLOOR: Final = 33
"""No voice is set below this MIDI pitch (A1), where chords are mud."""
SET_PART: Final = Part.VOICE
COSTS: Final = {
    "parallel_fifths": 8.0, "parallel_octaves": 8.0, "contrary_fifths": 2.0, "contrary_octaves": 3.0, "direct_outer": 2.0,
    "crossings": 1.0, "wide": 0.5, "leaps_over_octave": 3.0, "leaps_of_seventh": 1.5, "leaps_of_tritone": 0.7,
}  # fmt: skip
"""Nats that a fault counts as when candidates are compared; about what the rarer ones cost in chorales."""


class VoicesRows(Protocol):
    """Candidates that go through one piece in step (`models_onnx.voices_session.VoicesRun`)."""

    def step(self) -> None:
        """Read what stood at the step before."""

    def cell(self, voice: int, now: Ids) -> tuple[Floats, Floats]:
        """Logits (rows, SYMBOLS) given `now` (rows, 4), and (rows,) of being struck again if the pitch is kept."""

    def close(self, now: Ids, struck: Ids) -> None:
        """End the step with its cells and strikes, both (rows, 4)."""


class VoicesModel(Protocol):
    """What setting needs of a model (`models_onnx.voices_session.VoicesSession`)."""

    reads_bars: bool
    """Whether it was trained with bar lines and strikes."""

    def begin(self, given: Ids, struck: Ids, phases: Ids, rows: int = 1, ends: bool = True) -> VoicesRows:
        """Start a piece of which `given` (steps, 4) is known, `UNKNOWN` elsewhere; `ends`: the last step is its end."""


@dataclass(frozen=True, slots=True)
class VoiceLine:
    """One new voice; as many bars as were given."""

    name: str
    """One of `VOICE_NAMES`."""
    bars: tuple[Bar, ...]


@dataclass(frozen=True, slots=True)
class VoicesChoice:
    """One way to set the three voices."""

    bars: tuple[Bar, ...]
    """The three voices together, without the given line; where two meet on a pitch it sounds once."""
    lines: tuple[VoiceLine, ...]
    """Each voice by itself, from the top."""
    nats: float
    """Surprise of the model a cell (lower: likelier)."""
    faults: tuple[str, ...]
    """What the checks of part-writing found, the given line included where it is one of two voices."""
    writing: PartWriting = field(default_factory=PartWriting)


def set_voices(
    bars: Sequence[Bar],
    settings: HarmonySettings,
    model: VoicesModel,
    *,
    seed: int = 0,
    live: bool = False,
    should_stop: Callable[[], bool] = lambda: False,
) -> VoicesChoice:
    """The best of `rank_voices`."""
    return rank_voices(bars, settings, model, seed=seed, live=live, should_stop=should_stop)[0]


def rank_voices(
    bars: Sequence[Bar],
    settings: HarmonySettings,
    model: VoicesModel,
    *,
    seed: int = 0,
    live: bool = False,
    should_stop: Callable[[], bool] = lambda: False,
) -> tuple[VoicesChoice, ...]:
    """`settings.candidates` ways to set three voices to the line that is given, best first; fewer if some are alike.

    The same seed gives the same notes, whatever the number of candidates. `live`: each step is decided before the given cell
    of that step is known, from a beat after the line began; only the octave that the line lies in is known ahead. Bars without
    a note give silence. Errors: `UsageError` for a line that lies too low or high for its voice; `Stale` once `should_stop()`.
    """
    given = VOICE_NAMES.index(settings.given)
    line = melody_of(bars, lowest=settings.given == "bass")
    grid = read_grid(bars, line)
    if grid is None:
        return (_silence(bars, given),)
    if settings.key is not None:
        tones = _tones(grid, parse_key(settings.key), voice_rules.ASKED_KEY, live)
    else:
        tones = _tones(grid, None if live else find_key(flatten(line)), voice_rules.FOUND_KEY, live)
    rows = settings.candidates if live else max(settings.candidates, LEAST_ROWS)
    tried = replace(settings, candidates=rows)
    setting = _Setting(model, grid, Sight.of(grid.pitches, given), given, tried, tones, seed, live)
    for step in range(len(grid)):
        if should_stop():
            raise Stale
        setting.step(step)
    found = sorted(setting.result(bars), key=lambda choice: choice[0])
    different = {choice.bars: choice for _, choice in reversed(found)}
    return tuple(choice for _, choice in found if different[choice.bars] is choice)[: settings.candidates]


def _tones(grid: Grid, key: Key | None, outside: float, live: bool) -> voice_rules.Nats:
    """(steps, 4, SYMBOLS) nats that each tone costs for the sake of the key."""
    found: voice_rules.Nats = np.zeros((len(grid), VOICES, SYMBOLS))
    if key is None:
        return found
    found += voice_rules.outside_key(key, outside)
    if not live:
        found[: grid.bar_steps[0] or 16] += voice_rules.outside_key(key, voice_rules.OPENING)
    if not live and grid.pitches[-1] % 12 == key.tonic:
        last = max(step for step, struck in enumerate(grid.struck) if struck)
        found[last:] += np.stack([voice_rules.unsettled(voice, key) for voice in range(VOICES)])
    return found


@dataclass(frozen=True, slots=True)
class Sight:
    """How the model sees the given line: whole octaves away, so that it lies where its voice does."""

    shift: int
    """Semitones that are added to the given line for the model."""
    back: int
    """Semitones by which the new voices are moved when they are written."""

    @classmethod
    def of(cls, pitches: Sequence[int], voice: int) -> Sight:
        """The fewest octaves that bring most of the line (pitches of equal steps, -1 a rest) into the voice's range."""
        sung = [pitch for pitch in pitches if pitch != RESTING]
        low, high = tuple(RANGES.values())[voice]

        def outside(shift: int) -> tuple[int, int]:
            return sum(max(low - p - shift, 0, p + shift - high) for p in sung), abs(shift)

        shift = min(range(-36, 37, 12), key=outside)
        name, middle = VOICE_NAMES[voice], sorted(sung)[len(sung) // 2]
        # A bass an octave lower is a bass still; under a low soprano there is no room for three voices.
        if shift > (24 if name == "bass" else 12):
            raise UsageError(
                f"the given line lies around MIDI pitch {middle}, too low for a {name} ({low}..{high}) with three voices "
                f"to it: move it up {shift} semitones, or say which voice it is with --given"
            )
        if shift < -24:
            raise UsageError(
                f"the given line lies around MIDI pitch {middle}, too high for a {name} ({low}..{high}): move it down "
                f"{-shift} semitones, or say which voice it is with --given"
            )
        return cls(shift, 0 if name == "bass" else -shift if shift >= -12 else 12)

    def symbol(self, pitch: int) -> int:
        """Of a given pitch; one outside the alphabet is folded into it by octaves."""
        if pitch == RESTING:
            return REST
        seen = pitch + self.shift
        while seen < LOWEST:
            seen += 12
        while seen > HIGHEST:
            seen -= 12
        return seen - LOWEST


class _Setting:
    """Candidates under way. Threads: one."""

    def __init__(
        self,
        model: VoicesModel,
        grid: Grid,
        sight: Sight,
        given: int,
        settings: HarmonySettings,
        tones: voice_rules.Nats,
        seed: int,
        live: bool,
    ) -> None:
        self._grid, self._sight, self._given, self._live = grid, sight, given, live
        self._model, self._tones, self._temperature = model, tones, CALMER * settings.temperature
        self._rows, self._listens = settings.candidates, settings.key is None
        self._randoms = [np.random.default_rng([seed, row]) for row in range(self._rows)]
        self._truth = np.array([sight.symbol(pitch) for pitch in grid.pitches], np.int64)
        kept = np.where(np.array(grid.struck), 2, 1) * model.reads_bars
        shown = np.full((len(grid), VOICES), UNKNOWN, np.int64)
        strikes = np.zeros_like(shown)
        if not live:
            shown[:, given], strikes[:, given] = self._truth, kept
        self._given_strikes = kept
        self._run = model.begin(shown, strikes, grid.phases(model.reads_bars), self._rows, ends=not live)
        self._silent = grid.long_rests()
        self._before = np.full((self._rows, VOICES), UNKNOWN, np.int64)
        self._cells = np.full((len(grid), self._rows, VOICES), REST, np.int64)
        self._struck = np.ones((len(grid), self._rows, VOICES), np.int64)
        self._nats = np.zeros(self._rows)
        self._decided = 0

    def step(self, at: int) -> None:
        self._run.step()
        now = np.full((self._rows, VOICES), UNKNOWN, np.int64)
        struck = np.zeros((self._rows, VOICES), np.int64)
        if not self._live:
            now[:, self._given] = self._truth[at]
        elif at and self._truth[at - 1] == REST:
            # Silence goes on until something is heard.
            now[:, self._given] = REST
        silent = self._silent[at] if not self._live else self._resting(at)
        if self._live and self._listens and self._grid.beats[at]:
            self._hear(at)
        for voice in ORDER:
            if now[0, voice] == UNKNOWN:
                self._decide(voice, now, struck, self._tones[at, voice], silent)
        now[:, self._given], struck[:, self._given] = self._truth[at], self._given_strikes[at]
        self._run.close(now, struck if self._model.reads_bars else np.zeros_like(struck))
        self._cells[at], self._struck[at], self._before = now, struck, now

    def _resting(self, at: int) -> bool:
        """Live: whether too little has been heard yet, or nothing for a bar."""
        bar = self._grid.bar_steps[at] or 16
        return at < LISTENING or (at >= bar and bool((self._truth[at - bar : at] == REST).all()))

    def _hear(self, at: int) -> None:
        """Live: the key of what was heard, which nobody knows before."""
        heard = [pitch for pitch in self._grid.pitches[max(0, at - HEARD) : at] if pitch != RESTING]
        key = find_key(Note(Ticks(0), Part.VOICE, pitch, Ticks(STEP_TICKS), 64) for pitch in heard)
        if key is not None:
            self._tones[at:] = voice_rules.outside_key(key, voice_rules.ASKED_KEY)

    def _decide(self, voice: int, now: Ids, struck: Ids, tones: voice_rules.Nats, silent: bool) -> None:
        logits, again = self._run.cell(voice, now)
        nats = voice_rules.surprise(logits)
        for row in range(self._rows):
            moves, which, strikes = self._randoms[row].random(3)
            before, cells = self._before[row].tolist(), now[row].tolist()
            if silent:
                symbol = REST
            else:
                cost = nats[row] + tones + self._bounds(voice, cells) + voice_rules.penalties(voice, before, cells)
                symbol = voice_rules.sample(cost, before[voice], self._temperature, TOP_P, moves, which)
                if voice != self._given:
                    self._nats[row] += nats[row, symbol]
                    self._decided += row == 0
            now[row, voice] = symbol
            anew = symbol != before[voice] or _happens(float(again[row]), self._temperature, strikes)
            struck[row, voice] = 2 if anew and symbol != REST else 1

    def _bounds(self, voice: int, cells: Sequence[int]) -> voice_rules.Nats:
        known = cells[self._given]
        pitch = pitch_of(known) if known < REST else RESTING
        return voice_rules.bounds(voice, self._given, pitch, FLOOR - self._sight.back)

    def result(self, bars: Sequence[Bar]) -> list[tuple[float, VoicesChoice]]:
        """(cost, choice) by row."""
        found = []
        for row in range(self._rows):
            choice = self._choice(row, bars)
            cost = float(self._nats[row]) + sum(n * getattr(choice.writing, name) for name, n in COSTS.items())
            found.append((cost, choice))
        return found

    def _choice(self, row: int, bars: Sequence[Bar]) -> VoicesChoice:
        seen = [tuple(pitch_of(int(symbol)) for symbol in cells[row]) for cells in self._cells]
        new = [voice for voice in range(VOICES) if voice != self._given]
        lines = []
        for voice in new:
            struck: Sequence[bool] = [bool(value == 2) for value in self._struck[:, row, voice]]
            if not self._model.reads_bars:
                struck = voice_rules.strikes(seen, voice, self._grid.struck, self._grid.beats, self._given)
            pitches = [p[voice] if p[voice] < 0 else p[voice] + self._sight.back for p in seen]
            lines.append(VoiceLine(VOICE_NAMES[voice], write_line(self._grid, pitches, struck, bars, SET_PART)))
        writing = examine(seen, new)
        nats = float(self._nats[row]) / max(1, self._decided)
        together = join_lines([line.bars for line in lines])
        return VoicesChoice(together, tuple(lines), nats, in_words(writing), writing)


def _happens(logit: float, temperature: float, uniform: float) -> bool:
    """Sampled, but what has less than one chance in ten does not happen."""
    chance = 1 / (1 + np.exp(-np.clip(logit, -50, 50)))
    if not 0.1 <= chance <= 0.9:
        return bool(chance > 0.5)
    yes, no = chance ** (1 / temperature), (1 - chance) ** (1 / temperature)
    return bool(uniform < yes / (yes + no))


def _silence(bars: Sequence[Bar], given: int) -> VoicesChoice:
    empty = tuple(Bar(bar.metre, (), bar.length) for bar in bars)
    lines = tuple(VoiceLine(name, empty) for voice, name in enumerate(VOICE_NAMES) if voice != given)
    return VoicesChoice(empty, lines, 0.0, ())
