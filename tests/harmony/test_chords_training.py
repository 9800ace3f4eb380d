from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import settings as bounded
from hypothesis import strategies as st

from models_onnx.chords_inputs import melody_rows, moved_class, place_rows, transposed
from models_onnx.chords_spec import CLASS_GROUPS, PLACES, SUBSLICES, ChordsSpec

torch = pytest.importorskip("torch")

from daw_assist.music.bars import Bar  # noqa: E402
from daw_assist.music.chords import Chord, ChordSpan  # noqa: E402
from daw_assist.music.metre import Metre  # noqa: E402
from daw_assist.music.notes import Note  # noqa: E402
from daw_assist.music.parts import Part  # noqa: E402
from daw_assist.music.time import Ticks  # noqa: E402
from models_onnx import chords_checkpoint  # noqa: E402
from models_onnx.chords_session import ChordsSession  # noqa: E402
from models_onnx.corpora.chord_pieces import ChordPiece  # noqa: E402
from models_onnx.evaluate.chord_answers import answer, log_probabilities  # noqa: E402
from models_onnx.evaluate.nottingham import Tune  # noqa: E402
from models_onnx.export_chords import export_folder  # noqa: E402
from models_onnx.train.chord_songs import Songs, complexity_of, far_from, key_word, labels  # noqa: E402
from models_onnx.train.chords.data import IGNORED, Batches, Drawing, of_tune  # noqa: E402
from models_onnx.train.chords.loop import ChordsSettings, Dressed, load_best, train  # noqa: E402
from models_onnx.train.chords.network import ChordsNetwork  # noqa: E402

SPEC = ChordsSpec(width=32, layers=1, head_dim=16)
EDGES = np.array([0, 48, 96, 144])
ONSET = 12 * CLASS_GROUPS


def test_a_melody_row_says_when_each_pitch_class_sounds_and_begins() -> None:
    rows = melody_rows(np.array([(0, 60, 24), (24, 67, 48)]), EDGES)
    parts = rows[:, : 12 * SUBSLICES].reshape(3, SUBSLICES, 12)
    assert (parts[0, :4, 0] == 1).all() and (parts[0, 4:, 7] == 1).all() and (parts[1, :4, 7] == 1).all()
    assert parts.sum() == 12
    assert np.flatnonzero(rows[0, ONSET : ONSET + SUBSLICES]).tolist() == [0, 4]
    assert not rows[1, ONSET : ONSET + SUBSLICES].any()  # it is held
    extremes = rows[0, 12 * SUBSLICES : ONSET].reshape(4, 12).argmax(1)
    assert extremes.tolist() == [0, 7, 0, 7]  # first, last, lowest, highest


@bounded(max_examples=30, deadline=None)
@given(
    notes=st.lists(st.tuples(st.integers(0, 140), st.integers(40, 80), st.integers(1, 60)), min_size=1, max_size=20),
    by=st.integers(0, 11),
)
def test_rolling_a_row_is_transposing_its_notes(notes: list[tuple[int, int, int]], by: int) -> None:
    held = np.array(notes)
    assert np.allclose(
        transposed(melody_rows(held, EDGES), by), melody_rows(held + np.array([0, by, 0]), EDGES), atol=1e-6
    )


def test_places_tell_of_odd_metres_and_are_clipped() -> None:
    bars = np.array([0, 84, 180])  # 7/8, 4/4
    rows = dict(zip(PLACES, place_rows(np.array([0, 48, 84, 132, 180]), bars).T.tolist(), strict=True))
    assert rows["length"] == [8, 6, 8, 8]
    assert rows["slot"] == [0, 1, 0, 1] and rows["slots"] == [2, 2, 2, 2]
    assert rows["bar"] == [14, 14, 16, 16] and rows["left"] == [4, 3, 2, 1]
    long = place_rows(np.arange(0, 96 * 60, 96), np.arange(0, 96 * 60, 96))
    assert (long < np.array(list(PLACES.values()))).all()


def test_classes_move_with_the_key_and_no_chord_stays() -> None:
    spec = ChordsSpec(("", "m"))
    classes = np.array([spec.class_of(11, "m"), spec.no_chord, spec.unknown])
    assert moved_class(classes, spec, 2).tolist() == [spec.class_of(1, "m"), spec.no_chord, spec.unknown]


def tunes(count: int = 6) -> list[Tune]:
    """Arpeggios of what sounds: chords that can be heard from the melody."""
    random = np.random.default_rng(1)
    found = []
    for n in range(count):
        kinds = zip(random.integers(0, 12, 12).tolist(), random.choice(["", "m"], 12).tolist(), strict=True)
        chords = [Chord(root, quality) for root, quality in kinds]
        pitches = [60 + tone for chord in chords for tone in (*sorted(chord.pitch_classes), chord.root)]
        notes = tuple((2.0 * at, 2.0 * at + 2, pitch) for at, pitch in enumerate(pitches))
        found.append(Tune(f"t{n}", notes, 16, 8, (*chords[:-1], None)))
    return found


class Interrupted(Batches):
    """Somebody stops the run in its 26th step."""

    drawn = 0

    def batch(self):  # type: ignore[no-untyped-def]
        self.drawn += 1
        if self.drawn > 25:
            raise KeyboardInterrupt
        return super().batch()


