"""The data's way through the real processes: a client asks a real server and engine, and times what comes back.

Milliseconds, by this process's monotonic clock. Cold means that the engine holds another piece when it is asked. Linux for the
memory (read from /proc); everything else anywhere.
"""

from __future__ import annotations

import random
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from daw_assist.bench import figures
from daw_assist.bench.composer import piece
from daw_assist.bench.jackrig import JackRig, JackUnavailableError
from daw_assist.bench.liverig import LiveRig, RealServer
from daw_assist.engine.messages import Draft, Drafted, Failed
from daw_assist.engine.process import EngineProcess
from daw_assist.errors import DawAssistError, EngineError
from daw_assist.music.bars import Bar
from daw_assist.server.client import Answer, Client, Event, ServerLink
from daw_assist.suggest.harmony import HarmonySettings
from daw_assist.suggest.suggestion import Settings

PATIENCE_S = 60.0
CONTEXT_BARS = 32
_JACK_MEMORY = "/dev/shm/jack"  # noqa: S108 - where the server has it
LOOK_S = 0.02
DRAFT, THREE, QUICK = Settings(bars=4, candidates=1), Settings(bars=4, candidates=3), Settings(bars=1, candidates=1)
LONG = Settings(bars=8, candidates=3)


class Asking:
    """A client that times its answers. Threads: one, the one that made it."""

    def __init__(self, endpoint: str) -> None:
        self._link = ServerLink(endpoint, topics=("note",))
        self._epoch = 0
        self._pieces = (piece(11, CONTEXT_BARS), piece(12, CONTEXT_BARS))
        if not self._link.wait_for_server(5.0):
            raise EngineError(f"no server answers at {endpoint}")
        self._wait(self._ask("continue", self._pieces[0], QUICK))  # the subscription has come through by then

    def close(self) -> None:
        """Close the line."""
        self._link.close()

    def draft(self, settings: Settings, warm: bool, seed: int) -> tuple[float | None, float]:
        """Milliseconds from the ask to the first note of a candidate, and to the answer."""
        bars = self._pieces[seed % 2]
        if warm:
            self._wait(self._ask("warm", bars, settings))
        else:
            self._wait(self._ask("warm", self._pieces[1 - seed % 2], settings))
        start = time.monotonic()
        ticket = self._ask("continue", bars, Settings(bars=settings.bars, candidates=settings.candidates, seed=seed))
        first, end, answer = self._wait(ticket)
        if answer.error is not None:
            raise answer.error
        return None if first is None else (first - start) * 1e3, (end - start) * 1e3

    def overtaken(self, name: str, after_s: float, seed: int) -> tuple[float | None, float]:
        """A long `name` request of a cold piece, and `after_s` later a newer epoch: milliseconds until the older one is given
        up (None: it was done before), and until the newer one is answered.
        """
        bars = self._pieces[seed % 2]
        self._wait(self._ask("warm", self._pieces[1 - seed % 2], DRAFT))
        older = self._ask(name, bars, LONG)
        until = time.monotonic() + after_s
        early = None
        while (left := until - time.monotonic()) > 0:
            early = self._taken(older, left) or early
        start = time.monotonic()
        newer = self._ask("continue", bars, QUICK)
        given_up: float | None = None
        end = start + PATIENCE_S
        while time.monotonic() < end:
            for news in self._link.poll(LOOK_S):
                now = time.monotonic()
                if isinstance(news, Answer) and news.request_id == older:
                    given_up = (now - start) * 1e3 if getattr(news.error, "code", "") == "stale" else None
                if isinstance(news, Answer) and news.request_id == newer:
                    return given_up, (now - start) * 1e3
        raise EngineError("the engine gave no answer: ask status")

    def _ask(self, name: str, bars: tuple[Bar, ...], settings: Settings) -> int:
        self._epoch += 1
        ticket = self._link.ask(name, bars=bars, settings=settings, epoch=self._epoch, first_bar=len(bars))
        if ticket is None:
            raise EngineError("the server is gone")
        return ticket

    def _taken(self, ticket: int, wait_s: float) -> Answer | None:
        found = [n for n in self._link.poll(min(wait_s, LOOK_S)) if isinstance(n, Answer) and n.request_id == ticket]
        return found[0] if found else None

    def _wait(self, ticket: int) -> tuple[float | None, float, Answer]:
        """Instants of the first note and of the answer, and the answer."""
        first, end = None, time.monotonic() + PATIENCE_S
        while time.monotonic() < end:
            for news in self._link.poll(LOOK_S):
                now = time.monotonic()
                if isinstance(news, Event) and news.topic == "note" and news.body.request == ticket:
                    first = first or now
                elif isinstance(news, Answer) and news.request_id == ticket:
                    return first, now, news
        raise EngineError("the engine gave no answer: ask status")


