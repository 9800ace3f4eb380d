"""Melody to chords: what the model says of each slot, what is allowed there, and one choice of it all.

Offline the surest slots are decided first, a few in each round, then every third slot is asked anew in turn, knowing all the
others. Live they are decided in order, each from the melody before it and the chords so far; its noise depends on the seed
and the slot alone, so a prediction that is made again with more heard only changes where the melody says so.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final, Protocol

import numpy as np

from daw_assist.engine.chord_sheet import Sheet, clipped, sheet_of
from daw_assist.engine.chord_slots import bar_edges
from daw_assist.engine.generate import Stale
from daw_assist.music.bars import Bar, flatten
from daw_assist.music.chords import QUALITIES, Chord, ChordSpan
from daw_assist.music.key_finding import find_key
from daw_assist.music.keys import parse_key
from daw_assist.music.melody_line import melody_of
from daw_assist.music.time import Ticks
from daw_assist.suggest.harmony import HarmonySettings
from models_onnx.chords_inputs import (
    Floats,
    Ints,
    moved_class,
    moved_key,
    shifted,
    transposed,
)
from models_onnx.chords_spec import ChordsSpec

ROUNDS: Final = 12
SWEEPS: Final = 2
COOLING: Final = 0.6
"""Temperature of the sweeps, as a share of that of the rounds: they mend, they do not invent."""
TURNS: Final = (0, 3, 6, 9)
"""Transpositions whose log-probabilities are averaged: the network has learnt, not built in, that keys are alike."""
LEAST_SHARE: Final = 0.12
"""Chords less likely than this share of the likeliest are not drawn."""
AWAY: Final = 3.0
LIVE_REACH: Final = 256
"""Slots that live mode looks back."""


class ChordModel(Protocol):
    """What is needed of a model; `models_onnx.chords_session.ChordsSession` is one."""

    @property
    def spec(self) -> ChordsSpec: ...

    def run(self, melody: Floats, places: Ints, known: Ints, told: Ints, words: Ints) -> tuple[Floats, Floats]:
        """Logits (batch, slots, classes) and of the bass above the root (batch, slots, 12); see `train.chords.network`."""
        ...


@dataclass(frozen=True, slots=True)
class _Stoppable:
    """A model that gives up when it is told to."""

    model: ChordModel
    should_stop: Callable[[], bool]

    @property
    def spec(self) -> ChordsSpec:
        return self.model.spec

    def run(self, melody: Floats, places: Ints, known: Ints, told: Ints, words: Ints) -> tuple[Floats, Floats]:
        if self.should_stop():
            raise Stale
        return self.model.run(melody, places, known, told, words)


@dataclass(frozen=True, slots=True)
class ChordChoice:
    """Spans end to end from the first bar line; `nats` is the model's mean surprise at a slot it decided (0: none)."""

    spans: tuple[ChordSpan, ...]
    nats: float


def choose_chords(
    bars: Sequence[Bar],
    settings: HarmonySettings,
    model: ChordModel,
    *,
    given: Sequence[ChordSpan] = (),
    live: bool = False,
    heard_until: Ticks | None = None,
    seed: int = 0,
    should_stop: Callable[[], bool] = lambda: False,
) -> ChordChoice:
    """Chords under the bars' melody; `given` ones (ticks from the first bar line) come out as they are.

    `live`: no chord knows melody of its own slot or later; with `heard_until` (ticks), nothing after it either, and chords
    that have sounded are `given`. The same seed gives the same chords. Errors: UsageError for settings that cannot be;
    `Stale` once `should_stop()`, which is asked before each run of the model.
    """
    if not bars:
        return ChordChoice((), 0.0)
    given = clipped(given, sum(bar.length for bar in bars))
    sheet = sheet_of(bars, settings, model.spec, given, live, heard_until)
    if not live:
        _draw_home(sheet, bars, settings, model.spec)
    model, warmth = _Stoppable(model, should_stop), max(settings.temperature, 0.05)
    if live:
        chosen, nats = _choose_live(sheet, model, warmth, seed)
    else:
        chosen, nats = _choose_offline(sheet, model, warmth, seed)
    chords = _with_bass(sheet, model, chosen, live)
    if not live:
        _hold_the_end(chords, sheet, bars)
    return ChordChoice(_spans(sheet.edges, chords, given, bar_edges(bars)), nats)


