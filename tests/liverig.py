"""`daw-assist live` as a real process beside a test, and the account of what it was to play and what it played."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from daw_assist.errors import DawAssistError
from daw_assist.music.parts import DRUM_CHANNEL, Part
from daw_assist.server.client import Client, Event, ServerLink
from daw_assist.server.protocol import NoteEvent, ServerStatus
from tests.jackdaw import Run, Timed
from tests.jackrig import JackRig

Struck = tuple[int, int, int]
"""(tick from the first bar line of the plan, channel, pitch)."""


class LiveRig:
    """Starts `live` with its server and engine; on exit it gets SIGTERM, then SIGKILL. Threads: one."""

    def __init__(self, jack: JackRig, folder: Path, name: str, *options: str) -> None:
        self.name = name
        self.endpoint = folder / "run"
        self._jack = jack
        self._log = folder / "live.log"
        self._command = [
            sys.executable, "-m", "daw_assist", "live", "--virtual", name, "--api", "jack",
            "--endpoint", str(self.endpoint), *options,
        ]  # fmt: skip
        self._link: ServerLink | None = None
        self._notes: list[NoteEvent] = []

    @property
    def port_in(self) -> str:
        return f"{self.name} in:in"

    @property
    def port_out(self) -> str:
        return f"{self.name} out:out"

    def __enter__(self) -> Self:
        with self._log.open("wb") as log:
            self.process = subprocess.Popen(
                self._command, env=self._jack.environment, stdin=subprocess.DEVNULL, stdout=log, stderr=log
            )
        try:
            ready = until(lambda: "listening on" in self.said() or self.process.poll() is not None, 60.0)
            assert ready and self.process.poll() is None, f"live did not start: {self.said()}"
            assert {self.port_in, self.port_out} <= set(self._jack.ports())
            self._link = ServerLink(str(self.endpoint), topics=("note",))
        except BaseException:
            self.__exit__(None, None, None)
            raise
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        if self._link is not None:
            self._link.close()
        if self.process.poll() is None:
            self.process.terminate()
            with suppress(subprocess.TimeoutExpired):
                self.process.wait(15.0)
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()

    def said(self) -> str:
        """What it wrote to stderr."""
        return self._log.read_text(errors="replace")

    def status(self) -> ServerStatus:
        """`ask status`, over a connection of its own."""
        with Client(str(self.endpoint)) as client:
            return client.status()

    def live_state(self) -> dict[str, Any]:
        """The live part of the status; empty while it is not there."""
        with suppress(DawAssistError):
            live = self.status().live
            if live is not None:
                return dict(live)
        return {}

    def ask(self, *words: str) -> str:
        """`daw-assist ask ...` as a process of its own; its stdout."""
        command = [sys.executable, "-m", "daw_assist", "ask", *words, "--endpoint", str(self.endpoint)]
        return subprocess.run(command, check=True, capture_output=True, text=True, timeout=60).stdout

    def pids(self) -> tuple[int, int]:
        """Process numbers of the server and of the engine (0: none)."""
        status = self.status()
        return status.pid, status.engine.pid or 0

    def plans(self) -> list[Plan]:
        """Every candidate that the engine has made so far."""
        assert self._link is not None
        self._notes += [n.body for n in self._link.poll() if isinstance(n, Event) and n.topic == "note"]
        found: dict[tuple[int, int, int], list[NoteEvent]] = defaultdict(list)
        for note in self._notes:
            found[note.request, note.epoch, note.candidate].append(note)
        return [Plan(tuple(notes)) for notes in found.values()]


@dataclass(frozen=True, slots=True)
class Plan:
    """A candidate as it was published while it was made."""

    notes: tuple[NoteEvent, ...]

    def struck(self, bar_ticks: int) -> list[Struck]:
        """Its notes in order of time; those that coincide once, as the player does."""
        drums = {part: DRUM_CHANNEL if part is Part.DRUMS else 0 for part in Part}
        return sorted(
            {(n.bar * bar_ticks + int(n.note.onset), drums[n.note.part], int(n.note.pitch)) for n in self.notes}
        )


def note_ons(heard: Iterable[Timed]) -> list[tuple[int, int, int]]:
    """(frame, channel, pitch) of the notes that were struck."""
    return [(frame, m[0] & 15, m[1]) for frame, m in heard if m[0] & 0xF0 == 0x90 and m[2]]


def hanging(heard: Iterable[Timed]) -> dict[tuple[int, int], int]:
    """(channel, pitch) -> how many more ons than offs, where the two differ."""
    count: Counter[tuple[int, int]] = Counter()
    for _, m in heard:
        if m[0] & 0xF0 == 0x90 and m[2]:
            count[m[0] & 15, m[1]] += 1
        elif m[0] & 0xF0 in (0x80, 0x90):
            count[m[0] & 15, m[1]] -= 1
    return {key: left for key, left in count.items() if left}


def sounding(heard: Iterable[Timed]) -> set[tuple[int, int]]:
    """The (channel, pitch) that were struck and not let go."""
    return {key for key, left in hanging(heard).items() if left > 0}


@dataclass(frozen=True, slots=True)
class Played:
    """What came back, laid beside the plan that explains it."""

    line: int
    """Tick of the bar line from which it plays."""
    late_ms: tuple[float, ...]
    """How late each note-on was on the grid of the sender's own pulses, early below 0, in order of time."""
    missing: int
    """Notes of the plan that were not played."""


