#!/usr/bin/env python3
"""Judge harmonization: one command, one JSON object, one page of tables.

    scripts/evaluate_harmony.py --data ../shared/data [--stages jsb,...] [--checkpoints best.pt ...] [--midi FOLDER]

    nottingham    chords under the 103 test tunes, offline and live: accuracy, the measures of Yeh et al. and their distance
                  to the human chords either way (`models_onnx.evaluate.nottingham`); counts beside. Needs --chords
    jsb           JSB16-AR, nats a cell of the test chorales (`models_onnx.evaluate.jsb`): each of --checkpoints in the key
                  that a piece stands in and as the mean over twelve, then all of them together; counts beside
    satb          three voices under the test sopranos by the first of --checkpoints: is the given voice kept, how are the
                  voices led, what of it stands in the training split; Bach beside
    shipped       the installed models on the same tunes and sopranos, and on the melodies in --midi (no reference there)

Whatever is to be chosen (kind of mean, weights) is chosen on validation; --split valid leaves the test split alone.
--checkpoints are those of train_voices.py, --chords one of train_chords.py (.pt: they need torch) or a model folder.
Tables go to stderr and to --markdown, the JSON object to stdout and as a line to --out.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import sys
import tarfile
import tempfile
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console
from rich.progress import track

from daw_assist.errors import ModelError
from daw_assist.harmonize import LoadedChords, LoadedVoices
from daw_assist.suggest.harmony import HarmonySettings
from models_onnx.chords_session import ChordsSession
from models_onnx.corpora.readers import midi_files
from models_onnx.evaluate import jsb, jsb_stage, nottingham, own_melodies, satb
from models_onnx.evaluate.chord_answers import Answering, answer
from models_onnx.evaluate.chord_counts import ChordHmm, template
from models_onnx.evaluate.harmony_tables import BACH, HUMAN, tables_of
from models_onnx.evaluate.jsb import Grid, LogProbs
from models_onnx.evaluate.nottingham import Chords, Tune
from models_onnx.evaluate.part_writing_scores import part_writing
from models_onnx.evaluate.tables import markdown, show
from models_onnx.export_voices import export_folder
from models_onnx.record import append, provenance
from models_onnx.voices_session import VoicesSession

PROTOCOL = 1
"""Raise when a change makes figures incomparable."""
STAGES = ("nottingham", "jsb", "satb", "shipped")
GIVEN = {"nothing": (0, 0, 0, 0), "soprano": (1, 0, 0, 0), "soprano and bass": (1, 0, 0, 1)}


class Evaluation:
    """One run; each stage is a method of its name that gives its part of the record. `work` holds what is in passing."""

    def __init__(self, args: argparse.Namespace, console: Console, work: Path) -> None:
        self.args, self.console, self.work = args, console, work
        self._splits: dict[str, list[Grid]] = {}

    def progress(self, steps: Iterable[Any], what: str, count: int) -> Iterable[Any]:
        """Steps that are counted on the terminal."""
        return track(steps, what, count, console=self.console, disable=not sys.stderr.isatty())

    def chorales(self, split: str) -> list[Grid]:
        """Of the canonical split."""
        if split not in self._splits:
            whole = self._whole(split)
            self._splits[split] = whole if split == "train" else whole[: self.args.pieces]
        return self._splits[split]

    def _whole(self, split: str) -> list[Grid]:
        return jsb.load(self.args.data / "jsb-chorales" / "Jsb16thSeparated.json", split)

    def jsb(self) -> dict[str, Any]:
        """`jsb`."""
        names = ["valid"] if self.args.split == "valid" else ["valid", "test"]
        splits = {name: self.chorales(name) for name in names}
        train = self.chorales("train")
        rows = jsb_stage.baselines(train, splits)
        given: dict[str, Any] = {}
        if self.args.checkpoints:
            members = {self._name(path): self._members(path, splits) for path in self.args.checkpoints}
            rows |= jsb_stage.rows_of(members, splits)
            first = self.args.checkpoints[0]
            said = {
                f"{self._name(first)}, {name}": {s: self._said(first, s, (0,), which)["single"] for s in splits}
                for name, which in list(GIVEN.items())[1:]
            }
            which = {f"{self._name(first)}, {name}": known for name, known in GIVEN.items()}
            given = jsb_stage.conditional(said, splits, which)
        return {"jsb": {**jsb_stage.figures(rows, train, splits), "given": given, "shifts": self.args.shifts}}

    def _members(self, path: Path, splits: Mapping[str, Any]) -> dict[str, dict[str, list[LogProbs]]]:
        """[kind][split]."""
        by_split = {split: self._said(path, split, self._shifts, GIVEN["nothing"]) for split in splits}
        kinds = by_split["valid"]
        return {kind: {split: own[kind] for split, own in by_split.items()} for kind in kinds}

    @property
    def _shifts(self) -> tuple[int, ...]:
        half = self.args.shifts // 2
        return tuple(range(-half, self.args.shifts - half))

    def _name(self, path: Path) -> str:
        return f"{path.resolve().parent.name}/{path.stem}" if path.suffix == ".pt" else path.stem

    def _said(self, path: Path, split: str, shifts: Sequence[int], given: Sequence[int]) -> dict[str, list[LogProbs]]:
        """By kind of mean, a distribution a cell of each piece; kept in --work, where it takes minutes."""
        # Torch is for those who train.
        import torch

        from models_onnx.train.voices.judge import each_pooled, load_network

        digest = hashlib.sha256(path.read_bytes()).hexdigest()[:16]
        asked = "".join(map(str, given)) + f"-{len(shifts)}-{self.args.pieces or 'all'}"
        kept = self.work / f"jsb-{digest}-{split}-{asked}.npz"
        pieces = self.chorales(split)
        ends = np.cumsum([len(piece) for piece in pieces])[:-1]
        if not kept.exists():
            torch.set_num_threads(self.args.threads)
            pools = jsb.POOLS if len(shifts) > 1 else ()
            steps = self.progress(pieces, f"{self._name(path)}, {split}", len(pieces))
            found = list(each_pooled(load_network(path), steps, pools, shifts, given))
            partial = kept.with_suffix(".partial.npz")
            np.savez(partial, **{kind: np.concatenate([own[kind] for own in found]) for kind in found[0]})  # type: ignore[arg-type]
            partial.replace(kept)
        with np.load(kept, allow_pickle=False) as store:
            return {kind: np.split(store[kind], ends) for kind in store.files}

    def satb(self) -> dict[str, Any]:
        """`satb`: Bach, and the first checkpoint."""
        first = self.args.checkpoints[0]
        folder = export_folder(first, self.work, "satb", "fp32", reads_bars=False)
        return {"satb": {**self._bach(), self._name(first): self._set(VoicesSession.open(str(folder)))}}

    def _bach(self) -> dict[str, Any]:
        whole = [piece for split in jsb.SIZES for piece in self._whole(split)]
        known = satb.known_of(self.chorales("train"))
        return {
            BACH: satb.judged(self.chorales(self.args.split), known),
            "Bach, all 382": {"part-writing": part_writing(whole)},
        }

    def _set(self, model: VoicesSession) -> dict[str, Any]:
        made = satb.set_all(self.chorales(self.args.split), model, self._settings, self.progress)
        known = satb.known_of(self.chorales("train"))
        return {"made": satb.figures(made), **satb.judged([own.cells for own in made], known)}

    @property
    def _settings(self) -> HarmonySettings:
        return HarmonySettings(candidates=self.args.candidates, temperature=self.args.temperature, seed=self.args.seed)

    def nottingham(self) -> dict[str, Any]:
        """`nottingham`: the human chords, counts, and --chords."""
        train, test = self._tunes()
        hmm = ChordHmm(train)
        systems: dict[str, Callable[[Tune], Chords]] = {
            HUMAN: lambda tune: tune.chords, "template": template, "counts, offline": hmm.offline, "counts, live": hmm.live,
        }  # fmt: skip
        if self.args.chords:
            systems |= self._systems(self._chord_model(self.args.chords), self.args.chords.stem)
        return {"nottingham": self._scored(systems, test)}

    def _tunes(self) -> tuple[list[Tune], list[Tune]]:
        folder = self.work / "nottingham"
        if not folder.exists():
            with tarfile.open(self.args.data / "nottingham.tar.xz") as archive:
                archive.extractall(self.work, filter="data")
        midi = next(path.parent for path in sorted(folder.rglob("melody")) if (path.parent / "chords").is_dir())
        train, test = nottingham.split(nottingham.read_tunes(midi))
        return train, test[: self.args.pieces]

    def _chord_model(self, path: Path) -> Answering:
        if path.suffix != ".pt":
            return ChordsSession.open(str(path))
        from models_onnx.train.chords.loop import Dressed, load_best

        return Dressed(load_best(path)[0])

    def _systems(self, model: Answering, name: str) -> dict[str, Callable[[Tune], Chords]]:
        return {
            f"{name}, {way}": lambda tune, live=live: answer(model, tune, live)  # type: ignore[misc]
            for way, live in (("offline", False), ("live", True))
        }

    def _scored(
        self, systems: Mapping[str, Callable[[Tune], Chords]], tunes: Sequence[Tune]
    ) -> dict[str, dict[str, float]]:
        return {
            name: nottingham.score(tunes, [own(tune) for tune in self.progress(tunes, name, len(tunes))]).row()
            for name, own in systems.items()
        }

    def shipped(self) -> dict[str, Any]:
        """Rows beside those of the other stages, or `own melodies`."""
        try:
            chords, voices = LoadedChords.open(self.args.models[0]), LoadedVoices.open(self.args.models[1])
        except ModelError as error:
            raise SystemExit(str(error)) from error
        found: dict[str, Any] = {"models": {chords.name: chords.sha256, voices.name: voices.sha256}}
        if self.args.midi:
            return {**found, "own melodies": self._own(chords, voices)}
        _, test = self._tunes()
        model = ChordsSession.open(self.args.models[0])
        found["nottingham"] = {
            **self._scored({HUMAN: lambda tune: tune.chords}, test),
            **self._scored(self._systems(model, "shipped"), test),
        }
        found["satb"] = {**self._bach(), "shipped": self._set(VoicesSession.open(self.args.models[1]))}
        return found

    def _own(self, chords: LoadedChords, voices: LoadedVoices) -> dict[str, Any]:
        files = list(midi_files(self.args.midi))
        counted = list(self.progress(files, "melodies", len(files)))
        made, refused = own_melodies.harmonize_folder(counted, self.work, self._settings, chords, voices)
        rows: dict[str, dict[str, float]] = {}
        for way in own_melodies.WAYS[:2]:
            each = [one.measures for one in made[way] if one.measures]
            if each:
                means = {m: round(float(np.nanmean([row[m] for row in each])), 3) for m in nottingham.MEASURES}
                rows[way] = {"kept": float(np.mean([one.kept for one in made[way]])), **means}
        cells = [one.cells for one in made["satb"] if one.cells is not None]
        written = {"kept": float(np.mean([one.kept for one in made["satb"]])), **part_writing(cells)} if cells else {}
        return {
            "files": len(files), "refused": refused, "chords": rows, "satb": {"satb": written} if written else {}
        }  # fmt: skip


def parsed() -> argparse.Namespace:
    """The command line; anything that cannot be run ends here."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    add = parser.add_argument
    add("--data", type=Path, default=Path("../shared/data"), help="jsb-chorales/ and nottingham.tar.xz are in it")
    add("--stages", default=",".join(STAGES), help=f"some of {','.join(STAGES)}")
    add("--checkpoints", type=Path, nargs="+", default=[], help="four-voice checkpoints (.pt, .npz)")
    add("--chords", type=Path, help="a chord checkpoint (.pt) or model folder")
    add("--midi", type=Path, help="shipped: harmonize the .mid files below this folder instead")
    add(
        "--models",
        nargs=2,
        default=("chords", "voices"),
        help="shipped: names or folders",
        metavar=("CHORDS", "VOICES"),
    )
    add("--work", type=Path, help="folder for what can be used again")
    add("--out", type=Path, help="JSON Lines file to add to (benchmarks/results/harmony.jsonl)")
    add("--markdown", type=Path, help="file for the tables (benchmarks/harmony.md)")
    add("--split", choices=("test", "valid"), default="test")
    add("--pieces", type=int, help="only so many of each split, to try the command: no figures to compare")
    add("--shifts", type=int, choices=range(1, 13), default=12, metavar="1..12", help="jsb: transpositions in a mean")
    add("--candidates", type=int, default=HarmonySettings().candidates, help="made; the first after ranking is judged")
    add("--temperature", type=float, default=HarmonySettings().temperature)
    add("--seed", type=int, default=0)
    add("--threads", type=int, default=1)
    args = parser.parse_args()
    args.stages = args.stages.split(",")
    unknown = [stage for stage in args.stages if stage not in STAGES]
    if unknown:
        parser.error(f"no stage {unknown[0]!r}: there are {', '.join(STAGES)}")
    if "satb" in args.stages and not args.checkpoints:
        parser.error("satb wants a checkpoint: give --checkpoints, or leave satb out of --stages")
    return args


