from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given as drawn
from hypothesis import settings as bounded
from hypothesis import strategies as st

from daw_assist.engine.chord_choice import TURNS, choose_chords
from daw_assist.engine.chord_slots import level_of, slot_edges
from daw_assist.errors import UsageError
from daw_assist.music.bars import Bar
from daw_assist.music.chords import QUALITIES, Chord, ChordSpan
from daw_assist.music.keys import parse_key
from daw_assist.music.metre import parse_metre
from daw_assist.music.notes import Note
from daw_assist.music.parts import Part
from daw_assist.music.time import Ticks
from daw_assist.suggest.harmony import HarmonySettings
from models_onnx import chords_checkpoint
from models_onnx.checkpoint import Weights
from models_onnx.chords_session import ChordsSession
from models_onnx.chords_spec import MELODY_WIDTH, PLACES, ChordsSpec
from models_onnx.export_chords import export_folder
from models_onnx.manifest import ModelError

SPEC = ChordsSpec(("", "m", "dim", "7", "m7", "9"), ("hymn", "song"), width=32, layers=2, head_dim=16)
SETTINGS = HarmonySettings(rhythm="half", temperature=1.0)


def random_weights(spec: ChordsSpec) -> Weights:
    random = np.random.default_rng(5)

    def some(*shape: int) -> np.ndarray[Any, Any]:
        return random.normal(0, 0.5, shape).astype(np.float32)

    width = spec.width
    found = {"melody.0.weight": some(2 * width, MELODY_WIDTH), "melody.0.bias": some(2 * width)}
    found |= {"melody.2.weight": some(width, 2 * width), "melody.2.bias": some(width)}
    found |= {f"places.{n}.weight": some(size, width) for n, size in enumerate(PLACES.values())}
    found |= {f"words.{n}.weight": some(size, width) for n, size in enumerate(spec.word_sizes)}
    found |= {name: some(spec.classes + 1, width) for name in ("known.weight", "told.weight")}
    for n in range(spec.layers):
        shapes = {
            "qkv": (3 * width, width),
            "out": (width, width),
            "up": (4 * width, width),
            "down": (width, 4 * width),
        }
        found |= {f"layers.{n}.{name}.weight": some(*shape) for name, shape in shapes.items()}
        found |= {f"layers.{n}.{name}.weight": some(width) for name in ("attention_norm", "feed_norm")}
    found |= {"final_norm.weight": some(width), "decide.weight": some(spec.classes, width)}
    found |= {"decide.bias": some(spec.classes), "bass.0.weight": some(width, width), "bass.0.bias": some(width)}
    return found | {"bass.2.weight": some(12, width), "bass.2.bias": some(12)}


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> ChordsSession:
    folder = tmp_path_factory.mktemp("chords")
    story = {"licence": "CC0 1.0", "data": {"none": "CC0 1.0"}, "steps": 0}
    chords_checkpoint.save(folder / "random.npz", SPEC, random_weights(SPEC), story)
    return ChordsSession.open(str(export_folder(folder / "random.npz", folder, "tiny")))


def bars_of(pitches: Sequence[int], metre: str = "4/4") -> tuple[Bar, ...]:
    """A note on every beat; 0 is a rest."""
    kind = parse_metre(metre)
    a_bar = kind.bar_ticks // kind.beat_ticks
    found = []
    for at in range(0, len(pitches), a_bar):
        notes = [
            Note(Ticks(n * kind.beat_ticks), Part.LEAD, pitch, kind.beat_ticks, 80)
            for n, pitch in enumerate(pitches[at : at + a_bar])
            if pitch
        ]
        found.append(Bar(kind, tuple(notes)))
    return tuple(found)


TUNE = (60, 62, 64, 65, 67, 65, 64, 62, 60, 64, 67, 72, 71, 67, 62, 60)


def chord_at(spans: Sequence[ChordSpan], tick: int) -> Chord | None:
    return next(span.chord for span in spans if span.onset <= tick < span.end)


def covers(spans: Sequence[ChordSpan], bars: Sequence[Bar]) -> bool:
    ends = [0, *(span.end for span in spans)]
    return [span.onset for span in spans] == ends[:-1] and ends[-1] == sum(bar.length for bar in bars)


