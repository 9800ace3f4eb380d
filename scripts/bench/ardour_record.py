"""What a real DAW records of us: how far each note lies from its place on Ardour's own bars, beside a bare sender.

    python scripts/bench/ardour_record.py [--model NAME] [--repetitions 3] [--out benchmarks/results/ardour.jsonl]

Ardour without a screen rolls and records on a private JACK dummy server (`tests/ardourrig.py`). In turn:

- ours: `daw-assist live` follows Ardour's MIDI clock, hears a tune of four bars, and plays accepted answers of four bars;
- bare: a process with nothing but python-rtmidi plays the same notes: it is told the host time at which each place of
  Ardour's grid lies, sleeps until then and calls `send_message`. It follows no clock and makes no music beside it.

Offsets are those in the file that Ardour wrote, in ms, late above 0; with and without the mean of the repetition (Ardour
itself places a whole take one period later in some runs; a message that a JACK client writes at a frame is otherwise
recorded at that frame). On the wire: the same notes as they left the port, on the grid of Ardour's pulses.

Python-rtmidi sends at the start of a period, so that a perfect sender has a standard deviation of period / sqrt(12).

An xrun sets the bare sender back and not us, who follow the clock: that is no merit in exactness, so the median of the
repetitions' standard deviations is compared.

Verdict: all notes of the plans are recorded, each with an end, and our median is no greater than the bare sender's by more
than two standard errors (`allowed_ms`); `no_greater` says it without them. The last line on stdout is the JSON object that
`--out` appends.
"""

from __future__ import annotations

import argparse
import json
import math
import multiprocessing
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

from daw_assist.music.parts import DRUM_CHANNEL, Part  # noqa: E402
from models_onnx import manifest  # noqa: E402
from models_onnx.record import append, provenance  # noqa: E402 - after the path to the rig
from tests.ardourrig import Ardour, Pulses, Recorded, why_no_ardour  # noqa: E402
from tests.jackdaw import JackDaw, Run, Timed  # noqa: E402
from tests.jackrig import RATE_HZ, JackRig, can_run_real_time  # noqa: E402
from tests.liverig import LiveRig, Plan, explained, hanging, until  # noqa: E402

BPM, BAR = 120.0, 96
SILENT, BARS_IN, BARS_BACK = 1, 4, 4
"""Bars: before the tune, of the tune, of an answer."""
FRAMES_A_TICK = RATE_HZ * 60 / (BPM * 24)
GRID = Run(0, FRAMES_A_TICK)
ACCEPT = bytes((0xB0, 66, 127))
ROOTS, SHAPE = (60, 57, 53, 55), (0, 4, 7, 12, 7, 4, 0, 7)


@dataclass(frozen=True, slots=True)
class Answer:
    """A plan that was to be played, and the tick of its bar line."""

    line: int
    plan: Plan


@dataclass(frozen=True, slots=True)
class Take:
    """What one run left: the notes of the track, what went over the wire with Ardour's pulses, and what was to be."""

    recorded: list[Recorded]
    heard: list[Timed]
    answers: list[Answer]
    xruns: int
    state: dict[str, Any]


def lines(answers: int) -> list[int]:
    """The ticks of the bar lines on which the answers begin."""
    return [(SILENT + BARS_IN + BARS_BACK * number) * BAR for number in range(answers)]


@contextmanager
def rolling(jack: JackRig, folder: Path, source: str, sink: str | None) -> Iterator[tuple[Ardour, JackDaw, Run]]:
    """Ardour records `source`, a listener hears both (and may send to `sink`); where Ardour's ticks lie."""
    with Ardour(jack, folder / "ardour", BPM) as ardour, closing(JackDaw("player")) as daw:
        daw.connect(ardour.track_in if sink is None else sink, source)
        jack.connect(ardour.clock_out, "player:in")
        jack.connect(source, ardour.track_in)
        if sink is not None:
            jack.connect(ardour.clock_out, sink)
        time.sleep(0.5)
        ardour.record()
        assert until(lambda: len(Pulses.of(daw.heard).frames) >= 12, 10.0), "Ardour sends no clock"
        yield ardour, daw, Run(Pulses.of(daw.heard).frames[0], FRAMES_A_TICK)