def _choose_offline(sheet: Sheet, model: ChordModel, warmth: float, seed: int) -> tuple[Ints, float]:
    random = np.random.default_rng(seed)
    unknown = model.spec.unknown
    chosen, free = sheet.known.copy(), sheet.free
    nats = np.zeros(len(chosen))
    for left in range(min(ROUNDS, len(free)), 0, -1):
        open_slots = np.flatnonzero(chosen == unknown)
        if not len(open_slots):
            break
        drawn, cost, sure = _draw(_logits(sheet, model, chosen), random, warmth)
        count = -(-len(open_slots) // left)
        for slot in _apart(open_slots[np.argsort(-sure[open_slots])], count):
            chosen[slot], nats[slot] = drawn[slot], cost[slot]
    for turn in range(3 * SWEEPS):
        asked = free[free % 3 == turn % 3]
        if len(asked):
            hidden = chosen.copy()
            hidden[asked] = unknown
            drawn, cost, _ = _draw(_logits(sheet, model, hidden), random, warmth * COOLING)
            chosen[asked], nats[asked] = drawn[asked], cost[asked]
    return chosen, float(nats[free].mean()) if len(free) else 0.0


def _draw_home(sheet: Sheet, bars: Sequence[Bar], settings: HarmonySettings, spec: ChordsSpec) -> None:
    """Under a last note that is the tonic (asked for, or found), chords on other roots cost `AWAY` nats."""
    tune = flatten(melody_of(bars))
    key = parse_key(settings.key) if settings.key is not None else find_key(tune)
    if key is None or not tune or tune[-1].pitch % 12 != key.tonic:
        return
    home = np.array(
        [(spec.chord_of(number) or (key.tonic,))[0] == key.tonic for number in range(sheet.allowed.shape[1])]
    )
    sheet.allowed[bisect_right(sheet.edges, tune[-1].onset) - 1 :, ~home] -= AWAY


def _hold_the_end(chords: list[Chord | None], sheet: Sheet, bars: Sequence[Bar]) -> None:
    """Under the last note and after it no chord changes, but for given ones, and it stands on its root: there the piece rests."""
    last = max((note.onset for note in flatten(melody_of(bars))), default=None)
    if last is None:
        return
    free, slot = set(sheet.free.tolist()), bisect_right(sheet.edges, last) - 1
    held = chords[slot]
    if slot in free and held is not None:
        held = Chord(held.root, held.quality)
    for later in range(slot, len(chords)):
        if later in free:
            chords[later] = held


def _apart(slots: Ints, count: int) -> list[int]:
    """The first `count` of the slots, leaving out neighbours of those taken while others are left."""
    taken: list[int] = []
    for slot in map(int, slots):
        if len(taken) < count and not {slot - 1, slot + 1} & set(taken):
            taken.append(slot)
    return taken + [slot for slot in map(int, slots) if slot not in taken][: count - len(taken)]


def _choose_live(sheet: Sheet, model: ChordModel, warmth: float, seed: int) -> tuple[Ints, float]:
    spec, chosen = model.spec, sheet.known.copy()
    costs = []
    for slot in map(int, sheet.free):
        past = slice(max(0, slot + 1 - LIVE_REACH), slot + 1)
        melody, places, known = shifted(sheet.melody[past], sheet.places[past], chosen[past], spec.unknown)
        if past.start:  # the first row of a window has a slot before it
            melody[0], known[0] = sheet.melody[past.start - 1], chosen[past.start - 1]
        logits = _heard_in_all_keys(model, melody, places, known, sheet.words)[-1:] + sheet.allowed[slot]
        drawn, cost, _ = _draw(logits, np.random.default_rng((seed, slot)), warmth)
        chosen[slot] = drawn[0]
        costs.append(float(cost[0]))
    return chosen, float(np.mean(costs)) if costs else 0.0


def _logits(sheet: Sheet, model: ChordModel, known: Ints) -> Floats:
    return _heard_in_all_keys(model, sheet.melody, sheet.places, known, sheet.words) + sheet.allowed


def _heard_in_all_keys(model: ChordModel, melody: Floats, places: Ints, known: Ints, words: Ints) -> Floats:
    """Log-probabilities (slots, classes), the mean over `TURNS`, turned back."""
    spec, count = model.spec, len(TURNS)
    logits, _ = model.run(
        np.stack([transposed(melody, by) for by in TURNS]), np.repeat(places[None], count, 0),
        np.stack([moved_class(known, spec, by) for by in TURNS]), np.full((count, len(known)), spec.unknown),
        np.stack([moved_key(words, by) for by in TURNS]),
    )  # fmt: skip
    logits = logits - np.logaddexp.reduce(logits, axis=-1, keepdims=True)
    for row, by in zip(logits, TURNS, strict=True):
        row[:, : spec.no_chord] = np.roll(row[:, : spec.no_chord], -by * len(spec.qualities), 1)
    found: Floats = logits.mean(0)
    return found


def _draw(logits: Floats, random: np.random.Generator, warmth: float) -> tuple[Ints, Floats, Floats]:
    """Of each row (rows, classes): a class drawn at a temperature, its surprise in nats at temperature 1, and how sure it is."""
    top = logits.max(-1, keepdims=True)
    surprise = np.log(np.exp(logits - top).sum(-1)) + top[:, 0]
    kept = np.where(logits >= top + np.log(LEAST_SHARE), logits, -np.inf)
    drawn = (kept / warmth + random.gumbel(size=logits.shape)).argmax(-1)
    cost = surprise - np.take_along_axis(logits, drawn[:, None], -1)[:, 0]
    return drawn, cost, -cost


def _with_bass(sheet: Sheet, model: ChordModel, chosen: Ints, live: bool) -> list[Chord | None]:
    """The chords of the classes, with the bass that the model finds likeliest among their notes."""
    spec = model.spec
    melody, places, known = sheet.melody, sheet.places, chosen
    if live:
        melody, places, known = shifted(melody, places, known, spec.unknown)
    _, low = model.run(melody[None], places[None], known[None], chosen[None], sheet.words[None])
    chords: list[Chord | None] = []
    for number, fits in zip(chosen.tolist(), low[0], strict=True):
        said = spec.chord_of(number)
        if said is None:
            chords.append(None)
            continue
        root, quality = said
        step = max(QUALITIES[quality], key=lambda tone: fits[tone])
        chords.append(Chord(root, quality, (root + step) % 12 if step else None))
    return chords


def _spans(
    edges: Sequence[int], chords: Sequence[Chord | None], given: Sequence[ChordSpan], lines: Sequence[int]
) -> tuple[ChordSpan, ...]:
    """One span a chord: slots of the same chord in the same bar are joined, given spans stand as they are."""
    found: list[ChordSpan] = list(given)
    last: ChordSpan | None = None
    for start, end, chord in zip(edges, edges[1:], chords, strict=False):
        if any(span.onset <= start < span.end for span in given):
            last = None
        elif last is not None and last.chord == chord and start not in lines:
            found.remove(last)
            last = ChordSpan(last.onset, Ticks(end - last.onset), chord)
            found.append(last)
        else:
            last = ChordSpan(Ticks(start), Ticks(end - start), chord)
            found.append(last)
    return tuple(sorted(found, key=lambda span: span.onset))
