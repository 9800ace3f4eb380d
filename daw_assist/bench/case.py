"""One case of the bench: a mode, a tempo, so many minutes; its `live` process, the DAW that plays, and what was found."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from daw_assist.bench import figures
from daw_assist.bench.echo import AT_ONCE, BEAT_FRAMES, METRONOME, EchoRig
from daw_assist.bench.heard import hanging, note_ons
from daw_assist.bench.jackclient import Timed
from daw_assist.bench.jackdaw import STOP, JackDaw, Run
from daw_assist.bench.jackrig import RATE_HZ, JackRig
from daw_assist.bench.liverig import LiveRig, until
from daw_assist.bench.load import LoadRig
from daw_assist.bench.modes import BenchMode, Script
from daw_assist.bench.places import Answer, Offsets, answered, beside_slots
from daw_assist.bench.processes import Sample, cost, samples

LEAD_S = 1.0
AFTER_STOP_S = 0.1
"""A note that begins later than this after Stop is counted."""
KEPT_PLANS = 400
TELLS = (
    "late_dropped", "refused", "lost", "failures", "inbox_dropped", "errors", "refusals", "late_p99_ms", "late_max_ms",
    "trigger_ms", "answer_ms", "complaint", "transport", "counters",
)  # fmt: skip
"""What is kept of the live part of `ask status`."""

Watch = Callable[[dict[str, int], LiveRig], None]


@dataclass(frozen=True, slots=True)
class Setup:
    """What all cases of a run have in common."""

    jack: JackRig
    period: int
    options: tuple[str, ...] = ()
    """For `live`, beside those of the mode."""
    load: int = 0
    watch: Watch = lambda pids, live: None
    """Called about once a second while it plays."""

    @property
    def period_ms(self) -> float:
        """Of the server."""
        return self.period * 1e3 / RATE_HZ


@dataclass(slots=True)
class _Played:
    """What one run left behind."""

    run: Run
    ours: list[Timed] = field(default_factory=list)
    echo: list[Timed] = field(default_factory=list)
    answers: list[Answer] = field(default_factory=list)
    stopped: int = 0
    figures: tuple[dict[str, Any], dict[str, Any]] = ({}, {})
    cost: tuple[dict[str, Sample], dict[str, Sample]] = ({}, {})
    state: dict[str, Any] = field(default_factory=dict)
    engine: dict[str, Any] = field(default_factory=dict)

    def hear(self, messages: Iterable[Timed]) -> None:
        """Notes of `live`, and of the echo, which has channels of its own."""
        for item in messages:
            if item[1][0] & 0xF0 in (0x80, 0x90):
                (self.echo if item[1][0] & 15 in (AT_ONCE, METRONOME) else self.ours).append(item)


def perform(
    setup: Setup,
    echo: EchoRig,
    folder: Path,
    mode: BenchMode,
    bpm: float,
    minutes: float,
    running: LiveRig | None = None,
) -> dict[str, Any]:
    """The case from its first process to its verdict; `EngineError` if `live` does not start.

    With a `live` that is `running` it is brought into the mode instead, and its counters are those of the case alone.
    """
    script = mode.compose(mode.cycles(minutes, bpm))
    with ExitStack() as stack:
        if running is not None:
            running.ask("steer", *mode.steer)
            until(lambda: running.live_state().get("mode") == dict(w.split("=") for w in mode.steer)["mode"], 5.0)
            live, before = running, running.live_state()
        else:
            live = stack.enter_context(LiveRig(setup.jack, folder, "daw-assist", *mode.options, *setup.options))
            before = {}
        load = stack.enter_context(LoadRig(live.endpoint, setup.load))
        daw = JackDaw()
        stack.callback(daw.close)
        daw.connect(live.port_in, live.port_out)
        daw.connect(echo.port_in, echo.port_out)
        server, engine = live.pids()
        pids = {
            "live": live.process.pid, "server": server, "engine": engine, "echo": echo.process.pid, "daw": daw.pid,
            "jackd": setup.jack.pid,
        }  # fmt: skip
        played = _play(setup, daw, live, script, mode, bpm, pids)
        played.state = since(played.state, before)
        answers = load.answers()
    told = found(played, script, mode, bpm, setup.period_ms)
    return told if answers is None else {**told, "load_clients": setup.load, "load_answers": answers}


def _play(
    setup: Setup, daw: JackDaw, live: LiveRig, script: Script, mode: BenchMode, bpm: float, pids: dict[str, int]
) -> _Played:
    """From Start to half a second after Stop."""
    figures_before, cost_before = daw.figures(), samples(pids)
    run = daw.play(bpm, script.end, script.notes, lead_s=LEAD_S)
    for tick, message in script.controls:
        daw.at(run.frame(tick), message)
    played, windows, end = _Played(run), list(script.windows), run.frame(script.end)
    while (now := daw.now()) < end:
        daw.wait_until(min(end, now + daw.rate))
        played.hear(daw.take())
        plans = live.plans(KEPT_PLANS)
        while windows and daw.now() > run.frame(windows[0].end) + 0.3 * daw.rate:
            known = plans if mode.places == "plan" else ()
            played.answers.append(answered(played.ours, known, run, windows.pop(0), daw.rate, end))
        setup.watch(pids, live)
    daw.fall_silent()
    played.stopped = daw.send(STOP)
    for note in script.notes:
        if note.onset < script.end < note.onset + note.length:
            daw.send(bytes((0x80, note.pitch, 0)))
    played.figures, played.cost = (figures_before, daw.figures()), (cost_before, samples(pids))
    daw.wait_until(played.stopped + 0.5 * daw.rate)
    played.hear(daw.take())
    for window in windows:
        known = live.plans(KEPT_PLANS) if mode.places == "plan" else ()
        played.answers.append(answered(played.ours, known, run, window, daw.rate, played.stopped))
    until(lambda: live.live_state().get("running") is False, 5.0)
    played.state = live.live_state()
    status = live.status()
    played.engine = {"restarts": status.engine.restarts, "model": status.engine.model, **status.counters}
    return played


def found(played: _Played, script: Script, mode: BenchMode, bpm: float, period_ms: float) -> dict[str, Any]:
    """The figures of a case, and its verdict."""
    run, rate, bound_ms = played.run, RATE_HZ, period_ms + figures.BOUND_MS
    ours = played.ours
    # The frame at which the DAW writes a note; those after Stop never go out.
    sent = [(float(int(run.frame(n.onset))), n.pitch) for n in script.notes if n.onset < script.end]
    at_once, never = figures.trips(sent, played.echo, AT_ONCE, rate)
    during = (item for item in played.echo if run.start <= item[0] < played.stopped)
    beats = figures.beats(during, METRONOME, BEAT_FRAMES, rate)
    told: dict[str, Any] = {
        "mode": mode.name,
        "bpm": bpm,
        "minutes": round(script.end / bpm / 24, 2),
        "places": mode.places,
    }
    if mode.places == "thru":
        offsets, told["lost"] = figures.trips(sent[:-1], ours, 0, rate)
        more: dict[str, Any] = {"paired_ms": figures.quantiles(figures.paired(offsets, at_once))}
        reference = "echo"
    elif mode.places == "slots":
        offsets, empty = beside_slots(ours, run, script.slots, rate, played.stopped)
        more = {"slots": len(script.slots), "empty": empty}
        more["hit_rate"] = figures.hit_rate(len(script.slots), len(script.slots) - empty)
        reference = "metronome"
    else:
        offsets = [offset for answer in played.answers for offset in answer.offsets]
        more = answers_told(played, mode)
        reference = "metronome"
    before, after = played.figures
    xruns = after["xrun_frames"][before["xruns"] :] if after["xruns"] < 10_000 else after["xrun_frames"]
    told |= figures.spread([ms for _, ms in offsets])
    told |= figures.late(offsets, bound_ms, xruns, rate)
    told |= more
    told["echo"] = {**figures.spread([ms for _, ms in at_once]), "never": never}
    told["metronome"] = figures.spread(beats)
    what = "away_ms" if mode.places == "thru" else "jitter_ms"
    told["added_p99_ms"] = figures.added(told, told[reference], what)
    told["added_p99_over"] = f"{what} of {reference}"
    told |= counted(played.state)
    told |= {
        "hanging": len(hanging(ours)),
        "after_stop": sum(frame > played.stopped + AFTER_STOP_S * rate for frame, *_ in note_ons(ours)),
        "xruns": after["xruns"] - before["xruns"], "pulses_late": after["written_late"] - before["written_late"],
        "cycle_late_ms": figures.cycle_late(before["cycle_late"], after["cycle_late"]),
        "processes": cost(*played.cost), "status": {name: played.state.get(name) for name in TELLS},
        "engine": played.engine,
    }  # fmt: skip
    return {**told, "verdict": figures.verdict(told)}


def answers_told(played: _Played, mode: BenchMode) -> dict[str, Any]:
    """Of the windows: hits, first notes, what no plan explains."""
    answers, run = played.answers, played.run
    first = [told for answer in answers if (told := answer.told(run, RATE_HZ))["first_ms"] is not None]
    hits = sum(answer.on_time for answer in answers)
    return {
        "answers": len(answers), "hit_rate": figures.hit_rate(len(answers), hits) if mode.plays_always else None,
        "silent": sum(answer.how == "none" for answer in answers),
        "bar_late": sum(answer.how == "bar late" for answer in answers),
        "unexplained": sum(answer.how == "grid" for answer in answers) if mode.places == "plan" else None,
        "first_note_ms": figures.quantiles([abs(told["first_ms"]) for told in first]),
        "trigger_to_first_ms": figures.quantiles([told["trigger_ms"] for told in first]),
    }  # fmt: skip


def since(state: dict[str, Any], before: dict[str, Any]) -> dict[str, Any]:
    """The state with its counts less those of before; figures that are no counts are the present ones. Pure."""
    old = before.get("counters") or {}
    counters = {name: count - old.get(name, 0) for name, count in (state.get("counters") or {}).items()}
    told = {**state, "counters": counters}
    for name in ("late_dropped", "refused", "lost", "failures", "inbox_dropped", "errors", "refusals"):
        if isinstance(state.get(name), int):
            told[name] = state[name] - (before.get(name) or 0)
    return told


def counted(state: dict[str, Any]) -> dict[str, Any]:
    """What `live` counts itself: hit rate, how stale plans were, what was dropped. None where it does not count that."""
    counters: dict[str, int] = state.get("counters") or {}
    wanted, fresh = counters.get("plans_wanted", 0), counters.get("plans_fresh", 0)
    backups = {name.rpartition("_")[2]: n for name, n in sorted(counters.items()) if name.startswith("plans_backup_")}
    told: dict[str, Any] = {
        "late_dropped": state.get("late_dropped"), "told_hit_rate": figures.hit_rate(wanted, fresh),
        "plans_missed": counters.get("plans_missed"), "backups": backups,
    }  # fmt: skip
    if counters.get("harmony_slots"):
        told["chords_fresh"] = figures.hit_rate(counters["harmony_slots"], counters.get("harmony_fresh", 0))
        told["chord_gaps"] = counters.get("harmony_gaps", 0)
    return told


__all__ = ["Offsets", "Setup", "Watch", "perform"]
