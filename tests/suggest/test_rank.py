from __future__ import annotations

import pytest

from daw_assist.music.bars import Bar
from daw_assist.music.metre import Metre
from daw_assist.music.notes import Note
from daw_assist.music.parts import Part
from daw_assist.music.time import Ticks
from daw_assist.suggest.rank import faults, ranked
from daw_assist.suggest.suggestion import Candidate, Settings
from daw_assist.tokens.attributes import levels

EMPTY = Bar(Metre())
Bars = tuple[Bar, ...]


def bar(*pitches: int, velocity: int = 80, part: Part = Part.KEYS, step: int = 24) -> Bar:
    """One note after another, `step` ticks apart."""
    notes = (Note(Ticks(step * i), part, pitch, Ticks(step), velocity) for i, pitch in enumerate(pitches))
    return Bar(Metre(), tuple(notes))


def beat(*pitches: int) -> Bar:
    return bar(*pitches, part=Part.DRUMS)


def candidate(*bars: Bar, nats: float = 1.0) -> Candidate:
    return Candidate(bars, nats, 0)


def words(made: Bars, context: Bars, settings: Settings = Settings()) -> list[str]:
    return [said for _, said in faults(candidate(*made), context, settings, levels)]


TUNE = (bar(60, 62, 64, 65), bar(67, 65, 64, 62), bar(64, 60, 67, 64), bar(65, 62, 59, 60))
"""C major, no bar like another."""
NEXT = (bar(67, 69, 71, 72), bar(72, 67, 64, 67), bar(65, 69, 67, 65))
CHROMATIC = (bar(60, 61, 62, 63), bar(64, 65, 66, 67), bar(68, 69, 70, 71))
FALLING = tuple(bar(*(72 - 4 * i - k for k in range(4))) for i in range(3))
SHARP = (bar(61, 63, 66, 68), bar(70, 68, 66, 63))
LOOP = (beat(36, 42, 38, 42),) * 4
HELD = (bar(60, 60, 60, 60, 60, 60, 60, 60, step=12),) * 4
FAST = tuple(bar(*(60 + (7 * i + k) % 12 for i in range(16)), step=6) for k in range(4))


@pytest.mark.parametrize(
    ("made", "context", "found"),
    [
        (NEXT, TUNE, []),
        (NEXT[:1], (), []),
        ((EMPTY, NEXT[0], NEXT[1]), TUNE, []),
        ((EMPTY, EMPTY), TUNE, ["silent"]),
        ((EMPTY, EMPTY), (EMPTY,), ["silent"]),
        ((), TUNE, ["silent"]),
        (TUNE[2:], TUNE, ["100% of the bars are copies of bars before"]),
        ((bar(64, 60, 67, 64, velocity=20), TUNE[3]), TUNE, ["100% of the bars are copies of bars before"]),
        ((TUNE[0], *NEXT), TUNE, []),
        ((NEXT[0],) * 3, TUNE, ["the same bar 3 times over"]),
        ((NEXT[0], NEXT[1], NEXT[0], NEXT[1]), TUNE, []),
        ((bar(67, 67, 67, 69), bar(67, 67, 67), bar(67, 67)), TUNE, ["89% of the notes are one pitch"]),
        (
            (bar(*[67] * 4 + [64] * 4, step=6), bar(*[64] * 8, step=6)), TUNE,
            ["75% of the notes are one pitch", "the same stroke 12 times in a row"],
        ),
        (SHARP, TUNE, ["100% of the time outside C major"]),
        (FAST, (*TUNE, bar(60), bar(64), *(EMPTY,) * 4), ["41% of the time outside C major", "4.0 notes a beat after 0.3"]),
        ((bar(67), EMPTY, EMPTY, EMPTY), FAST, ["the last 3 bars are empty", "0.1 notes a beat after 4.0"]),
    ],
    ids=[
        "music", "from nothing", "a rest first", "silent", "silent again", "no bars", "a copy", "a softer copy", "one bar again",
        "a loop", "two bars in turn", "one pitch", "hammered", "another key", "suddenly dense", "suddenly thin",
    ],
)  # fmt: skip
def test_what_is_plainly_wrong_is_found_and_said(made: Bars, context: Bars, found: list[str]) -> None:
    assert words(made, context) == found


@pytest.mark.parametrize(
    ("made", "context"),
    [(LOOP, LOOP), (LOOP, (*LOOP, beat(36, 36, 38, 42))), (HELD[:1], HELD), (CHROMATIC, FALLING), (SHARP, CHROMATIC)],
    ids=["a drum loop", "a loop with a fill", "one pitch", "chromatic", "no key to leave"],
)  # fmt: skip
def test_what_the_music_itself_does_is_no_fault(made: Bars, context: Bars) -> None:
    assert words(made, context) == []


@pytest.mark.parametrize(
    ("made", "settings"),
    [
        (SHARP, Settings(key="F# major")),
        ((EMPTY, EMPTY), Settings(density=0)),
        ((*TUNE[2:], NEXT[0]), Settings(similarity=1.0)),
        (FAST[:1], Settings(density=4, key="chromatic")),
    ],
    ids=["another key", "silence", "a copy", "many notes"],
)  # fmt: skip
def test_what_was_asked_for_is_no_fault(made: Bars, settings: Settings) -> None:
    context = (*TUNE, bar(60), *(EMPTY,) * 7) if made == FAST[:1] else TUNE
    assert words(made, context, settings) == []


