#!/usr/bin/env python3
"""Continue held-out pieces and write down the bars, to be read: scripts/listen.py PACKED_DIR -o docs/listening.md.

For each piece of PIECES (test split of packed corpora): two of the bars heard and the four new ones of the best of three
candidates, or two bars filled between others, as a piano roll, and a few plain facts. Remarks written by hand under
"Read:" are kept when the file is written again.
"""

from __future__ import annotations

import argparse
import re
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from daw_assist.engine.worker import LoadedModel
from daw_assist.music.bars import Bar
from daw_assist.music.parts import Part
from daw_assist.pipeline import fill, suggest
from daw_assist.show import text_roll
from daw_assist.suggest.suggestion import Candidate, Settings
from models_onnx.train.data import Corpus


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


@dataclass(frozen=True, slots=True)
class Piece:
    """`heard` bars from the beginning are given; `filled`: bars 15 and 16 are taken out and filled, the rest stays."""

    title: str
    file: str
    asked: Settings = Settings(bars=4, seed=1)
    heard: int = 24
    filled: bool = False


PIECES = (
    Piece("Chopin, Mazurka op. 7 no. 1 (dance)", "nifc-chopin/007-1-KI-001.mid"),
    Piece("Butterworth, The lads in their hundreds (song)", "5_The_lads_in_their_hundreds/lc6214847.mid"),
    Piece("Cybulski, Gloria (sacred)", "msza-polska-gloria.mid", heard=12),
    Piece("Karasinski, Walc Eliseum (dance)", "walc-eliseum.mid"),
    Piece("Corelli, concerto op. 6 no. 8 (classical)", "CorelliA__O6__nr8-quartet/p3_5-1.mid"),
    Piece("The God of Abraham Praise (hymn)", "The_God_Of_Abraham_Praise-Yigdal-Leoni.abc", heard=12),
    Piece("Waller, Ain't Misbehavin' (lead sheet)", "Ain't_Misbehavin'.mxl", heard=20),
    Piece("Schumann, quartet op. 41 no. 1", "String_Quartet_No.1,_Op.41_No.1/sq9010547.mid"),
    Piece("Freedoom, d_dm24 (rock)", "freedoom/d_dm24.mid"),
    Piece("Simutrans, The Wayside Blues (band)", "simutrans/15-The-Wayside-Blues.mid"),
    Piece("Groove, funk (drums)", "2_funk-groove2_105_beat_4-4.mid", heard=12),
    Piece("Chopin, the same, asked thin and low", "nifc-chopin/007-1-KI-001.mid", Settings(seed=1, density=2, register=1)),
    Piece("Chopin, the same, asked dense and high", "nifc-chopin/007-1-KI-001.mid", Settings(seed=1, density=7, register=7)),
    Piece("Karasinski, the same, bars 15 and 16 filled", "walc-eliseum.mid", Settings(seed=1), filled=True),
    Piece("The God of Abraham Praise, bars 9 and 10 filled under the tune", "The_God_Of_Abraham_Praise-Yigdal-Leoni.abc",
          Settings(seed=1), heard=10, filled=True),
)  # fmt: skip


def made_of(piece: Piece, bars: tuple[Bar, ...], model: LoadedModel) -> tuple[tuple[Bar, ...], Candidate, str]:
    """(two bars before, the best candidate, what was done)."""
    if not piece.filled:
        heard = bars[: piece.heard]
        best = suggest(heard, piece.asked, model).candidates[0]
        return heard[-2:], best, f"{len(heard)} bars heard. {facts(heard, best.bars)}."
    first = min(14, piece.heard - 2)
    top = {(i, n.onset): n.pitch for i, bar in enumerate(bars) for n in sorted(bar.notes, key=lambda n: n.pitch)}
    kept = "under the tune" in piece.title
    open_bars = tuple(
        replace(bar, notes=tuple(n for n in bar.notes if kept and n.pitch == top[i, n.onset]))
        if i - first in (0, 1)
        else bar
        for i, bar in enumerate(bars)
    )
    best = fill(open_bars, first, first + 1, piece.asked, model).candidates[0]
    told = "the tune stays, the other voices are new" if kept else "both bars are new"
    return (
        bars[first - 2 : first],
        replace(best, bars=(*best.bars, *bars[first + 2 : first + 4])),
        (f"Two bars before, the two filled ({told}), two after as they stand."),
    )


def main() -> None:
    """Entry point."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("packed", type=Path)
    parser.add_argument("-o", "--out", type=Path, required=True)
    parser.add_argument("--model", default="small-int8")
    args = parser.parse_args()
    written = args.out.read_text(encoding="utf-8") if args.out.exists() else ""
    old, heading, harmonized = written.partition("# Harmonized\n")  # what scripts/listen_harmony.py wrote
    remarks = dict(re.findall(r"^## (.+?)$.*?^Read: (.*?)$", old, re.MULTILINE | re.DOTALL))
    model, corpus = LoadedModel(args.model), Corpus(args.packed / "test.npz")
    files = [words["file"] for words in corpus.words]
    parts = [
        "# Read bar by bar", "",
        f"`scripts/listen.py`, model {model.name} (SHA-256 {model.sha256[:12]}), 3 candidates, the first shown, style unsaid.",
        "Pieces of the test split: the model never saw them nor, but for Groove, Freedoom and Simutrans, their composers. The",
        "first two bars are the last ones that were heard, then come the new ones. A character is a 16th: `#` begins, `=` holds.",
        "Remarks are from reading the notes; no ear has judged them yet.",
    ]  # fmt: skip
    for piece in PIECES:
        index = next(i for i, file in enumerate(files) if file.endswith(piece.file))
        bars = tuple(corpus.read(index, 0, piece.heard + 8))
        before, best, told = made_of(piece, bars, model)
        asked = {k: v for k, v in asdict(piece.asked).items() if v != getattr(Settings(), k)}
        roll = text_roll([*before, *best.bars])
        parts += [
            "", f"## {piece.title}", "",
            f"{before[-1].metre}. {told} {best.nats_per_note:.2f} nats a note. Asked: {asked or 'nothing'}."
            + (f" Faults: {', '.join(best.faults)}." if best.faults else ""),
            "", "```", *roll, "```", "", f"Read: {remarks.get(piece.title, '-')}",
        ]  # fmt: skip
    text = "\n".join(parts) + "\n"
    args.out.write_text(f"{text}\n{heading}{harmonized}" if heading else text, encoding="utf-8")


if __name__ == "__main__":
    main()
