"""How a pitch is written: its letter and accidental, by the key."""

from __future__ import annotations

from typing import Final, NamedTuple

from daw_assist.music.keys import SCALES, Key

_LETTERS: Final = "FCGDAEB"
"""In fifths; C is 0 on the line of fifths, F -1, G 1, F sharp 6."""
_NATURAL: Final = {"C": 0, "D": 2, "E": 4, "F": 5, "G": 7, "A": 9, "B": 11}
_FIFTHS: Final = (0, -5, 2, -3, 4, -1, 6, 1, -4, 3, -2, 5)
"""Sharps (flats below 0) of the major key on each pitch class."""
_FLATWARD: Final = 3
"""From three fifths below the key's own to eight above: in A minor and C major B flat, E flat, but G sharp."""


class Spelled(NamedTuple):
    """`alter` in semitones, -2..2; middle C is C, 0, 4."""

    step: str
    alter: int
    octave: int


def fifths_of(key: Key | None) -> int:
    """Sharps of the signature, flats below 0; none where there is no key."""
    if key is None:
        return 0
    # Modes share the signature of the major key with the same notes; of other scales the third says which.
    shift = {"dorian": 2, "phrygian": 4, "lydian": 5, "mixolydian": 7}.get(key.mode)
    if shift is None:
        shift = 9 if 3 in SCALES[key.mode] and 4 not in SCALES[key.mode] else 0
    return _FIFTHS[(key.tonic - shift) % 12]


def spelled(pitch: int, fifths: int) -> Spelled:
    """A pitch 0..127 in a key signature."""
    # A fifth is 7 semitones, and 7 * 7 = 1 (mod 12): the pitch class on the line of fifths, then within the window.
    place = pitch % 12 * 7 % 12
    low = fifths - _FLATWARD
    place += -(-(low - place) // 12) * 12
    alter, letter = divmod(place + 1, 7)
    if abs(alter) > 1:  # F double sharp: nobody's first choice
        place += -12 if alter > 0 else 12
        alter, letter = divmod(place + 1, 7)
    step = _LETTERS[letter]
    octave = (pitch - alter - _NATURAL[step]) // 12 - 1
    return Spelled(step, alter, octave)


def signature(fifths: int) -> dict[str, int]:
    """The letters that the signature alters, by how much."""
    if fifths >= 0:
        return dict.fromkeys(_LETTERS[:fifths], 1)
    return dict.fromkeys(_LETTERS[fifths:], -1)
