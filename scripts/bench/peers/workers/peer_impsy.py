"""IMPSY: a small recurrent mixture network over vectors of control values and the time between them.

Its default configuration (9 dimensions, size "s") in the .tflite form, which its README calls by far the fastest. No model
ships in the package: the weights are random. It knows no bars, no durations and no note-offs: a note is one vector, and
reading the prompt is one prediction for each of its notes, as in its call and response.
"""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path
from typing import Any

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import numpy as np
from impsy import mdrnn, tflite_converter
from impsy.utils import mdrnn_config

sys.path.append(str(Path(__file__).resolve().parents[4]))

from scripts.bench.peers.worker import Options, Work, read_tune, serve, versions

DIMENSION, SIZE = 9, "s"


class Mixture:
    """Both jobs over one .tflite model."""

    def __init__(self, options: Options) -> None:
        size = mdrnn_config(SIZE)
        net = mdrnn.build_mdrnn_model(DIMENSION, size["units"], size["mixes"], size["layers"], inference=True)
        file = options.work / f"impsy-{options.threads}.keras"
        self._net = mdrnn.TfliteMDRNN.from_file(Path(tflite_converter.model_to_tflite(net, file)))
        notes, tune = read_tune(options.tune)
        vectors = [np.array([0.2, *[note.pitch / 127] * (DIMENSION - 1)]) for note in notes]
        self._prompt = [v for v, note in zip(vectors, notes, strict=True) if note.bar < tune["prompt_bars"]]
        self._ninth = [v for v, note in zip(vectors, notes, strict=True) if note.bar == tune["prompt_bars"]]
        self._run(8)
        self.hello: dict[str, Any] = {
            "versions": versions("impsy", "tensorflow", "ai-edge-litert"),
            "weights": 'random, its default configuration (9 dimensions, size "s")',
            "parameters": int(net.count_params()),
            "path": ".tflite through its own TfliteMDRNN, whose interpreter takes no number of threads",
            "work": "as many vectors as ours makes notes; no durations, no bars",
        }

    def _read(self) -> np.ndarray[Any, Any]:
        self._net.reset_lstm_states()
        for vector in self._prompt:
            made = self._net.generate(vector)
        return made

    def _run(self, notes: int) -> dict[str, Any]:
        start = time.perf_counter()
        made = self._read()
        for _ in range(notes - 1):  # reading the prompt's last note has made the first
            made = self._net.generate(mdrnn.proc_generated_touch(made, DIMENSION))
        return {"seconds": time.perf_counter() - start, "notes": notes, "tokens": notes}

    def calibrate(self, work: Work) -> Work:
        return {}

    def eight_bars(self, work: Work) -> dict[str, Any]:
        return self._run(work["notes"])

    def next_notes(self, work: Work, count: int) -> list[float]:
        self._read()
        spent = []
        for index in range(count):
            start = time.perf_counter()
            mdrnn.proc_generated_touch(self._net.generate(self._ninth[index % len(self._ninth)]), DIMENSION)
            spent.append(time.perf_counter() - start)
        return spent


if __name__ == "__main__":
    serve(Mixture)
