#!/usr/bin/env python3
"""Train a chord model.

    scripts/train_chords.py PACKED_DIR -o RUN_DIR [--steps 6000]            what ships: train.npz and valid.npz of prepare_chords
    scripts/train_chords.py --nottingham MIDI_DIR -o RUN_DIR [--all]        a benchmark checkpoint

Run it again with the same RUN_DIR to go on where it stopped. Of the Nottingham train part a tenth, whole families of tunes,
is held out to choose settings by; with --all it is learnt too, for a last run with settings chosen before.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from pathlib import Path

from models_onnx.chords_spec import ChordsSpec
from models_onnx.corpora.chord_pieces import load_chord_pieces
from models_onnx.evaluate.nottingham import TRIADS, read_tunes, split
from models_onnx.evaluate.tune_families import hold_out
from models_onnx.train.chord_songs import Songs, held_out, styles_of
from models_onnx.train.chords.data import Batches, Drawing, SlotPiece, of_tune
from models_onnx.train.chords.loop import ChordsSettings, train

QUALITIES = ("", "m", "dim", "aug", "6", "m6", "7", "maj7", "m7", "m7b5", "dim7", "9", "7b9")
"""Of the model that ships: others are learnt as the nearest of these."""


def main() -> None:
    """Entry point."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("packed", type=Path, nargs="?")
    parser.add_argument("--nottingham", type=Path, help="learn its train part; nothing learned from it ships")
    parser.add_argument("--all", action="store_true", help="hold nothing out of the Nottingham train part")
    parser.add_argument("-o", "--out", type=Path, required=True)
    parser.add_argument("--width", type=int, default=128)
    parser.add_argument("--layers", type=int, default=4)
    for name, default in (("muon-rate", 0.02), ("adam-rate", 2e-3), ("weight-decay", 0.1), ("dropout", 0.25)):
        parser.add_argument(f"--{name}", type=float, default=default)
    for name in ("live", "hide_all", "deaf", "drop_word"):
        parser.add_argument(f"--{name.replace('_', '-')}", type=float, default=getattr(Drawing(), name))
    parser.add_argument("--weight", action="append", default=[], metavar="SOURCE=NUMBER", help="how often it is drawn")
    parser.add_argument("--valid-pieces", type=int, default=30, help="of each source")
    parser.add_argument("--batch", type=int, default=Drawing().batch)
    parser.add_argument("--smoothing", type=float, default=ChordsSettings(Path()).smoothing)
    parser.add_argument("--steps", type=int, default=3000)
    parser.add_argument("--minutes", type=float, default=1e9, help="stop after this long; run again to go on")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--device", default="cpu")
    args = parser.parse_args()
    if (args.packed is None) == (args.nottingham is None):
        parser.error("give PACKED_DIR or --nottingham")
    shares: list[float]
    if args.nottingham:
        spec = ChordsSpec(TRIADS, (), args.width, args.layers)
        tunes, held = hold_out(split(read_tunes(args.nottingham))[0])
        fit: Sequence[SlotPiece] = [of_tune(tune, spec) for tune in ([*tunes, *held] if args.all else tunes)]
        valid = [] if args.all else [of_tune(tune, spec) for tune in held]
        shares = []
    else:
        pieces, aside = (list(load_chord_pieces(args.packed / f"{split}.npz")) for split in ("train", "valid"))
        spec = ChordsSpec(QUALITIES, styles_of(pieces), args.width, args.layers)
        fit = songs = Songs(pieces, spec)
        shares = songs.shares(
            {source: float(number) for source, _, number in (said.partition("=") for said in args.weight)}
        )
        valid = held_out(aside, spec, args.valid_pieces)
    drawing = Drawing(args.batch, live=args.live, hide_all=args.hide_all, deaf=args.deaf, drop_word=args.drop_word)
    settings = ChordsSettings(
        args.out, args.steps, args.minutes, args.muon_rate, args.adam_rate, args.weight_decay, args.dropout,
        args.smoothing, seed=args.seed, device=args.device, threads=args.threads,
    )  # fmt: skip
    _, story = train(spec, settings, Batches(fit, spec, drawing, args.seed, shares), valid)
    print(json.dumps(story))


if __name__ == "__main__":
    main()
