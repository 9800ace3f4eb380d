"""What is handed to a sound device, and when: by a device that keeps it."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator

import numpy as np
import pytest

from plugin_host import audition
from plugin_host.audition import open_output, play
from plugin_host.errors import SoundError
from plugin_host.events import Floats

RATE = 48_000
TAIL = round((audition.FADE_S + audition.TAIL_S) * RATE)


class Device:
    """Keeps what it is handed; `on_write` is called first, with the number of writes before."""

    def __init__(self, rate: float = RATE, on_write: Callable[[int], None] = lambda count: None) -> None:
        self.sample_rate, self.on_write = rate, on_write
        self.written: list[Floats] = []
        self.is_open = self.was_closed = False

    def __enter__(self) -> Device:
        self.is_open = True
        return self

    def __exit__(self, kind: object, error: object, trace: object, /) -> None:
        self.is_open, self.was_closed = False, True

    def write(self, audio: Floats, sample_rate: float) -> None:
        assert self.is_open and sample_rate == self.sample_rate
        self.on_write(len(self.written))
        self.written.append(audio.copy())

    def heard(self) -> Floats:
        return np.concatenate(self.written, axis=1)


def blocks(*sizes: int) -> list[Floats]:
    rng = np.random.default_rng(3)
    return [rng.uniform(-1, 1, (2, size)).astype(np.float32) for size in sizes]


def test_all_blocks_are_heard_in_order_and_then_silence() -> None:
    device, sound = Device(), blocks(1, 0, 4096, 333, 480, 20_000)
    assert play(iter(sound), RATE, device) == 24_910
    heard = device.heard()
    assert np.array_equal(heard[:, :24_910], np.concatenate(sound, axis=1))
    assert heard.shape[1] == 24_910 + TAIL and device.was_closed


def test_the_end_fades_from_where_the_sound_was() -> None:
    device = Device()
    play([np.full((2, 1000), 0.8, np.float32)], RATE, device)
    assert np.abs(np.diff(device.heard()[0])).max() < 0.01
    assert not device.heard()[:, -100:].any()


def test_a_stop_from_another_thread_ends_an_endless_sound_without_a_click() -> None:
    stop = threading.Event()
    device = Device(on_write=lambda count: stop.set() if count == 20 else None)

    def endless() -> Iterator[Floats]:
        while True:
            yield np.full((2, 512), 0.5, np.float32)

    frames = play(endless(), RATE, device, stop)
    heard = device.heard()
    assert frames == heard.shape[1] - TAIL <= 21 * round(audition.PIECE_S * RATE)
    assert np.abs(np.diff(heard[0])).max() < 0.01 and not heard[:, -100:].any()
    assert device.was_closed


@pytest.mark.parametrize("error", [KeyboardInterrupt, SoundError])
def test_what_goes_wrong_where_sound_is_made_is_told_and_what_was_made_ahead_is_dropped(
    error: type[BaseException],
) -> None:
    stop, writing = threading.Event(), threading.Event()

    def busy(count: int) -> None:
        writing.set()
        assert stop.wait(60)

    device = Device(on_write=busy)

    def broken() -> Iterator[Floats]:
        yield np.full((2, 4800), 0.5, np.float32)
        assert writing.wait(60)
        raise error("the plug-in failed")

    with pytest.raises(error, match="the plug-in failed"):
        play(broken(), RATE, device, stop)
    assert device.was_closed and device.heard().shape[1] == round(audition.PIECE_S * RATE) + TAIL
    assert np.abs(np.diff(device.heard()[0])).max() < 0.01


def test_a_device_that_fails_is_told_in_one_line() -> None:
    def fails(count: int) -> None:
        if count == 2:
            raise RuntimeError("device\nunplugged")

    device = Device(on_write=fails)
    with pytest.raises(SoundError, match=r"^the sound output failed: device unplugged$"):
        play(blocks(*[4096] * 50), RATE, device)
    assert device.was_closed


def test_a_device_that_takes_nothing_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(audition, "LOST_S", 0.05)
    plugged_in_again = threading.Event()
    device = Device(on_write=lambda count: plugged_in_again.wait(60) and None)
    try:
        with pytest.raises(SoundError, match=r"takes no sound .* is it still connected"):
            play(blocks(*[4096] * 50), RATE, device)
        assert device.was_closed
    finally:
        device.is_open = True
        plugged_in_again.set()


def test_a_device_at_another_rate_is_refused_and_closed() -> None:
    device = Device(rate=44_100)
    with pytest.raises(SoundError, match=r"^the sound output runs at 44100 Hz, the sound at 48000"):
        play(blocks(100), RATE, device)
    assert device.was_closed and not device.written


def test_without_a_device_the_error_says_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(audition, "output_devices", list)
    with pytest.raises(SoundError, match=r"^there is no sound output on this machine: connect one, or write a file"):
        open_output(RATE)


def test_a_device_of_another_name_is_refused_with_those_that_are_there(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(audition, "output_devices", lambda: ["Speakers", "HDMI"])
    with pytest.raises(SoundError, match=r"^there is no sound output 'Radio': there are Speakers, HDMI$"):
        open_output(RATE, "Radio")


def test_a_device_that_does_not_open_is_told_in_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(audition, "output_devices", lambda: ["a device of this test"])
    with pytest.raises(SoundError, match="the sound output 'a device of this test' does not open: No such device"):
        open_output(RATE, "a device of this test")