@pytest.mark.parametrize(
    ("metre", "rhythm", "edges"),
    [
        ("4/4", "half", [0, 48, 96]),
        ("4/4", "beat", [0, 24, 48, 72, 96]),
        ("4/4", "bar", [0, 96]),
        ("2/4", "half", [0, 24, 48]),
        ("3/4", "half", [0, 72]),
        ("3/4", "beat", [0, 24, 48, 72]),
        ("6/8", "half", [0, 36, 72]),
        ("9/8", "half", [0, 108]),
        ("12/8", "half", [0, 72, 144]),
        ("5/4", "half", [0, 72, 120]),
        ("7/8", "half", [0, 48, 84]),
    ],
)
def test_a_bar_is_halved_where_its_metre_can_be(metre: str, rhythm: str, edges: list[int]) -> None:
    assert slot_edges([Bar(parse_metre(metre))], rhythm) == edges


@bounded(max_examples=25, deadline=None)
@drawn(
    pitches=st.lists(st.sampled_from((0, 55, 60, 61, 64, 67, 72)), min_size=1, max_size=24),
    metre=st.sampled_from(("4/4", "3/4", "6/8", "5/4", "7/8")),
    rhythm=st.sampled_from(("beat", "half", "bar")),
    live=st.booleans(),
)
def test_the_chords_cover_the_bars_end_to_end(
    model: ChordsSession, pitches: list[int], metre: str, rhythm: str, live: bool
) -> None:
    bars = bars_of(pitches, metre)
    assert covers(choose_chords(bars, replace(SETTINGS, rhythm=rhythm), model, live=live).spans, bars)


def test_a_seed_gives_its_chords_again_and_other_seeds_others(model: ChordsSession) -> None:
    made = [choose_chords(bars_of(TUNE), SETTINGS, model, seed=seed) for seed in (0, 0, 1, 2, 3)]
    assert made[0] == made[1]
    assert len({choice.spans for choice in made}) > 1


@pytest.mark.parametrize("live", [False, True])
def test_given_chords_come_out_as_they_are(model: ChordsSession, live: bool) -> None:
    given = (
        ChordSpan(Ticks(30), Ticks(50), Chord(1, "7b9", 5)),
        ChordSpan(Ticks(96), Ticks(48), None),
    )
    bars = bars_of(TUNE)
    spans = choose_chords(bars, SETTINGS, model, given=given, live=live).spans
    assert set(given) <= set(spans)
    assert covers(spans, bars)


def test_given_chords_that_overlap_are_refused(model: ChordsSession) -> None:
    given = (ChordSpan(Ticks(0), Ticks(50), Chord(0)), ChordSpan(Ticks(48), Ticks(48), Chord(7)))
    with pytest.raises(UsageError, match="overlap at tick 48"):
        choose_chords(bars_of(TUNE), SETTINGS, model, given=given)


@pytest.mark.parametrize(("complexity", "most"), [("triads", 0), ("sevenths", 1)])
@pytest.mark.parametrize("live", [False, True])
def test_no_chord_is_richer_than_was_asked_for(model: ChordsSession, complexity: str, most: int, live: bool) -> None:
    wish = replace(SETTINGS, complexity=complexity, temperature=2.0, rhythm="beat")
    chords = [span.chord for span in choose_chords(bars_of(TUNE), wish, model, live=live).spans]
    assert all(level_of(chord.quality) <= most for chord in chords if chord)


def test_in_a_key_no_chord_has_two_foreign_notes(model: ChordsSession) -> None:
    key = parse_key("Eb major")
    wish = replace(SETTINGS, key="Eb", temperature=2.0, rhythm="beat", complexity="extensions")
    chords = [span.chord for span in choose_chords(bars_of(TUNE), wish, model).spans]
    tones = [{(chord.root + step) % 12 for step in QUALITIES[chord.quality]} for chord in chords if chord]
    assert all(len(own - key.pitch_classes) < 2 for own in tones)


def test_the_bass_is_a_note_of_the_chord(model: ChordsSession) -> None:
    spans = choose_chords(bars_of(TUNE), replace(SETTINGS, temperature=2.0, rhythm="beat"), model).spans
    chords = [span.chord for span in spans if span.chord]
    assert all((chord.bass_class - chord.root) % 12 in QUALITIES[chord.quality] for chord in chords)
    assert any(chord.bass is not None for chord in chords)  # the random model does invert


@pytest.mark.parametrize("slot", range(8))
@pytest.mark.parametrize("key", [None, "D minor"])
@pytest.mark.parametrize("silent", [0, 4])
def test_live_a_chord_does_not_know_the_melody_of_its_own_slot_or_later(
    model: ChordsSession, slot: int, key: str | None, silent: int
) -> None:
    first = [*([0] * silent), *TUNE[silent:]]
    other = [*first[: 2 * slot], *(pitch + 5 if n % 3 else 0 for n, pitch in enumerate(TUNE[2 * slot :]))]
    wish = replace(SETTINGS, key=key)
    one, two = (choose_chords(bars_of(tune), wish, model, live=True, seed=3).spans for tune in (first, other))
    ticks = range(0, 48 * (slot + 1), 48)
    assert [chord_at(one, tick) for tick in ticks] == [chord_at(two, tick) for tick in ticks]


