"""A server as its own process: how it starts, ends, is killed, and what it does not import."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from daw_assist.errors import RequestError
from daw_assist.server.client import Client
from daw_assist.suggest.suggestion import Settings

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="sends Unix signals")

CODE = """
import sys
from daw_assist.errors import DawAssistError
from daw_assist.server.serve import run_server
try:
    command = [sys.executable, "-m", "daw_assist.engine.fakes", "echo"]
    run_server(command, sys.argv[1], lambda _: print("up", flush=True))
except DawAssistError as error:
    sys.exit(str(error))
print("ended", flush=True)
"""

Start = Callable[[], subprocess.Popen[str]]


@pytest.fixture
def start(place: Path) -> Iterator[Start]:
    processes: list[subprocess.Popen[str]] = []

    def begin() -> subprocess.Popen[str]:
        command = [sys.executable, "-c", CODE, str(place / "run")]
        processes.append(subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True))
        return processes[-1]

    yield begin
    for process in processes:
        process.kill()
        process.communicate()


def up(process: subprocess.Popen[str]) -> None:
    assert process.stdout is not None
    assert process.stdout.readline() == "up\n"


def gone(pid: int, within_s: float = 5.0) -> bool:
    end = time.monotonic() + within_s
    while time.monotonic() < end:
        try:
            os.kill(pid, 0)
            if Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z":
                return True
        except OSError:
            return True
        time.sleep(0.05)
    return False


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_server_and_engine_cleanly(number: signal.Signals, start: Start, place: Path) -> None:
    process = start()
    up(process)
    with Client(str(place / "run")) as client:
        client.suggest(())
        pid = client.status().engine.pid
    assert pid is not None
    process.send_signal(number)
    out, complaints = process.communicate(timeout=10)
    assert (process.returncode, out, complaints) == (0, "ended\n", "")
    assert gone(pid)
    assert [path.name for path in (place / "run").iterdir()] == ["server.lock"]


def test_shutdown_ends_it_too(start: Start, place: Path) -> None:
    process = start()
    up(process)
    with Client(str(place / "run")) as client:
        client.request("shutdown")
    assert process.wait(10) == 0


def test_after_a_kill_its_engine_ends_and_the_next_server_takes_the_left_sockets(start: Start, place: Path) -> None:
    first = start()
    up(first)
    with Client(str(place / "run")) as client:
        client.suggest(())
        pid = client.status().engine.pid
    assert pid is not None
    first.kill()
    first.wait()
    assert list((place / "run").glob("*.sock"))
    assert gone(pid)
    up(start())
    with Client(str(place / "run")) as client:
        assert client.request("ping").pid != first.pid
        assert client.suggest((), Settings(bars=2)).candidates


def test_a_second_server_ends_with_one_line_that_names_the_first(start: Start) -> None:
    first = start()
    up(first)
    second = start()
    _, complaints = second.communicate(timeout=10)
    assert second.returncode == 1
    assert complaints.startswith(f"a server is already running (pid {first.pid}) at ipc://")
    assert complaints.count("\n") == 1


def test_a_folder_that_others_can_enter_ends_it_with_one_line(start: Start, place: Path) -> None:
    (place / "run").mkdir()
    (place / "run").chmod(0o777)
    process = start()
    _, complaints = process.communicate(timeout=10)
    assert process.returncode == 1 and "chmod 700" in complaints and complaints.count("\n") == 1


def test_a_client_hears_of_a_restarted_server_as_of_a_new_one(start: Start, place: Path) -> None:
    first = start()
    up(first)
    with Client(str(place / "run")) as client:
        before = client.request("ping").pid
        first.terminate()
        first.wait()
        up(start())
        assert client.request("ping").pid != before
        with pytest.raises(RequestError):
            client.request("panic")


def test_the_server_process_imports_neither_model_nor_midi_libraries() -> None:
    heavy = ["numpy", "onnxruntime", "torch", "mido", "rtmidi", "models_onnx", "plugin_host"]
    code = "import sys, daw_assist.server.serve, daw_assist.server.client\n"
    code += f"print([name for name in {heavy} if name in sys.modules])"
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout == "[]\n"
