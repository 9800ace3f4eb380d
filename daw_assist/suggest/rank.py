"""Which candidate comes first: simple musical checks, then the model's own surprise. Pure.

Each check compares what is new with the music around it, so that a drum loop may loop and a chromatic piece may be
chromatic, and each gives its finding in words. None of them says what is good; they find what is plainly wrong.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import groupby
from typing import Any, Final

from daw_assist.music.bars import Bar
from daw_assist.music.key_finding import find_key
from daw_assist.music.notes import Note
from daw_assist.music.parts import Part
from daw_assist.music.time import TICKS_PER_QUARTER
from daw_assist.suggest.suggestion import Candidate, Settings

Levels = Callable[[Bar], Any]
"""What a bar is like: an object with a level 0..7 by the name of each attribute (`tokens.attributes.levels`)."""

KEY_MARGIN: Final = 0.15
"""Share of the sounding time outside the key beyond what the context has itself."""
MIN_NOTES: Final = 8
"""With fewer notes, shares say nothing."""
COPY_SHARE: Final = 0.5
ONE_PITCH_SHARE: Final = 0.7
DENSITY_JUMP: Final = 3.0
VOICES_JUMP: Final = 2.0
"""Of 120 places in tunes and other music none went on with twice the voices, of candidates after two bars one in twenty."""
LEVELS_OFF: Final = 1.5
LOOP_PERIODS: Final = 4
CONTEXT_BARS: Final = 32
_NEAR_BARS: Final = 8
_WHOLE: Final = 0.999
_ATTRIBUTES: Final = ("density", "polyphony", "register", "loudness", "syncopation")

_Shape = tuple[tuple[int, int, int, int], ...]
Finding = tuple[int, str]
"""Weight and words."""

SILENT: Final[Finding] = (32, "silent")
SAME: Final[Finding] = (16, "the same as another")
NO_CHOICE: Final = frozenset((SILENT[1], SAME[1]))
"""Faults that leave nothing to choose."""


@dataclass(frozen=True, slots=True)
class _Known:
    """The context's own figures, of some parts or of all: what the same things in a candidate are measured against."""

    bars: tuple[Bar, ...]
    shapes: frozenset[_Shape]
    repeated: float
    """Share of the bars with notes that stand there more than once already."""
    loops: tuple[int, ...]
    """Longest stretch, in bars, that goes round with a period of 1, 2, .. bars."""
    stroke: int
    """Most times that one stroke comes in a row."""
    empty: float
    """Share of the bars without notes."""


def faults(
    candidate: Candidate,
    context: Sequence[Bar],
    settings: Settings = Settings(),
    levels: Levels | None = None,
    fixed: Sequence[Bar] = (),
) -> list[Finding]:
    """What is wrong with it. `fixed`: the bars with the notes that stood in them before, which are nobody's fault.

    Weights: silence 32 (more than all else together), bars left empty 6, a copy or a loop 4,
    out of key or one pitch or a stuck bar 3, the rest 1.
    """
    return _Judge(context, settings, levels, fixed).faults(candidate)


def ranked(
    candidates: Sequence[Candidate],
    context: Sequence[Bar],
    settings: Settings = Settings(),
    levels: Levels | None = None,
    fixed: Sequence[Bar] = (),
) -> tuple[Candidate, ...]:
    """Best first, each with its faults in words: least weight of faults, then least surprise a note.

    One that equals an earlier one note for note goes last: it is no choice.
    """
    judge = _Judge(context[-CONTEXT_BARS:], settings, levels, fixed)
    seen: set[tuple[Bar, ...]] = set()
    judged = []
    for candidate in candidates:
        found = judge.faults(candidate)
        judged.append(([SAME, *found] if candidate.bars in seen else found, candidate))
        seen.add(candidate.bars)
    judged.sort(key=lambda pair: (SAME in pair[0], sum(weight for weight, _ in pair[0]), pair[1].nats_per_note))
    return tuple(replace(candidate, faults=tuple(words for _, words in found)) for found, candidate in judged)