def main() -> int:
    """Entry point."""
    args = parsed()
    console = Console(stderr=True, width=None if sys.stderr.isatty() else 200)
    with tempfile.TemporaryDirectory() as passing:
        work = args.work or Path(passing)
        work.mkdir(parents=True, exist_ok=True)
        record = evaluate(args, console, work)
    tables = tables_of(record)
    show(tables, console)
    if args.markdown:
        args.markdown.parent.mkdir(parents=True, exist_ok=True)
        args.markdown.write_text(markdown(tables, opening(record)), encoding="utf-8")
    if args.out:
        append(args.out, record)
    print(json.dumps(record))
    return 0


def evaluate(args: argparse.Namespace, console: Console, work: Path) -> dict[str, Any]:
    """The record; rows of one table from several stages stand together."""
    run = Evaluation(args, console, work)
    stages: dict[str, Callable[[], dict[str, Any]]] = {
        "nottingham": run.nottingham, "jsb": run.jsb, "satb": run.satb, "shipped": run.shipped,
    }  # fmt: skip
    found: dict[str, Any] = {}
    seconds: dict[str, float] = {}
    for name in args.stages:
        started = time.monotonic()
        for key, value in stages[name]().items():
            found[key] = {**found.get(key, {}), **value}
        seconds[name] = round(time.monotonic() - started, 1)
        console.print(f"{name}: {seconds[name]} s")
    about = {
        "split": args.split, "pieces": args.pieces,
        "seed": args.seed, "candidates": args.candidates, "temperature": args.temperature,
        "checkpoints": {str(path.name): hashlib.sha256(path.read_bytes()).hexdigest() for path in args.checkpoints},
    }  # fmt: skip
    return {"benchmark": "harmony", "protocol": PROTOCOL, **provenance(), **about, **found, "seconds": seconds}


def opening(record: Mapping[str, Any]) -> str:
    """What a reader of the tables has to know."""
    return "\n".join([
        "# Harmonization", "",
        f"`{record['command']}`", "",
        f"Split {record['split']}; {record['candidates']} candidates at temperature {record['temperature']}, seed "
        f"{record['seed']}; commit {record['commit']}, {record['date'][:10]}, {record['machine']['cpu']}.", "",
        "Human chords and Bach's voices are the aim of the measures without a right answer, so distance to them counts "
        "either way. Checkpoints trained on the benchmarks' training parts are for these tables and do not ship. What each "
        "figure means stands in `models_onnx/evaluate/`.",
    ])  # fmt: skip


if __name__ == "__main__":
    sys.exit(main())
