"""A tune played as though live: `demo`, and `live --from TUNE.mid`. The notes come in through a port, one by one, in time."""

from __future__ import annotations

import argparse
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console

from daw_assist.beside import serve_command, server_beside
from daw_assist.clock import NS_PER_SECOND, HostNs, MonotonicClock
from daw_assist.errors import PortError, UsageError
from daw_assist.examples import greensleeves
from daw_assist.live_command import end_in_order, hands_of
from daw_assist.mailbox import Bounded
from daw_assist.midi.file import from_song, load_midi, save_midi, to_song
from daw_assist.midi.memory import MemoryInput, MemoryOutput
from daw_assist.midi.message import is_note_on, key_of
from daw_assist.midi.ports import MidiOutput
from daw_assist.music.bars import Bar, Song
from daw_assist.music.metre import Metre
from daw_assist.music.parts import DRUM_CHANNEL, Part
from daw_assist.music.quantise import quantise
from daw_assist.music.time import TempoMap, Ticks
from daw_assist.render_command import save_sound
from daw_assist.server.endpoint import Endpoint, endpoint_from, ipc_endpoint, private_folder
from daw_assist.show import save_picture, text_roll
from daw_assist.stage import Stage, open_stage
from daw_assist.suggest.hands import Hands
from daw_assist.suggest.policy import Chosen
from daw_assist.suggest.suggestion import Settings, Suggestion
from daw_assist.transport.internal import InternalClock
from daw_assist.transport.switch import Switch
from plugin_host.errors import SoundError

COUNT_IN_S = 0.3
AFTER_S = 0.3
"""After the last bar line: the last note-offs, and the bar that closes."""
_PRESS_SHARE = 0.3
"""Accept is pressed when this share of the bar has passed, as a player decides early in the last bar."""


@dataclass(frozen=True, slots=True)
class Closed:
    """A bar that was closed, and what was ready then."""

    index: int
    bar: Bar
    ready: Suggestion | None


class TunePlayer:
    """Feeds a song into a port in time with a transport, and presses accept. Threads: its own; `join` any."""

    def __init__(
        self,
        song: Song,
        transport: InternalClock,
        port: MemoryInput,
        press: Callable[[str], None],
        accept_tick: float,
    ) -> None:
        events = [(float(note.onset), 1, note.part, note.pitch, note.velocity) for note in song.notes]
        events += [(note.end - 0.25, 0, note.part, note.pitch, 0) for note in song.notes]
        self._events = sorted(events)
        self._transport, self._port, self._press, self._accept = transport, port, press, accept_tick
        self._clock = MonotonicClock()
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="tune", daemon=True)

    def start(self) -> None:
        """Begin; the first tick is where the transport says."""
        self._thread.start()

    def stop(self) -> None:
        """End early."""
        self._stop.set()
        self._thread.join(1.0)

    def _run(self) -> None:
        accepted = False
        for tick, on, part, pitch, velocity in self._events:
            if not accepted and tick >= self._accept:
                accepted = self._wait(self._accept)
                self._press("accept")
            if not self._wait(tick):
                return
            channel = DRUM_CHANNEL if part is Part.DRUMS else 0
            self._port.feed(bytes(((0x90 if on else 0x80) | channel, pitch, velocity)), self._transport.host_at(tick))
        if not accepted and self._wait(self._accept):
            self._press("accept")

    def _wait(self, tick: float) -> bool:
        """Until the song is at `tick`; False if it was stopped."""
        left = (self._transport.host_at(tick) - self._clock.now()) / NS_PER_SECOND
        return not self._stop.wait(max(0.0, left))


