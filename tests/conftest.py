"""Fixtures for more than one station. Each probes what it needs and says why it skips."""

from __future__ import annotations

import signal
from collections.abc import Iterator

import pytest

from tests.jackrig import JackRig, JackUnavailableError


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
