"""Several voices at a time: two hands on strings."""

from __future__ import annotations

import pytest

from daw_assist.audio_in import ListenFor, read_music
from daw_assist.midi.file import to_song
from daw_assist.music.metre import Metre
from daw_assist.music.parts import Part
from models_onnx.transcribe import Ear, is_single, notes_of
from tests.audio_in.conftest import Record
from tests.audio_in.sounds import Known, hum, melody, strings

BPM = 96
RIGHT = melody(
    [76, 74, 72, 74, 76, 76, 76, 74, 74, 74, 76, 79, 79, 77, 76],
    [1, 1, 1, 1, 1, 1, 2, 1, 1, 2, 1, 1, 2, 1, 1],
    BPM,
    gap_s=0.03,
)
LEFT = melody([48, 55, 52, 55] * 9, [0.5] * 36, BPM, gap_s=0.02)
BOTH = sorted([*RIGHT, *LEFT])


def found_of(known: list[Known], heard: list[tuple[float, int]], lead_s: float) -> float:
    """F1 of the notes, the pitch right and the onset within 50 ms; each heard note counts once."""
    left, hits = sorted(heard), 0
    for onset, _, pitch in known:
        near = [one for one in left if one[1] == pitch and abs(one[0] - onset - lead_s) <= 0.05]
        if near:
            left.remove(min(near, key=lambda one: abs(one[0] - onset - lead_s)))
            hits += 1
    return 2 * hits / (len(known) + len(heard))


def test_two_hands_are_heard_as_they_played(ear: Ear) -> None:
    notes = notes_of(ear.hear(strings(BOTH, lead_s=0.3)), "many")
    assert found_of(BOTH, [(note.onset, note.pitch) for note in notes], 0.3) >= 0.9


def test_one_voice_and_several_are_told_apart(ear: Ear) -> None:
    assert not is_single(ear.hear(strings(BOTH)))
    assert is_single(ear.hear(hum(RIGHT)))
    assert is_single(ear.hear(strings(RIGHT)))


def test_a_piece_comes_into_its_bars(ear: Ear, record: Record) -> None:
    music = read_music(record(strings(BOTH)), ask=ListenFor(bpm=BPM, metre="3/4"))
    song = to_song(music.file)
    assert song.metres == ((0, Metre(3, 4)),)
    assert {note.part for note in song.notes} == {Part.KEYS}
    written = {(round(onset * BPM / 60 * 2) * 12, pitch) for onset, _, pitch in BOTH}
    heard = {(note.onset, note.pitch) for note in song.notes}
    assert len(written & heard) >= 0.9 * len(written)
    assert len(heard - written) <= 0.12 * len(written)


@pytest.mark.parametrize("chord", [(60, 64, 67), (53, 60, 69), (48, 52, 55, 59)])
def test_a_chord_is_its_notes(ear: Ear, chord: tuple[int, ...]) -> None:
    notes = notes_of(ear.hear(strings([(0.0, 1.5, pitch) for pitch in chord])), "many")
    assert sorted(note.pitch for note in notes) == list(chord)
