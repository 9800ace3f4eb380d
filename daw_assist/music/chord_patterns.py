"""Chords as a keyboard player plays them: what is struck when, in any metre. Voicings to bars of notes.

Every pattern is a set of places in the bar for the bass and for the hand. Density adds places and never takes one away, so
that more is always more; a change of chord inside a bar is always struck. The bass plays its chord's bass note, and in
bass + chord the fifth where a chord in root position stays for another strong beat.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from itertools import accumulate, pairwise
from random import Random
from statistics import median
from typing import Final, Protocol

from daw_assist.music.bars import Bar, flatten
from daw_assist.music.chord_rhythm import BAR, BEAT, GROUP, UNIT, Frame, after_beats, frame_of, groove
from daw_assist.music.chords import QUALITIES, Chord, ChordSpan
from daw_assist.music.melody_line import melody_of
from daw_assist.music.notes import Note
from daw_assist.music.parts import Part
from daw_assist.music.time import Ticks
from daw_assist.music.voicing import LOWEST_BASS, MAX_VOICES, Above, Voicing, voice_chords

VOICES: Final = (2, 3, 3, 3, 4, 4, 5, 5)
"""Notes in the hand by density 0..7."""
ARPEGGIO_VOICES: Final = 4
"""At most, and so many steps an arpeggio needs: more do not fit the half bar of a common chord change in quavers."""
DEFAULT_LEVEL = 72
_HELD: Final = (4, 2)
"""Bars that a chord of density 0 and 1 may ring before it is struck again."""
_BLOCK: Final = (BAR, BAR, BAR, GROUP, GROUP, BEAT, BEAT, UNIT)
_BASS: Final = (BAR, BAR, BAR, BAR, BAR, GROUP, GROUP, GROUP)
_FASTEST: Final = 6
"""Ticks; what would have to be rolled faster is struck at once."""
_STRONG, _MIDDLE, _WEAK = 8, 4, -5
"""Differences in velocity: the bar line, a group of beats, off the beat."""


class PatternSettings(Protocol):
    """What `play_chords` reads of the settings of a harmonization."""

    @property
    def pattern(self) -> str:
        """`block`, `arpeggio`, `comping` or `bass+chord`."""

    @property
    def register(self) -> int:
        """0..7, as `voicing.centre_of` reads it."""

    @property
    def density(self) -> int:
        """0 (few, long notes) .. 7."""

    @property
    def seed(self) -> int:
        """Chooses among grooves and shapes of equal rank; the same seed, the same groove in every bar."""


@dataclass(frozen=True, slots=True)
class _Piece:
    """The part of a chord's time that lies in one bar; ticks from the bar line, which is at `line`."""

    frame: Frame
    line: int
    start: int
    end: int

    def within(self, places: Sequence[int]) -> list[int]:
        """Those places that lie in the piece, counted from the start of the first bar."""
        return [self.line + place for place in places if self.start <= place < self.end]

    def from_start(self, places: Sequence[int]) -> list[int]:
        """The same, and the start of the piece."""
        return sorted({self.line + self.start, *self.within(places)})


@dataclass(frozen=True, slots=True)
class _Held:
    """A voicing and its time, cut at the bar lines."""

    chord: Chord
    voicing: Voicing
    pieces: tuple[_Piece, ...]

    @property
    def onset(self) -> int:
        return self.pieces[0].line + self.pieces[0].start

    @property
    def end(self) -> int:
        return self.pieces[-1].line + self.pieces[-1].end


@dataclass(frozen=True, slots=True)
class _Strike:
    """Pitches struck together; ticks from the start of the first bar."""

    onset: int
    end: int
    part: Part
    pitches: tuple[int, ...]


