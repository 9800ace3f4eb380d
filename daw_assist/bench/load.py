"""Competitors of the engine: clients that ask the same server for drafts all the time.

python -m daw_assist.bench.load --endpoint FOLDER/run --clients 2
"""

from __future__ import annotations

import argparse
import signal
import subprocess
import sys
import threading
import time
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Self

from daw_assist.errors import DawAssistError
from daw_assist.music.bars import Bar
from daw_assist.music.metre import Metre
from daw_assist.music.notes import Note
from daw_assist.music.parts import Part
from daw_assist.music.time import Ticks
from daw_assist.server.client import Client
from daw_assist.suggest.suggestion import Settings

BARS = tuple(
    Bar(Metre(), tuple(Note(Ticks(tick), Part.KEYS, 60 + (7 * number + tick) % 12, Ticks(12), 80) for tick in range(0, 96, 12)))
    for number in range(8)
)  # fmt: skip
ASKED = Settings(bars=4, candidates=1)
FIRST_EPOCH = 1_000_000
"""Theirs lie from here on, so that the notes of their drafts can be told from those for `live`."""


class LoadRig:
    """`clients` of them in a process; none of them: no process. Threads: one."""

    def __init__(self, endpoint: Path, clients: int) -> None:
        command = [sys.executable, "-m", "daw_assist.bench.load", "--endpoint", str(endpoint)]
        self._command = [*command, "--clients", str(clients)] if clients else []
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        if self._command:
            self._process = subprocess.Popen(self._command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE)
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.answers()

    def answers(self) -> int | None:
        """End them; how many drafts they got, None where there were none of them or they did not say."""
        process, self._process = self._process, None
        if process is None:
            return None
        process.terminate()
        try:
            said = process.communicate(timeout=10.0)[0]
        except subprocess.TimeoutExpired:
            process.kill()
            process.communicate()
            return None
        return int(said) if said.strip().isdigit() else None


def ask_on(endpoint: str, ended: threading.Event, answered: list[int]) -> None:
    """One client: the next request as soon as there is an answer, whatever it is."""
    with Client(endpoint) as client:
        epoch = FIRST_EPOCH
        while not ended.is_set():
            epoch += 1
            try:
                client.suggest(BARS, ASKED, epoch=epoch, timeout_s=20.0)
                answered.append(epoch)
            except DawAssistError:
                time.sleep(0.05)


def main() -> None:
    """Until SIGTERM; the number of answers on stdout."""
    parser = argparse.ArgumentParser(prog="daw_assist.bench.load", description="asks a server for drafts all the time")
    parser.add_argument("--endpoint", required=True)
    parser.add_argument("--clients", type=int, default=1)
    args = parser.parse_args()
    ended = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: ended.set())
    answered: list[int] = []
    threads = [
        threading.Thread(target=ask_on, args=(args.endpoint, ended, answered), daemon=True) for _ in range(args.clients)
    ]
    for thread in threads:
        thread.start()
    ended.wait()
    for thread in threads:
        thread.join(2.0)
    with suppress(OSError):
        print(len(answered), flush=True)


if __name__ == "__main__":
    main()