def run_demo(out: Path, bpm: float, seed: int, model: str, provider: str, threads: int) -> int:
    """`demo`: the shipped tune through memory ports; bars and suggestions in the terminal; .mid, .wav and .png in `out`."""
    out.mkdir(parents=True, exist_ok=True)
    console = Console(highlight=False)
    song = greensleeves(bpm)
    console.print("Greensleeves is played as though live; after every bar: what was heard | what would come next")
    with tempfile.TemporaryDirectory(prefix="daw-assist-demo-") as folder:
        endpoint = ipc_endpoint(private_folder(Path(folder) / "run")) if sys.platform != "win32" else Endpoint("", "")
        command = serve_command(endpoint, model, provider, threads)
        output = MemoryOutput(MonotonicClock())
        stage, played = _perform(
            song, bpm, output, Settings(bars=4, seed=seed), Hands(), endpoint, command,
            len(song.bars()), lambda closed: _show(console, closed),
        )  # fmt: skip
    _save(out, song, played, console)
    tags = {"title": "Greensleeves, and what came next", "comment": f"model {model}, seed {seed}"}
    try:
        console.print(save_sound(out / "demo.mid", out / "demo.wav", tags))
    except SoundError as error:
        console.print(f"no sound: {error}", markup=False)
    figures = stage.sender.figures()
    console.print(
        f"late notes {figures.late_dropped}, sent p99 {figures.late_p99_ms:.2f} ms after due, "
        f"still sounding {len(figures.sounding)}"
    )
    if not played:
        console.print("the suggestion was not ready in time on this machine; try a lower --bpm")
    return 0 if played else 1


def play_file(args: argparse.Namespace, settings: Settings) -> int:
    """`live --from`: a file comes in as though played; suggestions go to the out port, or nowhere if there is none."""
    endpoint, hands = endpoint_from(args.endpoint), hands_of(args, settings)
    command = serve_command(endpoint, args.model, args.provider, args.threads)
    song = to_song(load_midi(args.tune), args.tune.name)
    bars = song.bars()
    if not bars:
        raise UsageError(f"{args.tune.name}: there is no note in it to play")
    if len({metre for _, metre in song.metres}) > 1:
        raise UsageError(f"{args.tune.name} changes its metre, which live cannot follow without the DAW saying so")
    accept_bar = args.accept_bar or len(bars)
    if not 1 <= accept_bar <= len(bars):
        raise UsageError(f"--accept-bar must be in 1..{len(bars)}, the bars of {args.tune.name}")
    output = _output(args)
    console = Console(stderr=True, highlight=False)
    bpm = song.tempo.bpm_at(Ticks(0))
    stage, played = _perform(
        song, bpm, output, settings, hands, endpoint, command, accept_bar, lambda c: _show(console, c)
    )
    console.print(f"played {len(played)} bars; counters: {stage.performance.status()['counters']}")
    return 0


def _output(args: argparse.Namespace) -> MidiOutput:
    from daw_assist.midi.rtmidi import open_virtual

    try:
        unused, output = open_virtual(args.virtual, args.api)
    except PortError as error:
        print(f"no MIDI out: {error}", file=sys.stderr)
        return MemoryOutput(MonotonicClock())
    unused.close()
    return output


