"""Chords to the notes a keyboard player would hold: a bass, and a hand above it that moves as little as it can.

The bass line is chosen first, the hand above it second; each is the cheapest path (Viterbi) through the candidates of every
chord, so that a whole phrase is weighed at once. Live it is asked a chord at a time.

Costs are in semitones of motion of one voice: a price of 4 says that four semitones of motion are as bad. They are a
player's rules (common tones stay, outer voices do not move in parallel fifths or octaves, 3rd and 7th are there, the 5th goes
first, nothing thick in the low register), with weights set by ear over common progressions.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import combinations, pairwise
from typing import Final, TypeVar

from daw_assist.music.chords import QUALITIES, Chord

Hand = tuple[int, ...]
"""MIDI pitches, rising."""
Above = tuple[tuple[int, float], ...]
"""What the melody sings over a chord: MIDI pitch and the share 0..1 of the chord's time that it takes."""
_T = TypeVar("_T")

SPAN: Final = 12
"""Semitones from the lowest to the highest note of the hand."""
REACH: Final = 10
"""Semitones from the register's centre to the ends of the hand's range."""
BASS_REACH: Final = 9
LOWEST_CENTRE: Final = 51
LOWEST_BASS: Final = 28
"""E1: the lowest string of a bass."""
MAX_VOICES: Final = 5
_BEAM = 20
"""Hands kept of each chord; the best path is found among them."""

_LOWEST: Final = {1: 52, 2: 51, 3: 48, 4: 46, 5: 46, 6: 47, 7: 34, 8: 43, 9: 41, 10: 41, 11: 41, 13: 40, 14: 39}
"""Lowest pitch on which an interval is still clear: the lower interval limits of arranging books (m2 on E3 .. M9 on Eb2)."""
_STEP = (0.0, 1.0, 1.5, 2.5, 3.0, 2.5, 5.0, 3.0, 5.5, 5.5, 9.0, 10.0, 6.0)
"""Price of a step of the bass by its size: fourths, fifths and octaves are easier than tritones and sevenths."""


@dataclass(frozen=True, slots=True)
class Voicing:
    """The bass and the hand above it: MIDI pitches, `upper` rising and above `bass`."""

    bass: int
    upper: Hand

    @property
    def pitches(self) -> Hand:
        """From the lowest."""
        return (self.bass, *self.upper)


def centre_of(register: int) -> int:
    """Where the middle of the hand lies: register 0..7 is MIDI 51, 54 .. 72 (Eb3 to C5); its notes are within `REACH`."""
    return LOWEST_CENTRE + 3 * register


def bass_centre_of(register: int) -> int:
    """Where the bass lies: register 0..7 is MIDI 36, 38 .. 50 (C2 to D3); within `BASS_REACH`, not under `LOWEST_BASS`."""
    return _bass_centre(centre_of(register))


def voice_chords(
    chords: Sequence[Chord],
    *,
    register: int = 3,
    voices: int = 3,
    melody: Sequence[Above] = (),
    before: Voicing | None = None,
) -> tuple[Voicing, ...]:
    """One voicing a chord, the smoothest path for all of them after `before`.

    `voices` 2..5 in the hand, fewer where the chord has not so many notes; `melody` is empty or has an entry a chord.
    """
    over = tuple(melody) or ((),) * len(chords)
    centres = [_centre_under(register, above) for above in over]
    basses: list[int] = _cheapest(
        [_basses(chord, centre) for chord, centre in zip(chords, centres, strict=True)],
        _bass_step,
        None if before is None else before.bass,
    )
    layers = [
        _hands_under(chord, voices, centre, bass, above)
        for chord, centre, bass, above in zip(chords, centres, basses, over, strict=True)
    ]
    path = _cheapest(layers, motion, None if before is None else before.pitches)
    return tuple(Voicing(pitches[0], pitches[1:]) for pitches in path)


