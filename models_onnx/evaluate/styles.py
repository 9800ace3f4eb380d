"""Can asked styles be told apart? A plain classifier of real music is the judge.

Multinomial logistic regression on a few dozen figures of a stretch of bars: how notes are spread over intervals, durations,
places after the quarter, parts, and means of density, polyphony, register. Learned on stretches of training pieces, as
many of each style; its own accuracy on held-out pieces stands beside what it says of made music. It never sees metre or
key. `with_parts=False` leaves out who plays and the share of drums, which give some styles away.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from daw_assist.music.bars import Bar
from daw_assist.music.parts import Part
from daw_assist.tokens.attributes import measure
from models_onnx.evaluate.gate import softmax
from models_onnx.evaluate.lines import low_line, pitched, top_line
from models_onnx.evaluate.overlap import histograms
from models_onnx.train.data import Corpus

Floats = np.ndarray[Any, np.dtype[np.float32]]
Ints = np.ndarray[Any, np.dtype[np.int64]]

STRETCH = 8
"""Bars that are judged at once."""
LEAST_NOTES = 12
_STEPS = 600
_RATE = 0.05
_DECAY = 3e-3


def features(bars: Sequence[Bar], with_parts: bool = True) -> Floats:
    """(n,) figures of some bars; all of the size of 1."""
    counts = histograms(bars)
    notes = pitched(bars)
    shares = [_share(_folded(counts["interval"])), _share(_folded(counts["low interval"])), _share(counts["duration"])]
    onsets = counts["onset"].reshape(8, -1).sum(1)  # eighths of a quarter
    classes = np.sort(_share(counts["pitch class"]))[::-1]
    measured = [measure(bar) for bar in bars]
    pitches = np.array([n.pitch for n in notes] or [60])
    means = [
        np.mean([m.density for m in measured]) / 4, np.std([m.density for m in measured]) / 2,
        np.mean([m.polyphony or 0.0 for m in measured]) / 3, np.mean([m.syncopation for m in measured]),
        pitches.mean() / 12 - 5, pitches.std() / 12, len(top_line(bars)) / max(1, len(notes)),
        np.mean([p for _, p in top_line(bars)] or [60]) / 12 - 5, np.mean([p for _, p in low_line(bars)] or [60]) / 12 - 5,
        np.mean([not bar.notes for bar in bars]),
    ]  # fmt: skip
    found = [*shares, _share(onsets), classes, np.array(means)]
    if with_parts:
        parts = np.bincount([n.part for bar in bars for n in bar.notes], minlength=len(Part)).astype(np.float64)
        found += [_share(parts), np.sqrt(_share(parts))]
    return np.concatenate(found).astype(np.float32)


@dataclass(frozen=True, slots=True)
class StyleClassifier:
    """`matrix` (features + 1, styles) on centred and scaled features."""

    styles: tuple[str, ...]
    with_parts: bool
    centre: Floats
    scale: Floats
    matrix: Floats

    @staticmethod
    def learned(rows: Floats, labels: Ints, styles: tuple[str, ...], with_parts: bool) -> StyleClassifier:
        """By Adam on the whole set at once, with weight decay."""
        centre, scale = rows.mean(0), np.maximum(rows.std(0), 1e-3)
        x = _prepared(rows, centre, scale)
        wanted = np.eye(len(styles), dtype=np.float32)[labels]
        matrix = np.zeros((x.shape[1], len(styles)), np.float32)
        first, second = np.zeros_like(matrix), np.zeros_like(matrix)
        for step in range(1, _STEPS + 1):
            slope = x.T @ (softmax(x @ matrix) - wanted) / len(x) + _DECAY * matrix
            first += np.float32(0.1) * (slope - first)
            second += np.float32(0.01) * (slope**2 - second)
            move = (first / (1 - 0.9**step)) / (np.sqrt(second / (1 - 0.99**step)) + 1e-8)
            matrix -= np.float32(_RATE * (1 - step / (_STEPS + 1))) * move.astype(np.float32)
        return StyleClassifier(styles, with_parts, centre, scale, matrix)

    def judged(self, rows: Floats) -> Ints:
        """Index into `styles` of each row of features."""
        told: Ints = np.argmax(_prepared(rows, self.centre, self.scale) @ self.matrix, 1)
        return told

    def style_of(self, bars: Sequence[Bar]) -> str:
        """Of one stretch."""
        return self.styles[int(self.judged(features(bars, self.with_parts)[None])[0])]


def stretches(
    corpus: Corpus, each: int, seed: int, bars: int = STRETCH, least: int = LEAST_NOTES
) -> list[tuple[str, list[Bar]]]:
    """At most `each` stretches of each style, from as many pieces as can be had."""
    rng = np.random.default_rng(seed)
    by_style: dict[str, list[int]] = {}
    for index, words in enumerate(corpus.words):
        by_style.setdefault(words["style"], []).append(index)
    found: list[tuple[str, list[Bar]]] = []
    for style, members in sorted(by_style.items()):
        had = 0
        for index in rng.choice(members, 3 * each).tolist():
            total = len(corpus.piece(index)[1])
            first = int(rng.integers(max(1, total - bars + 1)))
            own = corpus.read(index, first, first + bars)
            if had < each and len(own) == bars and sum(len(bar.notes) for bar in own) >= least:
                found.append((style, own))
                had += 1
    return found


def rows_of(found: Sequence[tuple[str, Sequence[Bar]]], with_parts: bool) -> Floats:
    """(stretches, features)."""
    return np.stack([features(bars, with_parts) for _, bars in found])


def accuracy(told: Sequence[str], asked: Sequence[str]) -> dict[str, float]:
    """`overall` is the mean over styles, so that chance is one in their number; then the share of each style."""
    each = {
        style: sum(a == b == style for a, b in zip(told, asked, strict=True)) / asked.count(style)
        for style in sorted(set(asked))
    }
    return {"overall": round(float(np.mean(list(each.values()))), 4), **{s: round(v, 4) for s, v in each.items()}}


def _share(counts: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    total = counts.sum()
    result: np.ndarray[Any, Any] = counts / total if total else counts
    return result


def _folded(intervals: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """Up and down together, 0..12 semitones and beyond: 14 bins."""
    middle = len(intervals) // 2
    both = intervals[middle:].copy()
    both[1:] += intervals[:middle][::-1]
    return np.append(both[:13], both[13:].sum())


def _prepared(rows: Floats, centre: Floats, scale: Floats) -> Floats:
    scaled = np.clip((rows - centre) / scale, -5, 5)
    return np.concatenate([scaled, np.ones((len(scaled), 1), np.float32)], 1).astype(np.float32)