def drafts(endpoint: str, rounds: int) -> dict[str, dict[str, float]]:
    """From the ask to the first note and to the answer: warm, cold, and three candidates of four bars."""
    asking = Asking(endpoint)
    found: dict[str, list[float]] = {}
    try:
        for seed in range(rounds):
            for name, settings, warm in (("warm", DRAFT, True), ("cold", DRAFT, False), ("three", THREE, True)):
                first, whole = asking.draft(settings, warm, seed)
                if first is not None:
                    found.setdefault(f"{name}: ask to first note", []).append(first)
                found.setdefault(f"{name}: ask to answer", []).append(whole)
    finally:
        asking.close()
    return {name: {**figures.quantiles(ms), "n": len(ms)} for name, ms in found.items()}


def giving_way(endpoint: str, rounds: int, within_ms: dict[str, float]) -> dict[str, Any]:
    """How soon a long request is given up for a newer epoch that comes at a random moment of its first `within_ms`.

    `within_ms` by request: `warm` is nothing but reading, `continue` reads and then writes.
    """
    asking, rng = Asking(endpoint), random.Random(5)  # noqa: S311 - moments
    told: dict[str, Any] = {}
    try:
        for name, most_ms in within_ms.items():
            trials = [asking.overtaken(name, rng.uniform(0.0, most_ms) / 1e3, seed) for seed in range(rounds)]
            stale = [given_up for given_up, _ in trials if given_up is not None]
            told[name] = {
                "within_ms": round(most_ms, 1), "trials": rounds, "stale": len(stale), "done_before": rounds - len(stale),
                "stale_after_ms": figures.quantiles(stale), "newer_answered_ms": figures.quantiles([ms for _, ms in trials]),
            }  # fmt: skip
    finally:
        asking.close()
    return told


def start_ups(options: Sequence[str], engine: Sequence[str], rounds: int) -> dict[str, dict[str, float]]:
    """From the spawn of `daw-assist serve`, and of the engine alone, to the first suggestion, from 8 bars."""
    bars = piece(13, 8)
    found: dict[str, list[float]] = {"serve": [], "engine": []}
    for _ in range(rounds):
        with tempfile.TemporaryDirectory(prefix="daw-") as folder:
            found["serve"].append(_served(Path(folder), options, bars))
        found["engine"].append(_worked(engine, bars))
    return {f"{name}: spawn to first suggestion": {**figures.quantiles(ms), "n": rounds} for name, ms in found.items()}


def _served(folder: Path, options: Sequence[str], bars: tuple[Bar, ...]) -> float:
    command = [sys.executable, "-m", "daw_assist", "serve", "--endpoint", str(folder / "run"), *options]
    start = time.monotonic()
    process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        while time.monotonic() < start + PATIENCE_S:
            with suppress(DawAssistError), Client(str(folder / "run")) as client:
                client.request("ping", timeout_s=0.2)
                client.suggest(bars, QUICK, first_bar=len(bars), timeout_s=PATIENCE_S)
                return (time.monotonic() - start) * 1e3
            time.sleep(0.005)
    finally:
        process.terminate()
        process.wait(10.0)
    raise EngineError(f"the server gave no suggestion within {PATIENCE_S:g} s")