def _cheapest(
    layers: Sequence[Sequence[tuple[float, _T]]], step: Callable[[_T, _T], float], first: _T | None
) -> list[_T]:
    """The path, one candidate a layer, with the least sum of prices and steps."""
    if not layers:
        return []
    prices = [price + (step(first, found) if first is not None else 0.0) for price, found in layers[0]]
    backs: list[list[int]] = []
    for earlier, layer in pairwise(layers):
        back: list[int] = []
        reached: list[float] = []
        for price, found in layer:
            ways = [had + step(there, found) for had, (_, there) in zip(prices, earlier, strict=True)]
            best = min(range(len(ways)), key=ways.__getitem__)
            back.append(best)
            reached.append(ways[best] + price)
        backs.append(back)
        prices = reached
    at = min(range(len(prices)), key=prices.__getitem__)
    path = [layers[-1][at][1]]
    for back, layer in zip(reversed(backs), reversed(layers[:-1]), strict=True):
        at = back[at]
        path.append(layer[at][1])
    return path[::-1]


def _bass_centre(centre: int) -> int:
    return 36 + 2 * (centre - LOWEST_CENTRE) // 3


def _basses(chord: Chord, centre: int) -> list[tuple[float, int]]:
    """Every class has a bass below the range of the hand around `centre`."""
    middle = _bass_centre(centre)
    low, high = max(LOWEST_BASS, middle - BASS_REACH), min(middle + BASS_REACH, centre - REACH - 2)
    first = low + (chord.bass_class - low) % 12
    return [(0.02 * (pitch - middle) ** 2, pitch) for pitch in range(first, high + 1, 12)]


def _bass_step(one: int, other: int) -> float:
    size = abs(one - other)
    return _STEP[size] if size <= 12 else float(size)


def _centre_under(register: int, above: Above) -> int:
    """The register's centre, or as far below as the melody needs; a melody in the bass is not ducked under."""
    share = sum(part for _, part in above)
    if not share:
        return centre_of(register)
    mean = sum(pitch * part for pitch, part in above) / share
    return min(centre_of(register), max(LOWEST_CENTRE, round(mean) - 8))


def _hands_under(chord: Chord, voices: int, centre: int, bass: int, above: Above) -> list[tuple[float, Hand]]:
    """Candidates with the bass in front, cheapest first."""
    found = [(price + _against(hand[-1], above), hand) for price, hand in _hands(chord, voices, centre, bass)]
    return sorted(found)[:_BEAM]


def _against(top: int, above: Above) -> float:
    """Price of a top note that doubles, rubs against or crosses the melody."""
    price = 0.0
    for pitch, share in above:
        gap = pitch - top
        if gap < 0:
            price += share * min(12.0, 6.0 - gap)
        elif gap < 3:
            price += share * (5.5, 3.0, 0.5)[gap]
    return price


@lru_cache(maxsize=4096)
def _hands(chord: Chord, voices: int, centre: int, bass: int) -> tuple[tuple[float, Hand], ...]:
    """All hands of a chord in the register over a bass, with the price of each by itself."""
    worth = _worth(chord)
    number = _number(voices, len(worth))
    pool = [pitch for pitch in range(centre - REACH, centre + REACH + 1) if pitch % 12 in worth]
    found = []
    for at, lowest in enumerate(pool):
        within = [pitch for pitch in pool[at + 1 :] if pitch - lowest <= SPAN]
        for rest in combinations(within, number - 1):
            hand = (lowest, *rest)
            price = _tones(hand, worth, bass) + _sound(hand, bass) + 0.08 * (sum(hand) / number - centre) ** 2
            found.append((price, (bass, *hand)))
    return tuple(sorted(found)[: 3 * _BEAM])


def _number(voices: int, classes: int) -> int:
    """Notes in the hand: with one doubling at most; of a ninth or more without one class, which the bass has as a rule."""
    return min(voices, classes + 1 if classes < 5 else classes - 1, MAX_VOICES)


