"""The same two jobs by us and by our peers, in the same run, on the same cores, in turn.

    python scripts/bench/peers/run.py --setup --rounds 15 --out benchmarks/results/peers.jsonl [--only NAME ...] [--work DIR]

A, "eight bars in, four bars out": the first eight bars of "Greensleeves" -> four new ones; until the last note is made, the
model loaded, nothing read before. B, "one note in, next note out": the eight bars are held, a note of the ninth comes in;
until the next note is predicted. Each row is a process that stays alive and times the job itself; the driver goes from
one to the next, round by round, with a rest between them in which threads that still spin go to sleep. What the machine does
meanwhile thus meets all alike, and ratios are taken within each round. Every row runs with each number of `--threads`;
the summary takes what is best for it.

How each is made fast, and its work equal, stands in the docstring of its file in `workers/` and in `path` and `work` of its
row. In short:
- ours: `pipeline.suggest` and `continue_from` as in the engine process, grammar, echo and ranking included; in B it reads the
  whole open bar again, as in the product. `ours-int8-engine-alone` is the session with as many tokens and a plain sampler, to
  set beside genai, which has neither grammar nor echo.
- pytorch-eager, pytorch-compile, onnx-naive-export: weights of small-fp32, same code around them, prompt in one run.
- genai: our graph and weights without the input columns that it cannot be told; as many tokens as ours.
- notochord, impsy, midigpt: their own interface and default or smallest model, weights random (speed only), as many notes as
  ours; checks and retries off, cheapest constraints.

What is not the same: the peers' notes are not ours (IMPSY's have no end, Notochord's no bars), and the sizes of the models
differ. Ratios of A are of milliseconds a note. A row that crashes, hangs or is interrupted (Ctrl-C; twice ends the run) is
marked with its last words, and the others go on.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[3]
sys.path.append(str(ROOT))

from models_onnx.record import append, provenance  # noqa: E402
from scripts.bench.peers import setup, summary  # noqa: E402
from scripts.bench.peers.process import PeerFailed, PeerProcess  # noqa: E402
from scripts.bench.peers.rows import REFERENCE, ROWS, Row  # noqa: E402
from scripts.bench.peers.summary import Measured  # noqa: E402

TWICE_S = 2.0
"""Two Ctrl-C within this end the run."""
COUNT_B = 18
"""Answers of job B a round: every note of the ninth bar twice."""


@dataclass(frozen=True, slots=True)
class Limits:
    """Seconds to wait, and to rest between rows."""

    start_s: float = 300.0
    answer_s: float = 120.0
    rest_s: float = 0.3


class Contest:
    """Rows at work. Threads: one."""

    def __init__(self, rows: Sequence[Row], threads: Sequence[int], work: Path, tune: Path, limits: Limits) -> None:
        self._work, self._tune, self._limits = work, tune, limits
        self.measured = [Measured(row.name, count) for row in rows for count in threads]
        self._rows = {row.name: row for row in rows}
        self._processes: dict[int, PeerProcess] = {}
        self._told: dict[str, dict[str, Any]] = {}
        self._interrupted = -TWICE_S

    @property
    def work(self) -> dict[str, Any]:
        """What the reference said a job is."""
        return self._told.get(next(iter(self._rows)), {})

    def run(self, rounds: int, repeats: int) -> None:
        """Start all, learn how much a job is, then the rounds. A second Ctrl-C ends it with what there is."""
        try:
            for one in self.measured:
                self._guarded(one, self._start)
            for number in range(rounds):
                for one in self.measured:
                    self._guarded(one, lambda one: self._round(one, repeats))
                print(f"round {number + 1} of {rounds}", file=sys.stderr)
        except KeyboardInterrupt:
            print("interrupted: the figures are of the rounds that were done", file=sys.stderr)
        finally:
            for process in self._processes.values():
                process.close()

    def _guarded(self, one: Measured, act: Any) -> None:
        """Whatever goes wrong is the row's own."""
        if one.failed or one.skipped:
            return
        try:
            act(one)
        except PeerFailed as error:
            one.failed = str(error)
        except KeyboardInterrupt:
            now = time.monotonic()
            one.failed, before, self._interrupted = "interrupted", self._interrupted, now
            if now - before < TWICE_S:
                raise
        if one.failed and id(one) in self._processes:
            print(f"{one.name}, {one.threads} threads: {one.failed}", file=sys.stderr)
            self._processes.pop(id(one)).kill()

    def _start(self, one: Measured) -> None:
        row = self._rows[one.name]
        if row.venv is not None:
            one.skipped = setup.missing(row.venv, self._work)
            if one.skipped:
                return
        count = str(one.threads)
        environment = {"OMP_NUM_THREADS": count, "MKL_NUM_THREADS": count, "TF_NUM_INTRAOP_THREADS": count}
        log = self._work / "logs" / f"{one.name}-{count}.txt"
        process = PeerProcess(row.command(one.threads, self._tune, self._work), log, environment)
        self._processes[id(one)] = process
        one.hello = process.answer(self._limits.start_s)
        asked = {**self.work, **self._told.get(row.seed_from or "", {})}
        if row.seed_from is None or row.seed_from not in self._told:
            known = self._told.get(one.name)
            answer = known or process.ask({"ask": "calibrate", "work": asked}, self._limits.start_s)
            self._told.setdefault(one.name, {**self.work, **answer})

    def _round(self, one: Measured, repeats: int) -> None:
        row, process = self._rows[one.name], self._processes[id(one)]
        work = self._told.get(row.seed_from or one.name) or self._told.get(one.name) or self.work
        time.sleep(self._limits.rest_s)
        ask = {"ask": "a", "work": work}
        runs = [process.ask(ask, self._limits.answer_s) for _ in range(repeats)]
        answers = process.ask({"ask": "b", "work": work, "count": COUNT_B}, self._limits.answer_s)["seconds"]
        one.eight_bars.append(runs)
        one.next_notes.append(answers or [])