def play_chords(
    spans: Sequence[ChordSpan],
    bars: Sequence[Bar],
    settings: PatternSettings,
    before: Voicing | None = None,
    *,
    level: int | None = None,
) -> tuple[Bar, ...]:
    """The chords as new notes (keys and bass) for the bars of a melody, as many bars as given.

    Spans count from the first bar line; what lies outside the bars is left out, None is silence, and equal neighbours are one
    chord. `before` is the voicing that sounds before the first span. `level` is the velocity 1..127 of a note on the beat; by
    default a little under the melody's.
    """
    spans = joined(spans, bars)
    return play_voicings(spans, voice_spans(spans, bars, settings, before), bars, settings, level=level)


def joined(spans: Sequence[ChordSpan], bars: Sequence[Bar]) -> tuple[ChordSpan, ...]:
    """The spans in order, within the bars, none over another (the later one counts), equal neighbours as one."""
    total = sum(bar.length for bar in bars)
    made: list[ChordSpan] = []
    ordered = sorted((span for span in spans if span.end > max(0, span.onset)), key=lambda span: span.onset)
    for span, after in zip(ordered, [*(span.onset for span in ordered[1:]), total], strict=True):
        onset, end = max(0, span.onset), min(span.end, after, total)
        if onset >= end:
            continue
        if made and made[-1].chord == span.chord and made[-1].end == onset:
            onset = made.pop().onset
        made.append(ChordSpan(Ticks(onset), Ticks(end - onset), span.chord))
    return tuple(made)


def voice_spans(
    spans: Sequence[ChordSpan], bars: Sequence[Bar], settings: PatternSettings, before: Voicing | None = None
) -> tuple[Voicing | None, ...]:
    """A voicing for every span under the melody of the bars; None where there is no chord."""
    melody = flatten(melody_of(bars))
    chords = [span.chord for span in spans if span.chord is not None]
    above = [_above(melody, span) for span in spans if span.chord is not None]
    voices = min(VOICES[settings.density], ARPEGGIO_VOICES if settings.pattern == "arpeggio" else MAX_VOICES)
    found = iter(voice_chords(chords, register=settings.register, voices=voices, melody=above, before=before))
    return tuple(None if span.chord is None else next(found) for span in spans)


def play_voicings(
    spans: Sequence[ChordSpan],
    voicings: Sequence[Voicing | None],
    bars: Sequence[Bar],
    settings: PatternSettings,
    *,
    level: int | None = None,
) -> tuple[Bar, ...]:
    """The voicings, one a span, in the rhythm of the pattern. Spans as `joined` gives them."""
    lines = [0, *accumulate(int(bar.length) for bar in bars)]
    strikes: list[_Strike] = []
    for span, voicing in zip(spans, voicings, strict=True):
        if voicing is None or span.chord is None:
            continue
        pieces = tuple(
            _Piece(frame_of(bar.metre, bar.length), line, max(0, span.onset - line), min(span.end, end) - line)
            for bar, (line, end) in zip(bars, pairwise(lines), strict=True)
            if line < span.end and end > span.onset
        )
        strikes += _PLAY[settings.pattern](_Held(span.chord, voicing, pieces), settings)
    return _in_bars(strikes, bars, lines, _level(bars) if level is None else level)


def _long(held: _Held, bars: int) -> list[int]:
    """Where a chord that rings on is struck: its onset, and the bar line after so many bars."""
    return [held.onset, *(piece.line for piece in held.pieces[bars::bars])]


def _struck(
    onsets: Sequence[int], held: _Held, part: Part, pitches: tuple[int, ...], longest: int = 0
) -> list[_Strike]:
    """Each until the next, or the end of the chord, or `longest` ticks."""
    return [
        _Strike(onset, min(after, onset + longest) if longest else after, part, pitches)
        for onset, after in pairwise([*onsets, held.end])
    ]


def _bass(held: _Held, density: int) -> list[_Strike]:
    if density < 2:
        onsets = _long(held, _HELD[density])
    else:
        onsets = [at for piece in held.pieces for at in piece.from_start(piece.frame.levels[_BASS[density]])]
    return _struck(onsets, held, Part.BASS, (held.voicing.bass,))


