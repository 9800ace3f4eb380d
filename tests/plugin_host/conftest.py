"""Plug-ins that are compiled for the session; where that cannot be, the tests that need them skip and say why."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.plugin_host.vst3rig import Vst3Rig, Vst3Unavailable


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
