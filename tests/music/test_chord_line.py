"""A line of chords as people type it."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from daw_assist.errors import UsageError
from daw_assist.music.bars import Bar
from daw_assist.music.chord_line import chord_line, chords_at, parse_chord_line
from daw_assist.music.chords import ChordSpan, parse_chord
from daw_assist.music.metre import Metre, parse_metre
from daw_assist.music.time import Ticks

FOUR = (Bar(Metre(4, 4)),) * 4


def read(text: str, bars: tuple[Bar, ...] = FOUR) -> list[tuple[int, int, str]]:
    return [(span.onset, span.duration, text) for span, text in parse_chord_line(text, bars)]


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("C", [(0, 96, "C")]),
        ("| C | Am F | G7 |", [(0, 96, "C"), (96, 48, "Am"), (144, 48, "F"), (192, 96, "G7")]),
        ("C / / G7", [(0, 72, "C"), (72, 24, "G7")]),
        ("C | / G", [(0, 144, "C"), (144, 48, "G")]),
        ("? | ? | Bb/D", [(192, 96, "Bb/D")]),
        ("C G | % | %", [(n * 48, 48, "CG"[n % 2]) for n in range(6)]),
        ("? / C / | F", [(48, 48, "C"), (96, 96, "F")]),
        ("N.C. | C", [(0, 96, "N.C."), (96, 96, "C")]),
        ("C Dm G", [(0, 48, "C"), (48, 24, "Dm"), (72, 24, "G")]),
        ("C D E F G", [(0, 24, "C"), (24, 24, "D"), (48, 24, "E"), (72, 12, "F"), (84, 12, "G")]),
    ],
)
def test_chords_share_the_beats_of_their_bar(text: str, found: list[tuple[int, int, str]]) -> None:
    assert read(text) == found


@pytest.mark.parametrize(
    ("metre", "text", "lengths"),
    [
        ("3/4", "C F", [48, 24]),
        ("6/8", "C F", [36, 36]),
        ("6/8", "C F G", [24, 24, 24]),
        ("7/8", "C F", [48, 36]),
        ("9/8", "C / F", [72, 36]),
        ("5/4", "C F", [72, 48]),
        ("2/2", "C F G Am", [24, 24, 24, 24]),
    ],
)
def test_other_metres_share_theirs(metre: str, text: str, lengths: list[int]) -> None:
    assert [duration for _, duration, _ in read(text, (Bar(parse_metre(metre)),))] == lengths


def test_an_upbeat_is_the_first_bar_and_as_long_as_it_is() -> None:
    bars = (Bar(Metre(4, 4), length=Ticks(24)), Bar(Metre(4, 4)))
    assert read("G | C", bars) == [(0, 24, "G"), (24, 96, "C")]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("C | H", "chords, bar 2: chord 'H' is not one we know"),
        ("C || G", "chords, bar 2: it is empty; write \\? where"),
        ("", "chords, bar 1: it is empty"),
        ("/ C", "chords, bar 1: / lets a chord go on, and there is none before it"),
        ("C|C|C|C|C", "chords are given for 5 bars, and there are 4"),
        ("C C C C C C C C C", "chords, bar 1: 9 chords in a bar of 4/4 are too many"),
    ],
)
def test_what_cannot_be_meant_is_told_with_its_bar(text: str, words: str) -> None:
    with pytest.raises(UsageError, match=words) as error:
        parse_chord_line(text, FOUR)
    assert "\n" not in str(error.value)


@given(st.text("|CGm7#b/?% N.", max_size=40))
def test_any_text_is_read_or_refused(text: str) -> None:
    fault = ""
    try:
        found = parse_chord_line(text, FOUR)
    except UsageError as error:
        fault, found = str(error), ()
    assert "\n" not in fault
    assert all(a.span.end <= b.span.onset for a, b in pairwise(found))
    assert all(0 <= span.onset < span.end <= 384 for span, _ in found)


@given(
    st.sampled_from(["4/4", "3/4", "6/8", "7/8", "12/8", "2/2"]),
    st.lists(st.sampled_from([None, "C", "Am", "G7", "N.C.", "F/A"]), min_size=24, max_size=24),
)
def test_what_is_shown_reads_back_as_it_was(metre: str, names: list[str | None]) -> None:
    bars = (Bar(parse_metre(metre)),) * 3
    beat = int(bars[0].metre.beat_ticks)
    beats = 3 * bars[0].length // beat
    spans = [
        ChordSpan(Ticks(at * beat), Ticks(beat), parse_chord(name))
        for at, name in enumerate(names[:beats])
        if name is not None
    ]
    line = chord_line(spans, bars)
    assert at_each_beat([span for span, _ in parse_chord_line(line, bars)], beat, beats) == at_each_beat(
        spans, beat, beats
    )


def at_each_beat(spans: list[ChordSpan], beat: int, beats: int) -> list[object]:
    return [next((span.chord for span in spans if span.onset <= at * beat < span.end), "open") for at in range(beats)]


@pytest.mark.parametrize(
    ("spans", "line"),
    [
        ([(0, 192, "C"), (192, 48, "F"), (240, 48, "G7")], "C | C | F G7 | ?"),
        ([(0, 72, "C"), (72, 24, "G"), (96, 288, "C")], "C / / G | C | C | C"),
        ([(36, 60, "C")], "? ? ? C / / / / | ? | ? | ?"),
    ],
)
def test_a_line_shows_each_bar_by_itself(spans: list[tuple[int, int, str]], line: str) -> None:
    assert chord_line([ChordSpan(Ticks(a), Ticks(b), parse_chord(name)) for a, b, name in spans], FOUR) == line


def test_chords_named_at_ticks_last_until_the_next_and_words_that_are_none_are_passed_over() -> None:
    named = [
        (Ticks(t), text) for t, text in ((96, "G7"), (0, "C"), (24, "Verse"), (144, "?"), (192, "N.C."), (400, "F"))
    ]
    found = chords_at(named, Ticks(384))
    assert [(one.span.onset, one.span.duration, one.text) for one in found] == [
        (0, 96, "C"), (96, 48, "G7"), (192, 192, "N.C."),
    ]  # fmt: skip


def test_without_a_chord_among_them_there_is_none() -> None:
    assert chords_at([(Ticks(0), "Verse")], Ticks(96)) == ()
    assert chords_at([(Ticks(96), "C")], Ticks(96)) == ()