def ours(jack: JackRig, folder: Path, options: list[str], answers: int) -> Take:
    """The tune, and each answer accepted early in the bar before it."""
    live_options = ("--spp-unit", "1", "--bars", str(BARS_BACK), *options)
    with ExitStack() as stack:
        live = stack.enter_context(LiveRig(jack, folder, "daw-assist", *live_options))
        ardour, daw, run = stack.enter_context(rolling(jack, folder, live.port_out, live.port_in))
        before = daw.xruns
        for bar in range(BARS_IN):
            for eighth, step in enumerate(SHAPE):
                onset = (SILENT + bar) * BAR + eighth * 12
                daw.at(run.frame(onset), bytes((0x90, ROOTS[bar % 4] + step, 80)))
                daw.at(run.frame(onset + 11.5), bytes((0x80, ROOTS[bar % 4] + step, 0)))
        for line in lines(answers):
            daw.at(run.frame(line - 0.7 * BAR), ACCEPT)
        daw.wait_until(run.frame(lines(answers + 1)[-1]) + 0.3 * RATE_HZ)
        xruns = daw.xruns - before
        ardour.stop()
        recorded, heard, plans, state = ardour.recorded(), daw.heard, live.plans(), live.live_state()
    told = [Answer(line, played_plan(recorded, plans, line)) for line in lines(answers)]
    return Take(
        recorded, heard, told, xruns, {name: state.get(name) for name in ("late_dropped", "late_max_ms", "errors")}
    )


def bare(jack: JackRig, folder: Path, answers: list[Answer]) -> Take:
    """The same notes from the bare sender."""
    context = multiprocessing.get_context("spawn")
    score = context.Queue()
    ready = context.Event()
    sender = context.Process(target=send_bare, args=(score, ready), daemon=True)
    sender.start()
    try:
        assert ready.wait(30.0), "the bare sender did not start"
        with rolling(jack, folder, "bare:out", None) as (ardour, daw, run):
            before = daw.xruns
            origin = host_time_of_frame_0(daw)
            score.put([(origin + run.frame(tick) / RATE_HZ, message) for tick, message in messages(answers)])
            daw.wait_until(run.frame(answers[-1].line + BARS_BACK * BAR) + 0.3 * RATE_HZ)
            xruns = daw.xruns - before
            ardour.stop()
            take = Take(ardour.recorded(), daw.heard, answers, xruns, {})
            score.put(None)  # it closes its port before Ardour goes
            sender.join(10.0)
        return take
    finally:
        if sender.is_alive():
            sender.kill()
        sender.join()
        score.close()


def send_bare(score: Any, ready: Any) -> None:
    """The process of the bare sender: what is in `score` is (monotonic seconds, message), then None."""
    import rtmidi

    port = rtmidi.MidiOut(rtmidi.API_UNIX_JACK, name="bare")
    port.open_virtual_port("out")
    ready.set()
    while (part := score.get()) is not None:
        for instant, message in part:
            time.sleep(max(0.0, instant - time.monotonic()))
            port.send_message(message)
    port.close_port()
    port.delete()


def host_time_of_frame_0(daw: JackDaw) -> float:
    """In seconds of time.monotonic(): the narrowest of a hundred brackets."""
    brackets = []
    for _ in range(100):
        before = time.monotonic()
        frame = daw.now()
        after = time.monotonic()
        brackets.append((after - before, (before + after) / 2 - frame / RATE_HZ))
    return min(brackets)[1]


