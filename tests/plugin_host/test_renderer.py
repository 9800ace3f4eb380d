"""Listening: what is played is what would be written, but for its loudness."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from plugin_host import renderer
from plugin_host.events import Floats
from plugin_host.job import Encoding, Job, Progress
from plugin_host.midi import Track
from plugin_host.rack import Rack
from tests.plugin_host.sounds import RATE, dbfs, notes


class _Ears:
    """An output that keeps what it is given."""

    sample_rate = float(RATE)

    def __init__(self) -> None:
        self.heard: list[Floats] = []

    def __enter__(self) -> Any:
        return self

    def __exit__(self, *ended: object) -> None:
        pass

    def write(self, audio: Floats, sample_rate: float) -> None:
        self.heard.append(audio.copy())


def test_a_job_is_heard_while_it_is_made(monkeypatch: pytest.MonkeyPatch) -> None:
    ears = _Ears()
    monkeypatch.setattr(renderer, "open_output", lambda rate, device: ears)
    told: list[Progress] = []
    track = Track("a", tuple(notes((0.0, 60, 0.5), (1.0, 64, 0.5))), "keys")
    report = renderer.listen(Job((track,), Rack(), Encoding(".wav"), "", tail_s=1.0, listen=True), told.append)
    sound = np.concatenate(ears.heard, axis=1)
    assert report.frames == round(2.5 * RATE)
    assert sound.shape[1] >= report.frames
    assert dbfs(sound, 0.0, 0.5) > -40 and dbfs(sound, 1.0, 1.5) > -40
    assert np.abs(sound).max() <= 10 ** (-1 / 20)
    assert told[-1] == Progress("playing", 1.0)
