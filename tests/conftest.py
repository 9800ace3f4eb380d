"""Fixtures for more than one station. Each probes what it needs and says why it skips."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.jackrig import JackRig, JackUnavailableError
from tests.plugin_host.vst3rig import Vst3Rig, Vst3Unavailable


@pytest.fixture(scope="session", autouse=True)
def own_cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """What is remembered of this machine is remembered for this session only."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CACHE_HOME", str(tmp_path_factory.mktemp("cache")))
        yield


@pytest.fixture(scope="session", autouse=True)
def hears_ctrl_c() -> None:
    """Also where pytest was started in the background of a shell, which has its children ignore it."""
    signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(scope="session")
def jack_server() -> Iterator[JackRig]:
    """A private JACK dummy server, one a test process; JACK's environment variables name it while the session lasts."""
    rig = started(JackRig(period=256))
    with pytest.MonkeyPatch.context() as patch:
        for name, value in rig.variables.items():
            patch.setenv(name, value)
        yield rig
    rig.stop()


@pytest.fixture
def doomed_jack_server() -> Iterator[JackRig]:
    """A JACK server to be killed by one test. Its clients live in a child process: libjack knows one server."""
    rig = started(JackRig(period=256))
    yield rig
    rig.stop()


def started(rig: JackRig) -> JackRig:
    """The rig, running; the test is skipped where there is no JACK."""
    try:
        return rig.start()
    except JackUnavailableError as reason:
        pytest.skip(str(reason))


@pytest.fixture(scope="session")
def vst3_rig(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Vst3Rig]:
    try:
        rig = Vst3Rig(tmp_path_factory.mktemp("vst3"))
    except Vst3Unavailable as reason:
        pytest.skip(str(reason))
    rig.begin("synth", "effect")
    yield rig
    rig.close()


@pytest.fixture(scope="session")
def vst3_synth(vst3_rig: Vst3Rig) -> Path:
    """Parameters gain, attack_s, release_time_s, brightness, wave (Sine, Saw, Square); no latency."""
    return vst3_rig.plugin("synth")


@pytest.fixture(scope="session")
def vst3_effect(vst3_rig: Vst3Rig) -> Path:
    """Parameter gain, 0.5 at first: what comes in times that."""
    return vst3_rig.plugin("effect")


@pytest.fixture(scope="session")
def vst3_crash(vst3_rig: Vst3Rig) -> Path:
    """Aborts as it is loaded: never in the process of the tests."""
    return vst3_rig.plugin("crash")


@pytest.fixture(scope="session")
def vst3_crash_later(vst3_rig: Vst3Rig) -> Path:
    """Loads, and aborts in the 40th block that it plays."""
    return vst3_rig.plugin("crash_later")


@pytest.fixture(scope="session")
def vst3_hang(vst3_rig: Vst3Rig) -> Path:
    """Starts a process and waits for ever, as it is loaded."""
    return vst3_rig.plugin("hang")