def messages(answers: list[Answer]) -> list[tuple[float, bytes]]:
    """(tick, message) of all notes; a note ends a little before the next on its key, as ours do."""
    notes = sorted(
        {
            (
                answer.line + n.bar * BAR + int(n.note.onset),
                DRUM_CHANNEL if n.note.part is Part.DRUMS else 0,
                int(n.note.pitch),
                int(n.note.duration),
            )
            for answer in answers
            for n in answer.plan.notes
        }
    )
    found: list[tuple[float, bytes]] = []
    for number, (onset, channel, pitch, length) in enumerate(notes):
        again = [o for o, c, p, _ in notes[number + 1 :] if (c, p) == (channel, pitch)]
        if again and again[0] == onset:  # coincides
            continue
        end = min([onset + length, *again]) - 0.5
        found += [(onset, bytes((0x90 | channel, pitch, 80))), (end, bytes((0x80 | channel, pitch, 0)))]
    return sorted(found)


def on_the_grid(notes: Sequence[Recorded]) -> list[Timed]:
    """Their onsets as messages at the frames of `GRID`."""
    return [(round(GRID.frame(n.onset)), bytes((0x90 | n.channel, n.pitch, 64))) for n in notes]


def on_the_wire(heard: list[Timed]) -> list[Timed]:
    """What was heard, at the frames of `GRID` by Ardour's own pulses."""
    pulses = Pulses.of(heard)
    return [(round(GRID.frame(pulses.tick(at))), m) for at, m in heard if m[0] < 0xF0]


def within(heard: list[Timed], line: int) -> list[Timed]:
    """The note-ons of the bars of one answer."""
    first, last = GRID.frame(line - 3), GRID.frame(line + BARS_BACK * BAR - 3)
    return [(at, m) for at, m in heard if first <= at < last and m[0] & 0xF0 == 0x90 and m[2]]


def played_plan(recorded: Sequence[Recorded], plans: list[Plan], line: int) -> Plan:
    """The one that explains best what was recorded from the line on."""
    found: list[tuple[int, float, int]] = []
    for number, plan in enumerate(plans):
        try:
            played = explained(within(on_the_grid(recorded), line), [plan], GRID, [line], BAR, RATE_HZ)
        except AssertionError:
            continue
        found.append((played.missing, max(map(abs, played.late_ms)), number))
    assert found, f"no plan explains what was recorded from tick {line} on"
    return plans[min(found)[2]]


def figures(offsets: list[float]) -> dict[str, float]:
    """Of signed ms: mean, standard deviation, greatest distance from the mean and from the place."""
    mean = statistics.fmean(offsets)
    return {
        "mean_ms": round(mean, 3),
        "sd_ms": round(statistics.pstdev(offsets), 3),
        "max_from_mean_ms": round(max(abs(ms - mean) for ms in offsets), 3),
        "max_ms": round(max(map(abs, offsets)), 3),
    }


def account(take: Take) -> tuple[dict[str, Any], list[float]]:
    """One repetition on one line, and the offsets of its recorded notes."""
    offsets: dict[str, list[float]] = {"recorded": [], "wire": []}
    missing = 0
    for name, notes in (("recorded", on_the_grid(take.recorded)), ("wire", on_the_wire(take.heard))):
        for answer in take.answers:
            told = explained(within(notes, answer.line), [answer.plan], GRID, [answer.line], BAR, RATE_HZ)
            offsets[name] += told.late_ms
            missing += told.missing if name == "recorded" else 0
    endless = sum(note.length is None for note in take.recorded)
    line = {
        "notes": len(offsets["recorded"]), "missing": missing, "endless": endless, "hanging": len(hanging(take.heard)),
        "xruns": take.xruns, **figures(offsets["recorded"]), "wire": figures(offsets["wire"]), **take.state,
    }  # fmt: skip
    return line, offsets["recorded"]