class _Judge:
    """Measures the context once for each set of parts that candidates play. Threads: one."""

    def __init__(self, context: Sequence[Bar], settings: Settings, levels: Levels | None, fixed: Sequence[Bar]) -> None:
        self._context, self._settings, self._levels, self._fixed = context, settings, levels, fixed
        self._known: dict[frozenset[Part], _Known] = {}

    def faults(self, candidate: Candidate) -> list[Finding]:
        settings, context = self._settings, self._context
        new = _without(candidate.bars, self._fixed)
        if not any(bar.notes for bar in new) and settings.density != 0:
            return [SILENT]
        known = self._of({note.part for bar in new for note in bar.notes})
        found = [
            _empty(new, self._of(None), settings), _copy(new, known, settings), _loop(new, known),
            _one_pitch(new, known.bars), _hammering(new, known),
        ]  # fmt: skip
        if settings.key is None:
            found.append(_out_of_key(new, context))
        if settings.density is None:
            found.append(_density_jump(new, known))
        if settings.polyphony is None:
            found.append(_voices_jump(new, known))
        missed = _missed(candidate.bars, settings, self._levels) if self._levels is not None else ()
        return [finding for finding in (*found, *missed) if finding is not None]

    def _of(self, parts: Iterable[Part] | None) -> _Known:
        """The context as far as these parts (None: all) play in it."""
        chosen = frozenset(Part if parts is None else parts)
        if chosen not in self._known:
            self._known[chosen] = _measured(_played_by(self._context, chosen))
        return self._known[chosen]


def _played_by(bars: Sequence[Bar], parts: Collection[Part]) -> tuple[Bar, ...]:
    return tuple(replace(bar, notes=tuple(note for note in bar.notes if note.part in parts)) for bar in bars)


def _measured(bars: tuple[Bar, ...]) -> _Known:
    own = [_shape(bar) for bar in bars if bar.notes]
    return _Known(
        bars, frozenset(own), 1 - len(set(own)) / max(1, len(own)), _loops(bars), _longest_stroke(bars),
        sum(not bar.notes for bar in bars) / max(1, len(bars)),
    )  # fmt: skip


def _empty(new: Sequence[Bar], known: _Known, settings: Settings) -> Finding | None:
    """Nothing at the end, or more bars without notes than the music around has itself."""
    if settings.density == 0:
        return None
    count = sum(not bar.notes for bar in new)
    behind = next((i for i, bar in enumerate(reversed(new)) if bar.notes), len(new))
    resting = max(
        (len(list(run)) for silent, run in groupby(known.bars, lambda bar: not bar.notes) if silent), default=0
    )
    if behind > resting:
        return 6, "the last bar is empty" if behind == 1 else f"the last {behind} bars are empty"
    if count > 1 and count / len(new) > known.empty + 0.25:
        return 6, f"{count} of the {len(new)} bars are empty"
    return None


def _without(bars: Sequence[Bar], fixed: Sequence[Bar]) -> list[Bar]:
    if not fixed:
        return list(bars)
    return [
        replace(bar, notes=tuple((Counter(bar.notes) - Counter(held.notes)).elements()))
        for bar, held in zip(bars, fixed, strict=True)
    ]


def _shape(bar: Bar) -> _Shape:
    return tuple(sorted((n.onset, n.part, n.pitch, n.duration) for n in bar.notes))


def _pitched(bars: Sequence[Bar]) -> list[Note]:
    return [note for bar in bars for note in bar.notes if note.part is not Part.DRUMS]


def _copy(new: Sequence[Bar], known: _Known, settings: Settings) -> Finding | None:
    """Bars that stand in the context note for note, where the context does not repeat itself as much.

    Who asked for its motifs (similarity over 0.5) is told only of what is a copy from end to end.
    """
    shapes = [_shape(bar) for bar in new if bar.notes]
    share, usual = sum(shape in known.shapes for shape in shapes) / max(1, len(shapes)), known.repeated
    if settings.similarity is not None and settings.similarity > 0.5 and share < _WHOLE:
        return None
    if share >= COPY_SHARE > usual and share > usual + 0.25:
        return 4, f"{share:.0%} of the bars are copies of bars before"
    return None


def _loops(bars: Sequence[Bar]) -> tuple[int, ...]:
    """For each period from one bar on: the longest stretch in which every bar is the one so many bars before it."""
    shapes = [tuple(shape[:3] for shape in _shape(bar)) for bar in bars]
    longest = []
    for period in range(1, LOOP_PERIODS + 1):
        same = [
            a == b and any(shapes[i : i + period])
            for i, (a, b) in enumerate(zip(shapes, shapes[period:], strict=False))
        ]
        longest.append(max((len(list(run)) + period for alike, run in groupby(same) if alike), default=0))
    return tuple(longest)


def _loop(new: Sequence[Bar], known: _Known) -> Finding | None:
    """The same 1..4 bars three times over and more often than in the context."""
    for period, (length, usual) in enumerate(zip(_loops(new), known.loops, strict=True), 1):
        times = length // period
        if times >= 3 and times > usual // period:
            what = "the same bar" if period == 1 else f"the same {period} bars"
            return 4, f"{what} {times} times over"
    return None