def _block(held: _Held, settings: PatternSettings) -> list[_Strike]:
    density = settings.density
    if density < 2:
        onsets = _long(held, _HELD[density])
    else:
        onsets = [at for piece in held.pieces for at in piece.from_start(piece.frame.levels[_BLOCK[density]])]
    return [*_bass(held, density), *_struck(onsets, held, Part.KEYS, held.voicing.upper)]


def _comping(held: _Held, settings: PatternSettings) -> list[_Strike]:
    density = settings.density
    if density < 2:
        return _block(held, settings)
    onsets: list[int] = []
    for piece in held.pieces:
        onsets += piece.within(groove(piece.frame, density, settings.seed)) or piece.from_start(())
    beat = held.pieces[0].frame.beat
    return [*_bass(held, density), *_struck(onsets, held, Part.KEYS, held.voicing.upper, longest=beat)]


def _bass_and_chord(held: _Held, settings: PatternSettings) -> list[_Strike]:
    """The bass on the strong places, the hand after it: oom-pah, oom-pah-pah, and quavers in 6/8."""
    density = settings.density
    if density < 2:
        return _block(held, settings)
    hand: list[int] = []
    for piece in held.pieces:
        weak = piece.within(after_beats(piece.frame, 3))[:1]
        hand += piece.within(after_beats(piece.frame, density)) or weak or piece.from_start(())
    low = [piece.from_start(piece.frame.levels[BAR if density == 2 else GROUP]) for piece in held.pieces]
    bass = _struck([at for found in low for at in found], held, Part.BASS, (held.voicing.bass,))
    turns = (
        at if len(piece.frame.groups) > 1 else max(bar, 0)
        for bar, (piece, found) in enumerate(zip(held.pieces, low, strict=True), -_is_upbeat(held.pieces[0]))
        for at in range(len(found))
    )
    fifth = _fifth(held)
    bass = [replace(strike, pitches=(fifth,)) if turn % 2 else strike for strike, turn in zip(bass, turns, strict=True)]
    longest = 0 if density == 2 else held.pieces[0].frame.pulse
    return [*bass, *_struck(hand, held, Part.KEYS, held.voicing.upper, longest=longest)]


def _is_upbeat(piece: _Piece) -> bool:
    """Whether it lies in a bar that is cut short: the bar line behind it has the bass note itself."""
    return piece.frame.length < piece.frame.metre.bar_ticks


def _fifth(held: _Held) -> int:
    """The fifth that a bass alternates with, below where there is room; the bass itself in inversions and with odd fifths."""
    bass, chord = held.voicing.bass, held.chord
    if chord.bass_class != chord.root or 7 not in QUALITIES[chord.quality]:
        return bass
    return next((p for p in (bass - 5, bass + 7) if LOWEST_BASS <= p < held.voicing.upper[0]), bass)


def _arpeggio(held: _Held, settings: PatternSettings) -> list[_Strike]:
    """Up to density 2 once up and held; then on and on, in semiquavers from 6."""
    density, upper = settings.density, held.voicing.upper
    if density < 2:
        starts = _long(held, _HELD[density])
        return [
            strike
            for start, end in pairwise([*starts, held.end])
            for strike in _rolled(held.voicing, start, end, held.pieces[0].frame.beat)
        ]
    strikes: list[_Strike] = []
    for piece in held.pieces:
        unit = piece.frame.unit // 2 if density > 5 else piece.frame.unit
        start, end = piece.line + piece.start, piece.line + piece.end
        if density == 2:
            strikes += _rolled(held.voicing, start, end, unit)
            continue
        slots = _slots(piece, unit)
        if not slots:
            strikes += _rolled(held.voicing, start, end, 0)
            continue
        bass = piece.from_start(piece.frame.groups if density > 4 else ())
        strikes += [_Strike(at, until, Part.BASS, (held.voicing.bass,)) for at, until in pairwise([*bass, end])]
        order = _shape(len(upper), settings.seed)
        for at, slot in enumerate(slots[1:] if density == 3 else slots):
            ring = min((piece.line + group for group in piece.frame.groups if piece.line + group > slot), default=end)
            strikes.append(_Strike(slot, min(max(ring, slot + 1), end), Part.KEYS, (upper[order[at % len(order)]],)))
    return strikes


