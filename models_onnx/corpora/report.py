"""The sources, and a manifest, as tables for people."""

from __future__ import annotations

from typing import Any

from rich.table import Table

from models_onnx.corpora.sources import SOURCES


def public_table() -> Table:
    """For people who do not have the archives; long names are folded, never cut, so that they can be copied."""
    table = Table(title="Corpora", show_lines=True)
    for heading in ("source", "licence", "pinned origin", "how to obtain", "use"):
        table.add_column(heading, overflow="fold")
    for source in SOURCES:
        table.add_row(source.name, source.licence, source.origin, source.obtain, source.use)
    return table


def manifest_table(manifest: dict[str, Any]) -> Table:
    """Pieces (notes) by source and split, what was left out, and duplicates."""
    table = Table(title="Packed: pieces (notes)")
    for heading in ("source", "files", "train", "valid", "test", "left out", "duplicates"):
        table.add_column(heading, overflow="fold")
    for name, source in manifest["sources"].items():
        left_out = sum(len(files) for files in manifest["left_out"].get(name, {}).values())
        twins = sum(count for pair, count in manifest["duplicates"].items() if pair.split(" of ")[0] == name)
        cells = [f"{source[split]['pieces']:,} ({source[split]['notes']:,})" for split in ("train", "valid", "test")]
        table.add_row(name, f"{source['files']:,}", *cells, f"{left_out:,}", f"{twins:,}")
    return table
