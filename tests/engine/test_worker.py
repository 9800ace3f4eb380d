"""The real worker, a process of its own, over a real line."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import cast

import numpy as np
import pytest
import zmq

from daw_assist.engine.link import PARENT_VARIABLE, EngineLine, WorkerLink
from daw_assist.engine.messages import (
    Cancel,
    Draft,
    Drafted,
    Failed,
    FromEngine,
    NoteMade,
    Ready,
    Shutdown,
    Warm,
    Warmed,
)
from daw_assist.engine.worker import Chords, LoadedModel, Worker
from daw_assist.examples import greensleeves
from daw_assist.prompt import encode_prompt
from daw_assist.suggest.suggestion import Settings

ROOT = Path(__file__).parents[2]
BARS = greensleeves().bars()[:6]
SHORT = Settings(bars=1, candidates=1, seed=4)
LONG = Settings(bars=16, candidates=8, seed=4)
PATIENCE_S = 60.0


def command(address: str, model: str = "tiny-fp32") -> list[str]:
    return [
        sys.executable,
        "-m",
        "daw_assist.engine.worker",
        "--connect",
        address,
        "--model",
        model,
        "--provider",
        "cpu",
    ]


def draft(ticket: int, epoch: int, settings: Settings = SHORT, client: bytes = b"me") -> Draft:
    return Draft(ticket, client, epoch, len(BARS), BARS, settings)


@dataclass
class Engine:
    line: EngineLine
    process: subprocess.Popen[bytes]
    ready: Ready

    def next(self) -> FromEngine:
        message = self.line.receive(PATIENCE_S)
        assert message is not None, "the worker said nothing"
        return message

    def until(self, kind: type | tuple[type, ...]) -> list[FromEngine]:
        """Everything up to and including the first message of a kind."""
        found = [self.next()]
        while not isinstance(found[-1], kind):
            found.append(self.next())
        return found

    def answer(self) -> FromEngine:
        return self.until((Drafted, Failed, Warmed))[-1]


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[Engine]:
    context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
    line = EngineLine(context, f"ipc://{tmp_path}/line")
    process = subprocess.Popen(command(line.address), cwd=ROOT, stderr=subprocess.DEVNULL)
    try:
        ready = line.receive(PATIENCE_S)
        assert isinstance(ready, Ready)
        yield Engine(line, process, ready)
    finally:
        process.kill()
        process.wait()
        line.close()
        context.term()


def test_it_tells_what_it_is_then_drafts_note_by_note_and_ends_when_told(engine: Engine) -> None:
    assert engine.ready.pid == engine.process.pid
    assert (engine.ready.model, engine.ready.provider, engine.ready.context_tokens) == ("tiny-fp32", "cpu", 512)
    assert engine.ready.token_ms > 0

    engine.line.send(draft(7, 3, Settings(bars=2, candidates=2, seed=4)))
    *notes, last = engine.until(Drafted)
    assert isinstance(last, Drafted)
    made = last.suggestion
    assert (last.ticket, made.epoch, made.first_bar, len(made.candidates)) == (7, 3, len(BARS), 2)
    told = {(n.candidate, n.bar, n.note.onset, n.note.part, n.note.pitch) for n in notes if isinstance(n, NoteMade)}
    kept = {
        (candidate.seed - 4, number, note.onset, note.part, note.pitch)
        for candidate in made.candidates for number, bar in enumerate(candidate.bars) for note in bar.notes
    }  # fmt: skip
    assert told == kept != set()

    engine.line.send(Shutdown())
    assert engine.process.wait(PATIENCE_S) == 0


def test_a_newer_epoch_makes_older_ones_of_its_client_stale_whether_they_run_or_wait(engine: Engine) -> None:
    engine.line.send(draft(1, 1, LONG))
    engine.until(NoteMade)
    engine.line.send(draft(2, 2, LONG))
    engine.line.send(draft(3, 3))
    failed = [engine.until(Failed)[-1], engine.until(Failed)[-1]]
    assert {(f.ticket, f.code) for f in failed if isinstance(f, Failed)} == {(1, "stale"), (2, "stale")}
    answer = engine.answer()
    assert isinstance(answer, Drafted) and answer.ticket == 3
    engine.line.send(draft(4, 2))
    late = engine.answer()
    assert isinstance(late, Failed) and (late.ticket, late.code) == (4, "stale")


def test_the_epochs_of_one_client_do_not_touch_another(engine: Engine) -> None:
    engine.line.send(draft(1, 1, Settings(bars=4, candidates=2)))
    engine.line.send(draft(2, 9, client=b"you"))
    answers = [engine.answer(), engine.answer()]
    assert [(type(a), a.ticket) for a in answers if isinstance(a, Drafted)] == [(Drafted, 1), (Drafted, 2)]


def test_what_is_cancelled_is_given_up(engine: Engine) -> None:
    engine.line.send(draft(1, 5, LONG))
    engine.until(NoteMade)
    engine.line.send(Cancel(b"me", 5))
    answer = engine.answer()
    assert isinstance(answer, Failed) and (answer.ticket, answer.code) == (1, "stale")
    engine.line.send(draft(2, 6))
    assert isinstance(engine.answer(), Drafted)


def test_a_warm_context_is_not_read_again_and_the_same_seed_gives_the_same_notes(engine: Engine) -> None:
    engine.line.send(Warm(1, b"me", 1, BARS, SHORT, 0))
    warmed = engine.answer()
    assert isinstance(warmed, Warmed) and warmed.tokens > 50 and warmed.reused == 0
    made = []
    for ticket in (2, 3):
        engine.line.send(draft(ticket, ticket))
        answer = engine.answer()
        assert isinstance(answer, Drafted)
        made.append(answer.suggestion)
    assert [m.provenance.reused_tokens for m in made] == [warmed.tokens, warmed.tokens]
    assert made[0].candidates == made[1].candidates


def test_composers_in_turn_each_find_their_own_context_warm(engine: Engine) -> None:
    other = tuple(reversed(BARS))
    reused = []
    for ticket in range(1, 7):
        mine = ticket % 2 == 1
        engine.line.send(Warm(ticket, b"me" if mine else b"you", ticket, BARS if mine else other, SHORT, 0))
        answer = engine.answer()
        assert isinstance(answer, Warmed)
        reused.append(answer.reused / answer.tokens)
    assert reused == [0, 0, 1, 1, 1, 1]


class Scripted:
    """A line on which everything has come already, and then Shutdown."""

    def __init__(self, *messages: Draft | Warm) -> None:
        self._messages: list[Draft | Warm | None] = [*messages, None]
        self.answered: list[int] = []
        self.given_up: list[tuple[int, str]] = []
        self._wanted = len(messages)

    def receive(self, wait_s: float = 0.0) -> Draft | Warm | Shutdown | None:
        if self._messages:
            return self._messages.pop(0)
        return Shutdown() if len(self.answered) + len(self.given_up) == self._wanted else None

    def send(self, message: FromEngine) -> None:
        if isinstance(message, Drafted | Warmed):
            self.answered.append(message.ticket)
        if isinstance(message, Failed):
            self.given_up.append((message.ticket, message.code))


def test_one_who_asks_a_lot_keeps_no_other_waiting() -> None:
    greedy = [draft(ticket, 1, client=b"greedy") for ticket in range(1, 7)]
    others = [draft(11, 1, client=b"a"), draft(21, 1, client=b"b"), draft(12, 1, client=b"a")]
    line = Scripted(*greedy, *others)
    Worker(cast(WorkerLink, line), LoadedModel("tiny-int8"), Chords("chords")).run()
    assert line.answered == [1, 11, 21, 2, 12, 3, 4, 5, 6]


def test_what_is_read_ahead_comes_after_what_somebody_waits_for() -> None:
    line = Scripted(Warm(1, b"a", 1, BARS, SHORT, 0), draft(2, 1, client=b"b"), draft(3, 1, client=b"b"))
    Worker(cast(WorkerLink, line), LoadedModel("tiny-int8"), Chords("chords")).run()
    assert line.answered == [2, 3, 1]


def test_of_what_is_to_be_read_ahead_only_the_newest_of_each_composer_is_read() -> None:
    warms = [Warm(ticket, client, ticket, BARS, SHORT, 0) for ticket, client in enumerate((b"a", b"a", b"b", b"a"), 1)]
    line = Scripted(*warms)
    Worker(cast(WorkerLink, line), LoadedModel("tiny-int8"), Chords("chords")).run()
    assert sorted(line.answered) == [3, 4]
    assert line.given_up == [(1, "stale"), (2, "stale")]


def test_what_is_being_read_ahead_gives_way_and_goes_on_from_there(monkeypatch: pytest.MonkeyPatch) -> None:
    long = BARS * 3
    line, reads = Scripted(), list[int]()
    model = LoadedModel("tiny-int8")
    read = model.read
    monkeypatch.setattr(model, "read", lambda ids: (reads.append(len(ids)), read(ids)))
    later: list[Draft | Warm | None] = [draft(2, 1, client=b"b"), None]

    def receive(wait_s: float = 0.0) -> Draft | Warm | Shutdown | None:
        if line._messages:
            return line._messages.pop(0)
        if reads and later:  # one run of the reader later
            line._messages = later.copy()
            later.clear()
        return Shutdown() if len(line.answered) + len(line.given_up) == 2 else None

    line._messages = [Warm(1, b"a", 1, long, SHORT, 0), None]
    monkeypatch.setattr(line, "receive", receive)
    Worker(cast(WorkerLink, line), model, Chords("chords")).run()
    assert line.answered == [2, 1]
    model.turn_to(b"a")
    drafts = len(encode_prompt(BARS, SHORT, model.context_tokens, len(BARS)).ids)
    assert reads[0] == 32 < len(model.ids)
    assert sum(reads) - drafts in (len(model.ids), len(model.ids) + 1)  # nothing twice, but that no run is of one token


def test_what_gave_way_is_not_read_if_its_composer_wants_something_newer_by_then(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    line, model = Scripted(), LoadedModel("tiny-int8")
    read, begun = model.read, list[int]()
    monkeypatch.setattr(model, "read", lambda ids: (begun.append(1), read(ids)))
    later: list[Draft | Warm | None] = [Warm(2, b"a", 2, BARS, SHORT, 0), draft(3, 1, client=b"b"), None]

    def receive(wait_s: float = 0.0) -> Draft | Warm | Shutdown | None:
        if begun and later:
            line._messages, later[:] = later.copy(), []
        if line._messages:
            return line._messages.pop(0)
        return Shutdown() if len(line.answered) + len(line.given_up) == 3 else None

    line._messages = [Warm(1, b"a", 1, BARS * 3, SHORT, 0), None]
    monkeypatch.setattr(line, "receive", receive)
    Worker(cast(WorkerLink, line), model, Chords("chords")).run()
    assert (line.answered, line.given_up) == ([3, 2], [(1, "stale")])


def test_a_model_that_gives_no_numbers_is_one_clear_line(monkeypatch: pytest.MonkeyPatch) -> None:
    line, model, said = Scripted(draft(1, 1)), LoadedModel("tiny-int8"), list[Failed]()
    append, send = model.append, line.send
    monkeypatch.setattr(model, "append", lambda ids: append(ids) * np.nan)
    monkeypatch.setattr(line, "send", lambda m: (said.append(m) if isinstance(m, Failed) else None, send(m)))
    Worker(cast(WorkerLink, line), model, Chords("chords")).run()
    assert [(f.code, "gives no numbers" in f.message, "\n" in f.message) for f in said] == [
        ("bad_request", True, False)
    ]


def test_settings_that_cannot_be_meant_are_answered_and_it_goes_on(engine: Engine) -> None:
    for ticket, settings in enumerate([Settings(key="H"), Settings(style="polka-metal")], 1):
        engine.line.send(draft(ticket, ticket, settings))
        answer = engine.answer()
        assert isinstance(answer, Failed) and answer.ticket == ticket
        assert "\n" not in answer.message
    engine.line.send(draft(9, 9))
    assert isinstance(engine.answer(), Drafted)


@pytest.mark.parametrize("model", ["nope", "/nowhere/at/all"])
def test_a_model_that_is_not_there_ends_it_with_one_line(tmp_path: Path, model: str) -> None:
    done = subprocess.run(
        command(f"ipc://{tmp_path}/line", model), cwd=ROOT, capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 1
    assert done.stdout == ""
    assert done.stderr.count("\n") == 1
    assert f"no model {model!r}" in done.stderr


def test_it_does_not_outlive_its_parent(tmp_path: Path) -> None:
    context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
    line = EngineLine(context, f"ipc://{tmp_path}/line")
    # The parent dies once it has started the worker; stdout closes when the worker, which inherits it, has ended.
    parent = subprocess.Popen(
        [
            sys.executable, "-c",
            "import os, subprocess, sys, time\n"
            f"os.environ[{PARENT_VARIABLE!r}] = str(os.getpid())\n"
            "child = subprocess.Popen(sys.argv[1:], stderr=subprocess.DEVNULL)\n"
            "print(child.pid, flush=True)\n"
            "time.sleep(60)",
            *command(line.address),
        ],
        cwd=ROOT, stdout=subprocess.PIPE,
    )  # fmt: skip
    try:
        assert isinstance(line.receive(PATIENCE_S), Ready)
        parent.kill()
        start = time.monotonic()
        out, _ = parent.communicate(timeout=20)
        assert int(out) != os.getpid()
        assert time.monotonic() - start < 10
    finally:
        parent.kill()
        parent.wait()
        line.close()
        context.term()
