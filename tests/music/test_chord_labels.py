"""Chords of music without symbols: what sounds, what passes, where a chord may change, and how well people agree."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from daw_assist.music.bars import Bar
from daw_assist.music.chord_labels import beat_ticks, label_chords
from daw_assist.music.chords import Chord, ChordSpan, chord_name, parse_chord, spans_of
from daw_assist.music.metre import Metre
from daw_assist.music.notes import Note
from daw_assist.music.parts import Part
from daw_assist.music.time import Ticks
from models_onnx.evaluate.chord_labels import accompanied, against_symbols, agreement


def bar(*notes: tuple[int, int, int], metre: str = "4/4", length: int = 0, part: Part = Part.KEYS) -> Bar:
    """Notes as (onset, pitch, duration) in ticks."""
    above, _, below = metre.partition("/")
    own = tuple(sorted(Note(Ticks(on), part, pitch, Ticks(long), 80) for on, pitch, long in notes))
    return Bar(Metre(int(above), int(below)), own, Ticks(length))


def block(onset: int, long: int, *pitches: int) -> list[tuple[int, int, int]]:
    return [(onset, pitch, long) for pitch in pitches]


def told(bars: list[Bar]) -> list[tuple[int, int, str]]:
    return [(span.onset, span.duration, chord_name(span.chord)) for span in label_chords(bars)]


C, F, G7, AM = (48, 64, 67, 72), (41, 65, 69, 72), (43, 65, 71, 74), (45, 60, 64, 69)
CADENCE = [bar(*block(0, 96, *C)), bar(*block(0, 48, *F), *block(48, 48, *G7)), bar(*block(0, 96, *C))]


def test_a_cadence_of_block_chords_is_what_is_written() -> None:
    assert told(CADENCE) == [(0, 96, "C"), (96, 48, "F"), (144, 48, "G7"), (192, 96, "C")]


def test_a_broken_chord_under_a_melody_is_one_chord_with_the_seventh_that_it_passes() -> None:
    def broken(melody: int, *pitches: int) -> Bar:
        return bar((0, melody, 96), *[(index * 12, pitch, 12) for index, pitch in enumerate(pitches)])

    first, other = (48, 64, 67, 60, 64, 67, 60, 64), (43, 62, 65, 59, 62, 59, 62, 59)
    assert told([broken(76, *first), broken(74, *other), broken(76, *first)]) == [
        (0, 96, "C"), (96, 96, "G7"), (192, 96, "C"),
    ]  # fmt: skip


def test_passing_notes_of_the_melody_make_no_chord() -> None:
    run = [(index * 12, pitch, 12) for index, pitch in enumerate((72, 74, 76, 77, 79, 77, 76, 74))]
    assert told([bar(*block(0, 96, 48, 55, 64), *run), *CADENCE])[0] == (0, 192, "C")


@pytest.mark.parametrize(
    ("pitches", "name"),
    [((52, 60, 67, 72), "C/E"), ((45, 60, 64, 69), "Am"), ((47, 62, 65, 69), "Bm7b5"), ((43, 60, 64, 67), "C/G"),
     ((50, 60, 65, 69), "Dm7"), ((48, 64, 68, 72), "Caug"), ((48, 64, 67, 71), "Cmaj7")],
)  # fmt: skip
def test_qualities_and_inversions_are_told_apart(pitches: tuple[int, ...], name: str) -> None:
    whole = bar(*block(0, 96, *pitches))
    assert told([whole, whole]) == [(0, 192, name)]


def test_a_diminished_seventh_is_named_for_where_it_leads() -> None:
    leading = bar(*block(0, 96, 50, 59, 65, 68))
    assert told([leading, bar(*block(0, 96, *C))])[0] == (0, 96, "Bdim7/D")
    assert told([leading, bar(*block(0, 96, *AM))])[0] == (0, 96, "G#dim7/D")


def test_drums_say_nothing_and_a_silent_bar_has_no_chord() -> None:
    drums = bar(*block(0, 96, 36, 38, 42), part=Part.DRUMS)
    assert told([drums, bar(*block(0, 96, *C)), bar(), bar(*block(0, 96, *C))]) == [
        (0, 96, "N.C."), (96, 96, "C"), (192, 96, "N.C."), (288, 96, "C"),
    ]  # fmt: skip


def test_a_short_rest_keeps_its_chord() -> None:
    assert told([bar(*block(0, 24, *C), *block(72, 24, *C))]) == [(0, 96, "C")]


def test_a_note_that_rings_over_the_bar_line_counts_in_the_next_bar() -> None:
    assert told([bar(*block(0, 192, *G7)), bar((0, 79, 96))]) == [(0, 192, "G7")]


def test_an_upbeat_is_the_end_of_a_bar() -> None:
    spans = told([bar(*block(0, 24, *G7), length=24), *CADENCE])
    assert spans[:2] == [(0, 24, "G7"), (24, 96, "C")]


@pytest.mark.parametrize(
    ("metre", "ticks"), [("4/4", 24), ("3/4", 24), ("2/2", 24), ("6/8", 36), ("3/8", 12), ("7/8", 12), ("12/8", 36)]
)
def test_the_step_of_the_labels_is_the_beat(metre: str, ticks: int) -> None:
    above, _, below = metre.partition("/")
    assert beat_ticks(Metre(int(above), int(below))) == ticks


def test_no_bars_have_no_chords() -> None:
    assert label_chords([]) == ()


NOTES = st.lists(st.tuples(st.integers(0, 95), st.integers(21, 108), st.integers(1, 300)), max_size=12)


@given(st.lists(st.tuples(NOTES, st.sampled_from(["4/4", "6/8", "7/8", "3/4"]), st.integers(1, 72)), max_size=5))
def test_labels_cover_any_bars_end_to_end(found: list[tuple[list[tuple[int, int, int]], str, int]]) -> None:
    bars = [bar(*notes, metre=metre, length=length) for notes, metre, length in found]
    spans = label_chords(bars)
    ends = [0, *(span.end for span in spans)]
    assert [span.onset for span in spans] == ends[:-1]
    assert ends[-1] == sum(one.length for one in bars)
    assert all(one.chord != other.chord for one, other in pairwise(spans))


@given(st.integers(-11, 11))
def test_transposed_music_has_transposed_chords(by: int) -> None:
    moved = [
        Bar(
            one.metre, tuple(Note(n.onset, n.part, n.pitch + by, n.duration, n.velocity) for n in one.notes), one.length
        )
        for one in CADENCE
    ]
    expected = [span.chord.moved(by) for span in label_chords(CADENCE) if span.chord]
    assert [span.chord for span in label_chords(moved)] == expected


MELODY = [bar((0, pitch, 48), (48, pitch, 48), part=Part.LEAD) for pitch in (72, 69, 71, 72)]
SPANS = spans_of([(0, Chord(0)), (96, Chord(5)), (192, Chord(7, "7", 11)), (288, Chord(0))], 384)


def test_played_out_symbols_are_found_again_and_the_melody_alone_tells_less() -> None:
    scores = against_symbols([(tuple(MELODY), SPANS)])
    assert scores["block"] == {"root": 1.0, "triad": 1.0, "seventh": 1.0, "full": 1.0, "bass": 1.0}
    assert scores["broken"]["triad"] == 1.0
    assert scores["melody alone"]["triad"] < 1.0


def test_an_accompaniment_adds_bass_and_every_tone_and_leaves_the_melody() -> None:
    for how in ("block", "broken"):
        made = accompanied(MELODY, SPANS, how)
        assert [set(one.notes) <= set(other.notes) for one, other in zip(MELODY, made, strict=True)] == [True] * 4
        under = [note for note in made[2].notes if note.part is Part.KEYS]
        assert min(under, key=lambda note: note.pitch).pitch % 12 == 11
        assert {note.pitch % 12 for note in under} == {7, 11, 2, 5}


def test_agreement_is_a_share_of_the_time_in_which_a_person_names_a_chord() -> None:
    def spans(*said: tuple[int, str]) -> tuple[ChordSpan, ...]:
        starts = [onset for onset, _ in said]
        return tuple(
            ChordSpan(Ticks(onset), Ticks(end - onset), parse_chord(name))
            for (onset, name), end in zip(said, [*starts[1:], 100], strict=True)
        )

    scores = agreement([(spans((0, "N.C."), (20, "C7"), (60, "Am")), spans((0, "C"), (60, "Am7/C"), (80, "N.C.")))])
    assert scores == {"root": 0.75, "triad": 0.75, "seventh": 0.0, "full": 0.0, "bass": 0.5}