def _worked(command: Sequence[str], bars: tuple[Bar, ...]) -> float:
    start, engine = time.monotonic(), EngineProcess(command)
    engine.start()
    try:
        engine.send(Draft(1, b"bench", 1, len(bars), bars, QUICK))
        while time.monotonic() < start + PATIENCE_S:
            message = engine.receive(LOOK_S)
            if isinstance(message, Drafted):
                return (time.monotonic() - start) * 1e3
            if isinstance(message, Failed):
                raise EngineError(message.message)
            engine.poll_state()
    finally:
        engine.stop()
    raise EngineError(f"the engine gave no suggestion within {PATIENCE_S:g} s")


def memory(options: Sequence[str], with_live: bool = True) -> dict[str, Any]:
    """Resident memory of the whole program in MB, after three candidates of four bars and chords: both models have worked.

    With `live` on a JACK server of its own; where there is none, server and engine alone, and `left_out` says why.
    """
    with tempfile.TemporaryDirectory(prefix="daw-") as name:
        folder = Path(name)
        if with_live:
            try:
                jack = JackRig().start()
            except JackUnavailableError as reason:
                return {**memory(options, with_live=False), "left_out": f"live: {reason}"}
            try:
                with LiveRig(jack, folder, "daw-assist", *options) as live:
                    return _resident(str(folder / "run"), live.process.pid)
            finally:
                jack.stop()
        with RealServer(folder, *options) as server:
            return {**_resident(server.endpoint, server.process.pid), "left_out": "live"}


def _resident(endpoint: str, pid: int) -> dict[str, Any]:
    bars = piece(14, CONTEXT_BARS)
    with Client(endpoint) as client:
        status = client.status()
        client.suggest(bars, THREE, epoch=1, first_bar=len(bars))
        client.request("harmonize", timeout_s=PATIENCE_S, bars=bars[:8], settings=HarmonySettings(), epoch=1)
    names = {status.pid: "server", status.engine.pid: "engine", pid: "live" if pid != status.pid else "server"}
    told = {}
    for place, child in enumerate(family(pid)):
        found = shares(child)
        if found is not None:
            told[names.get(child) or _module_of(child) or f"child {place}"] = found
    names_of = ("rss_mb", "pss_mb", "jack_mb", "own_mb") if told else ()
    return {"processes": told, **{what: round(sum(one[what] for one in told.values()), 1) for what in names_of}}


def family(pid: int, proc: Path = Path("/proc")) -> list[int]:
    """A process and all that descend from it; only itself where there is no /proc."""
    parents: dict[int, list[int]] = {}
    for stat in proc.glob("[0-9]*/stat"):
        with suppress(OSError, ValueError, IndexError):
            parent = int(stat.read_text().rpartition(")")[2].split()[1])
            parents.setdefault(parent, []).append(int(stat.parent.name))
    found = [pid]
    for member in found:
        found += parents.get(member, [])
    return found


def _module_of(pid: int, proc: Path = Path("/proc")) -> str:
    """The last word of the name after `-m` on its command line."""
    with suppress(OSError):
        words = (proc / str(pid) / "cmdline").read_bytes().decode(errors="replace").split("\0")
        if "-m" in words[:-1]:
            return words[words.index("-m") + 1].rpartition(".")[2]
    return ""


def shares(pid: int, proc: Path = Path("/proc")) -> dict[str, float] | None:
    """Of a process, in MB; None if it cannot be read. `rss_mb`: resident; `pss_mb`: what is shared divided among those who do.

    `jack_mb`: what of the former is the JACK server's memory, which each of its clients, and each of its ports in one
    process, counts whole; it is there without us. `own_mb`: the rest.
    """
    try:
        lines = (proc / str(pid) / "smaps").read_text().splitlines()
    except OSError:
        return None
    kb, mapped = dict.fromkeys(("Rss:", "Pss:", "jack"), 0), ""
    for line in lines:
        words = line.split()
        if words[0] in kb:
            kb[words[0]] += int(words[1])
            kb["jack"] += int(words[1]) * (words[0] == "Rss:" and mapped.startswith(_JACK_MEMORY))
        elif not words[0].endswith(":"):
            mapped = words[5] if len(words) > 5 else ""
    told = {"rss_mb": kb["Rss:"], "pss_mb": kb["Pss:"], "jack_mb": kb["jack"], "own_mb": kb["Rss:"] - kb["jack"]}
    return {name: round(size * 1024 / 1e6, 1) for name, size in told.items()}
