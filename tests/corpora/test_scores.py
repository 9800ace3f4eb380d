"""ABC and MusicXML as bars: voices together, upbeats as long as on paper, repeats played, ties joined."""

from __future__ import annotations

import zipfile
from fractions import Fraction
from pathlib import Path

import pytest

from daw_assist.music.bars import Bar
from models_onnx.corpora.readers import UnreadableError
from models_onnx.corpora.scores import composer_of_hymn, first_bar, plain_abc, read_abc, read_mxl

HEAD = "X:1\nT:Tune\nM:4/4\nL:1/4\nV:A clef=treble\nV:B clef=bass\nK:D\n"


def abc(path: Path, music: str, head: str = HEAD) -> Path:
    path.write_text(head + music)
    return path


def rows(bar: Bar) -> list[tuple[int, int, int]]:
    return [(n.onset, n.pitch, n.duration) for n in bar.notes]


def test_the_upbeat_of_a_hymn_is_a_bar_of_its_own_length_and_both_voices_stay_together(tmp_path: Path) -> None:
    tune = "[V:A] [Q:1/4=110] d | d d A/B/ c | !fermata!d4 | d4 |]\n[V:B] F, | F,4 | !ferm!D,4 | A,4 |]\n"
    reading = read_abc(abc(tmp_path / "a.abc", tune))
    assert [int(bar.length) for bar in reading.bars] == [24, 96, 96, 96]
    assert rows(reading.bars[0]) == [(0, 54, 24), (0, 74, 24)]
    assert rows(reading.bars[1]) == [
        (0, 54, 96), (0, 74, 24), (24, 74, 24), (48, 69, 12), (60, 71, 12), (72, 73, 24),
    ]  # fmt: skip
    # A fermata lengthens nothing: the voices would drift apart.
    assert rows(reading.bars[2]) == [(0, 50, 96), (0, 74, 96)]
    assert rows(reading.bars[3]) == [(0, 57, 96), (0, 74, 96)]
    assert reading.bpm == pytest.approx(110.0, abs=0.01)


def test_repeats_are_played(tmp_path: Path) -> None:
    reading = read_abc(abc(tmp_path / "a.abc", "[V:A] |: d4 | e4 :|\n[V:B] |: D,4 | E,4 :|\n"))
    assert [rows(bar)[1][1] for bar in reading.bars] == [74, 76, 74, 76]


def test_triplets_of_a_hymn_stay_triplets(tmp_path: Path) -> None:
    reading = read_abc(abc(tmp_path / "a.abc", "[V:A] (3A/B/c/ d2 d | d4 |]\n[V:B] D,4 | D,4 |]\n"))
    assert [onset for onset, pitch, _ in rows(reading.bars[0]) if pitch > 60] == [0, 8, 16, 24, 72]


@pytest.mark.parametrize(
    ("metre", "music", "reason"),
    [
        ("none", "[V:A] d4 | d4 |]\n", "no metre"),
        ("9/4", "[V:A] d9 | d9 |]\n", "metre beyond the grid"),
        ("4/4", "[V:A] |: d4 :| e4 |]\n[V:B] D,4 | E,4 |]\n", "its voices repeat different bars"),
    ],
)
def test_a_hymn_whose_bars_cannot_be_trusted_is_left_out(tmp_path: Path, metre: str, music: str, reason: str) -> None:
    with pytest.raises(UnreadableError, match=reason):
        read_abc(abc(tmp_path / "a.abc", music, HEAD.replace("4/4", metre)))


@pytest.mark.parametrize(
    ("music", "quarters"),
    [
        ("d | d4 |", Fraction(1)),
        ("[V:A] [Q:1/4=90] d/ | d4 |", Fraction(1, 2)),
        ('"C"!f!_d3/2 z/ | d4', Fraction(2)),
        ("{ag}(d/e/) | d4", Fraction(1)),
        ("[DFA]2 [D2F2] | d4", Fraction(4)),
        ("(3ABc d | e4", Fraction(3)),
        ("d>e | f4", Fraction(2)),
        ("|: x | d4", Fraction(1)),
        ("d4", Fraction(0)),
    ],
)
def test_what_stands_before_the_first_bar_line_is_measured(music: str, quarters: Fraction) -> None:
    assert first_bar(plain_abc(HEAD + music + "\n")) == quarters


