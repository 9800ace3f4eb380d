"""Tracks together: who shares a synthesizer, what the rack does, and that nothing is lost in the sum."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from plugin_host.errors import SoundError
from plugin_host.events import Event, Floats, Instrument, Track
from plugin_host.mix import CHUNK, Instruments, Strip, merged, mixed, strips, with_effects
from plugin_host.rack import PLACES, Channel, EffectChoice, Rack
from tests.plugin_host.sounds import RATE, control, dbfs, notes, program, whole


class _Steady:
    """An instrument that is on while a note is held, and remembers what it was given."""

    def __init__(self) -> None:
        self.given: list[tuple[Event, ...]] = []

    def stream(self, events: Sequence[Event], frames: int, chunk: int) -> Iterator[Floats]:
        self.given.append(tuple(events))
        level = np.zeros(frames, np.float32)
        for event in events:
            if event.data[0] & 0xF0 in (0x80, 0x90):
                level[round(event.seconds * RATE) :] += 0.1 if event.data[0] & 0xF0 == 0x90 else -0.1
        for at in range(0, frames, chunk):
            yield np.tile(level[at : at + chunk], (2, 1))


class _Steadies(Instruments):
    """Every channel's instrument is the same steady one."""

    def __init__(self) -> None:
        super().__init__(ThreadPoolExecutor(1), RATE, lambda doing: None)
        self.one = _Steady()

    def of(self, channel: Channel) -> Instrument:
        return self.one


def _track(name: str, part: str, *events: Event, channel: int = 0) -> Track:
    return Track(name, (*events, *notes((0.5, 60, 1.0), channel=channel)), part)


def _mix(tracks: Sequence[Track], rack: Rack, apart: bool = False) -> tuple[list[Strip], Floats, _Steady]:
    instruments = _Steadies()
    made = strips(tracks, rack, instruments, 2 * RATE + 7, RATE, apart)
    return made, whole(mixed(made, 2 * RATE + 7, lambda i, piece: None)), instruments.one


def test_the_mix_is_the_sum_of_its_strips_to_the_frame() -> None:
    rack = Rack({"a": Channel(gain_db=-6.0206), "b": Channel(pan=1.0), "c": Channel(pan=-0.5)})
    tracks = [_track(name, "keys") for name in "abc"]
    _, sound, _ = _mix(tracks, rack)
    assert sound.shape == (2, 2 * RATE + 7)
    assert not sound[:, : RATE // 2].any()
    assert sound[:, RATE] == pytest.approx([0.05 + 0.0 + 0.1, 0.05 + 0.1 + 0.05], abs=1e-4)


def test_tracks_that_the_rack_does_not_know_share_a_synthesizer_on_channels_of_their_own() -> None:
    tracks = [_track(f"t{i}", "keys", program(i)) for i in range(5)] + [_track("d", "drums", channel=9)]
    made, sound, steady = _mix(tracks, Rack())
    assert len(made) == 2
    assert sound[0, RATE] == pytest.approx(0.6, abs=1e-4)
    for given in steady.given:
        programs = [event.data[0] & 0x0F for event in given if event.data[0] & 0xF0 == 0xC0]
        assert len(programs) == len(set(programs))
        assert 9 not in programs


def test_apart_each_track_has_its_strip_and_its_level() -> None:
    made, _, _ = _mix([_track("x", "keys"), Track("mute", (), "bass")], Rack(), apart=True)
    loud, silent = (strip.level() for strip in made)
    # 0.1 for one second of the two.
    assert (loud.name, loud.rms_dbfs, loud.peak) == ("x", pytest.approx(-23.01, abs=0.02), pytest.approx(0.1))
    assert (silent.name, silent.rms_dbfs, silent.peak) == ("mute", None, 0.0)


def test_drums_stay_drums_when_tracks_are_merged() -> None:
    drums = [_track(f"d{i}", "drums", channel=9) for i in range(2)]
    made, _, steady = _mix([*drums, _track("x", "keys", channel=3)], Rack())
    assert len(made) == 2  # two kits may not share one channel
    assert {e.data[0] & 0x0F for given in steady.given for e in given if e.data[0] & 0xF0 == 0x90} == {0, 9}
    assert [e.data[0] & 0x0F for e in merged([drums[0]])] == [9, 9]


def test_a_part_stands_at_its_place_unless_the_file_says_where() -> None:
    free, placed = _track("a", "strings"), _track("b", "strings", control(0, 10, 99))
    _, _, steady = _mix([free, placed], Rack(), apart=True)
    pans = [[e.data[2] for e in given if e.data[0] & 0xF0 == 0xB0 and e.data[1] == 10] for given in steady.given]
    assert pans == [[PLACES["strings"]], [99]]


def test_the_racks_program_and_bank_go_before_the_files() -> None:
    track = _track("a", "keys", control(0, 0, 5), program(7))
    _, _, steady = _mix([track], Rack({"keys": Channel(program=34, bank=129)}))
    (given,) = steady.given
    assert [e.data for e in given if e.data[0] & 0xF0 != 0x90 and e.data[0] & 0xF0 != 0x80] == [
        bytes((0xB0, 0, 1)), bytes((0xB0, 32, 1)), bytes((0xC0, 34)),
    ]  # fmt: skip


def test_effects_of_a_strip_and_of_the_master_are_heard() -> None:
    louder = EffectChoice("gain", parameters={"gain_db": 6.0206})
    _, sound, _ = _mix([_track("a", "keys")], Rack({"keys": Channel(effects=(louder,))}))
    assert sound[0, RATE] == pytest.approx(0.2, abs=1e-3)
    again = whole(with_effects(iter([sound]), (louder,), RATE))
    assert again[0, RATE] == pytest.approx(0.4, abs=1e-3)


def test_a_tail_rings_on_after_the_last_note() -> None:
    reverb = EffectChoice("reverb", parameters={"wet_level": 0.5, "room_size": 0.9})
    _, dry, _ = _mix([_track("a", "keys")], Rack())
    _, wet, _ = _mix([_track("a", "keys")], Rack({"keys": Channel(effects=(reverb,))}))
    assert dbfs(dry, 1.6) == -200
    assert dbfs(wet, 1.6) > -60


def test_an_instrument_that_gives_no_numbers_is_named() -> None:
    class Broken(_Steady):
        def stream(self, events: Sequence[Event], frames: int, chunk: int) -> Iterator[Floats]:
            yield np.full((2, CHUNK), np.nan, np.float32)

    instruments = _Steadies()
    instruments.one = Broken()
    made = strips([_track("bad synth", "keys")], Rack(), instruments, CHUNK, RATE, True)
    with pytest.raises(SoundError, match="bad synth"):
        whole(mixed(made, CHUNK, lambda i, piece: None))