@lru_cache(maxsize=512)
def _worth(chord: Chord) -> dict[int, float]:
    """Price of leaving out each class: 3rd (or 4th, 2nd) and 7th first, then what colours the chord, root, 5th last."""
    steps = QUALITIES[chord.quality]
    third = next((step for step in (4, 3, 5, 2) if step in steps), None)
    seventh = next((step for step in (10, 11, 9) if step in steps), None)
    worth = {}
    for step in steps:
        colour = 7.0 if step == 9 else 5.0 if step in (6, 8) else 4.0
        worth[step] = 12.0 if step == third else 10.0 if step == seventh else colour
    worth[0] = 2.5
    if 7 in worth:
        worth[7] = 1.5
    return {(chord.root + step) % 12: price for step, price in worth.items()}


def _tones(hand: Hand, worth: dict[int, float], bass: int) -> float:
    """Price of what is left out (less where the bass has it) and of what is doubled: roots and fifths double, guide tones not."""
    classes = [pitch % 12 for pitch in hand]
    price = 0.0
    for found, missing in worth.items():
        times = classes.count(found)
        if not times:
            price += 0.3 * missing if bass % 12 == found else missing
        elif times > 1:
            price += 0.3 + 0.5 * max(0.0, missing - 2.5)
    if bass % 12 in classes and worth[bass % 12] > 2.5:
        price += 1.5
    return price


def _sound(hand: Hand, bass: int) -> float:
    """Price of thick low intervals, of clusters, and of a hole between bass and hand."""
    price = 0.0
    for lower, upper in ((bass, hand[0]), (bass, hand[1]), *pairwise(hand)):
        limit = _LOWEST.get(upper - lower, 0)
        if lower < limit:
            price += 2.0 + 0.5 * (limit - lower)
    gaps = [upper - lower for lower, upper in pairwise(hand)]
    price += 1.0 * gaps.count(1) + 2.0 * (gaps[-1] == 1) + 0.5 * (gaps[-1] == 2)
    price += 2.5 * sum(one + other <= 3 for one, other in pairwise(gaps))
    return price + 0.3 * max(0, hand[0] - bass - 19)


@lru_cache(maxsize=1 << 16)
def motion(one: Hand, other: Hand) -> float:
    """Price of going from one voicing to another, the bass first in each.

    The hand's motion in semitones (leaps dearer, its top line dearer still, kept notes cheaper), fifths and octaves in parallel.
    """
    moves = [to - of for of, to in zip(one[1:], other[1:], strict=False)]
    if len(one) != len(other):
        moves = [min((to - of for of in one[1:]), key=abs) for to in other[1:]]
    price = 0.0
    for move in moves:
        size = abs(move)
        price += size + 0.5 * max(0, size - 2) if size else -0.5
    top, low = other[-1] - one[-1], other[0] - one[0]
    price += 0.4 * abs(top) + 0.6 * max(0, abs(top) - 4)
    return price + _parallels(one, other) - (0.4 if top * low < 0 else 0.0)


def _parallels(one: Hand, other: Hand) -> float:
    """Outer fifths and octaves, parallel 14 or reached in the same direction by leap 1.5; inside the hand octaves 3, fifths 0.8."""
    top, low = other[-1] - one[-1], other[0] - one[0]
    price = 0.0
    if top * low > 0 and (other[-1] - other[0]) % 12 in (0, 7):
        price += 14.0 if (one[-1] - one[0] - other[-1] + other[0]) % 12 == 0 else 1.5 * (abs(top) > 2)
    if len(one) != len(other):
        return price
    for at in range(1, len(one) - 1):
        for over in range(at + 1, len(one)):
            gap = one[over] - one[at]
            if gap in (7, 12) and other[over] - other[at] == gap and other[at] != one[at]:
                price += 3.0 if gap == 12 else 0.8
    return price