def _pitch_share(bars: Sequence[Bar]) -> tuple[int, float]:
    """How many pitched notes, and the share of the commonest pitch among them."""
    counts = Counter(note.pitch for note in _pitched(bars))
    return counts.total(), max(counts.values(), default=0) / max(1, counts.total())


def _one_pitch(new: Sequence[Bar], context: Sequence[Bar]) -> Finding | None:
    (count, share), (_, usual) = _pitch_share(new), _pitch_share(context)
    if count >= MIN_NOTES and share >= ONE_PITCH_SHARE and share > usual + 0.2:
        return 3, f"{share:.0%} of the notes are one pitch"
    return None


def _strokes(bars: Sequence[Bar]) -> Iterator[list[tuple[int, ...]]]:
    """For each pitched part, what it strikes at once, stroke by stroke."""
    for part in sorted({note.part for note in _pitched(bars)}):
        struck: dict[tuple[int, int], list[int]] = {}
        for index, bar in enumerate(bars):
            for note in bar.notes:
                if note.part is part:
                    struck.setdefault((index, note.onset), []).append(note.pitch)
        yield [tuple(sorted(struck[place])) for place in sorted(struck)]


def _longest_stroke(bars: Sequence[Bar]) -> int:
    return max((len(list(run)) for own in _strokes(bars) for _, run in groupby(own)), default=0)


def _hammering(new: Sequence[Bar], known: _Known) -> Finding | None:
    """The same stroke again and again within and across bars."""
    run = _longest_stroke(new)
    if run >= MIN_NOTES and run > 2 * known.stroke:
        return 3, f"the same stroke {run} times in a row"
    return None


def _out_of_key(new: Sequence[Bar], context: Sequence[Bar]) -> Finding | None:
    """Sounding time outside the key of the last bars, clearly more than their own."""
    before, after = _pitched(context[-2 * _NEAR_BARS :]), _pitched(new)
    key = find_key(before) if len(before) >= MIN_NOTES else None
    if key is None or len(after) < MIN_NOTES // 2:
        return None

    scale = key.pitch_classes

    def outside(notes: Sequence[Note]) -> float:
        total = sum(note.duration for note in notes)
        return sum(note.duration for note in notes if note.pitch % 12 not in scale) / total

    share = outside(after)
    if share > outside(before) + KEY_MARGIN:
        return 3, f"{share:.0%} of the time outside {key}"
    return None


def _density(bars: Sequence[Bar]) -> float:
    """Notes a quarter."""
    return sum(len(bar.notes) for bar in bars) * TICKS_PER_QUARTER / max(1, sum(bar.length for bar in bars))


def _density_jump(new: Sequence[Bar], known: _Known) -> Finding | None:
    """Those who play anew do so far more or less than around it."""
    usual, found = _density(known.bars[-_NEAR_BARS:]), _density(new)
    if not usual or 1 / DENSITY_JUMP <= found / usual <= DENSITY_JUMP:
        return None
    return 1, f"{found:.1f} notes a beat after {usual:.1f}"


def _voices(bars: Sequence[Bar]) -> float:
    """Pitched notes that sound at once, on the mean of the time in which any does."""
    line, last, sounds, told = 0, 0, 0, 0
    for bar in bars:
        for note in bar.notes:  # in the order of their onsets
            if note.part is Part.DRUMS:
                continue
            begin, end = line + note.onset, line + note.onset + note.duration
            told += note.duration
            sounds += max(0, end - max(begin, last))
            last = max(last, end)
        line += bar.length
    return told / max(1, sounds)


def _voices_jump(new: Sequence[Bar], known: _Known) -> Finding | None:
    """A line becomes chords."""
    usual, found = _voices(known.bars[-_NEAR_BARS:]), _voices(new)
    if not usual or found <= VOICES_JUMP * usual:
        return None
    return 1, f"{found:.1f} voices after {usual:.1f}"


def _missed(made: Sequence[Bar], settings: Settings, levels: Levels) -> Iterator[Finding]:
    """Attributes that were asked for and are more than a level and a half off, on the mean of the bars."""
    for name in _ATTRIBUTES:
        asked = getattr(settings, name)
        # Density is that of the empty bars too; the rest is not to be had of them.
        measured = [levels(bar) for bar in made if bar.notes or name == "density"]
        if asked is None or not measured:
            continue
        mean = sum(getattr(level, name) for level in measured) / len(measured)
        if abs(mean - asked) > LEVELS_OFF:
            yield 1, f"{name} {mean:.1f} where {asked} was asked for"
