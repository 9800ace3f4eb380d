#!/usr/bin/env python3
"""Continue some files and write down the bars, to be read: scripts/listen.py FILE... -o docs/listening.md [--model small-int8].

For each file: its last two bars and the four new ones of the best candidate, as a piano roll, and a few plain facts:
notes a bar before and after, share of new pitches that stand in the last eight bars' scale, whether bars are copied.
Remarks written by hand under "Read:" are kept when the file is written again.
"""

from __future__ import annotations

import argparse
import re
from pathlib import Path

from daw_assist.engine.worker import LoadedModel
from daw_assist.midi.file import load_midi, to_song
from daw_assist.music.bars import Bar
from daw_assist.music.parts import Part
from daw_assist.pipeline import suggest
from daw_assist.show import text_roll
from daw_assist.suggest.suggestion import Settings


def facts(context: tuple[Bar, ...], new: tuple[Bar, ...]) -> str:
    """One line."""
    pitched = [n for bar in context[-8:] for n in bar.notes if n.part is not Part.DRUMS]
    scale = {n.pitch % 12 for n in pitched}
    made = [n for bar in new for n in bar.notes if n.part is not Part.DRUMS]
    inside = sum(n.pitch % 12 in scale for n in made) / max(1, len(made))
    shapes = [{(n.onset, n.part, n.pitch) for n in bar.notes} for bar in new]
    heard = [{(n.onset, n.part, n.pitch) for n in bar.notes} for bar in context]
    copied = sum(bool(shape) and shape in heard for shape in shapes)
    before = sum(len(bar.notes) for bar in context[-8:]) / max(1, len(context[-8:]))
    after = sum(len(bar.notes) for bar in new) / len(new)
    return (
        f"{before:.1f} notes a bar before, {after:.1f} after; {inside:.0%} of the new pitches stand in the last eight bars' "
        f"scale ({len(scale)} pitch classes); {copied} of {len(new)} new bars repeat a bar heard"
    )


def main() -> None:
    """Entry point."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("files", nargs="+", type=Path)
    parser.add_argument("-o", "--out", type=Path, required=True)
    parser.add_argument("--model", default="small-int8")
    parser.add_argument("--seed", type=int, default=1)
    args = parser.parse_args()
    old = args.out.read_text(encoding="utf-8") if args.out.exists() else ""
    remarks = dict(re.findall(r"^## (.+?)$.*?^Read: (.*?)$", old, re.MULTILINE | re.DOTALL))
    model = LoadedModel(args.model)
    parts = [
        "# Read bar by bar", "",
        f"`scripts/listen.py`, model {model.name} (SHA-256 {model.sha256[:12]}), seed {args.seed}, 3 candidates, the first shown.",
        "The files were chosen by hand from what the model never saw (its test split, or benchmarks). The first two bars are",
        "the last ones that were heard, then come four new ones. A character is a 16th: `#` begins, `=` holds. Remarks are from",
        "reading the notes; no ear has judged them yet.",
    ]  # fmt: skip
    for path in args.files:
        bars = to_song(load_midi(path), path.name).bars()[:24]
        made = suggest(bars, Settings(bars=4, candidates=3, seed=args.seed), model)
        best = made.candidates[0]
        roll = text_roll([*bars[-2:], *best.bars])
        told = (
            f"{bars[-1].metre}, {len(bars)} bars heard. {facts(bars, best.bars)}. {best.nats_per_note:.2f} nats a note."
        )
        remark = remarks.get(path.stem, "-")
        parts += ["", f"## {path.stem}", "", told, "", "```", *roll, "```", "", f"Read: {remark}"]
    args.out.write_text("\n".join(parts) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