def test_training_learns_goes_on_where_it_stopped_and_its_export_says_the_same(tmp_path: Path) -> None:
    pieces = [of_tune(tune, SPEC) for tune in tunes()]
    settings = ChordsSettings(tmp_path / "run", steps=40, dropout=0.0, validate_every=20, ema=0.9)
    drawing = Drawing(batch=8, live=0.3, hide_all=1.0, deaf=0.0)
    before = _nats(ChordsNetwork(SPEC).eval(), pieces)
    with pytest.raises(KeyboardInterrupt):
        train(SPEC, settings, Interrupted(pieces, SPEC, drawing, 1), pieces)
    assert torch.load(tmp_path / "run" / "state.pt", weights_only=True)["story"]["step"] == 20
    network, story = train(SPEC, settings, Batches(pieces, SPEC, drawing, 1), pieces)
    assert story["step"] in (20, 40)
    assert _nats(network, pieces) < before - 0.5
    again, _ = train(SPEC, settings, Batches(pieces, SPEC, drawing, 1), pieces)  # nothing is left to do
    assert _nats(again, pieces) == _nats(network, pieces)
    assert _nats(load_best(tmp_path / "run" / "best.pt")[0], pieces) == _nats(network, pieces)
    weights = {name: array.numpy() for name, array in network.state_dict().items()}
    halves = {name: array.astype(np.float16).astype(np.float32) for name, array in weights.items()}
    chords_checkpoint.save(tmp_path / "small.npz", SPEC, weights, {"licence": "none", "data": {}})
    network.load_state_dict({name: torch.from_numpy(array) for name, array in halves.items()})
    session = ChordsSession.open(str(export_folder(tmp_path / "small.npz", tmp_path, "small")))
    for live in (False, True):
        for piece in pieces[:2]:
            one = log_probabilities(session, piece.melody, piece.places, live)
            two = log_probabilities(Dressed(network), piece.melody, piece.places, live)
            assert np.abs(one - two).max() < 1e-4


def _nats(network: ChordsNetwork, pieces) -> float:  # type: ignore[no-untyped-def]
    found = []
    for piece in pieces:
        told = piece.chords != IGNORED
        logs = log_probabilities(Dressed(network), piece.melody, piece.places, False, (0,))
        found.append(-logs[told, piece.chords[told]].mean())
    return float(np.mean(found))


def test_answers_move_with_the_key_and_live_ones_know_the_past_only() -> None:
    network = ChordsNetwork(SPEC).eval()
    (tune,) = tunes(1)
    higher = replace(tune, notes=tuple((a, b, pitch + 3) for a, b, pitch in tune.notes))
    changed = replace(tune, notes=(*tune.notes[:20], *((a, b, pitch + 1) for a, b, pitch in tune.notes[20:])))
    for live in (False, True):
        own = answer(Dressed(network), tune, live)
        # Live nothing is known of the first, and every key is as good.
        assert [chord.moved(3) for chord in own[live:]] == answer(Dressed(network), higher, live)[live:]
    assert own[:6] == answer(Dressed(network), changed, True)[:6]


def song() -> ChordPiece:
    spans = (
        ChordSpan(Ticks(0), Ticks(96), Chord(0)),
        ChordSpan(Ticks(96), Ticks(30), Chord(5, "maj9")),
        ChordSpan(Ticks(126), Ticks(66), Chord(7, "7", 11)),
        ChordSpan(Ticks(192), Ticks(96), None),
    )
    notes = tuple(Note(Ticks(24 * n), Part.VOICE, pitch, Ticks(24), 80) for n, pitch in enumerate((60, 64, 67, 72)))
    bars = (Bar(Metre(), notes), Bar(Metre(), notes), Bar(Metre()))
    return ChordPiece(bars, spans, "openewld", "song", "f", "train", "g", "CC0 1.0", "human")


def test_a_slot_is_labelled_by_the_chord_that_sounds_longest_in_it() -> None:
    spec = ChordsSpec(("", "m", "7", "maj7"))
    chords, bass = labels(song().spans, np.array([0, 48, 96, 144, 192, 288]), spec)
    assert [spec.chord_of(int(n)) for n in chords] == [(0, ""), (0, ""), (5, "maj7"), (7, "7"), None]
    assert bass.tolist() == [0, 0, 0, 4, IGNORED]


def test_interludes_teach_nothing_but_a_rest_between_notes_does() -> None:
    quiet = (False, True, False, True, True, True, False)
    notes = [(48 * n, 60, 48) for n, rest in enumerate(quiet) if not rest]
    rows = melody_rows(np.array(notes), np.arange(0, 48 * 8, 48))
    assert np.flatnonzero(far_from(rows)).tolist() == [4]


def test_words_of_a_song_are_its_own_key_and_complexity() -> None:
    assert complexity_of(song().spans) == 2
    assert complexity_of(song().spans[:1]) == 0
    assert key_word(song()) == 1  # C major


def test_songs_come_in_every_rhythm() -> None:
    spec = ChordsSpec(("", "7"), ("song",))
    songs = Songs([song()], spec)
    assert [len(piece) for piece in songs[:]] == [12, 12, 6, 6, 3, 3]
    assert [piece.words for piece in songs[:]] == [(level, 1, n, 1) for n in (1, 2, 3) for level in (3, 1)]
    assert spec.class_of(7, "7") in songs[2].chords and spec.class_of(7, "7") not in songs[3].chords
    alone, twice = songs.shares({}), songs.shares({"openewld": 2.0})
    assert len(alone) == len(songs)
    assert twice == pytest.approx([2 * share for share in alone])
