"""Which candidate comes first: simple musical checks, then the model's own surprise. Pure.

Each check compares what is new with the music around it, so that a drum loop may loop and a chromatic piece may be
chromatic, and each gives its finding in words. None of them says what is good; they find what is plainly wrong.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import replace
from itertools import groupby
from typing import Any, Final

from daw_assist.music.bars import Bar
from daw_assist.music.key_finding import find_key
from daw_assist.music.notes import Note
from daw_assist.music.parts import PART_NAMES, Part
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
LEVELS_OFF: Final = 1.5
CONTEXT_BARS: Final = 32
_NEAR_BARS: Final = 8
_ATTRIBUTES: Final = ("density", "polyphony", "register", "loudness", "syncopation")

Finding = tuple[int, str]
"""Weight and words."""


def faults(
    candidate: Candidate,
    context: Sequence[Bar],
    settings: Settings = Settings(),
    levels: Levels | None = None,
    fixed: Sequence[Bar] = (),
) -> list[Finding]:
    """What is wrong with it. `fixed`: the bars with the notes that stood in them before, which are nobody's fault.

    Weights: silence 8, a copy or a loop 4, out of key or one pitch or a stuck bar 3, the rest 1.
    """
    new = _without(candidate.bars, fixed)
    if not any(bar.notes for bar in new) and settings.density != 0:
        return [(8, "silent")]
    found = [_copy(new, context, settings), _loop(new, context), _one_pitch(new, context), _hammering(new, context)]
    if settings.key is None:
        found.append(_out_of_key(new, context))
    if settings.density is None:
        found.append(_density_jump(new, context, settings))
    missed = _missed(candidate.bars, settings, levels) if levels is not None else ()
    return [finding for finding in (*found, *missed) if finding is not None]


def ranked(
    candidates: Sequence[Candidate],
    context: Sequence[Bar],
    settings: Settings = Settings(),
    levels: Levels | None = None,
    fixed: Sequence[Bar] = (),
) -> tuple[Candidate, ...]:
    """Best first, each with its faults in words: least weight of faults, then least surprise a note."""
    context = context[-CONTEXT_BARS:]
    judged = [(faults(candidate, context, settings, levels, fixed), candidate) for candidate in candidates]
    judged.sort(key=lambda pair: (sum(weight for weight, _ in pair[0]), pair[1].nats_per_note))
    return tuple(replace(candidate, faults=tuple(words for _, words in found)) for found, candidate in judged)


def _without(bars: Sequence[Bar], fixed: Sequence[Bar]) -> list[Bar]:
    if not fixed:
        return list(bars)
    return [
        replace(bar, notes=tuple((Counter(bar.notes) - Counter(held.notes)).elements()))
        for bar, held in zip(bars, fixed, strict=True)
    ]


def _shape(bar: Bar) -> tuple[tuple[int, int, int, int], ...]:
    return tuple(sorted((n.onset, n.part, n.pitch, n.duration) for n in bar.notes))


def _pitched(bars: Sequence[Bar]) -> list[Note]:
    return [note for bar in bars for note in bar.notes if note.part is not Part.DRUMS]


def _copy(new: Sequence[Bar], context: Sequence[Bar], settings: Settings) -> Finding | None:
    """Bars that stand in the context note for note, where the context does not repeat itself as much."""
    if settings.similarity is not None and settings.similarity > 0.5:
        return None
    known = {_shape(bar) for bar in context}
    shapes = [_shape(bar) for bar in new if bar.notes]
    own = [_shape(bar) for bar in context if bar.notes]
    share = sum(shape in known for shape in shapes) / max(1, len(shapes))
    usual = 1 - len(set(own)) / max(1, len(own))
    if share >= COPY_SHARE > usual and share > usual + 0.25:
        return 4, f"{share:.0%} of the bars are copies of bars before"
    return None


def _longest_run(bars: Sequence[Bar]) -> int:
    shapes = [tuple(shape[:3] for shape in _shape(bar)) for bar in bars]
    return max((len(list(run)) for shape, run in groupby(shapes) if shape), default=0)


def _loop(new: Sequence[Bar], context: Sequence[Bar]) -> Finding | None:
    run = _longest_run(new)
    if run >= 3 and run > _longest_run(context):
        return 4, f"the same bar {run} times over"
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


def _hammering(new: Sequence[Bar], context: Sequence[Bar]) -> Finding | None:
    """The same stroke again and again within and across bars."""

    def longest(bars: Sequence[Bar]) -> int:
        return max((len(list(run)) for own in _strokes(bars) for _, run in groupby(own)), default=0)

    run = longest(new)
    if run >= MIN_NOTES and run > 2 * longest(context):
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


def _density(bars: Sequence[Bar], parts: Collection[str] | None) -> float:
    """Notes a quarter of these parts (None: of all)."""
    notes = sum(parts is None or PART_NAMES[note.part] in parts for bar in bars for note in bar.notes)
    return notes * TICKS_PER_QUARTER / max(1, sum(bar.length for bar in bars))


def _density_jump(new: Sequence[Bar], context: Sequence[Bar], settings: Settings) -> Finding | None:
    """Those who may play do so far more or less than around it."""
    usual = _density(context[-_NEAR_BARS:], settings.parts)
    found = _density(new, settings.parts)
    if not usual or 1 / DENSITY_JUMP <= found / usual <= DENSITY_JUMP:
        return None
    return 1, f"{found:.1f} notes a beat after {usual:.1f}"


def _missed(made: Sequence[Bar], settings: Settings, levels: Levels) -> Iterator[Finding]:
    """Attributes that were asked for and are more than a level and a half off, on the mean of the bars."""
    measured = [levels(bar) for bar in made if bar.notes]
    for name in _ATTRIBUTES:
        asked = getattr(settings, name)
        if asked is None or not measured:
            continue
        mean = sum(getattr(level, name) for level in measured) / len(measured)
        if abs(mean - asked) > LEVELS_OFF:
            yield 1, f"{name} {mean:.1f} where {asked} was asked for"