def _slots(piece: _Piece, unit: int) -> list[int]:
    """The grid of an arpeggio in a piece, twice as fine where the whole chord would not fit; empty where it never does."""
    for size in (unit, unit // 2):
        found = piece.from_start(range(0, piece.frame.length, max(1, size)))
        if len(found) >= ARPEGGIO_VOICES:
            return found
    return []


def _shape(number: int, seed: int) -> list[int]:
    """The order in which an arpeggio goes through so many notes: up, up and down, or broken."""
    rising = list(range(number))
    return [rising, rising + rising[-2:0:-1], [0, number - 1, *rising[1:-1], number - 1]][
        Random(seed).randrange(3)  # noqa: S311 (a choice, no secret)
    ]


def _rolled(voicing: Voicing, start: int, end: int, step: int) -> list[_Strike]:
    """The bass and the hand one after the other from below, all held to the end; faster, or at once, where it is short."""
    number = len(voicing.upper) + 1
    while start + step * number > end:
        step = step // 2 if step > _FASTEST else 0
    parts = (Part.BASS, *(Part.KEYS,) * len(voicing.upper))
    return [
        _Strike(start + at * step, end, part, (pitch,))
        for at, (part, pitch) in enumerate(zip(parts, voicing.pitches, strict=True))
    ]


_PLAY: Final[dict[str, Callable[[_Held, PatternSettings], list[_Strike]]]] = {
    "block": _block,
    "arpeggio": _arpeggio,
    "comping": _comping,
    "bass+chord": _bass_and_chord,
}


def _above(melody: Sequence[Note], span: ChordSpan) -> Above:
    """The melody's pitches over a span, with their share of its time."""
    found: list[tuple[int, float]] = []
    for note in melody[max(0, bisect_right(melody, span.onset, key=lambda note: note.onset) - 1) :]:
        if note.onset >= span.end:
            break
        ticks = min(note.end, span.end) - max(note.onset, span.onset)
        if ticks > 0:
            found.append((note.pitch, ticks / span.duration))
    return tuple(found)


def _level(bars: Sequence[Bar]) -> int:
    """A little under what the bars hold; drums are no measure of a melody."""
    heard = [note.velocity for bar in bars for note in bar.notes if note.part is not Part.DRUMS]
    return round(median(heard)) - 8 if heard else DEFAULT_LEVEL


def _in_bars(strikes: Sequence[_Strike], bars: Sequence[Bar], lines: Sequence[int], level: int) -> tuple[Bar, ...]:
    """Notes by the bar in which they start; one that is struck again ends before."""
    found: list[list[Note]] = [[] for _ in bars]
    ends: dict[tuple[Part, int], int] = {}
    for strike in sorted(strikes, key=lambda strike: -strike.onset):
        at = bisect_right(lines, strike.onset) - 1
        onset = strike.onset - lines[at]
        velocity = max(1, min(127, level + _accent(onset, frame_of(bars[at].metre, bars[at].length))))
        for pitch in strike.pitches:
            end = min(strike.end, ends.get((strike.part, pitch), strike.end))
            if end > strike.onset:
                found[at].append(Note(Ticks(onset), strike.part, pitch, Ticks(end - strike.onset), velocity))
                ends[strike.part, pitch] = strike.onset
    return tuple(replace(bar, notes=tuple(sorted(notes))) for bar, notes in zip(bars, found, strict=True))


def _accent(onset: int, frame: Frame) -> int:
    if onset == 0:
        return _STRONG
    if onset in frame.groups:
        return _MIDDLE
    return 0 if onset in frame.levels[BEAT] else _WEAK
