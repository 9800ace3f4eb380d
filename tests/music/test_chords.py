"""Chord symbols: many ways to write them, one way to print them, spelled as the key has it."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from daw_assist.errors import UsageError
from daw_assist.music.chords import QUALITIES, Chord, chord_name, parse_chord
from daw_assist.music.keys import SCALES, Key, parse_key

CHORDS = st.builds(
    Chord, st.integers(0, 11), st.sampled_from(sorted(QUALITIES)), st.one_of(st.none(), st.integers(0, 11))
)
KEYS = st.one_of(st.none(), st.builds(Key, st.integers(0, 11), st.sampled_from(sorted(SCALES))))


@given(CHORDS, KEYS)
def test_a_printed_chord_reads_as_itself_in_every_key(chord: Chord, key: Key | None) -> None:
    assert parse_chord(chord_name(chord, key)) == chord
    assert parse_chord(str(chord)) == chord


@pytest.mark.parametrize("quality", QUALITIES)
def test_every_quality_on_every_root_and_bass_reads_as_it_was_printed(quality: str) -> None:
    chords = [Chord(root, quality, bass) for root in range(12) for bass in (None, *range(12))]
    assert [parse_chord(str(chord)) for chord in chords] == chords


@pytest.mark.parametrize(
    ("text", "chord"),
    [
        ("C", Chord(0)), ("Cmaj", Chord(0)), ("CM", Chord(0)), ("C major", Chord(0)),
        ("Cm", Chord(0, "m")), ("C-", Chord(0, "m")), ("Cmin", Chord(0, "m")), ("Cmi", Chord(0, "m")), ("CMin", Chord(0, "m")),
        ("C7", Chord(0, "7")), ("Cdom7", Chord(0, "7")),
        ("Cmaj7", Chord(0, "maj7")), ("CM7", Chord(0, "maj7")), ("CMaj7", Chord(0, "maj7")), ("Cma7", Chord(0, "maj7")),
        ("CΔ", Chord(0, "maj7")), ("CΔ7", Chord(0, "maj7")), ("CmajΔ7", Chord(0, "maj7")), ("C^7", Chord(0, "maj7")),
        ("Cm7", Chord(0, "m7")), ("C-7", Chord(0, "m7")), ("Cmin7", Chord(0, "m7")), ("Cmi7", Chord(0, "m7")),
        ("Cdim", Chord(0, "dim")), ("C°", Chord(0, "dim")), ("Co", Chord(0, "dim")),
        ("Cdim7", Chord(0, "dim7")), ("C°7", Chord(0, "dim7")), ("Co7", Chord(0, "dim7")),
        ("Cm7b5", Chord(0, "m7b5")), ("Cø", Chord(0, "m7b5")), ("Cø7", Chord(0, "m7b5")), ("C-7b5", Chord(0, "m7b5")),
        ("Cm7(♭5)", Chord(0, "m7b5")), ("Cmin7b5", Chord(0, "m7b5")),
        ("Caug", Chord(0, "aug")), ("C+", Chord(0, "aug")), ("C(#5)", Chord(0, "aug")),
        ("C7#5", Chord(0, "aug7")), ("C+7", Chord(0, "aug7")),
        ("Csus", Chord(0, "sus4")), ("Csus4", Chord(0, "sus4")), ("Csus2", Chord(0, "sus2")), ("C7sus", Chord(0, "7sus4")),
        ("C6", Chord(0, "6")), ("Cm6", Chord(0, "m6")), ("C5", Chord(0, "5")),
        ("Cadd9", Chord(0, "add9")), ("C(add9)", Chord(0, "add9")), ("Cmadd9", Chord(0, "madd9")),
        ("C6/9", Chord(0, "6/9")), ("C69", Chord(0, "6/9")), ("C6/9/E", Chord(0, "6/9", 4)),
        ("C9", Chord(0, "9")), ("C11", Chord(0, "11")), ("C13", Chord(0, "13")), ("CM9", Chord(0, "maj9")),
        ("CmM7", Chord(0, "mmaj7")), ("Cm(maj7)", Chord(0, "mmaj7")), ("C-Δ7", Chord(0, "mmaj7")), ("CminMaj7", Chord(0, "mmaj7")),
        ("C7(b9)", Chord(0, "7b9")), ("C7-9", Chord(0, "7b9")), ("C7#9", Chord(0, "7#9")), ("C7b5", Chord(0, "7b5")),
        ("C/E", Chord(0, "", 4)), ("F#m7/C#", Chord(6, "m7", 1)), ("Bb", Chord(10)), ("B♭", Chord(10)), ("bb7", Chord(10, "7")),
        ("F♯m", Chord(6, "m")), ("Cb", Chord(11)), ("B#", Chord(0)), ("Ebb", Chord(2)), ("am", Chord(9, "m")),
        (" Dm7 / G ", Chord(2, "m7", 7)), ("C/C", Chord(0)), ("Cb5", Chord(11, "5")),
        ("N.C.", None), ("NC", None), ("n.c.", None),
    ],
)  # fmt: skip
def test_the_usual_symbols_are_read(text: str, chord: Chord | None) -> None:
    assert parse_chord(text) == chord


@pytest.mark.parametrize(
    "text", ["", "H", "Cxyz", "C/", "C/x", "Cm7/9b", "7", "C E", "Cmm7", "C" * 5000, "C\nD", "dim"]
)
def test_what_is_no_chord_is_refused_in_one_line(text: str) -> None:
    with pytest.raises(UsageError) as told:
        parse_chord(text)
    assert len(str(told.value).splitlines()) == 1
    assert len(str(told.value)) < 300


def test_an_unknown_quality_is_answered_with_near_ones() -> None:
    with pytest.raises(UsageError, match=r"'Ebm11'.*near are.*Ebm"):
        parse_chord("Ebm11")


@given(st.text(max_size=60))
def test_any_text_is_a_chord_or_a_usage_error(text: str) -> None:
    try:
        chord = parse_chord(text)
    except UsageError:
        return
    assert chord is None or chord.quality in QUALITIES


@pytest.mark.parametrize(
    ("chord", "key", "name"),
    [
        (Chord(10), "F", "Bb"), (Chord(10, "7"), "B", "A#7"), (Chord(1), "F# minor", "C#"), (Chord(1, "m"), "Ab", "Dbm"),
        (Chord(8), "C", "Ab"), (Chord(8), "C# minor", "G#"), (Chord(11), "Gb", "B"), (Chord(5), "F#", "E#"),
        (Chord(1, "dim7"), "C", "C#dim7"), (Chord(6, "m7b5"), "C", "F#m7b5"), (Chord(8, "dim7"), "Am", "G#dim7"),
        (Chord(2, "", 6), "C", "D/F#"), (Chord(9, "7", 1), "Dm", "A7/C#"), (Chord(8, "m", 11), "Eb", "Abm/Cb"),
        (Chord(4, "", 8), "Am", "E/G#"), (Chord(11, "dim", 5), "C", "Bdim/F"), (Chord(3), "G minor", "Eb"),
        (Chord(1, "m"), None, "C#m"), (Chord(1), None, "Db"), (Chord(8, "m"), None, "G#m"), (Chord(3, "m7"), None, "Ebm7"),
    ],
)  # fmt: skip
def test_a_chord_is_spelled_as_its_key_has_it(chord: Chord, key: str | None, name: str) -> None:
    assert chord_name(chord, parse_key(key) if key else None) == name


def test_no_chord_is_printed_as_lead_sheets_do() -> None:
    assert chord_name(None) == "N.C."


@given(CHORDS, st.integers(-24, 24))
def test_transposing_moves_every_pitch_class(chord: Chord, by: int) -> None:
    assert chord.moved(by).pitch_classes == {(pc + by) % 12 for pc in chord.pitch_classes}
