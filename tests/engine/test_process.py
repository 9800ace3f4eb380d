from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from daw_assist.engine.messages import Cancel, Draft, Drafted, Failed, FromEngine, NoteMade, Ready, Warm, Warmed
from daw_assist.engine.process import EngineProcess, EngineState, HangWatch, RestartPause
from daw_assist.errors import EngineError
from daw_assist.music.bars import Bar
from daw_assist.music.metre import Metre
from daw_assist.music.notes import Note
from daw_assist.music.parts import Part
from daw_assist.music.time import Ticks
from daw_assist.suggest.suggestion import Settings

BARS = (Bar(Metre(), (Note(Ticks(0), Part.KEYS, 60, Ticks(24), 80),)),)


def draft(ticket: int, epoch: int = 0, client: bytes = b"me") -> Draft:
    return Draft(ticket, client, epoch, 0, BARS, Settings(bars=1, candidates=2))


def fake(kind: str, *arguments: str) -> list[str]:
    return [sys.executable, "-m", "daw_assist.engine.fakes", kind, *arguments]


def until(engine: EngineProcess, found: Callable[[], bool], within_s: float = 15.0) -> list[FromEngine]:
    """Look after the engine until something holds; what it said meanwhile."""
    said, end = [], time.monotonic() + within_s
    while not found():
        assert time.monotonic() < end, f"still {engine.state}, {engine.reason}"
        message = engine.receive(0.02)
        if message is not None:
            said.append(message)
        engine.poll_state()
    return said


def answer(engine: EngineProcess, ticket: int) -> list[FromEngine]:
    """Everything it says up to the answer to the ticket."""
    said: list[FromEngine] = []
    end = time.monotonic() + 15
    while time.monotonic() < end:
        message = engine.receive(0.05)
        engine.poll_state()
        if message is not None:
            said.append(message)
            if isinstance(message, Drafted | Warmed | Failed) and message.ticket == ticket:
                return said
    raise AssertionError(f"no answer to {ticket}, only {said}")


def changes(engine: EngineProcess) -> list[str]:
    found = []
    while (change := engine.take_change()) is not None:
        found.append(change.name)
    return found


@pytest.fixture
def started() -> Iterator[Callable[..., EngineProcess]]:
    engines: list[EngineProcess] = []

    def start(command: list[str], **options: float | bool) -> EngineProcess:
        engines.append(EngineProcess(command, **options))  # type: ignore[arg-type]
        engines[-1].start()
        return engines[-1]

    yield start
    for engine in engines:
        engine.stop()


def test_the_pause_before_a_restart_doubles_up_to_ten_seconds_and_health_resets_it() -> None:
    pause = RestartPause()
    assert [pause.after(1.0) for _ in range(8)] == pytest.approx([0.2, 0.4, 0.8, 1.6, 3.2, 6.4, 10.0, 10.0])
    assert [pause.after(0.0) for _ in range(50)] == [10.0] * 50
    assert [pause.after(60.0), pause.after(59.0)] == pytest.approx([0.2, 0.4])


def test_silence_counts_as_hanging_only_while_an_answer_is_owed() -> None:
    watch = HangWatch(5.0)
    assert not watch.hangs(1_000.0)
    watch.asked(1, 1_000.0)
    assert not watch.hangs(1_005.0) and watch.hangs(1_005.1)
    watch.heard(None, 1_004.0)  # a note of it
    assert not watch.hangs(1_009.0) and watch.hangs(1_009.1)
    watch.asked(2, 1_008.0)
    assert watch.hangs(1_009.1)
    watch.heard(1, 1_010.0)
    assert watch.hangs(1_015.1)
    watch.heard(2, 1_016.0)
    assert not watch.hangs(2_000.0)


def test_a_worker_starts_says_ready_first_and_answers(started: Callable[..., EngineProcess]) -> None:
    engine = started(fake("echo"))
    assert engine.state is EngineState.STARTING
    assert engine.send(draft(1))  # kept until it is ready
    said = answer(engine, 1)
    assert isinstance(said[0], Ready) and said[0].pid == engine.pid
    assert sum(isinstance(message, NoteMade) for message in said) == 2
    assert isinstance(said[-1], Drafted) and said[-1].suggestion.candidates[0].bars == BARS
    assert changes(engine) == ["starting", "ready"]


