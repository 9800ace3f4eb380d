"""Chord symbols of MusicXML: on the grid of the melody, through repeats, and as near as our qualities come."""

from __future__ import annotations

import zipfile
from pathlib import Path

import pytest

from daw_assist.music.bars import Bar
from daw_assist.music.chords import Chord, ChordSpan, chord_name
from daw_assist.music.metre import Metre
from daw_assist.music.notes import Note
from daw_assist.music.parts import Part
from daw_assist.music.time import Ticks
from models_onnx.corpora.chord_pieces import (
    HUMAN,
    LABELLED,
    between,
    hymn_piece,
    lead_sheet_piece,
    load_chord_pieces,
    read_first_voice,
    save_chord_pieces,
    song_piece,
)
from models_onnx.corpora.chord_symbols import LeadSheet, quality_of, read_lead_sheet
from models_onnx.corpora.pack import Piece, Words, arrays
from models_onnx.corpora.readers import UnreadableError
from models_onnx.corpora.scores import read_mxl

TIME = "<attributes><divisions>1</divisions><time><beats>4</beats><beat-type>4</beat-type></time></attributes>"
BACK = '<barline location="right"><repeat direction="backward"/></barline>'
FORTH = '<barline location="left"><repeat direction="forward"/></barline>'


def note(step: str, quarters: int) -> str:
    return f"<note><pitch><step>{step}</step><octave>5</octave></pitch><duration>{quarters}</duration></note>"


def symbol(root: str, kind: str = "major", bass: str = "", degree: str = "", alter: int = 0) -> str:
    below = f"<bass><bass-step>{bass}</bass-step></bass>" if bass else ""
    values = f"<degree-value>{degree}</degree-value><degree-alter>-1</degree-alter><degree-type>add</degree-type>"
    more = f"<degree>{values}</degree>" if degree else ""
    of = f"<root><root-step>{root}</root-step><root-alter>{alter}</root-alter></root>"
    return f"<harmony>{of}<kind>{kind}</kind>{below}{more}</harmony>"


def sheet(path: Path, *measures: str) -> LeadSheet:
    inside = "".join(f'<measure number="{number}">{text}</measure>' for number, text in enumerate(measures, 1))
    part = f'<part-list><score-part id="P1"><part-name/></score-part></part-list><part id="P1">{inside}</part>'
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr(
            "META-INF/container.xml", '<container><rootfiles><rootfile full-path="a.xml"/></rootfiles></container>'
        )
        archive.writestr("a.xml", f'<?xml version="1.0"?><score-partwise version="3.0">{part}</score-partwise>')
    return read_lead_sheet(path)


def rows(spans: tuple[ChordSpan, ...]) -> list[tuple[int, int, str]]:
    return [(span.onset, span.duration, chord_name(span.chord)) for span in spans]


music21 = pytest.importorskip("music21", reason="the corpora extra is not installed")


def test_symbols_stand_where_the_melody_stands_and_hold_until_the_next(tmp_path: Path) -> None:
    read = sheet(
        tmp_path / "a.mxl",
        TIME + note("G", 2) + symbol("C") + note("E", 2),
        symbol("D", "minor-seventh") + note("F", 3) + symbol("B", "dominant", alter=-1) + note("B", 1),
        note("C", 4),
    )
    assert rows(read.spans) == [(0, 48, "N.C."), (48, 48, "C"), (96, 72, "Dm7"), (168, 120, "Bb7")]
    assert [len(bar.notes) for bar in read.bars] == [2, 2, 1]
    assert not read.simplified and not read.dropped
    assert read.bars == read_mxl(tmp_path / "a.mxl").bars


def test_a_slash_bass_and_an_added_ninth_are_kept(tmp_path: Path) -> None:
    read = sheet(
        tmp_path / "a.mxl",
        TIME + symbol("C", bass="E") + note("G", 2) + symbol("G", "dominant", degree="9") + note("F", 2),
    )
    assert rows(read.spans) == [(0, 48, "C/E"), (48, 48, "G7b9")]


def test_two_symbols_on_one_note_divide_it(tmp_path: Path) -> None:
    read = sheet(tmp_path / "a.mxl", TIME + symbol("C") + symbol("F") + note("C", 4), symbol("C") + note("C", 4))
    assert rows(read.spans) == [(0, 48, "C"), (48, 48, "F"), (96, 96, "C")]


def test_going_back_to_a_repeat_the_chord_of_that_place_holds_again(tmp_path: Path) -> None:
    read = sheet(
        tmp_path / "a.mxl",
        TIME + symbol("C") + note("C", 4),
        FORTH + note("E", 4),
        symbol("G") + note("D", 4) + BACK,
        symbol("F") + note("C", 4),
    )
    assert len(read.bars) == 6
    assert rows(read.spans) == [(0, 192, "C"), (192, 96, "G"), (288, 96, "C"), (384, 96, "G"), (480, 96, "F")]


def test_a_kind_that_we_have_no_quality_for_becomes_a_simpler_one_and_is_counted(tmp_path: Path) -> None:
    read = sheet(
        tmp_path / "a.mxl", TIME + symbol("C", "minor-13th") + note("E", 2) + symbol("C", "other") + note("C", 2)
    )
    assert rows(read.spans) == [(0, 48, "Cm9"), (48, 48, "N.C.")]
    assert list(read.simplified) == ["minor-13th -> m9"]
    assert sum(read.dropped.values()) == 1


