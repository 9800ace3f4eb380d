"""Chords: what a symbol means, from "Cmaj7" to pitch classes and back."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Final

from daw_assist.errors import UsageError
from daw_assist.music.keys import Key
from daw_assist.music.time import Ticks

NO_CHORD: Final = "N.C."
"""How a place without a chord is printed."""

QUALITIES: Final[dict[str, tuple[int, ...]]] = {
    "": (0, 4, 7),
    "m": (0, 3, 7),
    "dim": (0, 3, 6),
    "aug": (0, 4, 8),
    "sus4": (0, 5, 7),
    "sus2": (0, 2, 7),
    "5": (0, 7),
    "6": (0, 4, 7, 9),
    "m6": (0, 3, 7, 9),
    "7": (0, 4, 7, 10),
    "maj7": (0, 4, 7, 11),
    "m7": (0, 3, 7, 10),
    "mmaj7": (0, 3, 7, 11),
    "m7b5": (0, 3, 6, 10),
    "dim7": (0, 3, 6, 9),
    "aug7": (0, 4, 8, 10),
    "7sus4": (0, 5, 7, 10),
    "add9": (0, 2, 4, 7),
    "madd9": (0, 2, 3, 7),
    "6/9": (0, 2, 4, 7, 9),
    "9": (0, 2, 4, 7, 10),
    "maj9": (0, 2, 4, 7, 11),
    "m9": (0, 2, 3, 7, 10),
    "7b9": (0, 1, 4, 7, 10),
    "7#9": (0, 3, 4, 7, 10),
    "7b5": (0, 4, 6, 10),
    "11": (0, 2, 5, 7, 10),
    "13": (0, 2, 4, 7, 9, 10),
}
"""Semitones above the root, by how the quality is printed."""


@dataclass(frozen=True, slots=True, order=True)
class Chord:
    """`root` is a pitch class 0..11; `quality` one of `QUALITIES`; `bass` the pitch class below, None: the root.

    A bass that is the root is kept as None, so that C/C equals C.
    """

    root: int
    quality: str = ""
    bass: int | None = None

    def __post_init__(self) -> None:
        if self.bass == self.root:
            object.__setattr__(self, "bass", None)

    def __str__(self) -> str:
        return chord_name(self)

    @property
    def pitch_classes(self) -> frozenset[int]:
        """Of the chord, and of its bass."""
        return frozenset((self.root + step) % 12 for step in QUALITIES[self.quality]) | {self.bass_class}

    @property
    def bass_class(self) -> int:
        """Pitch class of the lowest note."""
        return self.root if self.bass is None else self.bass

    def moved(self, by: int) -> Chord:
        """Transposed by semitones."""
        return Chord((self.root + by) % 12, self.quality, None if self.bass is None else (self.bass + by) % 12)


@dataclass(frozen=True, slots=True)
class ChordSpan:
    """A chord, or None where there is none, and when it sounds (ticks from where its holder counts)."""

    onset: Ticks
    duration: Ticks
    chord: Chord | None

    @property
    def end(self) -> Ticks:
        """The tick at which the next one may begin."""
        return Ticks(self.onset + self.duration)


def spans_of(changes: Iterable[tuple[int, Chord | None]], end: int) -> tuple[ChordSpan, ...]:
    """Spans from what begins where (ticks in order, the first at 0) to `end`; a chord said twice running is one span."""
    starts: list[tuple[int, Chord | None]] = []
    for tick, chord in changes:
        if starts and starts[-1][0] == tick:
            starts.pop()
        if not starts or starts[-1][1] != chord:
            starts.append((tick, chord))
    ends = [tick for tick, _ in starts[1:]] + [end]
    return tuple(
        ChordSpan(Ticks(tick), Ticks(until - tick), chord)
        for (tick, chord), until in zip(starts, ends, strict=True)
        if until > tick
    )


_CHORD = re.compile(r"(?P<root>[A-Ga-g](?:##|bb|#|b)?)(?P<quality>.*?)(?:/(?P<bass>[A-Ga-g](?:##|bb|#|b)?))?")
_NONE = re.compile(r"(?i:n\.?c\.?|no chord)")
_SIGNS = str.maketrans({"♯": "#", "♭": "b", "−": "-", "–": "-", "º": "°", "Ø": "ø", "△": "Δ"})  # noqa: RUF001
_WORDS = re.compile(r"(?i:major|maj|minor|min|dim|aug|sus|add|dom)|(?i:ma|mi)(?=\d|$)")
_LETTERS = {"c": 0, "d": 2, "e": 4, "f": 5, "g": 7, "a": 9, "b": 11}

_ALIASES: Final = {
    "maj": "", "+": "aug", "#5": "aug", "+5": "aug", "°": "dim", "o": "dim", "mb5": "dim", "m-5": "dim",
    "sus": "sus4", "no3": "5", "maj6": "6", "add6": "6", "madd6": "m6", "dom7": "7", "Δ": "maj7", "Δ7": "maj7", "Δ9": "maj9",
    "mΔ": "mmaj7", "mΔ7": "mmaj7", "ø": "m7b5", "ø7": "m7b5", "m7-5": "m7b5", "dim7b5": "m7b5", "°7": "dim7", "o7": "dim7",
    "+7": "aug7", "7+": "aug7", "7#5": "aug7", "7+5": "aug7", "7sus": "7sus4", "sus7": "7sus4", "sus47": "7sus4",
    "add2": "add9", "majadd9": "add9", "madd2": "madd9", "69": "6/9", "6add9": "6/9", "maj6/9": "6/9", "maj69": "6/9",
    "dom9": "9", "7-9": "7b9", "7+9": "7#9", "7-5": "7b5", "dom11": "11", "dom13": "13",
}  # fmt: skip
"""Other ways to write a quality, after `_plain_quality`."""


def parse_chord(text: str) -> Chord | None:
    """Read "Cm7", "F#-7/C#", "B♭Δ", "Eø", "G7(b9)"; None for "N.C.".

    Errors: `UsageError` for anything else that is not a chord, or one richer than `QUALITIES` holds.
    """
    plain = re.sub(r"[\s_,()\[\]]", lambda found: "" if found[0] not in "([" else " ", text.translate(_SIGNS)).strip()
    if _NONE.fullmatch(plain):
        return None
    match = _CHORD.fullmatch(plain) if len(plain) <= 40 else None
    if match is None:
        raise UsageError(f"chord {text[:40]!r} is not one we know: give it like C, Am7, F#m7b5, Bb/D, or {NO_CHORD}")
    said = _plain_quality(match["quality"])
    quality = _ALIASES.get(said, said)
    if quality not in QUALITIES:
        near = get_close_matches(quality, QUALITIES, n=3, cutoff=0.3) or [name for name in QUALITIES if name]
        root = match["root"][0].upper() + match["root"][1:]
        raise UsageError(
            f"chord {text[:40]!r} has a quality we do not know, {said!r}: near are {', '.join(root + name for name in near)}"
        )
    return Chord(_pitch_class(match["root"]), quality, _pitch_class(match["bass"]) if match["bass"] else None)


def _plain_quality(said: str) -> str:
    """With one spelling of major, minor and the like; capitals count in M and m alone."""
    plain = _WORDS.sub(lambda word: word[0].lower(), said.replace(" ", ""))
    plain = re.sub(r"^(minor|min|mi|-)", "m", plain)
    plain = re.sub(r"major|ma(?![jd])|M|\^|(?<![a-z])j", "maj", plain)
    return re.sub(r"maj(?=Δ)", "", plain)


def _pitch_class(name: str) -> int:
    shift = name.count("#", 1) - name.count("b", 1)
    return (_LETTERS[name[0].lower()] + shift) % 12


_FIFTHS: Final = (0, -5, 2, -3, 4, -1, 6, 1, -4, 3, -2, 5)
"""Where the usual name of each pitch class lies on the line of fifths (C is 0, G is 1, F is -1); intervals alike: a b3 is -3."""

_MODE_FIFTHS: Final = {
    "minor": -3, "minor pentatonic": -3, "blues": -3, "dorian": -2, "phrygian": -4, "lydian": 1, "mixolydian": -1,
}  # fmt: skip
"""How many fifths the signature of a mode lies from that of the major scale on its tonic."""


def chord_name(chord: Chord | None, key: Key | None = None) -> str:
    """As a lead sheet prints it, "N.C." for None; `parse_chord` of it is the chord again.

    Root and bass are spelled as the key has them (E# stands in F# major); without a key as in a key of the chord's own.
    """
    if chord is None:
        return NO_CHORD
    minor = QUALITIES[chord.quality][1:2] == (3,)
    home = key or Key(chord.root, "minor" if minor else "major")
    root = _spelled_root(chord, home)
    name = _note_name(root) + chord.quality
    return name if chord.bass is None else f"{name}/{_note_name(_spelled_bass(chord, root))}"


def _tonic(key: Key) -> int:
    """Place on the line of fifths: the spelling with the fewest signs in the signature."""
    usual, mode = _FIFTHS[key.tonic], _MODE_FIFTHS.get(key.mode, 0)
    return min((usual, usual + 12, usual - 12), key=lambda place: abs(place + mode))


def _spelled_root(chord: Chord, key: Key) -> int:
    step = (chord.root - key.tonic) % 12
    # A diminished chord leads up to the step above it: #i dim, not bii dim.
    leads = chord.quality in ("dim", "dim7", "m7b5") and step in (1, 3, 8)
    return _tonic(key) + _FIFTHS[step] + (12 if leads and not (step in (3, 8) and key.mode == "minor") else 0)


def _spelled_bass(chord: Chord, root: int) -> int:
    """Named from the root, as the chord's own tone where it is one: B in G#m, Cb in Abm."""
    step = (chord.bass_class - chord.root) % 12
    flat_fifth = step == 6 and 6 in QUALITIES[chord.quality]
    sharp_fifth = step == 8 and 8 in QUALITIES[chord.quality]
    return _simple(root) + _FIFTHS[step] - (12 if flat_fifth else 0) + (12 if sharp_fifth else 0)


def _simple(place: int) -> int:
    """The same key of the piano with at most one sign: Fb (-8) to B# (12)."""
    return place + 12 if place < -8 else place - 12 if place > 12 else place


def _note_name(place: int) -> str:
    signs, letter = divmod(_simple(place) + 1, 7)
    return "FCGDAEB"[letter] + ("#" * signs if signs > 0 else "b" * -signs)
