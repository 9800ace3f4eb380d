from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, replace
from itertools import pairwise
from statistics import mean

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from daw_assist.music.bars import Bar, flatten
from daw_assist.music.chord_patterns import joined, play_chords, play_voicings, voice_spans
from daw_assist.music.chord_rhythm import frame_of
from daw_assist.music.chords import QUALITIES, Chord, ChordSpan
from daw_assist.music.metre import Metre, parse_metre
from daw_assist.music.notes import Note
from daw_assist.music.parts import Part
from daw_assist.music.time import Ticks
from daw_assist.music.voicing import Voicing
from daw_assist.suggest.harmony import PATTERNS, HarmonySettings


@dataclass(frozen=True, slots=True)
class Played:
    """What `play_chords` reads, apart from the settings of the layer above."""

    pattern: str = "block"
    register: int = 3
    density: int = 3
    seed: int = 0


METRES = st.sampled_from([Metre(*pair) for pair in (
    (4, 4), (3, 4), (2, 4), (6, 8), (9, 8), (12, 8), (5, 4), (7, 8), (2, 2), (3, 8), (5, 8), (8, 8), (11, 16), (1, 4), (6, 4),
)])  # fmt: skip
PROPERTY = settings(deadline=None, max_examples=60)
CHORDS = st.builds(
    Chord, st.integers(0, 11), st.sampled_from(sorted(QUALITIES)), st.one_of(st.none(), st.integers(0, 11))
)
SETTINGS = st.builds(Played, st.sampled_from(PATTERNS), st.integers(0, 7), st.integers(0, 7), st.integers(0, 5))


