from __future__ import annotations

from itertools import pairwise
from statistics import mean

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from daw_assist.music.chords import QUALITIES, Chord
from daw_assist.music.voicing import (
    BASS_REACH,
    LOWEST_BASS,
    LOWEST_CENTRE,
    REACH,
    SPAN,
    Above,
    Voicing,
    bass_centre_of,
    centre_of,
    motion,
    voice_chords,
)

PROPERTY = settings(deadline=None, max_examples=60)
CHORDS = st.builds(
    Chord, st.integers(0, 11), st.sampled_from(sorted(QUALITIES)), st.one_of(st.none(), st.integers(0, 11))
)
SEQUENCES = st.lists(CHORDS, min_size=1, max_size=8)

D, E, F, G, A, B = 2, 4, 5, 7, 9, 11
POP = (Chord(0), Chord(G), Chord(A, "m"), Chord(F), Chord(0), Chord(E, "m"), Chord(F), Chord(G), Chord(0))
TWO_FIVE = (Chord(D, "m7"), Chord(G, "7"), Chord(0, "maj7"))
CIRCLE = tuple(chord.moved(-2 * at) for at in range(6) for chord in TWO_FIVE)
BLUES = tuple(Chord(root, "7") for root in (0, F, 0, 0, F, F, 0, A, D, G, 0, G))
MINOR = (
    Chord(0, "m"),
    Chord(F, "m"),
    Chord(D, "m7b5"),
    Chord(G, "7b9"),
    Chord(0, "m"),
    Chord(8, "maj7"),
    Chord(G, "7"),
)
PROGRESSIONS = pytest.mark.parametrize("chords", [POP, CIRCLE, BLUES, MINOR], ids=["pop", "circle", "blues", "minor"])


def outer_parallels(path: tuple[Voicing, ...]) -> int:
    found = 0
    for one, other in pairwise(path):
        top, low = other.upper[-1] - one.upper[-1], other.bass - one.bass
        interval = (one.upper[-1] - one.bass) % 12
        found += top * low > 0 and interval in (0, 7) and interval == (other.upper[-1] - other.bass) % 12
    return found


def root_position(chord: Chord) -> tuple[int, ...]:
    return tuple(60 + chord.root + step for step in QUALITIES[chord.quality][:3])


def motion_a_voice(hands: list[tuple[int, ...]]) -> float:
    return mean(abs(to - of) for one, other in pairwise(hands) for of, to in zip(one, other, strict=True))


def next_voicing(
    before: Voicing | None, chord: Chord, *, register: int = 3, voices: int = 3, above: Above = ()
) -> Voicing:
    """One step, by a player who does not know what comes after."""
    return voice_chords((chord,), register=register, voices=voices, melody=(above,), before=before)[0]


@PROPERTY
@given(SEQUENCES, st.integers(0, 7), st.integers(2, 5))
def test_every_note_is_of_its_chord_in_its_register_under_one_hand_and_over_the_bass(
    chords: list[Chord], register: int, voices: int
) -> None:
    for chord, voicing in zip(chords, voice_chords(chords, register=register, voices=voices), strict=True):
        own = {(chord.root + step) % 12 for step in QUALITIES[chord.quality]}
        assert {pitch % 12 for pitch in voicing.upper} <= own
        assert voicing.bass % 12 == chord.bass_class
        assert list(voicing.pitches) == sorted(set(voicing.pitches))
        assert 2 <= len(voicing.upper) <= voices
        assert voicing.upper[-1] - voicing.upper[0] <= SPAN
        assert centre_of(register) - REACH <= voicing.upper[0] and voicing.upper[-1] <= centre_of(register) + REACH
        assert abs(voicing.bass - bass_centre_of(register)) <= BASS_REACH and voicing.bass >= LOWEST_BASS


@PROPERTY
@given(CHORDS, st.integers(0, 7), st.integers(2, 5), st.lists(st.tuples(st.integers(40, 90), st.just(0.5)), max_size=3))
def test_third_and_seventh_are_there_however_few_voices_play(
    chord: Chord, register: int, voices: int, above: Above
) -> None:
    steps = QUALITIES[chord.quality]
    guides = [
        next((step for step in (4, 3) if step in steps), 0),
        next((step for step in (11, 10) if step in steps), 0),
    ]
    voicing = next_voicing(None, chord, register=register, voices=voices, above=tuple(above))
    assert {(chord.root + step) % 12 for step in guides if step} <= {pitch % 12 for pitch in voicing.pitches}