def test_a_second_warm_reuses_what_the_first_brought(started: Callable[..., EngineProcess]) -> None:
    engine = started(fake("echo"))
    engine.send(Warm(1, b"me", 0, BARS, Settings(), 0))
    engine.send(Warm(2, b"me", 0, BARS * 2, Settings(), 0))
    assert answer(engine, 2)[-1] == Warmed(2, 4, 2)


def test_cancel_and_newer_epochs_make_drafts_stale_for_their_client_alone(
    started: Callable[..., EngineProcess],
) -> None:
    engine = started(fake("slow", "--seconds", "0.6"))
    until(engine, lambda: engine.state is EngineState.READY)
    engine.send(draft(1, epoch=1))
    engine.send(draft(2, epoch=1, client=b"you"))
    engine.send(draft(3, epoch=2))
    engine.send(draft(4, epoch=3, client=b"they"))
    engine.send(Cancel(b"they", 3))
    said = answer(engine, 3)
    assert {m.ticket for m in said if isinstance(m, Failed) and m.code == "stale"} == {1, 4}
    assert [m.ticket for m in said if isinstance(m, Drafted)] == [2, 3]


def test_a_killed_worker_is_restarted_and_says_why(started: Callable[..., EngineProcess]) -> None:
    engine = started(fake("echo"))
    until(engine, lambda: engine.state is EngineState.READY)
    first = engine.pid
    assert first is not None
    os.kill(first, signal.SIGKILL)
    until(engine, lambda: engine.state is EngineState.DOWN)
    assert engine.reason is not None and "SIGKILL" in engine.reason
    assert engine.pid is None and engine.socket is None
    until(engine, lambda: engine.state is EngineState.READY)
    assert engine.pid not in (None, first)
    assert changes(engine) == ["starting", "ready", "down", "starting", "restarted"]
    engine.send(draft(7))
    assert isinstance(answer(engine, 7)[-1], Drafted)


def test_a_worker_that_falls_silent_is_replaced(started: Callable[..., EngineProcess]) -> None:
    engine = started(fake("hang", "--on", "1"), hang_s=0.4)
    engine.send(draft(1))
    until(engine, lambda: engine.deaths == 1)
    assert engine.reason is not None and "no answer for 0.4 s" in engine.reason
    until(engine, lambda: engine.state is EngineState.READY)


def test_a_worker_that_never_gets_ready_is_replaced(started: Callable[..., EngineProcess]) -> None:
    engine = started([sys.executable, "-c", "import time; time.sleep(60)"], start_s=0.3)
    until(engine, lambda: engine.deaths == 1)
    assert engine.reason is not None and "not ready within 0.3 s" in engine.reason


def test_the_last_words_of_a_worker_are_in_the_reason(started: Callable[..., EngineProcess]) -> None:
    code = "import sys; print('no such model: choose another', file=sys.stderr); sys.exit(3)"
    engine = started([sys.executable, "-c", code])
    until(engine, lambda: engine.deaths == 1)
    assert engine.reason == "the engine process ended with exit code 3: no such model: choose another"


def test_a_command_that_does_not_exist_is_down_not_an_exception(started: Callable[..., EngineProcess]) -> None:
    engine = started(["/nowhere/engine"])
    assert engine.state is EngineState.DOWN
    assert engine.reason is not None and "cannot be started" in engine.reason


def test_requests_are_refused_while_it_is_down_for_long(started: Callable[..., EngineProcess]) -> None:
    engine = started(["/nowhere/engine"])
    assert engine.send(draft(1))  # back in 0.2 s, so it is kept
    until(engine, lambda: engine.restart_in_s() > 1.0)
    assert not engine.send(draft(2))


