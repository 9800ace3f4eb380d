"""The sources, and a manifest, as tables for people."""

from __future__ import annotations

from typing import Any

from rich.table import Table

from models_onnx.corpora.sources import SOURCES


def public_lines() -> list[str]:
    """For people who do not have the archives; nothing is folded, so that addresses can be copied."""
    found = []
    for source in SOURCES:
        found += [f"{source.name} ({source.licence})", f"  origin   {source.origin}", f"  obtain   {source.obtain}"]
        found += [f"  use      {source.use}", f"  credit   {source.credit}"]
    return found


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
