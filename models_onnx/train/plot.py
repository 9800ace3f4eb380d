"""A run's log as a picture: training and validation loss over tokens seen."""

from __future__ import annotations

import json
from pathlib import Path

CURVES = {
    "train": "training, mean of 20 steps", "valid": "validation", "valid_steered": "validation, steered and filled",
}  # fmt: skip


def read_curves(log: Path) -> dict[str, list[tuple[float, float]]]:
    """(tokens, nats a token) by curve. Where a run was resumed from an earlier state, what came after that state is dropped.

    Errors: OSError; ValueError for a line that is not JSON, unless it is the last (a run that was killed).
    """
    found: dict[str, list[tuple[float, float]]] = {name: [] for name in CURVES}
    lines = log.read_text(encoding="utf-8").splitlines()
    for number, text in enumerate(lines, 1):
        try:
            line = json.loads(text)
        except ValueError:
            if number == len(lines):
                break
            raise
        for points in found.values():
            while points and points[-1][0] >= line["tokens"]:
                points.pop()
        for name, points in found.items():
            if name in line:
                points.append((line["tokens"], line[name]))
    return found


def draw(log: Path, out: Path) -> str:
    """Draw log.jsonl as a PNG; empty, or one line that says why there is no picture."""
    try:
        from matplotlib.figure import Figure
    except ImportError:
        return "no loss plot: matplotlib is not installed (pip install 'daw-assist[train]')"
    if not log.is_file():
        return f"no loss plot: there is no {log} (a line is written every 20 steps)"
    curves = read_curves(log)
    if not any(curves.values()):
        return f"no loss plot: {log} has no losses"
    figure = Figure(figsize=(8, 4.5), layout="constrained")
    axes = figure.add_subplot()
    for name, points in curves.items():
        if points:
            tokens, nats = zip(*points, strict=True)
            marker = "." if name != "train" or len(points) == 1 else ""
            axes.plot([t / 1e6 for t in tokens], nats, marker=marker, label=CURVES[name], linewidth=1)
    axes.set_xlabel("million tokens")
    axes.set_ylabel("nats a token")
    axes.grid(alpha=0.3)
    axes.legend()
    figure.savefig(out, dpi=120, metadata={"Software": None})
    return ""
