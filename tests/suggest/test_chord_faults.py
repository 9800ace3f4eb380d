"""What a musician would object to, and what cannot be asked for."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from daw_assist.music.bars import Bar
from daw_assist.music.chords import Chord, ChordSpan, parse_chord
from daw_assist.music.keys import Key
from daw_assist.music.metre import Metre
from daw_assist.music.notes import Note
from daw_assist.music.parts import Part
from daw_assist.music.time import Ticks
from daw_assist.suggest.chord_faults import chord_faults
from daw_assist.suggest.harmony import HarmonySettings
from daw_assist.suggest.harmony_asked import fault_of_harmony, fault_of_style


def bar(*notes: tuple[int, int, int]) -> Bar:
    return Bar(Metre(), tuple(Note(Ticks(on), Part.VOICE, pitch, Ticks(length), 70) for on, pitch, length in notes))


def span(onset: int, duration: int, name: str) -> ChordSpan:
    return ChordSpan(Ticks(onset), Ticks(duration), parse_chord(name))


@pytest.mark.parametrize(
    ("chord", "notes", "faults"),
    [
        ("C", [(0, 65, 48)], ("bar 1: F is held over C",)),
        ("C", [(0, 65, 12), (12, 64, 48)], ()),  # an appoggiatura
        ("C", [(12, 65, 48)], ()),  # off the beat
        ("Csus4", [(0, 65, 48)], ()),
        ("Cmaj7", [(0, 62, 96)], ()),  # a ninth
        ("G7b9", [(0, 68, 96)], ()),
        ("N.C.", [(0, 65, 48)], ()),
    ],
)
def test_a_long_note_on_the_beat_a_semitone_above_the_chord_is_a_fault(
    chord: str, notes: list[tuple[int, int, int]], faults: tuple[str, ...]
) -> None:
    assert chord_faults([span(0, 96, chord)], [bar(*notes)]) == faults


def test_a_bar_of_melody_without_a_chord_is_a_fault_but_not_where_the_melody_begins() -> None:
    melody = [bar((48, 60, 48)), bar((0, 60, 96)), bar((0, 60, 96))]
    found = chord_faults([span(192, 96, "C")], melody)
    assert found == ("bar 2: no chord under the melody",)


def test_one_chord_for_a_whole_phrase_is_a_fault() -> None:
    assert chord_faults([span(0, 8 * 96, "C")], [bar((0, 60, 96))] * 8) == ("one chord for 8 bars",)
    assert chord_faults([span(0, 4 * 96, "C"), span(4 * 96, 4 * 96, "G")], [bar((0, 67, 96))] * 8) == ()


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"temperature": 0.01}, "temperature must be in 0.05..2.0, not 0.01"),
        ({"temperature": float("nan")}, "temperature must be in 0.05..2.0, not nan"),
        ({"seed": -1}, "seed must be in"),
        ({"candidates": 9}, "candidates must be in 1..8, not 9"),
        ({"register": 8}, "register must be in 0..7, not 8"),
        ({"density": -1}, "density must be in 0..7, not -1"),
        ({"rhythm": "never"}, "rhythm must be one of beat, half, bar, not 'never'"),
        ({"complexity": "x"}, "complexity must be one of triads"),
        ({"pattern": "x"}, "pattern must be one of block"),
        ({"given": "x"}, "given must be one of soprano"),
        ({"key": "H"}, "key 'H' is not one we know"),
    ],
)
def test_a_setting_out_of_its_range_is_told(change: dict[str, Any], words: str) -> None:
    fault = fault_of_harmony(replace(HarmonySettings(), **change))
    assert fault is not None and words in fault and "\n" not in fault


def test_the_usual_settings_and_the_ends_of_their_ranges_are_fine() -> None:
    assert fault_of_harmony(HarmonySettings()) is None
    assert (
        fault_of_harmony(HarmonySettings("beat", "extensions", "F# minor", None, 0.05, 0, 8, "arpeggio", 0, 7)) is None
    )


def test_a_style_that_the_model_did_not_learn_is_told_with_those_that_it_did() -> None:
    assert fault_of_style("jazz", ("folk", "jazz"), "chords") is None
    assert fault_of_style(None, (), "chords") is None
    assert fault_of_style("metal", ("folk",), "chords") == "model chords has no style 'metal': choose from folk"
    assert (
        fault_of_style("folk", (), "chords") == "model chords has no style 'folk': it knows none: leave the style out"
    )


def test_a_tune_that_ends_on_the_tonic_over_another_chord_is_told() -> None:
    bars = (Bar(Metre(), (Note(Ticks(0), Part.LEAD, 60, Ticks(96), 80),)),)
    over = {root: chord_faults((ChordSpan(Ticks(0), Ticks(96), Chord(root)),), bars, Key(0)) for root in (0, 5)}
    assert over == {0: (), 5: ("it ends on F where the tune ends on the tonic",)}
