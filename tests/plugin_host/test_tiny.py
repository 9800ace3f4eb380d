"""The synthesizer to fall back on: the same seam, and the pedal done for it."""

from __future__ import annotations

import importlib.util
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

from plugin_host import fonts
from plugin_host.errors import SoundError
from plugin_host.events import Floats
from plugin_host.fonts import default_font, open_font, read_font
from plugin_host.midi import Event
from plugin_host.tiny import TinyInstrument
from tests.plugin_host.sounds import RATE, control, dbfs, frequency, notes, program, whole

needs_tiny = pytest.mark.skipif(
    importlib.util.find_spec("tinysoundfont") is None, reason="needs pip install --no-deps tinysoundfont"
)


def _played(events: Sequence[Event], chunk: int = 10_000) -> Floats:
    synth = TinyInstrument(read_font(default_font()))
    return whole(synth.stream(sorted(events, key=lambda event: event.seconds), 2 * RATE + 3, chunk))


@needs_tiny
def test_notes_begin_on_their_frame_however_it_is_cut() -> None:
    events = [program(115), *notes((0.123, 60, 0.2), (1.2345, 64, 0.2))]
    whole_, cut = _played(events), _played(events, 777)
    assert whole_.shape == (2, 2 * RATE + 3)
    # Its envelopes move in steps that begin with each piece.
    assert dbfs(whole_ - cut) < dbfs(whole_) - 25
    assert not cut[:, : round(0.123 * RATE)].any()
    assert not whole_[:, : round(0.123 * RATE)].any()
    assert dbfs(whole_, 0.123, 0.2) > -60


@needs_tiny
def test_the_pedal_and_the_bend_are_heard() -> None:
    dry = _played([program(48), *notes((0.1, 60, 0.3))])
    held = _played([program(48), control(0, 64, 127), *notes((0.1, 60, 0.3)), control(1.9, 64, 0)])
    assert dbfs(held, 1.2, 1.8) > dbfs(dry, 1.2, 1.8) + 20
    bent = _played([program(73), Event(0.5, b"\xe0\x7f\x7f"), *notes((0, 69, 1.6))])
    assert 12 * np.log2(frequency(bent, 0.8, 1.4) / frequency(bent, 0.2, 0.45)) == pytest.approx(2, abs=0.15)


def test_without_any_synthesizer_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fonts.importlib.util, "find_spec", lambda name: None)
    path = Path(importlib.util.__file__)  # any file: only its bytes are looked at, and they are given
    monkeypatch.setattr(fonts, "read_font", lambda path: b"RIFF\x00\x00\x00\x00sfbk")
    with ThreadPoolExecutor(1) as pool, pytest.raises(SoundError, match="pip install midirenderer"):
        open_font(path, pool)


def test_packed_samples_need_the_other_synthesizer(monkeypatch: pytest.MonkeyPatch) -> None:
    head = b"RIFF\x1c\x00\x00\x00sfbkLIST\x10\x00\x00\x00INFOifil\x04\x00\x00\x00\x03\x00\x00\x00"
    monkeypatch.setattr(fonts, "read_font", lambda path: head)
    monkeypatch.setattr(fonts.importlib.util, "find_spec", lambda name: None if name == "tinysoundfont" else object())
    with ThreadPoolExecutor(1) as pool, pytest.raises(SoundError, match=r"packed \(\.sf3\)"):
        open_font(Path("x.sf3"), pool)
