from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from daw_assist.music.bars import Bar
from daw_assist.music.keys import parse_key
from daw_assist.music.metre import Metre
from daw_assist.music.notes import Note
from daw_assist.music.parts import Part
from daw_assist.music.time import Ticks
from daw_assist.suggest.suggestion import Settings
from models_onnx.evaluate.locks import broken, drawn_lock, locks_kept
from models_onnx.evaluate.steering import attributes_known, keys_kept, ranks, spearman, steered
from models_onnx.evaluate.styles import StyleClassifier, accuracy, features


def bar(count: int, pitch: int, velocity: int = 80, chord: int = 1, part: Part = Part.KEYS) -> Bar:
    step = 96 // count
    return Bar(Metre(), tuple(
        Note(Ticks(step * i), part, pitch + 4 * voice, Ticks(step), velocity) for i in range(count) for voice in range(chord)
    ))  # fmt: skip


class Obedient:
    """Does what it is told, or, with `deaf`, what it likes."""

    name = "obedient"

    def __init__(self, deaf: bool = False, keep_key: bool = True) -> None:
        self.deaf, self.keep_key = deaf, keep_key

    def continued(self, heard: Sequence[Bar], asked: Settings) -> tuple[Bar, ...]:
        rng = np.random.default_rng([asked.seed, len(heard)])
        told = {n: getattr(asked, n) for n in ("density", "polyphony", "register", "loudness")}
        if self.deaf:
            told = {name: int(rng.integers(2, 7)) if value is not None else None for name, value in told.items()}
        count, chord = (4 if told["density"] is None else 2 * told["density"]), told["polyphony"] or 1
        pitch = 60 if told["register"] is None else 36 + 7 * told["register"]
        made = bar(count, pitch, 80 if told["loudness"] is None else 16 * told["loudness"] + 8, chord)
        if asked.key and self.keep_key:
            inside = parse_key(asked.key).pitch_classes
            made = replace(made, notes=tuple(n for n in made.notes if n.pitch % 12 in inside))
        return (made,) * asked.bars


PROMPTS = [[bar(4, 50 + i)] * (i + 1) for i in range(12)]


def test_equal_values_share_their_rank() -> None:
    assert ranks([10.0, 20.0, 20.0, 5.0]).tolist() == [2.0, 3.5, 3.5, 1.0]


@given(st.lists(st.integers(-50, 50), min_size=3, max_size=30, unique=True))
def test_correlation_of_ranks_knows_order_alone(values: list[int]) -> None:
    assert spearman(values, [v**3 for v in values]) == pytest.approx(1.0)
    assert spearman(values, [-v for v in values]) == pytest.approx(-1.0)
    assert spearman(values, [7.0] * len(values)) == 0.0


@pytest.mark.parametrize("attribute", ["density", "polyphony", "register", "loudness"])
def test_whoever_obeys_is_told_from_whoever_does_not(attribute: str) -> None:
    obeyed = steered(Obedient(), PROMPTS, attribute, Settings())
    ignored = steered(Obedient(deaf=True), PROMPTS, attribute, Settings(), seeds=(0, 1, 2))
    assert obeyed["within"] == obeyed["pooled"] == pytest.approx(1.0, abs=1e-3)
    assert abs(ignored["pooled"]) < 0.4
    assert obeyed["runs"] == 5 * len(PROMPTS)
    assert obeyed["at 2"] < obeyed["at 6"]


def test_who_never_changes_has_no_correlation() -> None:
    assert steered(Obedient(), PROMPTS, "syncopation", Settings())["within"] == 0.0


def test_all_five_attributes_can_be_asked_for() -> None:
    assert attributes_known(Settings()) == ("density", "polyphony", "register", "loudness", "syncopation")


