"""A sheet as MusicXML 4.0 (W3C, "partwise"). The same sheet gives the same bytes.

Our own writer, because all that is hard is decided before (voices, ties, triplets, spelling, beams), and the libraries lose
things on the way: music21 10.5 names one drum of a kit, partitura 1.9 writes no triplets from MIDI.
"""

from __future__ import annotations

import io
import zipfile
from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from xml.etree.ElementTree import Element, SubElement, indent, tostring

from daw_assist.music.metre import BarLine, Metre
from daw_assist.music.notes import Note
from daw_assist.score.beams import beams_of
from daw_assist.score.drums import drum_name, struck
from daw_assist.score.rhythm import VALUES, Piece, Tone, pieces_of
from daw_assist.score.sheet import Clef, Player, Sheet, Stave
from daw_assist.score.signs import accidentals, directions, harmonies, metronome, text_in
from daw_assist.score.spelling import spelled

DIVISIONS = 24
_DOCTYPE = (
    b'<?xml version="1.0" encoding="UTF-8"?>\n'
    b'<!DOCTYPE score-partwise PUBLIC "-//Recordare//DTD MusicXML 4.0 Partwise//EN" '
    b'"http://www.musicxml.org/dtds/partwise.dtd">\n'
)
_DRUM_CHANNEL = 10
_SHORT_NAME = 5
"""Letters before the lines behind the first."""


def musicxml_bytes(sheet: Sheet) -> bytes:
    """The document, UTF-8."""
    root = Element("score-partwise", version="4.0")
    if sheet.title:
        text_in(SubElement(root, "work"), "work-title", sheet.title)
    about = SubElement(root, "identification")
    if sheet.caption:
        text_in(about, "rights", sheet.caption)
    text_in(SubElement(about, "encoding"), "software", "daw-assist")
    parts = SubElement(root, "part-list")
    for number, player in enumerate(sheet.players, 1):
        _score_part(parts, player, f"P{number}", number, is_alone=len(sheet.players) == 1)
    for number, player in enumerate(sheet.players, 1):
        part = SubElement(root, "part", id=f"P{number}")
        _measures(part, sheet, player, f"P{number}", first=number == 1)
    indent(root, " ")
    text: str = tostring(root, encoding="unicode")
    return _DOCTYPE + text.encode() + b"\n"


def mxl_bytes(sheet: Sheet) -> bytes:
    """The same, compressed (.mxl)."""
    container = (
        '<?xml version="1.0" encoding="UTF-8"?>\n<container><rootfiles><rootfile full-path="score.musicxml" '
        'media-type="application/vnd.recordare.musicxml+xml"/></rootfiles></container>\n'
    )
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in (("META-INF/container.xml", container.encode()), ("score.musicxml", musicxml_bytes(sheet))):
            archive.writestr(zipfile.ZipInfo(name, (1980, 1, 1, 0, 0, 0)), data, zipfile.ZIP_DEFLATED)
    return out.getvalue()


def _score_part(parts: Element, player: Player, name: str, number: int, is_alone: bool) -> None:
    """Name, what stands of it before later lines, and sounds; each drum of a kit is an instrument of its own."""
    part = SubElement(parts, "score-part", id=name)
    called = player.name or f"Part {number}"
    text_in(part, "part-name", called)
    if not is_alone:
        text_in(
            part,
            "part-abbreviation",
            called if len(called) <= _SHORT_NAME else called[: _SHORT_NAME - 1].rstrip() + ".",
        )
    if player.is_drums:
        sounds = [(f"{name}-{pitch}", drum_name(pitch), pitch) for pitch in _pitches(player)]
    else:
        sounds = [(f"{name}-I", called, -1)]
    for which, word, _ in sounds:
        text_in(SubElement(part, "score-instrument", id=which), "instrument-name", word)
    for which, _, pitch in sounds:
        sound = SubElement(part, "midi-instrument", id=which)
        channel = (number - 1) % 15 + 1
        text_in(sound, "midi-channel", _DRUM_CHANNEL if player.is_drums else channel + (channel >= _DRUM_CHANNEL))
        if player.is_drums:
            text_in(sound, "midi-unpitched", pitch + 1)
        else:
            text_in(sound, "midi-program", player.program + 1)


def _pitches(player: Player) -> list[int]:
    return sorted({note.pitch for stave in player.staves for voice in stave.voices for note in voice})


