"""Where a kit is written on five lines, as in Weinberg, "Guide to standardized drumset notation" (1998)."""

from __future__ import annotations

from typing import Final, NamedTuple


class Struck(NamedTuple):
    """`step` and `octave` as though in the treble clef; `head` as MusicXML names it."""

    step: str
    octave: int
    head: str = "normal"


_KIT: Final = {
    35: Struck("E", 4), 36: Struck("F", 4), 37: Struck("C", 5, "x"), 38: Struck("C", 5), 39: Struck("C", 5, "slash"),
    40: Struck("C", 5), 41: Struck("G", 4), 42: Struck("G", 5, "x"), 43: Struck("A", 4), 44: Struck("D", 4, "x"),
    45: Struck("B", 4), 46: Struck("G", 5, "circle-x"), 47: Struck("D", 5), 48: Struck("E", 5), 49: Struck("A", 5, "x"),
    50: Struck("E", 5), 51: Struck("F", 5, "x"), 52: Struck("A", 5, "circle-x"), 53: Struck("F", 5, "diamond"),
    54: Struck("B", 5, "triangle"), 55: Struck("B", 5, "x"), 56: Struck("E", 5, "triangle"), 57: Struck("B", 5, "x"),
    59: Struck("F", 5, "x"),
}  # fmt: skip
_OTHER: Final = Struck("D", 5, "diamond")

NAMES: Final = {
    35: "Bass drum 2", 36: "Bass drum", 37: "Side stick", 38: "Snare", 39: "Clap", 40: "Snare 2", 41: "Low floor tom",
    42: "Closed hi-hat", 43: "High floor tom", 44: "Pedal hi-hat", 45: "Low tom", 46: "Open hi-hat", 47: "Low mid tom",
    48: "High mid tom", 49: "Crash", 50: "High tom", 51: "Ride", 52: "China", 53: "Ride bell", 54: "Tambourine",
    55: "Splash", 56: "Cowbell", 57: "Crash 2", 59: "Ride 2", 60: "High bongo", 61: "Low bongo", 62: "Mute conga",
    63: "Open conga", 64: "Low conga", 69: "Cabasa", 70: "Maracas", 75: "Claves", 81: "Triangle",
}  # fmt: skip


def struck(pitch: int) -> Struck:
    """The place and head of a General MIDI percussion key, 0..127."""
    return _KIT.get(pitch, _OTHER)


def drum_name(pitch: int) -> str:
    """Its name, or its number."""
    return NAMES.get(pitch, f"Percussion {pitch}")
