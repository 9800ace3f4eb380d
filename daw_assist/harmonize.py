"""THE MAIN PATH of harmonization, without threads: bars -> chords -> notes, or bars -> three more voices -> chords.

`daw-assist harmonize`, the engine process and the tests run these same functions. They know no ports, no files and no host
time (only how long each station took).
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from itertools import accumulate
from typing import Final

from daw_assist.engine.chord_choice import ChordChoice, ChordModel, choose_chords
from daw_assist.engine.four_voices import VoiceLine, VoicesChoice, VoicesModel, rank_voices
from daw_assist.errors import ModelError
from daw_assist.music.bars import Bar, flatten
from daw_assist.music.chord_labels import label_chords
from daw_assist.music.chord_patterns import play_chords
from daw_assist.music.chords import ChordSpan
from daw_assist.music.key_finding import find_key
from daw_assist.music.keys import Key, parse_key
from daw_assist.music.time import Ticks
from daw_assist.suggest.chord_faults import chord_faults
from daw_assist.suggest.harmony import Harmony, HarmonySettings
from models_onnx import manifest as models
from models_onnx.chords_session import ChordsSession
from models_onnx.harmony_files import find_harmony
from models_onnx.voices_session import VoicesSession

SEED_STEP: Final = 1009
WINDOW_BARS: Final = 64
AROUND_BARS: Final = 8
TRIES: Final = 2
"""Seeds tried for each candidate that was asked for, so that two of them are not the same."""


@dataclass(frozen=True, slots=True)
class LoadedChords:
    """A chord model that knows its name. Threads: one."""

    model: ChordModel
    name: str
    sha256: dict[str, str]
    """By graph."""
    styles: tuple[str, ...] = ()

    @classmethod
    def open(cls, name: str = "chords", provider: str = "auto", threads: int = 0) -> LoadedChords:
        """One that is installed, or a folder; `ModelError` in one line."""
        try:
            folder, told = find_harmony(name, "chords")
            session = ChordsSession(folder, told, provider, threads)
        except models.ModelError as error:
            raise ModelError(str(error)) from error
        return cls(session, told.name, told.graphs, session.spec.styles)


@dataclass(frozen=True, slots=True)
class LoadedVoices:
    """A four-voice model that knows its name. Threads: one."""

    model: VoicesModel
    name: str
    sha256: dict[str, str]
    """By graph."""

    @classmethod
    def open(cls, name: str = "voices", provider: str = "auto", threads: int = 0) -> LoadedVoices:
        """One that is installed, or a folder; `ModelError` in one line."""
        try:
            folder, told = find_harmony(name, "voices")
            session = VoicesSession(folder, told, provider, threads)
        except models.ModelError as error:
            raise ModelError(str(error)) from error
        return cls(session, told.name, told.graphs)


@dataclass(frozen=True, slots=True)
class Made:
    """A candidate, and the milliseconds that each station took."""

    harmony: Harmony
    milliseconds: dict[str, float]
    lines: tuple[VoiceLine, ...] = ()
    """Each new voice by itself, where voices were asked for."""


def chords_under(
    melody: Sequence[Bar],
    settings: HarmonySettings,
    model: ChordModel,
    given: Sequence[ChordSpan] = (),
    live: bool = False,
) -> tuple[Made, ...]:
    """Chords under the melody and the notes that play them, best first; the same seed gives the same notes.

    As many as `settings.candidates`, or fewer where the model finds no more that differ. `given` chords are in all of
    them as they are. `live`: each chord is chosen from what came before it, and the candidates stand in the order of seeds.
    """
    key = key_of(melody, settings)

    def make(seed: int) -> Made:
        clock = [time.perf_counter()]
        choice = _choose(melody, settings, model, given, live, seed)
        clock.append(time.perf_counter())
        bars = play_chords(choice.spans, melody, replace(settings, seed=seed))
        clock.append(time.perf_counter())
        faults = chord_faults(choice.spans, melody, key)
        return Made(Harmony(choice.spans, bars, choice.nats, seed, faults), _spent(clock, "choose", "play"))

    different: dict[tuple[ChordSpan, ...], Made] = {}
    for seed in _seeds(settings):
        made = make(seed)
        different.setdefault(changes(made.harmony.chords), made)
        if len(different) == settings.candidates:
            break
    # Live nobody can rank: the whole melody is not there yet.
    return tuple(different.values()) if live else tuple(sorted(different.values(), key=_rank))


def voices_around(
    line: Sequence[Bar],
    settings: HarmonySettings,
    model: VoicesModel,
    live: bool = False,
    should_stop: Callable[[], bool] = lambda: False,
) -> tuple[Made, ...]:
    """Three more voices to the given line (`settings.given` says which voice it is) and their chords, best first.

    Counts and seeds as in `chords_under`; all candidates are made together, so each is told the time of all.
    """
    start = time.perf_counter()
    found = rank_voices(line, settings, model, seed=settings.seed, live=live, should_stop=should_stop)
    end = time.perf_counter()

    def named(choice: VoicesChoice) -> Made:
        begun = time.perf_counter()
        spans = label_chords(together(line, choice.bars))
        harmony = Harmony(spans, choice.bars, choice.nats, settings.seed, choice.faults)
        spent = _spent((start, end), "voices") | _spent((begun, time.perf_counter()), "label")
        return Made(harmony, spent, choice.lines)

    return tuple(named(choice) for choice in found)


def _choose(
    melody: Sequence[Bar],
    settings: HarmonySettings,
    model: ChordModel,
    given: Sequence[ChordSpan],
    live: bool,
    seed: int,
) -> ChordChoice:
    """`choose_chords`, of a long piece `WINDOW_BARS` at a time: its cost grows with the square of what is read at once.

    Each window reads `AROUND_BARS` before it, whose chords are given by then, and as many after it, whose are thrown away.
    """
    if live or len(melody) <= WINDOW_BARS + AROUND_BARS:
        return choose_chords(melody, settings, model, given=given, live=live, seed=seed)
    lines = list(accumulate((int(bar.length) for bar in melody), initial=0))
    found: list[ChordSpan] = []
    nats = []
    for first in range(0, len(melody), WINDOW_BARS):
        low, last = max(0, first - AROUND_BARS), min(len(melody), first + WINDOW_BARS)
        high = min(len(melody), last + AROUND_BARS)
        known = [span for span in found if span.onset >= lines[low]]
        end = known[-1].end if known else lines[first]
        known += [span for span in given if end <= span.onset < lines[high]]
        here = choose_chords(
            melody[low:high], settings, model, given=[_moved(span, -lines[low]) for span in known], seed=seed + first
        )
        begun = found[-1].end if found else 0
        found += [span for span in (_moved(one, lines[low]) for one in here.spans) if begun <= span.onset < lines[last]]
        nats.append(here.nats)
    return ChordChoice(tuple(found), sum(nats) / len(nats))


def _moved(span: ChordSpan, by: int) -> ChordSpan:
    return replace(span, onset=Ticks(span.onset + by))


def key_of(melody: Sequence[Bar], settings: HarmonySettings) -> Key | None:
    """The key that was asked for, or the one the melody is in; it spells the chords."""
    return parse_key(settings.key) if settings.key is not None else find_key(flatten(melody))


def together(*voices: Sequence[Bar]) -> tuple[Bar, ...]:
    """The notes of all, bar by bar."""
    return tuple(
        replace(bars[0], notes=tuple(sorted(note for bar in bars for note in bar.notes)))
        for bars in zip(*voices, strict=True)
    )


def changes(spans: Sequence[ChordSpan]) -> tuple[ChordSpan, ...]:
    """The spans with neighbours of the same chord joined."""
    found: list[ChordSpan] = []
    for span in spans:
        if found and found[-1].chord == span.chord and found[-1].end == span.onset:
            found[-1] = replace(found[-1], duration=Ticks(found[-1].duration + span.duration))
        else:
            found.append(span)
    return tuple(found)


def _rank(made: Made) -> tuple[int, float, int]:
    """Fewer faults first, then the likelier."""
    return len(made.harmony.faults), made.harmony.nats, made.harmony.seed


def _seeds(settings: HarmonySettings) -> list[int]:
    """The first is that of the settings; neighbouring settings share none."""
    tries = settings.candidates * TRIES if settings.candidates > 1 else 1
    return [settings.seed + SEED_STEP * n for n in range(tries)]


def _spent(clock: Sequence[float], *stations: str) -> dict[str, float]:
    return {name: round((b - a) * 1e3, 3) for name, a, b in zip(stations, clock, clock[1:], strict=False)}
