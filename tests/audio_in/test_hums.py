"""What a voice hums comes back as what it hummed."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from daw_assist.audio_in import AudioFileError, ListenFor, read_music
from daw_assist.midi.file import to_song
from daw_assist.music.notes import Note
from daw_assist.music.parts import Part
from models_onnx.transcribe import RATE, Ear
from tests.audio_in.conftest import Record
from tests.audio_in.sounds import hum, melody

SCALE = [60, 62, 64, 65, 67, 69, 71, 72]
pytestmark = pytest.mark.usefixtures("ear")


def song_of(path: Path, **asked: Any) -> tuple[Note, ...]:
    return to_song(read_music(path, ask=ListenFor(**asked)).file).notes


@pytest.mark.parametrize(
    "voice",
    [
        {},
        {"vowel": "mm", "vibrato_hz": 6.0},
        {"vowel": "ah", "vibrato_hz": 5.0, "breath_db": -24.0},
        {"level": 0.02},
        {"detune_cents": 35.0},
        {"detune_cents": -30.0, "vowel": "mm"},
        {"vibrato_cents": 55.0},
        {"glide_s": 0.12},
    ],
    ids=str,
)
@pytest.mark.parametrize("octave", [-12, 0])
def test_a_hummed_scale_comes_back_as_exactly_that_scale(record: Record, voice: dict[str, Any], octave: int) -> None:
    pitches = [pitch + octave for pitch in SCALE]
    known = melody(pitches, [1, 1, 1, 1, 1, 1, 1, 2], 100, jitter_s=0.012, seed=4)
    notes = song_of(record(hum(known, seed=1, **voice)))
    assert [note.pitch for note in notes] == pitches
    assert [note.onset for note in notes] == [24 * k for k in range(8)]
    assert [note.duration for note in notes] == [24] * 7 + [48]
    assert {note.part for note in notes} == {Part.VOICE}


def test_a_tempo_is_found_and_told(record: Record) -> None:
    known = melody(SCALE + SCALE[::-1], [1, 1, 0.5, 0.5, 1] * 3 + [1], 92, gap_s=0.03, jitter_s=0.012)
    hearing = read_music(record(hum(known))).hearing
    assert hearing is not None
    assert hearing.bpm == pytest.approx(92, abs=1)
    assert (hearing.bpm_is, hearing.voices, hearing.notes) == ("found", "single", 16)
    assert "16 notes of one voice heard in 4 bars of 4/4, 92" in hearing.line("take.wav")


def test_a_pitch_that_is_sung_again_is_another_note(record: Record) -> None:
    pitches = [60, 60, 60, 64, 64, 67, 67, 67, 67, 60]
    beats = [1, 0.5, 0.5, 1, 1, 0.5, 0.5, 0.5, 0.5, 2]
    notes = song_of(record(hum(melody(pitches, beats, 96), seed=2)), bpm=96)
    assert [note.pitch for note in notes] == pitches
    assert [note.duration for note in notes] == [round(24 * length) for length in beats]


def test_a_long_note_with_a_wide_vibrato_is_one_note(record: Record) -> None:
    notes = song_of(record(hum([(0.0, 6.0, 57)], vibrato_cents=70.0, vibrato_hz=5.0)))
    assert [note.pitch for note in notes] == [57]


def test_what_was_sung_off_the_beat_keeps_its_rests(record: Record) -> None:
    known = [(0.0, 0.45, 60), (1.0, 1.45, 64), (2.0, 2.45, 67), (2.5, 3.0, 72)]
    notes = song_of(record(hum(known)), bpm=120)
    assert [(note.onset, note.duration) for note in notes] == [(0, 24), (48, 24), (96, 24), (120, 24)]


def test_notes_never_overlap_in_one_voice(record: Record) -> None:
    rng = np.random.default_rng(9)
    pitches = [int(p) for p in rng.choice(SCALE, 24)]
    notes = song_of(record(hum(melody(pitches, [float(b) for b in rng.choice([0.5, 1, 1.5], 24)], 110), seed=9)))
    assert len(notes) > 20
    assert all(a.end <= b.onset for a, b in pairwise(notes))


def test_breath_alone_is_no_music(record: Record) -> None:
    rng = np.random.default_rng(0)
    with pytest.raises(AudioFileError, match="no note is heard in it"):
        read_music(record(0.01 * rng.standard_normal(4 * RATE)))


def test_a_long_silence_before_and_after_is_left_out(record: Record) -> None:
    sound = np.concatenate([np.zeros(5 * RATE), hum(melody(SCALE, [1] * 8, 100)), np.zeros(5 * RATE)])
    music = read_music(record(sound))
    notes = to_song(music.file).notes
    assert [note.pitch for note in notes] == SCALE
    assert notes[0].onset == 0
    assert music.hearing is not None
    assert music.hearing.skipped_s == pytest.approx(5.5, abs=0.05)


def test_louder_notes_have_more_velocity(record: Record, ear: Ear) -> None:
    soft, loud = melody([60], [2], 100), melody([60], [2], 100)
    sound = np.concatenate([hum(soft, level=0.05, breath_db=-50), hum(loud, level=0.4, breath_db=-50)])
    notes = song_of(record(sound), bpm=100)
    assert len(notes) == 2
    assert notes[0].velocity + 20 < notes[1].velocity