def explained(
    heard: Sequence[Timed], plans: Iterable[Plan], run: Run, lines: Iterable[int], bar_ticks: int, rate: int
) -> Played:
    """Which plan was played from which of the bar lines (ticks), and how late each note was.

    The pitches say which plan; AssertionError if nothing was played, or a note that no plan explains.
    """
    found = [
        Played(line, late, missing)
        for line in lines
        for plan in plans
        if (laid := _laid(heard, plan.struck(bar_ticks), run, line, rate)) is not None
        for late, missing in (laid,)
    ]
    played = len(note_ons(heard))
    assert played and found, f"no plan explains the {played} notes that were played"
    return min(found, key=lambda p: (p.missing, max(map(abs, p.late_ms))))


def _laid(
    heard: Sequence[Timed], struck: list[Struck], run: Run, line: int, rate: int
) -> tuple[tuple[float, ...], int] | None:
    """Each note that was played beside the nearest of the plan on its key; None if there is one too many."""
    left, late = list(struck), []
    for frame, channel, pitch in note_ons(heard):
        same = [(abs(frame - run.frame(line + s[0])), s) for s in left if s[1:] == (channel, pitch)]
        if not same:
            return None
        nearest = min(same)[1]
        left.remove(nearest)
        late.append((frame - run.frame(line + nearest[0])) * 1e3 / rate)
    return tuple(late), len(left)


def until(done: Callable[[], bool], limit_s: float) -> bool:
    """Wait for it, looking twenty times a second."""
    end = time.monotonic() + limit_s
    while time.monotonic() < end:
        if done():
            return True
        time.sleep(0.05)
    return done()


def is_alive(pid: int) -> bool:
    """Whether a process runs (a zombie does not)."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def kill(pid: int) -> None:
    """SIGKILL to a process that the rig started."""
    os.kill(pid, signal.SIGKILL)


class FakeServer:
    """A server with a fake engine (`daw_assist.engine.fakes`), where `live` looks for one. Threads: one."""

    def __init__(self, folder: Path, kind: str = "echo", *options: str) -> None:
        engine = [sys.executable, "-m", "daw_assist.engine.fakes", kind, *options]
        code = "import sys; from daw_assist.server.serve import run_server; "
        code += "from daw_assist.server.endpoint import endpoint_from; "
        code += "run_server(sys.argv[2:], endpoint_from(sys.argv[1]), lambda server: None)"
        self._endpoint = str(folder / "run")
        self._command = [sys.executable, "-c", code, self._endpoint, *engine]

    def __enter__(self) -> Self:
        self._process = subprocess.Popen(self._command, stdin=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        assert until(self._is_ready, 60.0), "the fake engine did not start"
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._process.terminate()
        with suppress(subprocess.TimeoutExpired):
            self._process.wait(10.0)
        if self._process.poll() is None:
            self._process.kill()
            self._process.wait()

    def _is_ready(self) -> bool:
        with suppress(DawAssistError), Client(self._endpoint) as client:
            return client.status().engine.state == "ready"
        return False