def test_only_music_is_rewritten_for_abc2midi() -> None:
    text = "T: Ain't !so! D'or\nw: C' est !la! vie\n[V:A] !trill!D' \"D'\"c\n"
    assert plain_abc(text) == "T: Ain't !so! D'or\nw: C' est !la! vie\n[V:A] d \"D'\"c\n"


def test_the_composer_of_a_hymn_stands_in_its_comment(tmp_path: Path) -> None:
    path = abc(tmp_path / "a.abc", "d4|", "%OHCOMPOSER Luther, Martin (1483-1546)\n" + HEAD)
    assert composer_of_hymn(path) == "Luther, Martin (1483-1546)"
    assert composer_of_hymn(abc(tmp_path / "b.abc", "d4|")) == ""


def step(name: str, octave: int, quarters: int, tie: str = "", chord: str = "") -> str:
    pitch = f"<pitch><step>{name}</step><octave>{octave}</octave></pitch>"
    return f"<note>{chord}{pitch}<duration>{quarters}</duration>{tie}</note>"


def measure(number: int, inside: str, after: str = "") -> str:
    return f'<measure number="{number}">{inside}{after}</measure>'


def mxl(path: Path, *measures: str) -> Path:
    part = (
        f'<part-list><score-part id="P1"><part-name/></score-part></part-list><part id="P1">{"".join(measures)}</part>'
    )
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr(
            "META-INF/container.xml",
            '<container><rootfiles><rootfile full-path="a.xml"/></rootfiles></container>',
        )
        archive.writestr("a.xml", f'<?xml version="1.0"?><score-partwise version="3.0">{part}</score-partwise>')
    return path


TIME = "<attributes><divisions>1</divisions><time><beats>3</beats><beat-type>4</beat-type></time></attributes>"
BACK = '<barline location="right"><repeat direction="backward"/></barline>'
HARMONY = "<harmony><root><root-step>C</root-step></root><kind>major</kind></harmony>"
SOUND = '<direction><direction-type><words>x</words></direction-type><sound tempo="90"/></direction>'


def test_a_lead_sheet_keeps_its_upbeat_and_its_tied_notes_and_no_chord_symbols(tmp_path: Path) -> None:
    pytest.importorskip("music21", reason="the corpora extra is not installed")
    path = mxl(
        tmp_path / "a.mxl",
        measure(0, TIME + SOUND + step("G", 4, 1)),
        measure(1, HARMONY + step("C", 5, 2) + step("E", 5, 1, '<tie type="start"/>')),
        measure(2, step("E", 5, 1, '<tie type="stop"/>') + step("E", 5, 1) + step("D", 5, 1)),
        measure(3, step("C", 5, 2)),
    )
    reading = read_mxl(path)
    assert [int(bar.length) for bar in reading.bars] == [24, 72, 72, 72]
    assert [rows(bar) for bar in reading.bars] == [
        [(0, 67, 24)], [(0, 72, 48), (48, 76, 48)], [(24, 76, 24), (48, 74, 24)], [(0, 72, 48)],
    ]  # fmt: skip
    assert reading.bpm == 90.0


def test_a_lead_sheet_without_tempo_says_none_and_its_repeat_is_played(tmp_path: Path) -> None:
    pytest.importorskip("music21", reason="the corpora extra is not installed")
    reading = read_mxl(mxl(tmp_path / "a.mxl", measure(1, TIME + step("C", 5, 3)), measure(2, step("D", 5, 3), BACK)))
    assert [rows(bar)[0][1] for bar in reading.bars] == [72, 74, 72, 74]
    assert reading.bpm is None


@pytest.mark.parametrize(
    ("inside", "reason"),
    [
        ("<attributes><divisions>1</divisions></attributes>" + step("C", 5, 3), "no metre"),
        (TIME + step("C", 5, 4), "a bar longer than its metre"),
    ],
)
def test_a_lead_sheet_whose_bars_cannot_be_trusted_is_left_out(tmp_path: Path, inside: str, reason: str) -> None:
    pytest.importorskip("music21", reason="the corpora extra is not installed")
    with pytest.raises(UnreadableError, match=reason):
        read_mxl(mxl(tmp_path / "a.mxl", measure(1, inside), measure(2, step("D", 5, 3))))


def test_a_broken_archive_of_a_lead_sheet_is_left_out(tmp_path: Path) -> None:
    pytest.importorskip("music21", reason="the corpora extra is not installed")
    (tmp_path / "a.mxl").write_bytes(b"PK\x03\x04 not a zip")
    with pytest.raises(UnreadableError, match="not MusicXML"):
        read_mxl(tmp_path / "a.mxl")
