"""The network: found, checked by its hash, and run over windows of a recording, of which only the middle is kept.

A window is read with 15 frames more on both sides than are kept, since the network sees less at its edges; windows are
whole frames apart, so the frames of the whole recording are evenly spaced. Threads: one a `Ear`. Errors:
`ModelError` where the model is missing or not the one that is known.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from typing import Final

import numpy as np
import onnxruntime as ort

from models_onnx.manifest import ModelError
from models_onnx.providers import options, providers
from models_onnx.transcribe.heard import BINS, HOP, KEYS, RATE, Array, Posteriors

PACKAGE: Final = "basic_pitch"
FILE: Final = Path("saved_models", "icassp_2022", "nmp.onnx")
SHA256: Final = "2c3c1d144bfa61ad236e92e169c13535c880469a12a047d4e73451f2c059a0ec"
INSTALL: Final = "pip install --no-deps basic-pitch==0.4.0"
"""Without its dependencies: it asks for TensorFlow, which reading its ONNX file needs not."""

MAX_SECONDS: Final = 600
"""Longest recording; its posteriors take 45 MB, its samples 53 MB."""
WINDOW: Final = 43844
EDGE_FRAMES, KEPT_FRAMES = 15, 141
SILENT_PEAK: Final = 1e-5
"""-100 dB: a window below it is not read. The network scales what it hears, and would find notes in the noise."""
LOUDNESS_SPAN: Final = 512
_OUTPUTS: Final = {
    "onset": "StatefulPartitionedCall:2", "note": "StatefulPartitionedCall:1", "contour": "StatefulPartitionedCall:0",
}  # fmt: skip
_WIDTHS: Final = {"onset": KEYS, "note": KEYS, "contour": KEYS * BINS}


def find_model() -> bytes:
    """The network's bytes, from the installed package, whose code is not run."""
    spec = find_spec(PACKAGE)
    roots = [Path(root) for root in spec.submodule_search_locations or ()] if spec is not None else []
    file = next((root / FILE for root in roots if (root / FILE).is_file()), None)
    if file is None:
        raise ModelError(f"hearing notes in a recording needs a model that is not installed: {INSTALL}")
    graph = file.read_bytes()
    if hashlib.sha256(graph).hexdigest() != SHA256:
        again = INSTALL.replace("install", "install --force-reinstall")
        raise ModelError(f"{file} is not the model of basic-pitch 0.4.0, which is the one that is known: {again}")
    return graph


class Ear:
    """Runs the network on one core; about 50 times as fast as the recording plays."""

    def __init__(self, graph: bytes | None = None, threads: int = 1) -> None:
        self._session = ort.InferenceSession(graph or find_model(), options(threads), providers=providers(False))
        self._input = self._session.get_inputs()[0].name

    def hear(self, samples: Array, on_window: Callable[[int, int], None] = lambda *done: None) -> Posteriors:
        """What sounds in `samples` (one channel at `RATE`, finite); `on_window` is told windows done and in all.

        ValueError for no samples, for more than `MAX_SECONDS`, and for ones that are no numbers.
        """
        if samples.ndim != 1 or not 0 < len(samples) <= MAX_SECONDS * RATE:
            raise ValueError(f"samples must be one channel of up to {MAX_SECONDS} s, not of shape {samples.shape}")
        if not np.isfinite(samples).all():
            raise ValueError("samples must be finite")
        frames = len(samples) // HOP + 1
        count = -(-frames // KEPT_FRAMES)
        # Half the precision is enough for a probability, and long recordings stay small.
        found = {name: np.zeros((count * KEPT_FRAMES, width), np.float16) for name, width in _WIDTHS.items()}
        for index in range(count):
            window = _window(samples, (index * KEPT_FRAMES - EDGE_FRAMES) * HOP)
            if np.abs(window).max() > SILENT_PEAK:
                given = self._session.run(list(_OUTPUTS.values()), {self._input: window[None, :, None]})
                for name, values in zip(_OUTPUTS, given, strict=True):
                    at = index * KEPT_FRAMES
                    found[name][at : at + KEPT_FRAMES] = values[0, EDGE_FRAMES : EDGE_FRAMES + KEPT_FRAMES]
            on_window(index + 1, count)
        return Posteriors(**{name: all_of[:frames] for name, all_of in found.items()}, loudness=loudness_of(samples))


def loudness_of(samples: Array) -> Array:
    """Loudness in dB at each frame, under a smooth window of 23 ms; -100 for silence."""
    frames = len(samples) // HOP + 1
    shape = np.hanning(LOUDNESS_SPAN) ** 2
    shape /= shape.sum()
    half = LOUDNESS_SPAN // 2
    padded = np.zeros(frames * HOP + LOUDNESS_SPAN, np.float32)
    padded[half : half + len(samples)] = samples
    spans = np.lib.stride_tricks.sliding_window_view(padded, LOUDNESS_SPAN)[::HOP][:frames]  # (frames, 512), no copy
    power = np.concatenate([np.square(part) @ shape for part in np.array_split(spans, -(-frames // 4096))])
    return np.asarray(10 * np.log10(power + 1e-10), np.float32)


def _window(samples: Array, start: int) -> Array:
    """`WINDOW` samples from `start` on, zeros where there are none."""
    window = np.zeros(WINDOW, np.float32)
    first, last = max(0, start), min(len(samples), start + WINDOW)
    window[first - start : last - start] = samples[first:last]
    return window
