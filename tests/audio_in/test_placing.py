"""Notes in seconds onto the grid of bars. No sound here."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest

from daw_assist.audio_in.placing import place
from daw_assist.music.metre import Metre
from daw_assist.music.parts import Part
from models_onnx.transcribe import Heard

TUNE = [1, 1, 0.5, 0.5, 1, 1, 0.5, 0.5, 2, 1, 1, 0.5, 0.5, 1, 2, 2]
FOUR = Metre()


def heard(beats: list[float], bpm: float, start: float = 0.8, gap_s: float = 0.05, off_s: float = 0.012) -> list[Heard]:
    """One voice that begins at `start`, breathes before each note, and is a little off."""
    places = np.concatenate([[0.0], np.cumsum(beats)]) * 60 / bpm + start
    rng = np.random.default_rng(5)
    ends = pairwise(places)
    return [
        Heard(float(a + rng.uniform(-off_s, off_s)), float(b - gap_s), 60 + i % 7, 80) for i, (a, b) in enumerate(ends)
    ]


def onsets(beats: list[float]) -> list[int]:
    return [round(24 * place) for place in np.concatenate([[0.0], np.cumsum(beats)])[:-1]]


@pytest.mark.parametrize("bpm", [72, 90, 105, 140])
def test_a_tune_comes_back_as_it_was_written(bpm: float) -> None:
    placed = place(heard(TUNE, bpm), FOUR, None, "single")
    assert [note.onset for note in placed.song.notes] == onsets(TUNE)
    assert [note.duration for note in placed.song.notes] == [round(24 * beats) for beats in TUNE]
    assert {note.part for note in placed.song.notes} == {Part.VOICE}
    assert placed.bpm == pytest.approx(bpm, rel=0.01)
    assert placed.bpm_is == "found"


def test_what_is_silent_before_the_first_note_is_left_out() -> None:
    placed = place(heard(TUNE, 100, start=3.7), FOUR, 100, "single")
    assert placed.song.notes[0].onset == 0
    assert placed.skipped_s == pytest.approx(3.7, abs=0.02)


def test_an_upbeat_of_an_eighth_goes_before_the_first_bar_line() -> None:
    placed = place(heard([0.5, 1, 1, 1, 1, 2, 1, 1, 1, 1, 2], 100), FOUR, 100, "single")
    assert [note.onset for note in placed.song.notes][:3] == [84, 96, 120]


def test_a_syncopation_is_no_upbeat() -> None:
    placed = place(heard([1, 0.5, 1, 0.5, 1, 1, 0.5, 1, 1.5], 100), FOUR, 100, "single")
    assert placed.song.notes[0].onset == 0


def test_triplets_are_kept_where_a_beat_is_full_of_them() -> None:
    third = 1 / 3
    placed = place(heard([1, third, third, third, 1, third, third, third, 1], 90), FOUR, 90, "single")
    assert [note.onset for note in placed.song.notes] == [0, 24, 32, 40, 48, 72, 80, 88, 96]


def test_a_single_note_late_by_an_eighth_of_a_beat_is_no_triplet() -> None:
    placed = place(heard([1, 1.25, 0.75, 1, 1], 100), FOUR, 100, "single")
    assert all(note.onset % 6 == 0 for note in placed.song.notes)


def test_a_breath_is_not_written_and_a_rest_is() -> None:
    notes = heard([1, 1, 1, 1], 60, gap_s=0.1)
    notes[1] = Heard(notes[1].onset, notes[1].onset + 0.5, 62, 80)
    placed = place(notes, FOUR, 60, "single")
    assert [note.duration for note in placed.song.notes] == [24, 12, 24, 24]


def test_no_note_is_a_sliver() -> None:
    rng = np.random.default_rng(3)
    notes = [Heard(float(t), float(t + rng.uniform(0.06, 0.3)), 60 + i % 5, 70) for i, t in
             enumerate(np.cumsum(rng.uniform(0.12, 0.6, 60)))]  # fmt: skip
    placed = place(notes, FOUR, None, "single")
    assert min(note.duration for note in placed.song.notes) >= 4
    assert all(a.end <= b.onset for a, b in pairwise(placed.song.notes))


def test_chords_start_together_and_keep_their_own_ends() -> None:
    notes = [
        Heard(k * 0.5 + 0.01 * j, k * 0.5 + (0.45 if j else 0.95), 60 + 4 * j, 80) for k in range(8) for j in range(3)
    ]
    placed = place(notes, FOUR, 120, "many")
    assert {note.onset for note in placed.song.notes} == {24 * k for k in range(8)}
    assert {note.duration for note in placed.song.notes if note.pitch == 60} == {48}
    assert {note.part for note in placed.song.notes} == {Part.KEYS}


@pytest.mark.parametrize("text", [(3, 4), (6, 8), (7, 8), (2, 2)])
def test_other_metres_have_their_bars(text: tuple[int, int]) -> None:
    metre = Metre(*text)
    beats = [metre.beat_ticks / 24] * 12
    placed = place(heard(beats, 100), metre, 100, "single")
    assert placed.song.bars()[0].metre == metre
    assert [note.onset for note in placed.song.notes] == [k * metre.beat_ticks for k in range(12)]


def test_a_note_alone_has_a_tempo_that_is_called_assumed() -> None:
    placed = place([Heard(1.0, 1.6, 64, 80)], FOUR, None, "single")
    assert placed.bpm_is == "assumed"
    assert [(note.onset, note.pitch) for note in placed.song.notes] == [(0, 64)]
