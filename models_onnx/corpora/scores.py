"""ABC (through symusic, which carries abc2midi) and MusicXML lead sheets (through music21) to bars on the grid."""

from __future__ import annotations

import contextlib
import re
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Any
from xml.etree import ElementTree

import symusic

from daw_assist.music.bars import Bar
from daw_assist.music.metre import Metre
from daw_assist.music.notes import Note
from daw_assist.music.parts import Part
from daw_assist.music.time import TICKS_PER_QUARTER, Ticks
from models_onnx.corpora.readers import Reading, UnreadableError, from_score

if TYPE_CHECKING:
    from music21.stream import Measure

LEAD_VELOCITY = 80
"""Sheet music says nothing of it; close to what converters write."""

_DECORATION = re.compile(r"![^!|\n]*!")
_ASIDE = re.compile(r'"[^"]*"|\{[^}]*\}|\[[A-Za-z]:[^\]]*\]')
_BEFORE = re.compile(r"[\s|:]*(\[\||\|:)?")
_NOTE = r"[_=^]*[A-Ga-gxz][,']*"
_LENGTH = r"(\d*)(/*)(\d*)"
_TOKEN = re.compile(
    rf"\((?P<tuplet>\d)(?::(?P<time>\d))?(?::\d?)?"
    rf"|\[{_NOTE}(?P<inside>{_LENGTH})[^\]|]*\](?P<chord>{_LENGTH})|{_NOTE}(?P<note>{_LENGTH})"
    r"|(?P<broken>[<>]+)|(?P<other>[|&])"
)
_TUPLETS = {2: 3, 3: 2, 4: 3, 6: 2, 8: 3}
"""So many notes in the time of so many (of the others the time depends on the metre)."""


def plain_abc(text: str) -> str:
    """The same tune without what abc2midi misreads.

    It lengthens the note under a `!fermata!`, which in these hymns only the first voice carries, so that the voices drift
    apart by a beat a phrase; trills it writes out. `D'` for `d` it refuses and plays an octave low.
    """

    def line(text: str) -> str:
        if re.match(r"%|[A-Za-z]:", text) and not text.startswith("V:"):
            return text
        bare = _DECORATION.sub("", text)
        pieces = re.split(r'("[^"]*"|\[[A-Za-z]:[^\]]*\])', bare)
        pieces[::2] = [re.sub(r"([A-G])'", lambda found: found[1].lower(), piece) for piece in pieces[::2]]
        return "".join(pieces)

    return "\n".join(line(part) for part in text.splitlines()) + "\n"


def read_abc(path: Path) -> Reading:
    """A hymn. Its upbeat is what stands before the first bar line of its first voice; repeats are played."""
    text = plain_abc(path.read_bytes().decode("utf-8", "replace"))
    said = re.search(r"^M:\s*(\S+)", text, re.MULTILINE)
    if said is None or said[1] == "none":
        raise UnreadableError("no metre")
    try:
        score: Any = symusic.Score.from_abc(text)
    except Exception as error:
        raise UnreadableError("not ABC that symusic reads") from error
    if ":|" in text and len({max(note.end for note in track.notes) for track in score.tracks if len(track.notes)}) > 1:
        raise UnreadableError("its voices repeat different bars")
    first = score.time_signatures[0] if len(score.time_signatures) else None
    bar = Metre(first.numerator, first.denominator).bar_ticks if first else 0
    upbeat = first_bar(text) * TICKS_PER_QUARTER
    known = upbeat.denominator == 1 and 0 < upbeat < bar
    return from_score(score, upbeat=int(upbeat) if known else 0)


def first_bar(text: str) -> Fraction:
    """Quarters before the first bar line of an ABC tune's first line of music; 0 if there is none."""
    unit = Fraction(1, 8)
    in_tune = False
    for line in text.splitlines():
        line = line.split("%", 1)[0]
        length = re.match(r"L:\s*(\d+)/(\d+)", line)
        if length:
            unit = Fraction(int(length[1]), int(length[2]))
        if in_tune and line.strip() and not re.match(r"[A-Za-z]:", line):
            return 4 * unit * _units(_BEFORE.sub("", _ASIDE.sub("", line), count=1))
        in_tune = in_tune or line.startswith("K:")
    return Fraction(0)


def _units(music: str) -> Fraction:
    """Length up to the first bar line, in units of `L:`."""
    total, scale, left = Fraction(0), Fraction(1), 0
    for token in _TOKEN.finditer(music):
        if token["other"]:
            return total
        if token["tuplet"]:
            left = int(token["tuplet"])
            scale = Fraction(int(token["time"] or _TUPLETS.get(left, 2)), left)
        elif not token["broken"]:  # a broken pair lasts as long as an even one
            length = _times(token["note"] or "") * _times(token["inside"] or "") * _times(token["chord"] or "")
            total += length * (scale if left else 1)
            left = max(0, left - 1)
    return Fraction(0)