@st.composite
def phrases(draw: st.DrawFn) -> tuple[tuple[ChordSpan, ...], tuple[Bar, ...]]:
    bars = tuple(
        Bar(metre, length=Ticks(draw(st.sampled_from((metre.bar_ticks, metre.bar_ticks, metre.bar_ticks // 2)))))
        for metre in draw(st.lists(METRES, min_size=1, max_size=4))
    )
    total = sum(bar.length for bar in bars)
    edges = sorted({0, total, *draw(st.lists(st.integers(0, total), max_size=6))})
    chords = [draw(st.one_of(st.none(), CHORDS, CHORDS)) for _ in edges[1:]]
    spans = tuple(
        ChordSpan(Ticks(start), Ticks(end - start), chord)
        for (start, end), chord in zip(pairwise(edges), chords, strict=True)
    )
    return spans, bars


def spans_of(*chords: Chord | None, ticks: int = 96) -> tuple[ChordSpan, ...]:
    return tuple(ChordSpan(Ticks(at * ticks), Ticks(ticks), chord) for at, chord in enumerate(chords))


def onsets(bar: Bar, part: Part) -> list[int]:
    return sorted({int(note.onset) for note in bar.notes if note.part is part})


# What holds for everything


@PROPERTY
@given(phrases(), SETTINGS)
def test_every_note_is_of_the_chord_in_whose_time_it_sounds(
    phrase: tuple[tuple[ChordSpan, ...], tuple[Bar, ...]], asked: Played
) -> None:
    spans, bars = phrase
    made = play_chords(spans, bars, asked)
    assert [(bar.metre, bar.length) for bar in made] == [(bar.metre, bar.length) for bar in bars]
    for bar in made:
        assert all(0 <= note.onset < bar.length for note in bar.notes)
    whole = joined(spans, bars)
    for note in flatten(made):
        span = next(span for span in whole if span.onset <= note.onset < span.end)
        assert span.chord is not None and note.end <= span.end
        assert 1 <= note.velocity <= 127 and note.duration > 0
        fifth = {(span.chord.root + 7) % 12} if asked.pattern == "bass+chord" else set()
        own = {(span.chord.root + step) % 12 for step in QUALITIES[span.chord.quality]}
        assert note.pitch % 12 in (own if note.part is Part.KEYS else {span.chord.bass_class} | (fifth & own))


@PROPERTY
@given(phrases(), SETTINGS)
def test_every_chord_is_heard_from_its_start_with_its_bass_and_no_pitch_is_struck_while_it_sounds(
    phrase: tuple[tuple[ChordSpan, ...], tuple[Bar, ...]], asked: Played
) -> None:
    spans, bars = phrase
    notes = flatten(play_chords(spans, bars, asked))
    for span in joined(spans, bars):
        if span.chord is not None:
            lowest = [note for note in notes if note.part is Part.BASS and note.onset == span.onset]
            assert [note.pitch % 12 for note in lowest] == [span.chord.bass_class]
            assert any(note.part is Part.KEYS and span.onset <= note.onset < span.end for note in notes)
    ends: dict[int, int] = {}
    for note in sorted(notes):
        assert note.onset >= ends.get(note.pitch, 0)
        ends[note.pitch] = note.end


@PROPERTY
@given(phrases(), st.sampled_from(PATTERNS), st.integers(0, 5))
def test_more_density_is_never_fewer_notes(
    phrase: tuple[tuple[ChordSpan, ...], tuple[Bar, ...]], pattern: str, seed: int
) -> None:
    spans, bars = phrase
    counts = [len(flatten(play_chords(spans, bars, Played(pattern, 3, density, seed)))) for density in range(8)]
    assert counts == sorted(counts)


@pytest.mark.parametrize("pattern", PATTERNS)
def test_density_reaches_from_few_notes_to_many(pattern: str) -> None:
    bars = (Bar(Metre()),) * 4
    spans = spans_of(Chord(0), Chord(9, "m7"), Chord(2, "m7"), Chord(7, "7"))
    counts = [len(flatten(play_chords(spans, bars, Played(pattern, density=density)))) for density in range(8)]
    assert counts[0] == 12 and counts[7] >= 4 * counts[0] and len(set(counts)) >= 5


@pytest.mark.parametrize("pattern", PATTERNS)
def test_a_higher_register_sounds_higher(pattern: str) -> None:
    bars, spans = (Bar(Metre()),) * 4, spans_of(Chord(0), Chord(9, "m7"), Chord(2, "m7"), Chord(7, "7"))
    means = [
        mean(note.pitch for note in flatten(play_chords(spans, bars, Played(pattern, register=register))))
        for register in range(8)
    ]
    assert means == sorted(means) and means[-1] - means[0] >= 12


# Metres


@pytest.mark.parametrize(
    ("metre", "groups"),
    [
        ("4/4", [0, 48]), ("3/4", [0]), ("2/4", [0]), ("6/8", [0, 36]), ("9/8", [0, 36, 72]), ("12/8", [0, 36, 72, 108]),
        ("5/4", [0, 72]), ("7/8", [0, 24, 48]), ("8/8", [0, 36, 72]), ("5/8", [0, 36]), ("2/2", [0]), ("3/8", [0]),
    ],
)  # fmt: skip
def test_a_bar_is_grouped_as_it_is_felt(metre: str, groups: list[int]) -> None:
    found = parse_metre(metre)
    assert list(frame_of(found, found.bar_ticks).groups) == groups


@pytest.mark.parametrize(
    ("metre", "bass", "hand"),
    [
        ("4/4", [0, 48], [24, 72]),
        ("3/4", [0], [24, 48]),
        ("2/4", [0], [24]),
        ("6/8", [0, 36], [12, 24, 48, 60]),
        ("9/8", [0, 36, 72], [12, 24, 48, 60, 84, 96]),
        ("5/4", [0, 72], [24, 48, 96]),
        ("7/8", [0, 24, 48], [12, 36, 60, 72]),
        ("2/2", [0], [48]),
    ],
)
def test_bass_and_chord_is_oom_pah_in_every_metre(metre: str, bass: list[int], hand: list[int]) -> None:
    bar = Bar(parse_metre(metre))
    made = play_chords(spans_of(Chord(0), ticks=bar.length), (bar,), Played("bass+chord"))[0]
    assert (onsets(made, Part.BASS), onsets(made, Part.KEYS)) == (bass, hand)


@pytest.mark.parametrize(
    ("metre", "bars", "fifths"),
    [("4/4", 1, [0, 7]), ("3/4", 2, [0, 7]), ("6/8", 2, [0, 7, 0, 7]), ("9/8", 1, [0, 7, 0])],
)
def test_the_bass_alternates_with_the_fifth_while_a_chord_stays(metre: str, bars: int, fifths: list[int]) -> None:
    bar = Bar(parse_metre(metre))
    made = play_chords(spans_of(Chord(0), ticks=bars * bar.length), (bar,) * bars, Played("bass+chord"))
    assert [note.pitch % 12 for note in flatten(made) if note.part is Part.BASS] == fifths


@pytest.mark.parametrize("chord", [Chord(0, "", 4), Chord(11, "m7b5"), Chord(0, "aug")])
def test_the_bass_of_an_inversion_or_an_odd_fifth_does_not_alternate(chord: Chord) -> None:
    made = play_chords(spans_of(chord), (Bar(Metre()),), Played("bass+chord"))
    assert {note.pitch % 12 for note in made[0].notes if note.part is Part.BASS} == {chord.bass_class}


@pytest.mark.parametrize("metre", ["4/4", "3/4", "2/4", "6/8", "9/8", "12/8", "5/4", "7/8"])
@pytest.mark.parametrize("seed", range(6))
def test_comping_is_off_the_beat_and_the_same_in_every_bar(metre: str, seed: int) -> None:
    bar = Bar(parse_metre(metre))
    chords = (Chord(0), Chord(9, "m"), Chord(2, "m7"), Chord(7, "7"))
    made = play_chords(spans_of(*chords, ticks=bar.length), (bar,) * 4, Played("comping", density=5, seed=seed))
    hits = {tuple(onsets(each, Part.KEYS)) for each in made}
    assert len(hits) == 1
    assert any(onset not in frame_of(bar.metre, bar.length).levels[2] for onset in hits.pop())


def test_the_seed_chooses_the_groove() -> None:
    bar = Bar(Metre())
    hits = {
        tuple(onsets(play_chords(spans_of(Chord(0)), (bar,), Played("comping", seed=seed))[0], Part.KEYS))
        for seed in range(20)
    }
    assert len(hits) == 4


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("metre", ["4/4", "3/4", "6/8"])
def test_an_arpeggio_begins_with_its_bass_and_goes_through_the_whole_chord_in_quavers(metre: str, seed: int) -> None:
    bar = Bar(parse_metre(metre))
    made = play_chords(spans_of(Chord(0, "maj7"), ticks=bar.length), (bar,), Played("arpeggio", seed=seed))[0]
    assert onsets(made, Part.BASS) == [0]
    assert onsets(made, Part.KEYS) == list(range(12, bar.length, 12))
    assert len({note.pitch for note in made.notes if note.part is Part.KEYS}) == 3


# Chord changes and bar lines


@pytest.mark.parametrize("pattern", PATTERNS)
@pytest.mark.parametrize("density", [2, 3, 5])
def test_a_chord_that_stays_is_struck_again_at_the_bar_line(pattern: str, density: int) -> None:
    made = play_chords(spans_of(Chord(0), ticks=192), (Bar(Metre()),) * 2, Played(pattern, density=density))
    assert any(note.onset == 0 for note in made[1].notes)


@pytest.mark.parametrize("pattern", PATTERNS)
@pytest.mark.parametrize("density", [0, 1])
def test_at_the_lowest_densities_a_chord_rings_over_the_bar_line(pattern: str, density: int) -> None:
    made = play_chords(spans_of(Chord(0), ticks=192), (Bar(Metre()),) * 2, Played(pattern, density=density))
    assert made[1].notes == ()
    assert {int(note.end) for note in made[0].notes} == {192}


@pytest.mark.parametrize("pattern", PATTERNS)
def test_a_change_on_the_last_beat_is_struck_there(pattern: str) -> None:
    spans = (ChordSpan(Ticks(0), Ticks(72), Chord(0)), ChordSpan(Ticks(72), Ticks(24), Chord(7, "7", 11)))
    notes = play_chords(spans, (Bar(Metre()),), Played(pattern, density=2))[0].notes
    assert [note.pitch % 12 for note in notes if note.onset == 72 and note.part is Part.BASS] == [11]
    assert all(note.end <= 72 for note in notes if note.onset < 72)


@pytest.mark.parametrize("pattern", PATTERNS)
def test_no_chord_is_silence(pattern: str) -> None:
    made = play_chords(spans_of(Chord(0), None, Chord(7)), (Bar(Metre()),) * 3, Played(pattern))
    assert made[1].notes == () and made[0].notes and made[2].notes
    assert all(note.end <= 96 for note in made[0].notes)


def test_equal_neighbours_are_one_chord_and_later_spans_cut_earlier_ones() -> None:
    spans = (
        ChordSpan(Ticks(48), Ticks(48), Chord(0)),
        ChordSpan(Ticks(-24), Ticks(72), Chord(0)),
        ChordSpan(Ticks(60), Ticks(200), Chord(7)),
        ChordSpan(Ticks(70), Ticks(0), Chord(2)),
    )
    found = [(span.onset, span.end, span.chord) for span in joined(spans, (Bar(Metre()),))]
    assert found == [(0, 60, Chord(0)), (60, 96, Chord(7))]


def test_spans_of_a_later_slot_alone_give_only_its_notes() -> None:
    made = play_chords((ChordSpan(Ticks(48), Ticks(48), Chord(7)),), (Bar(Metre()),), Played("bass+chord"))
    assert min(note.onset for note in made[0].notes) == 48


def test_the_voicing_before_is_gone_on_from() -> None:
    bars, spans = (Bar(Metre()),), spans_of(Chord(0))
    for before in (Voicing(36, (52, 55, 60)), Voicing(48, (64, 67, 72))):
        after = voice_spans(spans, bars, Played(), before)[0]
        assert after is not None
        assert sum(map(abs, map(int.__sub__, after.upper, before.upper))) <= 15
    low, high = (voice_spans(spans, bars, Played(), Voicing(36, hand))[0] for hand in ((52, 55, 60), (64, 67, 72)))
    assert low is not None and high is not None and mean(low.upper) < mean(high.upper)


# Velocities and the melody


@pytest.mark.parametrize("pattern", ["block", "arpeggio"])
def test_the_bar_line_is_strongest_and_off_beats_are_weakest(pattern: str) -> None:
    notes = play_chords(spans_of(Chord(0)), (Bar(Metre()),), Played(pattern, density=7), level=80)[0].notes
    by_place = {int(note.onset): note.velocity for note in notes}
    assert by_place[0] > by_place[48] > by_place[24] > by_place[12]
    assert by_place[0] == 88


def test_chords_are_under_the_level_of_their_melody() -> None:
    for velocity in (40, 70, 110):
        bar = Bar(Metre(), (Note(Ticks(0), Part.LEAD, 76, Ticks(96), velocity),))
        notes = play_chords(spans_of(Chord(0)), (bar,), HarmonySettings())[0].notes
        assert mean(note.velocity for note in notes) < velocity + 1
        assert Counter(note.part for note in notes)[Part.LEAD] == 0


def test_the_hand_stays_under_a_low_melody() -> None:
    tune = tuple(Note(Ticks(at * 24), Part.VOICE, pitch, Ticks(24), 80) for at, pitch in enumerate((62, 64, 65, 67)))
    bars = (Bar(Metre(), tune),)
    high = play_chords(spans_of(Chord(0)), bars, Played(register=6))[0].notes
    assert max(note.pitch for note in high) <= 62
    free = play_chords(spans_of(Chord(0)), (replace(bars[0], notes=()),), Played(register=6))[0].notes
    assert max(note.pitch for note in free) > 67


@PROPERTY
@given(phrases(), SETTINGS)
def test_the_same_settings_give_the_same_notes(
    phrase: tuple[tuple[ChordSpan, ...], tuple[Bar, ...]], asked: Played
) -> None:
    spans, bars = phrase
    whole = joined(spans, bars)
    again = play_voicings(whole, voice_spans(whole, bars, asked), bars, asked)
    assert play_chords(spans, bars, asked) == again


def test_after_an_upbeat_the_first_bar_line_has_the_root() -> None:
    metre = parse_metre("3/4")
    bars = (Bar(metre, length=Ticks(24)), *(Bar(metre),) * 4)
    made = play_chords(spans_of(Chord(0), ticks=sum(bar.length for bar in bars)), bars, Played("bass+chord"))
    basses = [[note.pitch % 12 for note in bar.notes if note.part is Part.BASS][:1] for bar in made]
    assert basses[1:] == [[0], [7], [0], [7]]
