"""The tempo of onsets, and their places on its beats."""

from __future__ import annotations

import numpy as np
import pytest

from daw_assist.audio_in.tempo import BPM_FOUND, ONE_VOICE, TWO_HANDS, events_of, find_tempo, follow

SONG = [1, 1, 0.5, 0.5, 1, 1, 0.5, 0.5, 2]
"""Quarters of a plain tune."""


def played(beats: list[float], bpm: float, seed: int = 0, jitter_s: float = 0.012, wander: float = 0.0) -> np.ndarray:
    """Onsets of three times the rhythm, each a little off; the tempo swells and ebbs by the share `wander`."""
    lengths = np.array(beats * 3) * 60 / bpm
    lengths *= 1 + wander * np.sin(np.arange(len(lengths)) / 5)
    exact = np.concatenate([[0.0], np.cumsum(lengths)])
    return exact + np.random.default_rng(seed).normal(0, jitter_s, len(exact))


@pytest.mark.parametrize("bpm", range(66, 181, 6))
def test_the_tempo_of_a_plain_tune_is_found(bpm: int) -> None:
    for seed in range(3):
        found = find_tempo(played(SONG, bpm, seed))
        assert found is not None
        assert found == pytest.approx(bpm, rel=0.02)


@pytest.mark.parametrize("bpm", [60, 75, 90, 120, 150, 180])
@pytest.mark.parametrize("rhythm", [[1.0] * 8, [0.5] * 16, [1, 1, 2, 1, 1, 2], [0.5, 0.5, 1, 0.5, 0.5, 1]])
def test_a_plain_rhythm_is_heard_in_its_tempo_or_in_half_or_double_time(rhythm: list[float], bpm: int) -> None:
    found = find_tempo(played(rhythm, bpm))
    assert found is not None
    assert min(abs(found / (bpm * factor) - 1) for factor in (0.5, 1, 2)) < 0.02
    assert BPM_FOUND[0] * 0.999 <= found <= BPM_FOUND[1] * 1.001


@pytest.mark.parametrize("bpm", [90, 108, 132])
def test_triplets_in_a_beat_do_not_change_it(bpm: int) -> None:
    found = find_tempo(played([2 / 3, 1 / 3, 1, 2 / 3, 1 / 3, 1, 1, 1], bpm))
    assert found == pytest.approx(bpm, rel=0.02)


@pytest.mark.parametrize("bpm", [60, 90, 120])
def test_a_compound_metre_has_its_beat_in_three(bpm: int) -> None:
    found = find_tempo(played([2 / 3, 1 / 3, 1 / 3, 1 / 3, 1 / 3, 1, 2 / 3, 1 / 3], bpm), (3, 6))
    assert found == pytest.approx(bpm, rel=0.02)


@pytest.mark.parametrize("times", [[], [0.3], [0.0, 0.5, 1.0], [0.0, 10.0, 20.0, 30.0]])
def test_too_few_onsets_have_no_tempo(times: list[float]) -> None:
    assert find_tempo(np.array(times)) is None


def test_the_notes_of_a_chord_are_one_event() -> None:
    assert events_of([1.02, 0.0, 1.0, 1.01, 2.0]) == pytest.approx([0.0, 1.01, 2.0])


def test_two_hands_in_eighths_are_slower_than_one_voice_in_quarters() -> None:
    times = played([0.5] * 4 + [1] + [0.5] * 6 + [1], 75)
    one, two = find_tempo(times, usual=ONE_VOICE), find_tempo(times, usual=TWO_HANDS)
    assert one == pytest.approx(150, rel=0.02)
    assert two == pytest.approx(75, rel=0.02)


@pytest.mark.parametrize("wander", [0.0, 0.05])
def test_the_beat_is_followed_while_it_wanders(wander: float) -> None:
    times = played(SONG, 100, wander=wander)
    wanted = np.concatenate([[0.0], np.cumsum(SONG * 3)])
    beats = follow(times, 100)
    assert np.round(beats.places * 4) / 4 == pytest.approx(wanted)


def test_a_given_tempo_is_kept_to_the_digit() -> None:
    times = played(SONG, 97.3)
    assert follow(times, 97.0, steady=True).bpm == 97.0


def test_times_between_and_after_the_onsets_have_places_too() -> None:
    beats = follow(np.array([1.0, 1.5, 2.0, 2.5]), 120, steady=True)
    assert beats.place_of(1.75) == pytest.approx(1.5)
    assert beats.place_of(4.5) == pytest.approx(7.0)