def _measures(part: Element, sheet: Sheet, player: Player, name: str, first: bool) -> None:
    """All bars of one player; words, tempo and chords stand over the first player alone."""
    held = [[_by_bars(voice, sheet.lines) for voice in stave.voices] for stave in player.staves]
    said: Metre | None = None
    shown: Metre | None = None
    for index, bar in enumerate(sheet.lines):
        measure = SubElement(part, "measure", number=str(index + 1))
        if index and index == sheet.new_from:
            SubElement(measure, "print", {"new-system": "yes"})
        metre = _metre_in(bar, index)
        if metre != said:
            is_shown = metre == bar.metre and metre != shown
            _attributes(measure, sheet, player, metre, (index == 0, is_shown))
            said, shown = metre, metre if is_shown else shown
        if first:
            harmonies(measure, sheet, bar)
            metronome(measure, sheet, bar)
        directions(measure, sheet, index, first)
        here = 0
        for place, stave in enumerate(player.staves):
            voices = [own[index] for own in held[place]]
            here = _stave(measure, sheet, player, stave, bar, voices, (place, here, name))
        if here != bar.length:
            text_in(SubElement(measure, "forward"), "duration", bar.length - here)
        _bar_line(measure, sheet, index)


def _by_bars(notes: Sequence[Note], lines: Sequence[BarLine]) -> list[list[Note]]:
    """For each bar what sounds in it."""
    starts = [int(line.start) for line in lines]
    found: list[list[Note]] = [[] for _ in lines]
    for note in notes:
        for at in range(bisect_right(starts, note.onset) - 1, bisect_left(starts, note.end)):
            found[at].append(note)
    return found