def _perform(
    song: Song, bpm: float, output: MidiOutput, settings: Settings, hands: Hands, endpoint: Endpoint,
    command: Sequence[str], accept_bar: int, show: Callable[[Closed], None],
) -> tuple[Stage, tuple[Bar, ...]]:  # fmt: skip
    """Play the song in, accept in bar `accept_bar` (1 is the first), wait for what comes; the bars that were played."""
    clock, port, done = MonotonicClock(), MemoryInput(), end_in_order()
    transport = InternalClock(bpm)
    closed: Bounded[Closed] = Bounded(256)
    metre = song.metres[0][1]
    start = sum(bar.length for bar in song.bars()[: accept_bar - 1])
    accept_tick = start + _PRESS_SHARE * metre.bar_ticks

    def told(index: int, bar: Bar, ready: Suggestion | None) -> None:
        closed.put(Closed(index, bar, ready))

    with server_beside(endpoint, command), open_stage(
        (port, output), Switch.fixed(transport), metre, settings, hands, endpoint, told
    ) as stage:  # fmt: skip
        tune = TunePlayer(song, transport, port, stage.loops.press, accept_tick)
        transport.start(HostNs(clock.now() + int(COUNT_IN_S * NS_PER_SECOND)), 0.0)
        tune.start()
        last_bar = max(len(song.bars()), accept_bar + settings.bars)
        end = transport.host_at(float((last_bar + 1) * metre.bar_ticks))
        chosen: Chosen | None = None
        try:
            while clock.now() < end and not done.is_set():
                if chosen is None and (chosen := stage.performance.playing) is not None:
                    last = (chosen.first_bar + len(chosen.candidate.bars)) * metre.bar_ticks
                    end = HostNs(transport.host_at(float(last)) + int(AFTER_S * NS_PER_SECOND))
                while (item := closed.take()) is not None:
                    show(item)
                time.sleep(0.02)
        finally:
            tune.stop()
        while (item := closed.take()) is not None:
            show(item)
        if chosen is None:
            return stage, ()
        return stage, _recorded(output, transport, chosen.first_bar, len(chosen.candidate.bars), metre)


def _recorded(
    output: MidiOutput, transport: InternalClock, first_bar: int, count: int, metre: Metre
) -> tuple[Bar, ...]:
    """What really came out of a memory port, back on the grid; of other ports nothing is kept."""
    if not isinstance(output, MemoryOutput):
        return tuple(Bar(metre) for _ in range(count))
    start = first_bar * metre.bar_ticks
    struck: dict[tuple[int, int], tuple[float, int]] = {}
    notes: list[tuple[float, Part, int, float, int]] = []
    for at, message in output.sent:
        key, tick = key_of(message), transport.tick_at(at) - start
        if key is None:
            continue
        if is_note_on(message):
            struck[key] = (tick, message[2])
        elif key in struck:
            onset, velocity = struck.pop(key)
            part = Part.DRUMS if key[0] == DRUM_CHANNEL else Part.KEYS
            notes.append((onset, part, key[1], tick - onset, velocity))
    return (*Song(quantise(notes), ((Ticks(0), metre),)).bars(), *(Bar(metre) for _ in range(count)))[:count]


def _show(console: Console, closed: Closed) -> None:
    """One closed bar, and the best candidate that is ready, as one piano roll."""
    ready = closed.ready
    if ready is None or ready.first_bar != closed.index + 1:
        console.print(f"\nbar {closed.index + 1}: {len(closed.bar.notes)} notes heard; nothing ready for this bar line")
        return
    best = ready.candidates[0]
    spent = sum(ready.provenance.milliseconds.values())
    console.print(
        f"\nbar {closed.index + 1}: {len(closed.bar.notes)} notes heard | {len(ready.candidates)} candidates for bars "
        f"{ready.first_bar + 1}-{ready.first_bar + len(best.bars)}, made in {spent:.0f} ms, "
        f"{best.nats_per_note:.2f} nats a note, seed {best.seed}"
    )
    for line in text_roll([closed.bar, *best.bars]):
        console.print(line, markup=False)


def _save(out: Path, song: Song, played: Sequence[Bar], console: Console) -> None:
    """demo.mid and demo.png: the tune, and what came out of the port after it."""
    bars = (*song.bars(), *played)
    here, notes = 0, []
    for bar in bars:
        notes += [note.moved(here) for note in bar.notes]
        here += bar.length
    whole = Song(tuple(sorted(notes)), song.metres, TempoMap(song.tempo.changes))
    save_midi(from_song(whole), out / "demo.mid")
    save_picture(out / "demo.png", bars, suggested_from=len(song.bars()))
    heard = len(song.bars())
    console.print(
        f"\nsaved {out / 'demo.mid'} and {out / 'demo.png'}: {heard} bars of the tune and {len(played)} new ones"
    )
