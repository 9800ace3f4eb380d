"""Melody to chords: what the model says of each slot, what is allowed there, and one choice of it all.

Offline the surest slots are decided first, a few in each round, then every third slot is asked anew in turn, knowing all the
others. Live they are decided in order, each from the melody before it and the chords so far; its noise depends on the seed
and the slot alone, so a prediction that is made again with more heard only changes where the melody says so.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, Final, Protocol

import numpy as np

from daw_assist.engine.chord_slots import bar_edges, cut_at, level_of, nearest_quality, slot_edges
from daw_assist.errors import UsageError
from daw_assist.music.bars import Bar, flatten
from daw_assist.music.chords import QUALITIES, Chord, ChordSpan
from daw_assist.music.keys import Key, parse_key
from daw_assist.music.melody_line import melody_of
from daw_assist.music.time import Ticks
from daw_assist.suggest.harmony import COMPLEXITIES, RHYTHMS, HarmonySettings
from models_onnx.chords_inputs import Floats, Ints, melody_rows, place_rows, shifted
from models_onnx.chords_spec import LIVE, OFFLINE, ChordsSpec

ROUNDS: Final = 12
SWEEPS: Final = 2
LEAST_SHARE: Final = 0.08
"""Chords less likely than this share of the likeliest are not drawn."""
FOREIGN: Final = 1.0
"""Nats that a pitch class outside the key asked for costs; a chord with two is not drawn."""
LIVE_REACH: Final = 256
"""Slots that live mode looks back."""
_BARRED: Final = -1e9

Flags = np.ndarray[Any, np.dtype[np.bool_]]


class ChordModel(Protocol):
    """What is needed of a model; `models_onnx.chords_session.ChordsSession` is one."""

    @property
    def spec(self) -> ChordsSpec: ...

    def run(self, melody: Floats, places: Ints, known: Ints, told: Ints, words: Ints) -> tuple[Floats, Floats]:
        """Logits (batch, slots, classes) and of the bass above the root (batch, slots, 12); see `train.chords.network`."""
        ...


@dataclass(frozen=True, slots=True)
class ChordChoice:
    """Spans end to end from the first bar line; `nats` is the model's mean surprise at a slot it decided (0: none)."""

    spans: tuple[ChordSpan, ...]
    nats: float


@dataclass(frozen=True, slots=True)
class _Sheet:
    """The slots of a request. `known` classes, unknown where free; `allowed` (slots, classes) is added to the logits."""

    edges: list[int]
    melody: Floats
    places: Ints
    known: Ints
    words: Ints
    allowed: Floats

    @property
    def free(self) -> Ints:
        return np.flatnonzero(self.known == self.allowed.shape[1])


def choose_chords(
    bars: Sequence[Bar],
    settings: HarmonySettings,
    model: ChordModel,
    *,
    given: Sequence[ChordSpan] = (),
    live: bool = False,
    heard_until: Ticks | None = None,
    seed: int = 0,
) -> ChordChoice:
    """Chords under the bars' melody; `given` ones (ticks from the first bar line) come out as they are.

    `live`: no chord knows melody of its own slot or later; with `heard_until` (ticks), nothing after it either, and chords
    that have sounded are `given`. The same seed gives the same chords. Errors: UsageError for settings that cannot be.
    """
    if not bars:
        return ChordChoice((), 0.0)
    given = _clipped(given, sum(bar.length for bar in bars))
    sheet = _sheet_of(bars, settings, model.spec, given, live, heard_until)
    warmth = max(settings.temperature, 0.05)
    if live:
        chosen, nats = _choose_live(sheet, model, warmth, seed)
    else:
        chosen, nats = _choose_offline(sheet, model, warmth, seed)
    chords = _with_bass(sheet, model, chosen, live)
    return ChordChoice(_spans(sheet.edges, chords, given, bar_edges(bars)), nats)


def _sheet_of(
    bars: Sequence[Bar], settings: HarmonySettings, spec: ChordsSpec, given: Sequence[ChordSpan], live: bool,
    heard_until: Ticks | None,
) -> _Sheet:  # fmt: skip
    edges = cut_at(slot_edges(bars, settings.rhythm), given)
    notes = np.array([(note.onset, note.pitch, note.duration) for note in flatten(melody_of(bars))], np.int64).reshape(
        -1, 3
    )
    key = parse_key(settings.key) if settings.key is not None else None
    places = place_rows(np.array(edges), np.array(bar_edges(bars)))
    heard = len(edges) - 1
    if live and heard_until is not None:
        notes = notes[notes[:, 0] < heard_until]
        notes[:, 2] = np.minimum(notes[:, 2], heard_until - notes[:, 0])
        # A slot of which half is heard is read as it is; what is heard of less would pass for a rest.
        heard = sum(2 * heard_until >= start + end for start, end in pairwise(edges))
    melody = melody_rows(notes, np.array(edges))
    melody[heard:] = 0
    known = np.full(len(edges) - 1, spec.unknown)
    for span in given:
        inside = [n for n, start in enumerate(edges[:-1]) if span.onset <= start < span.end]
        known[inside] = spec.no_chord if span.chord is None else class_near(span.chord, spec)
    allowed = np.tile(_allowed(settings, spec, key), (len(known), 1))
    allowed[:, spec.no_chord] = _BARRED
    _let_rest(allowed, melody, known, spec, live and key is None)
    return _Sheet(edges, melody, places, known, _words(settings, spec, key, live), allowed)