def test_live_later_chords_do_know_the_melody_before_them(model: ChordsSession) -> None:
    other = [*TUNE[:4], *(pitch + 5 for pitch in TUNE[4:])]
    made = [choose_chords(bars_of(tune), SETTINGS, model, live=True, seed=3).spans for tune in (TUNE, other)]
    assert made[0] != made[1]


def test_live_nothing_after_what_was_heard_matters(model: ChordsSession) -> None:
    heard = Ticks(4 * 48)
    other = [*TUNE[:8], *(pitch + 1 for pitch in TUNE[8:])]
    made = [
        choose_chords(bars_of(tune), SETTINGS, model, live=True, heard_until=heard, seed=1) for tune in (TUNE, other)
    ]
    assert made[0] == made[1]


def test_live_waits_for_the_melody_unless_a_key_is_given(model: ChordsSession) -> None:
    bars = bars_of((0, 0, 0, 0, *TUNE))
    free, told = (choose_chords(bars, replace(SETTINGS, key=key), model, live=True).spans for key in (None, "C"))
    assert chord_at(free, 0) is None and chord_at(free, 48 * 3) is not None
    assert chord_at(told, 0) is not None
    silent = (ChordSpan(Ticks(0), Ticks(48), None),)
    on = choose_chords(bars, SETTINGS, model, live=True, given=silent, heard_until=Ticks(48)).spans
    assert {span.chord for span in on} == {None}


def test_settings_that_cannot_be_are_named(model: ChordsSession) -> None:
    wrong = (
        (replace(SETTINGS, rhythm="often"), "often"),
        (replace(SETTINGS, complexity="jazz"), "jazz"),
        (replace(SETTINGS, style="polka"), "hymn"),
    )
    for settings, text in wrong:
        with pytest.raises(UsageError, match=text):
            choose_chords(bars_of(TUNE), settings, model)


@dataclass
class Counting:
    """A model that says C everywhere, in the key it is asked in, and how often it was asked."""

    spec: ChordsSpec = SPEC
    runs: int = 0

    def run(self, melody, places, known, told, words):  # type: ignore[no-untyped-def]
        self.runs += 1
        logits = np.full((*known.shape, self.spec.classes), -9.0, np.float32)
        for row, by in enumerate(TURNS[: len(known)]):
            logits[row, :, self.spec.class_of(by, "")] = 9.0
        return logits, np.zeros((*known.shape, 12), np.float32)


def test_a_long_piece_takes_few_runs_offline() -> None:
    model = Counting()
    spans = choose_chords(bars_of(TUNE * 20), SETTINGS, model).spans
    assert {span.chord for span in spans} == {Chord(0)}
    assert model.runs < 25


def test_equal_slots_are_one_span_within_a_bar() -> None:
    spans = choose_chords(bars_of(TUNE), SETTINGS, Counting()).spans
    assert [(span.onset, span.duration) for span in spans] == [(n * 96, 96) for n in range(4)]
    assert all(a.end == b.onset for a, b in pairwise(spans))


def test_a_model_of_another_spec_is_refused(model: ChordsSession, tmp_path: Path) -> None:
    chords_checkpoint.save(tmp_path / "random.npz", SPEC, random_weights(SPEC), {"licence": "x", "data": {}})
    folder = export_folder(tmp_path / "random.npz", tmp_path, "wrong")
    told = json.loads((folder / "manifest.json").read_text())
    told["spec"]["qualities"] = ["", "m"]
    (folder / "manifest.json").write_text(json.dumps(told))
    with pytest.raises(ModelError, match="another shape"):
        ChordsSession.open(str(folder))


def test_under_the_last_note_no_chord_changes_offline(model: ChordsSession) -> None:
    four = parse_metre("4/4")
    tune = bars_of(TUNE)
    bars = (*tune, Bar(four, (Note(Ticks(0), Part.LEAD, 60, Ticks(96), 80),)), Bar(four))
    found = choose_chords(bars, replace(SETTINGS, rhythm="beat", temperature=2.0), model, seed=4).spans
    start = sum(bar.length for bar in tune)
    assert len({span.chord for span in found if span.onset >= start}) == 1
