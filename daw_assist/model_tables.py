"""What models are installed, as tables for people and as manifests for programs."""

from __future__ import annotations

from typing import Any

from rich.table import Table

from daw_assist.errors import ModelError
from models_onnx import manifest as models
from models_onnx.harmony_files import KINDS, HarmonyManifest, find_harmony, installed_harmony
from models_onnx.manifest import Manifest


def manifest_of(name: str) -> Manifest | HarmonyManifest:
    """Of a model of either family, by name or folder; `ModelError` if there is none."""
    try:
        return _harmony(name) if name in installed_harmony() else models.read(models.find(name))
    except models.ModelError as error:
        raise ModelError(str(error)) from error


def tables() -> list[Table]:
    """One of each family that has a model."""
    return [table for table in (continuation_table(), harmony_table()) if table.row_count]


def continuation_table() -> Table:
    """The models that go on with music."""
    table = Table("model", "parameters", "precision", "MB", "licence", "trained", "held-out nats/note", box=None)
    for folder in (models.find(found) for found in models.installed()):
        told = models.read(folder)
        size = (folder / told.file).stat().st_size / 1e6
        tokens = f"{told.story.get('tokens', 0) / 1e6:.1f} M tokens, "
        table.add_row(
            told.name, f"{told.parameters / 1e6:.1f} M", told.precision, f"{size:.1f}", told.licence,
            tokens + _trained(told.story), str(told.story.get("heldout_nats_a_note", "-")),
        )  # fmt: skip
    return table


def harmony_table() -> Table:
    """The models that harmonize."""
    table = Table("for harmonize", "kind", "precision", "MB", "licence", "trained", box=None)
    for name in installed_harmony():
        told = _harmony(name)
        folder, _ = find_harmony(name, told.kind)
        size = sum((folder / f"{graph}.onnx").stat().st_size for graph in told.graphs) / 1e6
        table.add_row(told.name, told.kind, told.precision, f"{size:.1f}", told.licence, _trained(told.story))
    return table


def _harmony(name: str) -> HarmonyManifest:
    *others, last = KINDS
    for kind in others:
        try:
            return find_harmony(name, kind)[1]
        except models.ModelError:
            continue  # of the next kind, or broken for all
    return find_harmony(name, last)[1]


def _trained(story: dict[str, Any]) -> str:
    return f"{story.get('minutes', 0):.0f} min {story.get('device', '')}".strip()