def _let_rest(allowed: Floats, melody: Floats, known: Ints, spec: ChordsSpec, waits: bool) -> None:
    """Where there may be no chord: offline in slots before the melody begins; live such slots have none, unless a key or
    a chord says what to play (a slot knows the melody before it only, so the first with melody is among them).
    """
    sounding = np.flatnonzero(melody[:, -2] > 0)
    begins = int(sounding[0]) if len(sounding) else len(melody)
    if not waits:
        allowed[:begins, spec.no_chord] = 0
        return
    told = np.flatnonzero(known < spec.no_chord)
    until = min(begins + 1, int(told[0]) if len(told) else len(melody))
    allowed[:until] = _BARRED
    allowed[:until, spec.no_chord] = 0


def _allowed(settings: HarmonySettings, spec: ChordsSpec, key: Key | None) -> Floats:
    """(classes,) nats added to each chord."""
    if settings.complexity not in COMPLEXITIES:
        raise UsageError(f"complexity {settings.complexity!r} is not one of {', '.join(COMPLEXITIES)}")
    richest = COMPLEXITIES.index(settings.complexity)
    found = np.zeros(spec.classes, np.float32)
    for number in range(spec.no_chord):
        root, quality = spec.chord_of(number) or (0, "")
        if level_of(quality) > richest:
            found[number] = _BARRED
        elif key is not None:
            foreign = len({(root + step) % 12 for step in QUALITIES[quality]} - key.pitch_classes)
            found[number] = -FOREIGN * foreign if foreign < 2 else _BARRED
    return found


def _words(settings: HarmonySettings, spec: ChordsSpec, key: Key | None, live: bool) -> Ints:
    if settings.style is not None and settings.style not in spec.styles:
        there = ", ".join(spec.styles) or "none"
        raise UsageError(f"style {settings.style!r} is not one the chord model knows: there are {there}")
    tonic = 0 if key is None or key.mode not in ("major", "minor") else 1 + key.tonic + 12 * (key.mode == "minor")
    style = spec.styles.index(settings.style) + 1 if settings.style is not None else 0
    complexity, rhythm = COMPLEXITIES.index(settings.complexity), RHYTHMS.index(settings.rhythm)
    return np.array([LIVE if live else OFFLINE, 1 + complexity, tonic, 1 + rhythm, style])


def class_near(chord: Chord, spec: ChordsSpec) -> int:
    """The model's class for a chord, of the nearest quality it has."""
    return spec.class_of(chord.root, nearest_quality(chord.quality, spec.qualities))


def _choose_offline(sheet: _Sheet, model: ChordModel, warmth: float, seed: int) -> tuple[Ints, float]:
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
            drawn, cost, _ = _draw(_logits(sheet, model, hidden), random, warmth)
            chosen[asked], nats[asked] = drawn[asked], cost[asked]
    return chosen, float(nats[free].mean()) if len(free) else 0.0


def _apart(slots: Ints, count: int) -> list[int]:
    """The first `count` of the slots, leaving out neighbours of those taken while others are left."""
    taken: list[int] = []
    for slot in map(int, slots):
        if len(taken) < count and not {slot - 1, slot + 1} & set(taken):
            taken.append(slot)
    return taken + [slot for slot in map(int, slots) if slot not in taken][: count - len(taken)]


def _choose_live(sheet: _Sheet, model: ChordModel, warmth: float, seed: int) -> tuple[Ints, float]:
    spec, chosen = model.spec, sheet.known.copy()
    costs = []
    for slot in map(int, sheet.free):
        past = slice(max(0, slot + 1 - LIVE_REACH), slot + 1)
        melody, places, known = shifted(sheet.melody[past], sheet.places[past], chosen[past], spec.unknown)
        if past.start:  # the first row of a window has a slot before it
            melody[0], known[0] = sheet.melody[past.start - 1], chosen[past.start - 1]
        logits, _ = model.run(
            melody[None], places[None], known[None], np.full((1, len(known)), spec.unknown), sheet.words[None]
        )
        random = np.random.default_rng((seed, slot))
        drawn, cost, _ = _draw(logits[0, -1:] + sheet.allowed[slot], random, warmth)
        chosen[slot] = drawn[0]
        costs.append(float(cost[0]))
    return chosen, float(np.mean(costs)) if costs else 0.0


def _logits(sheet: _Sheet, model: ChordModel, known: Ints) -> Floats:
    told = np.full((1, len(known)), model.spec.unknown)
    logits, _ = model.run(sheet.melody[None], sheet.places[None], known[None], told, sheet.words[None])
    found: Floats = logits[0] + sheet.allowed
    return found


def _draw(logits: Floats, random: np.random.Generator, warmth: float) -> tuple[Ints, Floats, Floats]:
    """Of each row (rows, classes): a class drawn at a temperature, its surprise in nats at temperature 1, and how sure it is."""
    top = logits.max(-1, keepdims=True)
    surprise = np.log(np.exp(logits - top).sum(-1)) + top[:, 0]
    kept = np.where(logits >= top + np.log(LEAST_SHARE), logits, -np.inf)
    drawn = (kept / warmth + random.gumbel(size=logits.shape)).argmax(-1)
    cost = surprise - np.take_along_axis(logits, drawn[:, None], -1)[:, 0]
    return drawn, cost, -cost


def _with_bass(sheet: _Sheet, model: ChordModel, chosen: Ints, live: bool) -> list[Chord | None]:
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


def _clipped(given: Sequence[ChordSpan], end: int) -> tuple[ChordSpan, ...]:
    """Given spans that begin inside the bars, in order; UsageError where two sound at once."""
    inside = sorted(
        (span for span in given if 0 <= span.onset < end and span.duration > 0), key=lambda span: span.onset
    )
    for before, after in pairwise(inside):
        if after.onset < before.end:
            raise UsageError(
                f"given chords overlap at tick {after.onset}: the one before lasts until {before.end}; shorten it"
            )
    return tuple(inside)


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