def test_a_worker_that_sends_garbage_is_replaced(started: Callable[..., EngineProcess]) -> None:
    code = "import sys, time, zmq; s = zmq.Context().socket(zmq.PAIR); s.connect(sys.argv[-1])"
    code += "; s.send(b'x'); time.sleep(60)"
    engine = started([sys.executable, "-c", code])
    until(engine, lambda: engine.deaths == 1)
    assert engine.reason is not None and "not an engine message" in engine.reason


@pytest.mark.skipif(sys.platform == "win32", reason="socket files are Unix's")
def test_its_folder_is_private_and_goes_with_it(monkeypatch: pytest.MonkeyPatch) -> None:
    base = Path(tempfile.mkdtemp(prefix="t-"))
    monkeypatch.setattr(tempfile, "tempdir", str(base))
    engine = EngineProcess(fake("echo"))
    engine.start()
    until(engine, lambda: engine.state is EngineState.READY)
    pid = engine.pid
    assert pid is not None
    (folder,) = base.iterdir()
    assert folder.stat().st_mode & 0o777 == 0o700
    engine.stop()
    assert engine.state is EngineState.STOPPED and not engine.send(draft(1))
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)
    engine.stop()
    base.rmdir()  # would fail if anything were left in it


def test_a_worker_that_ignores_shutdown_and_terminate_is_killed() -> None:
    code = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); time.sleep(60)"
    engine = EngineProcess([sys.executable, "-c", code])
    engine.start()
    pid = engine.pid
    assert pid is not None
    time.sleep(0.2)  # until it ignores the signal; were it too short, the terminate would do
    engine.stop(patience_s=0.3)
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)


def test_it_can_be_started_once_at_a_time_and_again_after_a_stop() -> None:
    engine = EngineProcess(fake("echo"))
    engine.start()
    with pytest.raises(EngineError, match="runs already"):
        engine.start()
    engine.stop()
    engine.start()
    until(engine, lambda: engine.state is EngineState.READY)
    engine.stop()


def test_the_line_works_over_tcp_with_keys(started: Callable[..., EngineProcess]) -> None:
    engine = started(fake("echo"), over_tcp=True)
    engine.send(draft(1))
    assert isinstance(answer(engine, 1)[-1], Drafted)


@pytest.mark.skipif(sys.platform == "win32", reason="socket files are Unix's")
def test_a_folder_of_its_own_is_cleared_of_what_a_killed_server_left(tmp_path: Path) -> None:
    (tmp_path / "e").mkdir(mode=0o755)
    (tmp_path / "e" / "old.sock").touch()
    engine = EngineProcess(["/nowhere/engine"], folder=tmp_path / "e")
    engine.start()
    assert (tmp_path / "e").stat().st_mode & 0o777 == 0o700
    assert not (tmp_path / "e" / "old.sock").exists()
    engine.stop()
    assert not (tmp_path / "e").exists()
    with pytest.raises(EngineError, match="no folder for the engine"):
        EngineProcess(["x"], folder=tmp_path / "missing" / "e").start()


@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="reads /proc to see that a process is gone")
def test_a_worker_ends_when_the_process_that_started_it_is_killed() -> None:
    code = (
        "import sys, time\n"
        "from daw_assist.engine.process import EngineProcess\n"
        "engine = EngineProcess([sys.executable, '-m', 'daw_assist.engine.fakes', 'echo'])\n"
        "engine.start()\n"
        "while engine.poll_state().value != 'ready': engine.receive(0.05)\n"
        "print(engine.pid, engine._folder, flush=True)\n"
        "time.sleep(60)\n"
    )
    parent = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True)
    assert parent.stdout is not None
    pid, folder = parent.stdout.readline().split()
    parent.kill()
    parent.wait()
    parent.stdout.close()

    def alive() -> bool:
        try:
            return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
        except OSError:
            return False

    end = time.monotonic() + 5
    while alive() and time.monotonic() < end:
        time.sleep(0.05)
    assert not alive()
    for left in Path(folder).iterdir():
        left.unlink()
    Path(folder).rmdir()
