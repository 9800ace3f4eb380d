"""Small signs of a MusicXML bar: accidentals, tempo, chord symbols, words."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final
from xml.etree.ElementTree import Element, SubElement

from daw_assist.music.metre import BarLine
from daw_assist.score.rhythm import VALUES, Piece
from daw_assist.score.sheet import Sheet
from daw_assist.score.spelling import signature, spelled

_SIGNS: Final = {-2: "flat-flat", -1: "flat", 0: "natural", 1: "sharp", 2: "double-sharp"}
_KINDS: Final = {
    "": "major", "m": "minor", "dim": "diminished", "aug": "augmented", "sus4": "suspended-fourth",
    "sus2": "suspended-second", "5": "power", "6": "major-sixth", "m6": "minor-sixth", "7": "dominant",
    "maj7": "major-seventh", "m7": "minor-seventh", "mmaj7": "major-minor", "m7b5": "half-diminished",
    "dim7": "diminished-seventh", "aug7": "augmented-seventh", "9": "dominant-ninth", "maj9": "major-ninth",
    "m9": "minor-ninth", "11": "dominant-11th", "13": "dominant-13th",
}  # fmt: skip


def text_in(parent: Element, tag: str, text: str | int) -> Element:
    """A new child with a text; what XML cannot hold becomes a question mark."""
    own = SubElement(parent, tag)
    own.text = "".join(char if char.isprintable() else "?" for char in str(text))
    return own


def accidentals(voices: Sequence[Sequence[Piece]], fifths: int | None) -> list[list[list[str]]]:
    """For each tone of each piece of a stave's voices in one bar, the accidental that is written before it, or "".

    None for `fifths`: a stave of drums, which has none.
    """
    said = dict[tuple[str, int], int]()
    found = [[[""] * len(piece.tones) for piece in own] for own in voices]
    if fifths is None:
        return found
    usual = signature(fifths)
    order = sorted((piece.start, which, at) for which, own in enumerate(voices) for at, piece in enumerate(own))
    for _, which, at in order:
        for index, tone in enumerate(voices[which][at].tones):
            step, alter, octave = spelled(tone.pitch, fifths)
            if not tone.tied_in and said.get((step, octave), usual.get(step, 0)) != alter:
                said[step, octave] = alter
                found[which][at][index] = _SIGNS[alter]
    return found


def harmonies(measure: Element, sheet: Sheet, bar: BarLine) -> None:
    """The chord symbols that begin in a bar."""
    for tick, chord in sheet.chords:
        if not bar.start <= tick < bar.start + bar.length:
            continue
        own = SubElement(measure, "harmony")
        for tag, pitch in (("root", chord.root), ("bass", chord.bass)):
            if pitch is None:
                continue
            if tag == "bass":
                text_in(own, "kind", _KINDS.get(chord.quality, "other")).set("text", chord.quality)
            step, alter, _ = spelled(60 + pitch, sheet.fifths)
            which = SubElement(own, tag)
            text_in(which, f"{tag}-step", step)
            if alter:
                text_in(which, f"{tag}-alter", alter)
        if chord.bass is None:
            text_in(own, "kind", _KINDS.get(chord.quality, "other")).set("text", chord.quality)
        if tick > bar.start:
            text_in(own, "offset", tick - bar.start)


def metronome(measure: Element, sheet: Sheet, bar: BarLine) -> None:
    """The tempo, where one is told at this bar."""
    for tempo in sheet.tempi:
        if tempo.tick != bar.start:
            continue
        own = SubElement(measure, "direction", placement="above")
        mark = SubElement(SubElement(own, "direction-type"), "metronome", parentheses="no")
        beat = max(24, int(tempo.metre.beat_ticks))
        name, dots = VALUES[beat]
        text_in(mark, "beat-unit", name)
        for _ in range(dots):
            SubElement(mark, "beat-unit-dot")
        text_in(mark, "per-minute", f"{tempo.beats:g}")
        SubElement(own, "sound", tempo=f"{tempo.beats * beat / 24:g}")


def directions(measure: Element, sheet: Sheet, index: int, first: bool) -> None:
    """Where the suggested bars begin, the word for it over the first player."""
    if index != sheet.new_from or not first:
        return
    own = SubElement(measure, "direction", placement="above")
    words = text_in(SubElement(own, "direction-type"), "words", sheet.new_text)
    words.set("font-weight", "bold")
    words.set("font-style", "normal")
