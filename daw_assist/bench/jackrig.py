"""A private, throw-away JACK server with the dummy driver: needs no sound card and no real-time rights."""

from __future__ import annotations

import ctypes
import os
import shutil
import signal
import subprocess
import tempfile
import time
import uuid
from contextlib import suppress
from pathlib import Path

from daw_assist.errors import PortError

PR_SET_PDEATHSIG = 1
RATE_HZ = 48_000
ATTEMPTS = 4
_SHARED = (Path("/dev/shm"), Path("/tmp"))  # noqa: S108 - where jackd itself puts its files


class JackUnavailableError(PortError):
    """There is no jackd here, or it does not start; the text says which."""


def can_run_real_time() -> bool:
    """Whether this user may ask for SCHED_FIFO (as `jackd -R` does)."""
    chrt = shutil.which("chrt")
    return chrt is not None and subprocess.run([chrt, "-f", "10", "true"], capture_output=True).returncode == 0


class JackRig:
    """One server under a name of its own. Everything that talks to it needs `variables` in its environment.

    A machine has slots for 8 JACK servers, and a server that was killed hard keeps its slot until one of the same name
    has started and stopped. Hence the server gets SIGTERM when this process dies, and `stop` after `kill`
    starts it once more.
    """

    def __init__(self, period: int = 256, real_time: bool | None = None) -> None:
        self.name = f"t{os.getpid()}_{uuid.uuid4().hex[:6]}"
        self.variables = {
            "JACK_DEFAULT_SERVER": self.name,
            "JACK_NO_START_SERVER": "1",
            "JACK_NO_AUDIO_RESERVATION": "1",
        }
        mode = "-R" if (can_run_real_time() if real_time is None else real_time) else "-r"
        # -S: the asynchronous default lost messages at periods of 16 and 64.
        self._command = ["jackd", "-n", self.name, mode, "-S", "-d", "dummy", "-r", str(RATE_HZ), "-p", str(period)]
        self._server: subprocess.Popen[bytes] | None = None
        self._killed = False

    @property
    def environment(self) -> dict[str, str]:
        """For a child process that is to talk to this server."""
        return {**os.environ, **self.variables}

    def start(self, timeout_s: float = 20.0) -> JackRig:
        """Wait until clients can connect; JackUnavailableError says what jackd said.

        Two servers that start at the same moment clear away each other's shared memory, hence several attempts.
        """
        for attempt in range(ATTEMPTS):
            try:
                return self._start(timeout_s)
            except JackUnavailableError:
                if attempt == ATTEMPTS - 1 or shutil.which("jackd") is None:
                    raise
                time.sleep(0.3 * (attempt + 1))
        raise AssertionError

    def _start(self, timeout_s: float) -> JackRig:
        if shutil.which("jackd") is None or shutil.which("jack_lsp") is None:
            raise JackUnavailableError("jackd is not installed (Debian: apt-get install jackd2)")
        with tempfile.TemporaryFile() as log:
            self._server = subprocess.Popen(
                self._command,
                env=self.environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                preexec_fn=_end_with_parent,
            )
            end = time.monotonic() + timeout_s
            while time.monotonic() < end and self._server.poll() is None:
                if self._socket_exists() and self._lsp([]).returncode == 0:
                    return self
                time.sleep(0.02)
            log.seek(0)
            said = log.read().decode(errors="replace").strip().splitlines()[-3:]
        self.stop()
        raise JackUnavailableError(f"jackd did not start: {' / '.join(said)}")

    @property
    def pid(self) -> int:
        """Number of the server's process, 0 if there is none."""
        return self._server.pid if self._server is not None else 0

    def stop(self) -> None:
        """End the server, give its slot back, leave no file."""
        self._end(signal.SIGTERM)
        if self._killed:
            self._killed = False
            self.start()
            self._end(signal.SIGTERM)
        for folder in _SHARED:
            for file in [*folder.glob(f"jack_{self.name}_*"), *folder.glob(f"jack_sem.*_{self.name}_*")]:
                with suppress(OSError):
                    file.unlink()

    def kill(self) -> None:
        """The server dies without a word to its clients."""
        self._killed = True
        self._end(signal.SIGKILL)

    def ports(self) -> list[str]:
        """The full names of all MIDI ports, `client:port`."""
        lines = self._lsp(["-t"]).stdout.splitlines()
        return [name for name, kind in zip(lines[::2], lines[1::2], strict=True) if "midi" in kind]

    def connect(self, source: str, sink: str) -> None:
        """Join an output port to an input port."""
        subprocess.run(
            ["jack_connect", source, sink], env=self.environment, check=True, capture_output=True, timeout=20
        )

    def _end(self, how: signal.Signals) -> None:
        server, self._server = self._server, None
        if server is None:
            return
        server.send_signal(how)
        try:
            server.wait(10)
        except subprocess.TimeoutExpired:
            self._killed = True
            server.kill()
            server.wait()

    def _socket_exists(self) -> bool:
        return any(any(folder.glob(f"jack_{self.name}_*_0")) for folder in _SHARED)

    def _lsp(self, options: list[str]) -> subprocess.CompletedProcess[str]:
        command = ["jack_lsp", *options]
        return subprocess.run(command, env=self.environment, capture_output=True, text=True, timeout=20)


def _end_with_parent() -> None:
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGTERM)