@pytest.mark.parametrize(
    ("settings", "found"),
    [
        (Settings(density=2, loudness=5), []),
        (Settings(density=6), ["density 2.0 where 6 was asked for"]),
        (Settings(polyphony=6), ["polyphony 1.0 where 6 was asked for"]),
        (Settings(register=1), [f"register {float(levels(NEXT[0]).register)} where 1 was asked for"]),
        (Settings(loudness=1, syncopation=0), ["loudness 5.0 where 1 was asked for"]),
    ],
)
def test_an_attribute_that_was_asked_for_and_missed_is_said(settings: Settings, found: list[str]) -> None:
    assert words(NEXT[:1], TUNE, settings) == found


def test_notes_that_were_fixed_are_nobodys_fault() -> None:
    held = (TUNE[0], TUNE[1])
    both = tuple(Bar(b.metre, (*b.notes, *new.notes)) for b, new in zip(held, NEXT, strict=False))
    assert faults(candidate(*both), TUNE, fixed=held) == []
    assert faults(candidate(*held), TUNE, fixed=held) == [(32, "silent")]


def chords(*roots: int) -> Bar:
    return Bar(
        Metre(), tuple(sorted(n for root in roots for b in (bar(root), bar(root + 4), bar(root + 7)) for n in b.notes))
    )


def test_a_line_that_becomes_chords_is_told_unless_voices_were_asked_for() -> None:
    assert faults(candidate(chords(60), NEXT[1]), (*TUNE, *TUNE)) == []
    thick = (chords(60), chords(65))
    assert faults(candidate(*thick), TUNE) == [(1, "3.0 voices after 1.0")]
    assert faults(candidate(*thick), TUNE, Settings(polyphony=4)) == []
    assert faults(candidate(*NEXT), (chords(60), chords(65), chords(67))) == []
    assert ranked([candidate(*thick, nats=1.0), candidate(*NEXT, nats=1.5)], TUNE)[0].bars == NEXT


def test_the_density_is_that_of_those_who_may_play() -> None:
    band = tuple(Bar(b.metre, (*b.notes, *beat(*[36] * 16).notes)) for b in TUNE)
    drums = tuple(beat(*[36] * 16) for _ in range(2))
    made = tuple(Bar(b.metre, (*b.notes, *new.notes)) for b, new in zip(drums, (bar(67), EMPTY), strict=True))
    keys = Settings(parts=("keys",))
    assert faults(candidate(*made), band, keys, fixed=drums) == [
        (6, "the last bar is empty"),
        (1, "0.1 notes a beat after 1.0"),
    ]


def test_the_soundest_comes_first_then_the_likeliest_and_each_says_why_it_is_not() -> None:
    silent = candidate(EMPTY, nats=0.1)
    copied = candidate(*TUNE[:2], nats=0.2)
    likely, unlikely = candidate(NEXT[0], nats=1.0), candidate(NEXT[1], nats=2.0)
    found = ranked([silent, copied, unlikely, likely], TUNE)
    assert [c.nats_per_note for c in found] == [1.0, 2.0, 0.2, 0.1]
    assert [len(c.faults) for c in found] == [0, 0, 1, 1]
    assert found[-1].faults == ("silent",)


def test_equals_keep_their_order() -> None:
    first, second = candidate(NEXT[0]), candidate(NEXT[1])
    assert ranked([first, second], TUNE) == (first, second)
    assert ranked([second, first], TUNE) == (second, first)


def test_who_asked_for_its_motifs_is_told_of_nothing_but_whole_copies() -> None:
    assert words(TUNE[2:], TUNE, Settings(similarity=1.0)) == ["100% of the bars are copies of bars before"]


@pytest.mark.parametrize(
    ("made", "context", "found"),
    [
        ((*NEXT, EMPTY), TUNE, ["the last bar is empty"]),
        ((*NEXT, EMPTY), (*TUNE, EMPTY), []),
        ((NEXT[0], EMPTY, EMPTY, NEXT[1]), TUNE, ["2 of the 4 bars are empty"]),
        ((NEXT[0], EMPTY, NEXT[1], EMPTY), (TUNE[0], EMPTY, TUNE[1], EMPTY), []),
    ],
)
def test_bars_left_empty_weigh_more_than_a_copy_unless_the_music_rests_like_that(
    made: Bars, context: Bars, found: list[str]
) -> None:
    assert words(made, context) == found
    assert all(weight > 4 for weight, _ in faults(candidate(*made), context))


def test_bars_left_empty_count_in_the_density_that_was_asked_for() -> None:
    assert "density 0.5 where 3 was asked for" in words((NEXT[0], EMPTY, EMPTY, EMPTY), TUNE, Settings(density=3))


def with_drums(bars: Bars) -> Bars:
    return tuple(Bar(b.metre, (*b.notes, *beat(*[36 + i] * 4).notes)) for i, b in enumerate(bars))


def test_only_the_parts_that_play_are_compared() -> None:
    band = with_drums(TUNE)
    assert words(TUNE[2:], band) == ["100% of the bars are copies of bars before"]
    assert words((bar(67),) * 2, band)[:1] != ["0.2 notes a beat after 2.0"]


@pytest.mark.parametrize("period", [1, 2, 3, 4])
def test_a_few_bars_three_times_over_are_a_loop(period: int) -> None:
    phrase = (*NEXT, bar(60, 64, 67, 72))[:period]
    what = "bar" if period == 1 else f"{period} bars"
    assert words(phrase * 3, TUNE) == [f"the same {what} 3 times over"]
    assert words(phrase * 2, TUNE) == []
    assert words(phrase * 3, phrase * 4)[1:] == []


def test_one_that_is_the_same_as_another_goes_last() -> None:
    first, twin = candidate(NEXT[0], nats=1.0), candidate(NEXT[0], nats=0.5)
    silent = candidate(EMPTY, nats=0.1)
    found = ranked([first, twin, silent], TUNE)
    assert [one.nats_per_note for one in found] == [1.0, 0.1, 0.5]
    assert [one.faults for one in found] == [(), ("silent",), ("the same as another",)]