def report(contest: Contest, rounds: int, repeats: int) -> dict[str, Any]:
    """The line of the log."""
    rows, reference = contest.measured, contest.measured[0].name
    return {
        "benchmark": "peers", **provenance(), "rounds": rounds, "repeats": repeats, "work": contest.work,
        "reference": reference, "best": summary.bests(rows, reference),
        "rows": [summary.told(row, rows, reference) for row in rows],
    }  # fmt: skip


def prepare(rows: Sequence[Row], threads: Sequence[int], work: Path, install: bool) -> Path:
    """Environments if asked for, the tune, the graphs for genai; gives the tune."""
    # Here, because they need the assistant and onnx, which the driver's own tests do without.
    from scripts.bench.peers import genai_graph, tune

    for name in sorted({row.venv for row in rows if row.venv}) if install else ():
        start = time.perf_counter()
        reason = setup.install(name, work)
        print(f"{name}: {reason or 'installed'} ({time.perf_counter() - start:.0f} s)", file=sys.stderr)
    for row in rows:
        if row.venv == "genai" and not setup.missing("genai", work):
            for count in threads:
                genai_graph.write(row.variant, count, work / "genai-models")
    return tune.write(work / "tune.json")


def main(arguments: Sequence[str] | None = None) -> int:
    """1 if no row of ours has an answer."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--repeats", type=int, default=3, help="of job A in each round (default %(default)s)")
    parser.add_argument("--threads", type=int, nargs="+", default=[1, 2])
    names = [row.name for row in ROWS]
    parser.add_argument("--only", nargs="+", choices=names, help="these rows and ours")
    parser.add_argument("--setup", action="store_true", help="install the peers first, each in its own environment")
    parser.add_argument("--work", type=Path, default=Path("work/peers"), help="their folder (default %(default)s)")
    parser.add_argument("--out", type=Path, help="append the line to this .jsonl file")
    args = parser.parse_args(arguments)
    chosen = {REFERENCE, *(args.only or names)}
    chosen |= {row.seed_from for row in ROWS if row.name in chosen and row.seed_from}
    rows, work = [row for row in ROWS if row.name in chosen], args.work.resolve()
    contest = Contest(rows, args.threads, work, prepare(rows, args.threads, work, args.setup), Limits())
    contest.run(args.rounds, args.repeats)
    line = report(contest, args.rounds, args.repeats)
    job = contest.work
    a = f"{job.get('prompt_notes')} notes in 8 bars ({job.get('prompt_tokens')} tokens) in, 4 bars out"
    b = "a note in, the next note out"
    print(summary.table(line["rows"], a, b), file=sys.stderr)
    if args.out is not None:
        append(args.out, line)
    print(json.dumps(line))
    return 0 if REFERENCE in line["best"] else 1


if __name__ == "__main__":
    sys.exit(main())
