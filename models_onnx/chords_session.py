"""The chord model in ONNX Runtime. One graph, `chords`, serves offline and live: the mode is one of its words.

Threads: one. Errors: `ModelError` for a graph that does not fit its manifest.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from models_onnx.chords_inputs import Floats, Ints
from models_onnx.chords_spec import MELODY_WIDTH, PLACES, ChordsSpec
from models_onnx.harmony_files import HarmonyManifest, find_harmony, open_graphs
from models_onnx.manifest import ModelError

GRAPH = "chords"
INPUTS = ("melody", "places", "known", "told", "words")
OUTPUTS = ("logits", "bass")


class ChordsSession:
    """A model of kind "chords"."""

    def __init__(self, folder: Path, manifest: HarmonyManifest, provider: str = "cpu", threads: int = 0) -> None:
        self.manifest = manifest
        try:
            self.spec = ChordsSpec.of(manifest.spec)
        except (KeyError, TypeError, ValueError) as error:
            raise ModelError(f"model {manifest.name}: its manifest has no spec of a chord model: {error}") from error
        if GRAPH not in manifest.graphs:
            raise ModelError(f"model {manifest.name}: its manifest names no graph {GRAPH!r}: export it again")
        self._graph = open_graphs(folder, manifest, provider, threads)[GRAPH]
        self._check()

    @classmethod
    def open(cls, name: str = "chords", provider: str = "cpu", threads: int = 0) -> ChordsSession:
        """A model given by name or folder."""
        return cls(*find_harmony(name, "chords"), provider, threads)

    def _check(self) -> None:
        wanted = {
            "melody": ["batch", "slots", MELODY_WIDTH], "places": ["batch", "slots", len(PLACES)],
            "known": ["batch", "slots"], "told": ["batch", "slots"], "words": ["batch", len(self.spec.word_sizes)],
            "logits": ["batch", "slots", self.spec.classes], "bass": ["batch", "slots", 12],
        }  # fmt: skip
        there = {end.name: end.shape for end in (*self._graph.get_inputs(), *self._graph.get_outputs())}
        if there != wanted:
            raise ModelError(
                f"model {self.manifest.name}: {GRAPH}.onnx is of another shape than its manifest says: export it again"
            )

    def run(self, melody: Floats, places: Ints, known: Ints, told: Ints, words: Ints) -> tuple[Floats, Floats]:
        """Logits (batch, slots, classes) and of the bass in semitones above the root (batch, slots, 12).

        `melody` and `places` as `chords_inputs` makes them (of live rows: `chords_inputs.shifted`), `known` and `told`
        (batch, slots) classes or `unknown`, `words` (batch, 5) as `ChordsSpec.word_sizes`.
        """
        inputs = dict(zip(INPUTS, (melody, places, known, told, words), strict=True))
        logits, bass = self._graph.run(OUTPUTS, {name: np.ascontiguousarray(array) for name, array in inputs.items()})
        return logits, bass