def test_a_sheet_without_symbols_is_left_out(tmp_path: Path) -> None:
    with pytest.raises(UnreadableError, match="no chord symbols"):
        sheet(tmp_path / "a.mxl", TIME + note("C", 4))


@pytest.mark.parametrize(
    ("kind", "degrees", "said"),
    [
        ("major", [], ("", True)), ("dominant-seventh", ["add9-1"], ("7b9", True)),
        ("dominant-seventh", ["alter5-1"], ("7b5", True)), ("suspended-fourth", ["add7+0"], ("7sus4", True)),
        ("suspended-fourth", ["add7+0", "add9+0"], ("7sus4", False)), ("dominant-13th", ["alter9-1"], ("7b9", False)),
        ("major", ["add4+0"], ("", False)), ("minor-major", [], ("mmaj7", True)), ("pedal", [], None),
    ],
)  # fmt: skip
def test_kinds_and_degrees_become_qualities(kind: str, degrees: list[str], said: tuple[str, bool] | None) -> None:
    assert quality_of(kind, degrees) == said


def packed(bars: list[Bar], source: str) -> Piece:
    words = Words(source, "song", f"{source}/a", False, None, "somebody", "CC0 1.0")
    return Piece("valid", words, *arrays(bars))


def bar(*notes: tuple[int, Part, int, int]) -> Bar:
    return Bar(Metre(), tuple(sorted(Note(Ticks(on), part, pitch, Ticks(long), 80) for on, part, pitch, long in notes)))


def c_major(melody: bool) -> Bar:
    sung = [(onset, Part.VOICE, 72 + onset // 24, 24) for onset in range(0, 96, 24)] if melody else []
    return bar(*sung, (0, Part.KEYS, 48, 96), (0, Part.KEYS, 64, 96), (0, Part.KEYS, 67, 96))


def test_a_song_becomes_its_voice_from_first_to_last_note_with_chords_of_both(tmp_path: Path) -> None:
    made = song_piece(packed([c_major(False), *[c_major(True)] * 7, c_major(False)], "openscore-lieder"))
    assert len(made.bars) == 7
    assert {note.part for one in made.bars for note in one.notes} == {Part.VOICE}
    assert rows(made.spans) == [(0, 7 * 96, "C")]
    assert (made.labels, made.split, made.group) == (LABELLED, "valid", "somebody")


def test_a_duet_and_a_piano_piece_are_no_songs() -> None:
    duet = bar(
        *[(onset, Part.VOICE, pitch, 24) for onset in range(0, 96, 24) for pitch in (72, 76)], (0, Part.KEYS, 48, 96)
    )
    with pytest.raises(UnreadableError, match="more than one voice"):
        song_piece(packed([duet] * 8, "nifc-polish"))
    with pytest.raises(UnreadableError, match="not voice and keyboard"):
        song_piece(packed([c_major(False)] * 30, "nifc-polish"))


def test_the_melody_of_a_hymn_is_its_first_voice_even_below_the_second(tmp_path: Path) -> None:
    head = "X:1\nM:4/4\nL:1/4\nV:A\nV:B\nK:C\n"
    path = tmp_path / "a.abc"
    path.write_text(head + "[V:A] c e c e | c c c c |]\n[V:B] C d C d | C C C C |]\n")
    first = read_first_voice(path)
    assert [note.pitch for one in first for note in one.notes] == [72, 76, 72, 76, 72, 72, 72, 72]
    whole = [bar(*[(n.onset, Part.KEYS, pitch, 24) for n in one.notes for pitch in (n.pitch, 79)]) for one in first] * 4
    made = hymn_piece(packed(whole, "open-hymnal"), [*first] * 4)
    assert [note.pitch for one in made.bars[:2] for note in one.notes] == [72, 76, 72, 76, 72, 72, 72, 72]


def test_pieces_come_back_from_their_file_as_they_were(tmp_path: Path) -> None:
    bars = [c_major(True)] * 8
    spans = (ChordSpan(Ticks(0), Ticks(96), None), ChordSpan(Ticks(96), Ticks(672), Chord(2, "m7b5", 8)))
    lead = lead_sheet_piece(packed(bars, "openewld"), LeadSheet(tuple(bars), spans))
    pieces = [lead, song_piece(packed(bars, "openscore-lieder"))]
    save_chord_pieces(pieces, tmp_path / "train.npz")
    assert list(load_chord_pieces(tmp_path / "train.npz")) == pieces
    assert [piece.labels for piece in pieces] == [HUMAN, LABELLED]


def test_a_file_with_other_qualities_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    save_chord_pieces([], tmp_path / "train.npz")
    monkeypatch.setattr("models_onnx.corpora.chord_pieces.QUALITY_NAMES", ("",))
    with pytest.raises(ValueError, match="make it again"):
        list(load_chord_pieces(tmp_path / "train.npz"))


def test_spans_are_cut_at_both_ends() -> None:
    spans = (ChordSpan(Ticks(0), Ticks(50), Chord(0)), ChordSpan(Ticks(50), Ticks(50), Chord(5)))
    assert rows(between(spans, 24, 60)) == [(0, 26, "C"), (26, 10, "F")]
    assert between(spans, 100, 120) == ()
