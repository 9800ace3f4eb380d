"""The vocabulary: one flat table of ids, fixed by its hash.

    sequence := BOS [STYLE] [KEY] [TEMPO] [DYNAMICS] PART* [ahead] bar*
    ahead    := AHEAD (BAR [NUM DEN] OPEN event*)* (BAR [NUM DEN] event*)* HERE
    bar      := BAR [NUM DEN] [DENSITY] [POLYPHONY] [REGISTER] [LOUDNESS] [SYNCOPATION] event*
    event    := [POS] [PART] [VEL] [DUR] PITCH   |   [POS] [PART] [VEL] DRUM

Position, part, velocity and duration are said only where they change, and everything is said anew in each bar, so that a
bar's ids depend on its own notes alone and a cache of past bars stays valid. NUM DEN stand in the first bar and where
the metre changes. The PARTs of the header are those that play.

To fill bars between others, what comes later is said first: the bars to be filled, each with OPEN and the notes that are
already fixed in it, then the bars after them; then the past and the filled bars follow in order. So the last id of the
prompt is always the bar line before the first new bar, and filling reads like going on.
"""

from __future__ import annotations

import hashlib
from enum import IntEnum
from typing import Final

from daw_assist.music.metre import DENOMINATORS, MAX_BAR_TICKS, MAX_NUMERATOR
from daw_assist.music.parts import Part

STYLES: Final = (
    "sacred", "classical", "song", "quartet", "piano", "dance", "rock", "band", "drums", "chorale", "hymn", "leadsheet",
)  # fmt: skip
"""Style words in the order of their ids; four places are left."""

DURATIONS: Final[tuple[int, ...]] = (
    *range(1, 13), 14, 15, 16, 18, 20, 21, 22, 23, 24, 27, 28, 30, 32, 33, 36, 40, 42, 44, 45, 48, 54, 56, 60, 64, 66, 69,
    72, 78, 80, 84, 90, 93, 96, 108, 120, 132, 144, 160, 168, 180, 192, 216, 240, 288, 336, 384, 480, 576,
)  # fmt: skip
"""Durations in ticks that have a token; others go to the nearest, longer ones to the last."""

FIRST_DRUM: Final = 27
VELOCITY_STEP: Final = 16


class Kind(IntEnum):
    """What a token says; the order is the order of the id blocks."""

    PAD = 0
    BOS = 1
    EOS = 2
    BAR = 3
    DYNAMICS = 4
    FILL = 5
    STYLE = 6
    KEY = 7
    TEMPO = 8
    NUM = 9
    DEN = 10
    DENSITY = 11
    POLYPHONY = 12
    REGISTER = 13
    LOUDNESS = 14
    SYNCOPATION = 15
    POS = 16
    PART = 17
    VEL = 18
    DUR = 19
    PITCH = 20
    DRUM = 21


SIZES: Final = {
    Kind.PAD: 1, Kind.BOS: 1, Kind.EOS: 1, Kind.BAR: 1, Kind.DYNAMICS: 1, Kind.FILL: 3, Kind.STYLE: 16, Kind.KEY: 24,
    Kind.TEMPO: 8, Kind.NUM: MAX_NUMERATOR, Kind.DEN: len(DENOMINATORS), Kind.DENSITY: 8, Kind.POLYPHONY: 8,
    Kind.REGISTER: 8, Kind.LOUDNESS: 8, Kind.SYNCOPATION: 8, Kind.POS: MAX_BAR_TICKS, Kind.PART: len(Part),
    Kind.VEL: 8, Kind.DUR: len(DURATIONS), Kind.PITCH: 128, Kind.DRUM: 64,
}  # fmt: skip

FIRST: Final[dict[Kind, int]] = {}
"""First id of each kind."""
_next = 0
for _kind in Kind:
    FIRST[_kind] = _next
    _next += SIZES[_kind]

USED_IDS: Final = _next
VOCAB_SIZE: Final = -(-USED_IDS // 64) * 64
"""Rounded up to a multiple of 64 for the matrix kernels; ids from USED_IDS on never occur."""

KIND_OF: Final[tuple[Kind, ...]] = tuple(kind for kind in Kind for _ in range(SIZES[kind]))
"""Kind of each used id."""

PAD, BOS, EOS, BAR, DYNAMICS = (FIRST[k] for k in (Kind.PAD, Kind.BOS, Kind.EOS, Kind.BAR, Kind.DYNAMICS))

AHEAD, OPEN, HERE = (FIRST[Kind.FILL] + i for i in range(3))

TEMPO_STEPS: Final = (60.0, 76.0, 92.0, 108.0, 126.0, 144.0, 168.0)
"""Lower bounds of tempo classes 1..7 in quarters a minute."""

_NEAREST_DURATION: Final[tuple[int, ...]] = tuple(
    min(range(len(DURATIONS)), key=lambda i: (abs(DURATIONS[i] - ticks), i)) for ticks in range(DURATIONS[-1] + 1)
)


RUNNING: Final = tuple(
    (FIRST[kind], SIZES[kind])
    for kind in (
        Kind.POS, Kind.PART, Kind.DUR, Kind.DENSITY, Kind.POLYPHONY, Kind.REGISTER, Kind.LOUDNESS, Kind.SYNCOPATION,
    )
)  # fmt: skip
"""Blocks (first id, count) of which the last one said holds until the bar line."""
LASTING: Final = tuple((FIRST[kind], SIZES[kind]) for kind in (Kind.STYLE, Kind.KEY, Kind.TEMPO))
"""Those that hold for the piece."""


def duration_id(ticks: int) -> int:
    """Id of the nearest duration (ticks >= 1)."""
    longest: int = DURATIONS[-1]
    return FIRST[Kind.DUR] + _NEAREST_DURATION[min(max(ticks, 1), longest)]


def value_of(token: int) -> int:
    """Index of the token within its kind (a position in ticks, a pitch, an index into DURATIONS, ...)."""
    return token - FIRST[KIND_OF[token]]


def style_id(name: str) -> int:
    """Id of a style word; KeyError if there is none of that name."""
    if name not in STYLES:
        raise KeyError(name)
    return FIRST[Kind.STYLE] + STYLES.index(name)


def name_of(token: int) -> str:
    """A token in words, for people."""
    if token >= USED_IDS:
        return f"unused{token}"
    kind, value = KIND_OF[token], value_of(token)
    if kind is Kind.DUR:
        return f"dur{DURATIONS[value]}"
    if kind is Kind.PART:
        return Part(value).name.lower()
    if kind is Kind.NUM:
        return f"num{value + 1}"
    if kind is Kind.DEN:
        return f"den{DENOMINATORS[value]}"
    if kind is Kind.STYLE and value < len(STYLES):
        return STYLES[value]
    if kind is Kind.FILL:
        return ("ahead", "open", "here")[value]
    return kind.name.lower() if SIZES[kind] == 1 else f"{kind.name.lower()}{value}"


def vocab_hash() -> str:
    """SHA-256 over the meaning of every id: a model trained on another table is refused."""
    table = "\n".join(name_of(token) for token in range(USED_IDS)) + f"\n{FIRST_DRUM} {VELOCITY_STEP} {VOCAB_SIZE}"
    return hashlib.sha256(table.encode()).hexdigest()