def _times(length: str) -> Fraction:
    """`3/2`, `/`, `2` or nothing behind a note."""
    count, slashes, below = re.fullmatch(_LENGTH, length).groups()  # type: ignore[union-attr]
    return Fraction(int(count or 1), int(below) if below else 2 ** len(slashes))


def first_part(path: Path) -> Any:
    """The first part of a .mxl as music21 has it; ImportError without music21, `UnreadableError` for what it cannot read."""
    try:
        from music21 import converter, exceptions21
    except ImportError as error:
        raise ImportError(
            "reading .mxl needs music21, and it is not installed: pip install 'daw-assist[corpora]'"
        ) from error
    try:
        score: Any = converter.parse(path, format="musicxml", forceSource=True)
        return score.parts[0]
    except (exceptions21.Music21Exception, ElementTree.ParseError, ValueError, IndexError) as error:
        raise UnreadableError("not MusicXML that music21 reads") from error


def read_mxl(path: Path) -> Reading:
    """The melody of a lead sheet: the written notes of its first part, repeats played; no lyrics, no chord symbols.

    A bar has the length that is written, so an upbeat (and the bar before a repeat of it) is as short as on paper.
    """
    part = first_part(path)
    from music21 import exceptions21, tempo

    marks = part.recurse().getElementsByClass(tempo.MetronomeMark)
    # A word like Allegro has a number of music21's own, marked as implicit.
    told = [mark for mark in marks if mark.numberSounding or (mark.number and not mark.numberImplicit)]
    bpm = round(float(told[0].getQuarterBPM()), 2) if told else None
    with contextlib.suppress(exceptions21.Music21Exception):  # a repeat without its end and the like: once through
        part = part.expandRepeats()
    return Reading(bars_of(list(part.getElementsByClass("Measure"))), bpm)


def bars_of(measures: list[Measure]) -> tuple[Bar, ...]:
    """Measures of music21 on the grid, each as long as it is written."""
    starts, lengths, metres = [], [], []
    here, metre = 0, None
    for index, measure in enumerate(measures):
        if measure.timeSignature is not None:
            metre = Metre(measure.timeSignature.numerator, measure.timeSignature.denominator)
        if metre is None:
            raise UnreadableError("no metre")
        if not metre.is_supported:
            raise UnreadableError("metre beyond the grid")
        written, full = _ticks(measure.duration.quarterLength), int(metre.bar_ticks)
        if written > full:
            raise UnreadableError("a bar longer than its metre")
        starts.append(here)
        # The last bar is often cut by the length of the upbeat, for a repeat that nobody writes out.
        lengths.append(written if written and index + 1 < len(measures) else full)
        metres.append(metre)
        here += lengths[-1]
    found: list[list[Note]] = [[] for _ in measures]
    for index, note in _tied(measures, starts):
        found[index].append(note)
    return tuple(
        Bar(metre, tuple(sorted(own)), Ticks(length)) for metre, own, length in zip(metres, found, lengths, strict=True)
    )


def _tied(measures: list[Measure], starts: list[int]) -> list[tuple[int, Note]]:
    """(bar, note) with the onset from the bar line; tied notes are one. Grace notes have no length and are left out."""
    found: list[tuple[int, Note]] = []
    last: dict[int, int] = {}  # pitch: index into found
    for index, (measure, start) in enumerate(zip(measures, starts, strict=True)):
        for element in measure.recurse().notes:
            if "Harmony" in element.classes or element.duration.isGrace or not hasattr(element, "pitches"):
                continue
            onset, length = _ticks(element.getOffsetInHierarchy(measure)), _ticks(element.quarterLength)
            for pitch, tie in _pitches(element):
                at = last.get(pitch, -1)
                if tie in ("stop", "continue") and at >= 0:
                    bar, begun = found[at]
                    if starts[bar] + begun.end == start + onset:
                        longer = Ticks(begun.duration + length)
                        found[at] = (bar, Note(begun.onset, begun.part, pitch, longer, begun.velocity))
                        continue
                last[pitch] = len(found)
                note = Note(Ticks(onset), Part.LEAD, pitch, Ticks(max(1, length)), LEAD_VELOCITY)
                found.append((index, note))
    return found


def _pitches(element: Any) -> list[tuple[int, str]]:
    """(MIDI pitch, tie or "") of a note or a chord."""
    members = element.notes if element.isChord else [element]
    return [(one.pitch.midi, one.tie.type if one.tie else "") for one in members]


def _ticks(quarters: Any) -> int:
    ticks: int = round(quarters * TICKS_PER_QUARTER)  # a float or a Fraction
    return ticks


def composer_of_hymn(path: Path) -> str:
    """What the Open Hymnal's own comment says: `Luther, Martin (1483-1546)`, `English`, or ""."""
    said = re.search(r"^%OHCOMPOSER\s+(.*)$", path.read_bytes().decode("utf-8", "replace"), re.MULTILINE)
    return said[1].strip() if said else ""