def test_a_note_outside_the_scale_breaks_the_lock() -> None:
    kept = keys_kept(Obedient(), PROMPTS, Settings(polyphony=5), 40)
    assert kept["runs"] == 40
    assert (kept["notes outside"], kept["runs broken"]) == (0, 0)
    assert kept["notes"] > 0
    loose = keys_kept(Obedient(keep_key=False), PROMPTS, Settings(polyphony=5), 40)
    assert loose["notes outside"] >= loose["runs broken"] > 10


def test_a_classifier_tells_two_kinds_of_music_apart_and_knows_no_more_than_there_is() -> None:
    rng = np.random.default_rng(0)

    def stretch(style: int, part: Part) -> list[Bar]:
        count = (2, 8)[style]
        return [bar(count, int(rng.integers(50, 70)), part=part) for _ in range(8)]

    labels = np.arange(80) % 2
    for with_parts in (True, False):
        rows = np.stack([features(stretch(int(s), Part.KEYS), with_parts) for s in labels])
        judge = StyleClassifier.learned(rows, labels, ("slow", "fast"), with_parts)
        told = [judge.style_of(stretch(s, Part.STRINGS)) for s in (0, 1) * 10]
        assert accuracy(told, ["slow", "fast"] * 10)["overall"] > 0.9
    noise = rng.permutation(labels)
    judge = StyleClassifier.learned(rows, noise, ("slow", "fast"), False)
    fresh = [judge.style_of(stretch(s, Part.KEYS)) for s in (0, 1) * 20]
    assert 0.2 < accuracy(fresh, [("slow", "fast")[i] for i in rng.integers(0, 2, 40)])["overall"] < 0.8


def test_figures_of_silence_are_finite() -> None:
    assert np.isfinite(features([Bar(Metre())] * 8)).all()


class Filler:
    """Puts a new note into every bar to be filled; a careless one forgets what was there."""

    def __init__(self, careless: bool) -> None:
        self.careless = careless

    def filled(self, bars: Sequence[Bar], first: int, last: int, locked: object, seed: int) -> tuple[Bar, ...]:
        new = Note(Ticks(90), Part.BASS, 30 + seed % 12, Ticks(6), 64)
        return tuple(
            replace(b, notes=(new,) if self.careless else (*b.notes, new)) if first <= i < last else b
            for i, b in enumerate(bars)
        )


def test_a_lost_note_that_was_locked_is_counted_and_one_that_was_not_is_free_to_go() -> None:
    bars = [bar(4, 60)] * 6
    careful = locks_kept(Filler(False), [bars], 2, 4, range(5), lambda *_: lambda index, note: True)
    careless = locks_kept(Filler(True), [bars], 2, 4, range(5), lambda *_: lambda index, note: note.onset == 0)
    assert careful == {"runs": 5, "notes locked": 40, "notes lost": 0, "runs broken": 0, "refused": 0}
    assert careless == {"runs": 5, "notes locked": 10, "notes lost": 10, "runs broken": 5, "refused": 0}
    assert broken(bars, Filler(True).filled(bars, 2, 4, None, 0), 2, 4, lambda index, note: False) == 0


def test_a_lock_that_is_drawn_holds_some_of_the_notes_and_not_all() -> None:
    bars = [replace(b, notes=(*b.notes, replace(b.notes[0], part=Part.BASS, pitch=40))) for b in [bar(4, 60)] * 6]
    for seed in range(20):
        locked = drawn_lock(bars, 2, 4, seed)
        own = [locked(i, n) for i in (2, 3) for n in bars[i].notes]
        assert not all(own)
        assert any(own) or seed % 2 == 0
        assert own == [drawn_lock(bars, 2, 4, seed)(i, n) for i in (2, 3) for n in bars[i].notes]


def test_bars_outside_the_gap_must_stay_as_they_are() -> None:
    bars = [bar(4, 60)] * 4
    touched = [bar(4, 61), *bars[1:]]
    assert broken(bars, touched, 1, 3, lambda index, note: False) == 8
    assert broken(bars, bars[:3], 1, 3, lambda index, note: False) == 1