def _metre_in(bar: BarLine, index: int) -> Metre:
    """The bar's own, or the one that a bar cut short has: readers count by it. An upbeat is known by its place."""
    if index == 0 or bar.length == bar.metre.bar_ticks or bar.length % 3:
        return bar.metre
    halvings = min(3, (bar.length // 3 & -(bar.length // 3)).bit_length() - 1)
    return Metre(bar.length // 3 >> halvings, 32 >> halvings)


def _attributes(measure: Element, sheet: Sheet, player: Player, metre: Metre, at: tuple[bool, bool]) -> None:
    """`at`: whether this is the first bar, and whether the metre is to be seen."""
    whole, is_shown = at
    own = SubElement(measure, "attributes")
    if whole:
        text_in(own, "divisions", DIVISIONS)
        text_in(SubElement(own, "key"), "fifths", 0 if player.is_drums else sheet.fifths)
    time = SubElement(own, "time", {} if is_shown else {"print-object": "no"})
    text_in(time, "beats", metre.numerator)
    text_in(time, "beat-type", metre.denominator)
    if not whole:
        return
    if len(player.staves) > 1:
        text_in(own, "staves", len(player.staves))
    for number, stave in enumerate(player.staves, 1):
        _clef(own, stave.clef, number)


def _clef(attributes: Element, clef: Clef, number: int) -> None:
    own = SubElement(attributes, "clef", number=str(number))
    text_in(own, "sign", clef.sign)
    if clef.sign != "percussion":
        text_in(own, "line", clef.line)
    if clef.octave:
        text_in(own, "clef-octave-change", clef.octave)


def _stave(
    measure: Element,
    sheet: Sheet,
    player: Player,
    stave: Stave,
    bar: BarLine,
    voices: Sequence[Sequence[Note]],
    at: tuple[int, int, str],
) -> int:
    """One bar of a stave: `at` is its place in the player, the tick at which the last one ended, and the player's id."""
    place, here, name = at
    used = [which for which in (0, 1) if voices[which]] or [0]
    written = [pieces_of(voices[which], bar.start, bar.length, bar.metre) for which in used]
    signs = accidentals(written, None if player.is_drums else sheet.fifths)
    for count, (which, pieces) in enumerate(zip(used, written, strict=True)):
        if here:
            text_in(SubElement(measure, "backup"), "duration", here)
        writer = _Voice(measure, player, sheet, (place, which, name), len(used) > 1)
        # A second voice is silent without saying so.
        here = writer.write(pieces, beams_of(pieces, bar.metre, bar.length), signs[count], count > 0, bar)
    return here


class _Voice:
    """Writes the pieces of one voice in one bar. Threads: one."""

    def __init__(
        self, measure: Element, player: Player, sheet: Sheet, at: tuple[int, int, str], is_shared: bool
    ) -> None:
        self._measure, self._player, self._fifths = measure, player, sheet.fifths
        self._place, self._which, self._name = at
        self._is_shared = is_shared

    def write(
        self, pieces: Sequence[Piece], beams: Sequence[list[str]], signs: Sequence[list[str]], is_quiet: bool, bar: BarLine
    ) -> int:  # fmt: skip
        """The tick of the bar at which the writer stands then."""
        here = 0
        skipped = 0
        for piece, own_beams, own_signs in zip(pieces, beams, signs, strict=True):
            if not piece.tones and is_quiet:
                skipped += piece.ticks
                continue
            if skipped:
                text_in(SubElement(self._measure, "forward"), "duration", skipped)
                here, skipped = here + skipped, 0
            if not piece.tones:
                self._rest(piece, is_whole=piece.ticks == bar.length)
            for index, (tone, sign) in enumerate(zip(piece.tones, own_signs, strict=True)):
                self._note(piece, tone, sign, [] if index else own_beams, index)
            here += piece.ticks
        return here

    def _rest(self, piece: Piece, is_whole: bool) -> None:
        note = SubElement(self._measure, "note")
        SubElement(note, "rest", {"measure": "yes"} if is_whole else {})
        text_in(note, "duration", piece.ticks)
        text_in(note, "voice", self._number)
        if not is_whole:
            self._value(note, piece, "")
        self._staff(note)
        self._notations(note, piece, None)

    def _note(self, piece: Piece, tone: Tone, sign: str, beams: Sequence[str], index: int) -> None:
        note = SubElement(self._measure, "note")
        if index:
            SubElement(note, "chord")
        if self._player.is_drums:
            place = struck(tone.pitch)
            written = SubElement(note, "unpitched")
            text_in(written, "display-step", place.step)
            text_in(written, "display-octave", place.octave)
        else:
            step, alter, octave = spelled(tone.pitch, self._fifths)
            written = SubElement(note, "pitch")
            text_in(written, "step", step)
            if alter:
                text_in(written, "alter", alter)
            text_in(written, "octave", octave)
        text_in(note, "duration", piece.ticks)
        for tied, word in ((tone.tied_in, "stop"), (tone.tied_out, "start")):
            if tied:
                SubElement(note, "tie", type=word)
        SubElement(note, "instrument", id=f"{self._name}-{tone.pitch if self._player.is_drums else 'I'}")
        text_in(note, "voice", self._number)
        self._value(note, piece, sign)
        if self._player.is_drums:
            text_in(note, "stem", "up")
            if struck(tone.pitch).head != "normal":
                text_in(note, "notehead", struck(tone.pitch).head)
        elif self._is_shared:
            text_in(note, "stem", "down" if self._which else "up")
        self._staff(note)
        for level, word in enumerate(beams, 1):
            text_in(note, "beam", word).set("number", str(level))
        self._notations(note, piece, tone, is_first=not index)

    @property
    def _number(self) -> int:
        return self._place * 4 + self._which + 1

    def _value(self, note: Element, piece: Piece, sign: str) -> None:
        name, dots = piece.value
        text_in(note, "type", name)
        for _ in range(dots):
            SubElement(note, "dot")
        if sign:
            text_in(note, "accidental", sign)
        if piece.triplet:
            ratio = SubElement(note, "time-modification")
            text_in(ratio, "actual-notes", 3)
            text_in(ratio, "normal-notes", 2)

    def _staff(self, note: Element) -> None:
        if len(self._player.staves) > 1:
            text_in(note, "staff", self._place + 1)

    def _notations(self, note: Element, piece: Piece, tone: Tone | None, is_first: bool = True) -> None:
        ties = [w for tied, w in ((tone.tied_in, "stop"), (tone.tied_out, "start")) if tied] if tone else []
        if not ties and not (piece.bracket and is_first):
            return
        own = SubElement(note, "notations")
        for word in ties:
            SubElement(own, "tied", type=word)
        if piece.bracket and is_first:
            SubElement(own, "tuplet", type=piece.bracket, bracket="yes")


def _bar_line(measure: Element, sheet: Sheet, index: int) -> None:
    """A double bar before what is suggested, the closing one at the end."""
    last = index == len(sheet.lines) - 1
    if last or index + 1 == sheet.new_from:
        style = "light-heavy" if last else "light-light"
        text_in(SubElement(measure, "barline", location="right"), "bar-style", style)


assert DIVISIONS * 4 in VALUES  # a whole note
