from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import mido
import pytest

from daw_assist.music.chords import Chord
from models_onnx.evaluate.chord_counts import ChordHmm, template
from models_onnx.evaluate.nottingham import Tune, measure, read_tunes, score, split, triad_of
from models_onnx.evaluate.tune_families import families, hold_out, likeness, strangers

SIXTEENTH = 120


def write(path: Path, notes: Sequence[tuple[int, int, int]], metre: tuple[int, int] = (4, 4)) -> None:
    """`notes` (onset, end, pitch) in 16ths."""
    path.parent.mkdir(parents=True, exist_ok=True)
    events = [(end * SIXTEENTH, 0, "note_off", pitch) for _, end, pitch in notes]
    events += [(onset * SIXTEENTH, 1, "note_on", pitch) for onset, _, pitch in notes]
    track = mido.MidiTrack([mido.MetaMessage("time_signature", numerator=metre[0], denominator=metre[1])])
    now = 0
    for at, _, kind, pitch in sorted(events):
        track.append(mido.Message(kind, note=pitch, velocity=80, time=at - now))
        now = at
    mido.MidiFile(ticks_per_beat=4 * SIXTEENTH, tracks=[track]).save(path)


def tune(pitches: Sequence[int], chords: Sequence[Chord | None], name: str = "tune") -> Tune:
    """An eighth note each, half bars of four."""
    notes = tuple((2.0 * n, 2.0 * n + 2, pitch) for n, pitch in enumerate(pitches))
    return Tune(name, notes, 16, 8, tuple(chords))


C, F, G = (60, 64, 67), (65, 69, 72), (55, 62, 71)


def test_tunes_are_read_on_a_grid_of_half_bars_and_labelled_by_what_sounds_there(tmp_path: Path) -> None:
    melody = [(2 * n, 2 * n + 2, 60 + n) for n in range(16)]
    harmony = [(at, at + 8, pitch) for at, chord in ((0, C), (8, F), (16, G), (24, C)) for pitch in chord]
    write(tmp_path / "melody" / "a.mid", melody)
    write(tmp_path / "chords" / "a.mid", harmony)
    write(tmp_path / "melody" / "b.mid", melody)  # has no chords
    write(tmp_path / "melody" / "c.mid", melody)
    write(tmp_path / "chords" / "c.mid", harmony[:6])  # has two chords
    (found,) = read_tunes(tmp_path)
    assert found.name == "a"
    assert found.chords == (Chord(0), Chord(5), Chord(7), Chord(0))
    assert found.edges == [0, 48, 96, 144, 192]


def test_a_half_bar_of_three_four_is_a_dotted_quarter(tmp_path: Path) -> None:
    write(tmp_path / "melody" / "a.mid", [(0, 24, 60)], (3, 4))
    write(tmp_path / "chords" / "a.mid", [(0, 24, pitch) for pitch in C], (3, 4))
    (found,) = read_tunes(tmp_path)
    assert (found.sixteenths_a_slot, len(found.chords)) == (6, 4)


@pytest.mark.parametrize(
    ("pitches", "chord"),
    [
        ((55, 59, 62, 65), Chord(7)),  # G7 is G
        ((57, 60, 64), Chord(9, "m")),
        ((59, 62, 65), Chord(11, "dim")),
        ((60, 64, 68), Chord(0, "aug")),  # its root is the lowest
        ((52, 60, 67), Chord(0)),
    ],
)
def test_what_sounds_is_the_nearest_triad(pitches: tuple[int, ...], chord: Chord) -> None:
    assert triad_of(pitches) == chord


def test_every_tenth_tune_is_test() -> None:
    train, test = split([tune([60], [Chord(0)], str(n)) for n in range(21)])
    assert [one.name for one in test] == ["0", "10", "20"]
    assert len(train) == 18


def test_measures_of_a_tune_worked_by_hand() -> None:
    one = tune([60, 62, 64, 65, 67, 71, 62, 60], [Chord(0), Chord(7)])
    found = measure(one, one.chords)
    assert found is not None
    assert found["CHE"] == pytest.approx(0.6931, abs=1e-4)  # two chords, once each
    assert found["CC"] == 2
    # In C: c e, and d and f that move on by a step; in G: g b d, and the last c, which goes nowhere.
    assert found["CTnCTR"] == pytest.approx(7 / 8)
    assert found["NiC"] == pytest.approx(5 / 8)
    # Thirds of: c 2, d -1, e 3, f -2 above C, and g 2, b 3, d 3, c -2 above G.
    assert found["PCS"] == pytest.approx(1 / 3)


def test_accuracy_is_of_half_bars_that_have_a_chord_and_coverage_of_all() -> None:
    one = tune([60] * 16, [Chord(0), None, Chord(7), Chord(5)])
    found = score([one], [[Chord(0), Chord(0), Chord(7, "m"), None]])
    assert found.accuracy == pytest.approx(1 / 3)
    assert found.root_accuracy == pytest.approx(2 / 3)
    assert found.coverage == pytest.approx(3 / 4)
    assert found.slots == 4


def test_counts_learn_a_cadence_and_the_template_follows_the_notes() -> None:
    scale = [60, 64, 67, 64, 65, 69, 72, 69, 67, 71, 74, 71, 60, 64, 67, 64]
    chords = [Chord(0), Chord(5), Chord(7), Chord(0)]
    tunes = [tune([pitch + by for pitch in scale], [chord.moved(by) for chord in chords]) for by in range(6)]
    hmm = ChordHmm(tunes)
    assert hmm.offline(tunes[0]) == chords
    assert template(tunes[0]) == chords
    changed = tune([*scale[:8], *(pitch + 1 for pitch in scale[8:])], chords)
    assert hmm.live(tunes[0])[:3] == hmm.live(changed)[:3]  # the third knows two half bars only


def test_variants_of_a_tune_are_one_family_in_any_key_and_stay_together() -> None:
    first = [60, 62, 64, 65, 67, 65, 64, 62, 60, 64, 67, 72, 71, 69, 67, 65, 64, 62, 60]
    variant = [pitch + 3 for pitch in first[:-2]] + [70, 72]
    other = [60, 67, 61, 68, 62, 69, 63, 70, 64, 71, 65, 72, 66, 73, 67, 74, 68, 75, 69]
    tunes = [tune(pitches, [Chord(0)] * 5, str(n)) for n, pitches in enumerate((first, other, variant))]
    assert likeness(tunes[:1], tunes[1:])[0][0][0] == 1
    assert strangers(tunes, tunes[:1]) == [tunes[1]]
    one, two, three = families(tunes)
    assert one == three != two
    rest, held = hold_out(tunes, every=2)
    assert {len(rest), len(held)} == {1, 2}
