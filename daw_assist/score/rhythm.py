"""Lengths as they are written: what sounds in a voice of a bar is cut into note values, dots, triplets and ties.

Ticks are 1/24 of a quarter: 24 a quarter, 3 a 32nd, 8 a triplet 8th, 1 a triplet 64th.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Final, Literal, NamedTuple

from daw_assist.music.metre import Metre
from daw_assist.music.notes import Note

VALUES: Final = {
    192: ("breve", 0), 144: ("whole", 1), 96: ("whole", 0), 72: ("half", 1), 48: ("half", 0), 36: ("quarter", 1),
    24: ("quarter", 0), 18: ("eighth", 1), 12: ("eighth", 0), 9: ("16th", 1), 6: ("16th", 0), 3: ("32nd", 0),
}  # fmt: skip
"""Ticks: the name of the value, and its dots."""
TRIPLETS: Final = {
    16: ("quarter", 0),
    12: ("eighth", 1),
    8: ("eighth", 0),
    4: ("16th", 0),
    2: ("32nd", 0),
    1: ("64th", 0),
}
"""Of three in the time of two."""


@dataclass(frozen=True, slots=True)
class Tone:
    """One note head: tied to the one before, to the one after."""

    pitch: int
    tied_in: bool = False
    tied_out: bool = False


@dataclass(frozen=True, slots=True)
class Piece:
    """One written value, `start` and `ticks` within its bar; without tones a rest. `bracket` is that of its triplet."""

    start: int
    ticks: int
    tones: tuple[Tone, ...]
    triplet: bool = False
    bracket: Literal["", "start", "stop"] = ""

    @property
    def value(self) -> tuple[str, int]:
        """Name and dots."""
        return (TRIPLETS if self.triplet else VALUES)[self.ticks]


Event = tuple[int, int, tuple[Note, ...]]
"""Start and end in the bar, and what sounds throughout; nothing in a rest."""


class _Stretch(NamedTuple):
    """Ticks of a bar, and how what lies in them is written: in triplets, freely, or straight."""

    start: int
    end: int
    kind: Literal["straight", "triplet", "mixed"]


def pieces_of(notes: Sequence[Note], start: int, length: int, metre: Metre) -> list[Piece]:
    """One voice of a bar, from its bar line to the next without a hole. `notes` may begin earlier and ring on."""
    events = _events(notes, start, length)
    stretches = _stretches({edge for begin, end, _ in events for edge in (begin, end)}, length, metre)
    found: list[Piece] = []
    for begin, end, sounding in events:
        for stretch in stretches:
            low, high = max(begin, stretch.start), min(end, stretch.end)
            if low >= high:
                continue
            for a, b, triplet in _spans(low, high, stretch, (length, metre, not sounding)):
                tones = tuple(Tone(n.pitch, n.onset < start + a, n.end > start + b) for n in sounding)
                found.append(Piece(a, b - a, tones, triplet, _bracket(a, b, stretch, triplet)))
    return found


def _stretches(edges: set[int], length: int, metre: Metre) -> list[_Stretch]:
    """The bar cut into windows of a quarter (in compound metres an eighth); straight ones that meet are one.

    A window with an edge off the 32nds holds a triplet, or a mixture if there are edges off the triplet 16ths too. Two
    windows whose edges are all on triplet quarters are one of twice the length.
    """
    window = 24 if metre.beat_ticks % 24 == 0 or metre.denominator <= 4 else 12
    found: list[_Stretch] = []
    at = 0
    while at < length:
        size = window
        twice = [edge - at for edge in edges if at < edge < at + 48]
        if window == 24 and at % 48 == 0 and at + 48 <= length and twice and all(edge % 16 == 0 for edge in twice):
            size = 48
        end = min(length, at + size)
        inside = [edge - at for edge in edges if at < edge < end]
        kind: Literal["straight", "triplet", "mixed"] = "straight"
        if any(edge % 3 for edge in (*inside, end - at)):
            # A bar that is cut short may end within a window: no whole triplet then.
            kind = "mixed" if end < at + size or any(edge % 4 for edge in inside) else "triplet"
        if kind == "straight" and found and found[-1].kind == kind:
            found[-1] = found[-1]._replace(end=end)
        else:
            found.append(_Stretch(at, end, kind))
        at = end
    return found


def _events(notes: Sequence[Note], start: int, length: int) -> list[Event]:
    """The bar cut wherever a note starts or ends."""
    own = [note for note in notes if note.onset < start + length and note.end > start]
    edges = {0, length}
    for note in own:
        edges |= {max(0, note.onset - start), min(length, note.end - start)}
    places = sorted(edges)
    found: list[Event] = []
    for low, high in pairwise(places):
        sounding = tuple(note for note in own if note.onset - start <= low and note.end - start >= high)
        if found and not sounding and not found[-1][2]:
            found[-1] = (found[-1][0], high, ())
        else:
            found.append((low, high, sounding))
    return found


def _spans(low: int, high: int, stretch: _Stretch, bar: tuple[int, Metre, bool]) -> list[tuple[int, int, bool]]:
    """A span in values: (from, to, triplet)."""
    if stretch.kind == "straight":
        return [(a, b, False) for a, b in _straight(low, high, *bar)]
    if (low, high) == stretch[:2] and high - low in VALUES:
        return [(low, high, False)]
    found: list[tuple[int, int, bool]] = []
    while low < high:
        left = high - low
        triplet = stretch.kind == "triplet" or left % 3 != 0
        step = next(value for value in (TRIPLETS if triplet else VALUES) if value <= left)
        found.append((low, low + step, triplet))
        low += step
    return found


def _bracket(low: int, high: int, stretch: _Stretch, triplet: bool) -> Literal["", "start", "stop"]:
    if not triplet or stretch.kind == "mixed":
        return ""
    return "start" if low == stretch.start else "stop" if high == stretch.end else ""


def _straight(low: int, high: int, length: int, metre: Metre, is_rest: bool) -> list[tuple[int, int]]:
    """Cut at the heaviest place inside until every piece is one value that does not hide the beat."""
    if high - low in VALUES and (high - low == length or _is_clear(low, high - low, length, metre, is_rest)):
        return [(low, high)]
    for unit in _units(length, metre):
        # From such a place on as far as it goes: three beats and a half are three and a half, not one and two and a half.
        cut = (high - 1) // unit * unit if low % unit == 0 else (low // unit + 1) * unit
        if low < cut < high:
            return [
                *_straight(low, cut, length, metre, is_rest), *_straight(cut, high, length, metre, is_rest)
            ]  # fmt: skip
    return [(low, high)]


def _units(length: int, metre: Metre) -> tuple[int, ...]:
    if metre.beat_ticks % 9 == 0:
        return (metre.beat_ticks, 12, 6, 3)
    return (48, 24, 12, 6, 3) if length % 48 == 0 else (24, 12, 6, 3)


def _is_clear(low: int, ticks: int, length: int, metre: Metre, is_rest: bool) -> bool:
    """Whether a value at this place is one that a reader takes in at once."""
    dotted = VALUES[ticks][1] == 1
    base = ticks * 2 // 3 if dotted else ticks
    if metre.beat_ticks % 36 == 0:
        if ticks >= 36:
            return low % 36 == 0 and ticks % 36 == 0
        around = 36 if ticks >= 12 else 12
        return low // around == (low + ticks - 1) // around and low % (12 if is_rest else 3) in (0, base % 12)
    if is_rest:
        return not dotted and low % base == 0
    if base >= 48:
        return low % 24 == 0 and low + ticks <= length
    around = base * 2
    return low // around == (low + ticks - 1) // around and low % (base // 2 or 1) == 0