def test_the_fifth_goes_before_the_seventh_when_voices_are_few() -> None:
    for root in range(12):
        classes = {(pitch - root) % 12 for pitch in next_voicing(None, Chord(root, "7"), voices=2).upper}
        assert classes == {4, 10}


@pytest.mark.parametrize(("quality", "wanted"), [("9", {2, 4, 10}), ("7b9", {1, 4, 10}), ("13", {4, 9, 10})])
def test_three_voices_of_a_rich_chord_are_its_guide_tones_and_its_colour(quality: str, wanted: set[int]) -> None:
    found = [{(pitch - root) % 12 for pitch in next_voicing(None, Chord(root, quality)).upper} for root in range(12)]
    assert sum(classes == wanted for classes in found) >= 9


@PROGRESSIONS
def test_the_hand_moves_little_and_outer_voices_not_in_parallel_in_any_key(chords: tuple[Chord, ...]) -> None:
    for key in range(12):
        moved = [chord.moved(key) for chord in chords]
        path = voice_chords(moved)
        hands = [voicing.upper for voicing in path]
        assert motion_a_voice(hands) <= 0.5 * motion_a_voice([root_position(chord) for chord in moved])
        assert outer_parallels(path) == 0
        assert max(abs(other[-1] - one[-1]) for one, other in pairwise(hands)) <= 5


@PROGRESSIONS
def test_the_path_of_a_phrase_costs_no_more_than_one_step_at_a_time(chords: tuple[Chord, ...]) -> None:
    whole = voice_chords(chords, voices=4)
    live: list[Voicing] = []
    for chord in chords:
        live.append(next_voicing(live[-1] if live else None, chord, voices=4))

    def moves(path: list[Voicing]) -> float:
        return sum(motion(one.pitches, other.pitches) for one, other in pairwise(path))

    assert moves(list(whole)) <= moves(live) + 4.0  # the bass lines may differ, which motion does not price


def test_the_seventh_of_a_dominant_falls_and_the_third_stays_in_a_two_five_one() -> None:
    two, five, one = voice_chords(TWO_FIVE)
    assert {48 + 12, 53 + 12} <= set(two.upper)  # C4 and F4 of Dm7
    assert {59, 65} <= set(five.upper)  # C falls to B, F stays
    assert {59, 64} <= set(one.upper)  # B stays, F falls to E


@PROPERTY
@given(SEQUENCES)
def test_the_hand_comes_back_to_its_register_however_far_it_was(chords: list[Chord]) -> None:
    far = Voicing(50, (70, 74, 77))
    for voicing in voice_chords([*chords, *chords], before=far):
        assert abs(mean(voicing.upper) - centre_of(3)) <= REACH


@PROGRESSIONS
def test_a_higher_register_is_higher_in_hand_and_bass(chords: tuple[Chord, ...]) -> None:
    paths = [voice_chords(chords, register=register) for register in range(8)]
    hands = [mean(pitch for voicing in path for pitch in voicing.upper) for path in paths]
    basses = [mean(voicing.bass for voicing in path) for path in paths]
    assert hands == sorted(hands) and hands[-1] - hands[0] > 12
    assert basses == sorted(basses) and basses[-1] > basses[0]


@PROGRESSIONS
def test_nothing_thick_lies_low(chords: tuple[Chord, ...]) -> None:
    for voicing in voice_chords(chords, register=0, voices=4):
        assert all(upper - lower > 2 for lower, upper in pairwise(voicing.pitches) if lower < 48)
        assert voicing.upper[0] - voicing.bass >= 3


@PROGRESSIONS
@pytest.mark.parametrize("tune", [62, 65, 69, 74])
def test_the_hand_stays_under_a_melody_and_does_not_double_it(chords: tuple[Chord, ...], tune: int) -> None:
    melody = tuple(((tune, 0.5), (tune + 2, 0.5)) for _ in chords)
    tops = [voicing.upper[-1] for voicing in voice_chords(chords, register=4, melody=melody)]
    assert sum(top >= tune for top in tops) <= len(tops) // 6


def test_a_melody_in_the_bass_is_not_ducked_under() -> None:
    free = voice_chords(POP)
    under = voice_chords(POP, melody=[((40, 1.0),)] * len(POP))
    assert all(voicing.upper[0] >= LOWEST_CENTRE - REACH for voicing in under)
    assert mean(v.upper[0] for v in free) - mean(v.upper[0] for v in under) < 12


def test_no_chords_have_no_voicings() -> None:
    assert voice_chords(()) == ()


def test_a_chord_that_stays_is_held() -> None:
    first, second = voice_chords((Chord(0, "maj7"), Chord(0, "maj7")))
    assert first == second