def together(repetitions: list[tuple[dict[str, Any], list[float]]]) -> dict[str, Any]:
    """All repetitions: the median of their standard deviations, each with its own mean removed, and as they are."""
    centred = [ms - statistics.fmean(offsets) for _, offsets in repetitions for ms in offsets]
    every = [ms for _, offsets in repetitions for ms in offsets]
    return {
        "notes": len(every), "missing": sum(line["missing"] for line, _ in repetitions),
        "hanging": sum(line["endless"] + line["hanging"] for line, _ in repetitions),
        "sd_ms": round(statistics.median(line["sd_ms"] for line, _ in repetitions), 3),
        "sd_together_ms": round(math.sqrt(statistics.fmean([ms * ms for ms in centred])), 3),
        "max_from_mean_ms": round(max(map(abs, centred)), 3),
        "mean_ms": round(statistics.fmean(every), 3), "max_ms": round(max(map(abs, every)), 3),
        "repetitions": [line for line, _ in repetitions],
    }  # fmt: skip


def in_a_folder(perform: Callable[[Path], Take], name: str) -> Take:
    """Run it in a temporary folder of its own."""
    with tempfile.TemporaryDirectory(prefix="daw-") as folder:
        take = perform(Path(folder))
    shown = account(take)[0]
    print(json.dumps({"who": name, **shown}), file=sys.stderr, flush=True)
    return take


def main() -> int:
    """0 if everything was recorded, as exactly as the bare sender's notes; 1 if not, 2 without Ardour."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", default=manifest.DEFAULT_MODEL)
    parser.add_argument("--provider", default="auto")
    parser.add_argument(
        "--period", type=int, default=256, help="frames at 48 kHz; Ardour needs 256 (default %(default)s)"
    )
    parser.add_argument("--answers", type=int, default=2, help="of four bars each, in each run (default %(default)s)")
    parser.add_argument("--repetitions", type=int, default=3, help="of each, in turn (default %(default)s)")
    parser.add_argument("--latency-ms", type=float, help="as for `daw-assist live`")
    parser.add_argument("--out", type=Path, help="append the line to this .jsonl file")
    args = parser.parse_args()
    if (reason := why_no_ardour()) is not None:
        print(reason, file=sys.stderr)
        return 2
    options = ["--model", args.model, "--provider", args.provider, "--seed", "1"]
    if args.latency_ms is not None:
        options += ["--latency-ms", str(args.latency_ms)]
    began, load = time.monotonic(), os.getloadavg()[0]
    jack = JackRig(period=args.period).start()
    os.environ.update(jack.variables)
    takes: dict[str, list[Take]] = {"ours": [], "bare": []}
    try:
        for _ in range(args.repetitions):
            take = in_a_folder(lambda folder: ours(jack, folder, options, args.answers), "ours")
            takes["ours"].append(take)
            takes["bare"].append(in_a_folder(lambda folder, a=take.answers: bare(jack, folder, a), "bare"))
    finally:
        jack.stop()
    found = {name: together([account(take) for take in some]) for name, some in takes.items()}
    perfect_ms = args.period / 48.0 / math.sqrt(12)
    # Of the difference of two standard deviations of uniform errors (kurtosis 1.8), each from `notes`.
    allowed_ms = 2 * math.sqrt(sum(0.2 * perfect_ms**2 / who["notes"] for who in found.values()))
    complete = not any(who["missing"] or who["hanging"] for who in found.values())
    line = {
        "bench": "ardour_record", **provenance(), "model": args.model, "bpm": BPM, "period_frames": args.period,
        "period_ms": round(args.period / 48.0, 3), "perfect_sd_ms": round(perfect_ms, 3),
        "real_time": can_run_real_time(), "load_before": load, "seconds": round(time.monotonic() - began, 1), **found,
        "allowed_ms": round(allowed_ms, 3), "no_greater": found["ours"]["sd_ms"] <= found["bare"]["sd_ms"],
        "verdict": complete and found["ours"]["sd_ms"] <= found["bare"]["sd_ms"] + allowed_ms,
    }  # fmt: skip
    print(json.dumps(line))
    if args.out is not None:
        append(args.out, line)
    return 0 if line["verdict"] else 1


if __name__ == "__main__":
    sys.exit(main())
