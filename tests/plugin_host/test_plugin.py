"""Real VST3s as instruments and effects: when they sound, what brings their sound back, what is refused."""

from __future__ import annotations

import platform
import re
import shutil
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pedalboard._pedalboard
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from plugin_host.errors import SoundError
from plugin_host.events import Event, Floats
from plugin_host.plugin import BLOCK, PluginInstrument, ignore_controllers, load, load_effect, recut
from tests.plugin_host.vst3rig import Vst3Rig

RATE = 48_000
SHORT = {"wave": "Square", "release_time_s": 0.005, "attack_s": 0.001}
"""Never zero while it sounds, silent 600 frames after its end."""
SILENT_AFTER = 600


@pytest.fixture(scope="module")
def square(vst3_synth: Path) -> PluginInstrument:
    return PluginInstrument.load(vst3_synth, RATE, parameters=SHORT)


def note(frame: int, length: int = 100, pitch: int = 60, rate: int = RATE) -> list[Event]:
    return [
        Event(frame / rate, bytes((0x90, pitch, 100))),
        Event((frame + length) / rate, bytes((0x80, pitch, 0))),
    ]


def notes(frames: list[int], rate: int = RATE) -> list[Event]:
    return [event for frame in frames for event in note(frame, rate=rate)]


def heard(instrument: PluginInstrument, events: list[Event], frames: int, chunk: int) -> Floats:
    return np.concatenate(list(instrument.stream(events, frames, chunk)), axis=1)


def onsets(sound: Floats) -> list[int]:
    """Where sound begins after silence, in frames."""
    loud = np.flatnonzero(sound[0])
    return [int(at) for at, before in zip(loud, [-9, *loud[:-1]], strict=True) if at != before + 1]


@given(
    gaps=st.lists(st.integers(SILENT_AFTER + 200, 3000), min_size=1, max_size=5),
    first=st.integers(0, 2000),
    chunk=st.integers(1, 5000),
)
@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_a_note_begins_at_its_frame_wherever_the_pieces_are_cut(
    square: PluginInstrument, gaps: list[int], first: int, chunk: int
) -> None:
    at = [first + sum(gaps[:i]) for i in range(len(gaps))]
    assert onsets(heard(square, notes(at), at[-1] + 200, chunk)) == at


@pytest.mark.parametrize("offset", [-1, 0, 1])
@pytest.mark.parametrize("chunk", [BLOCK, 480, 4096])
def test_a_note_begins_at_its_frame_at_every_border(square: PluginInstrument, chunk: int, offset: int) -> None:
    at = [border + offset for border in (BLOCK, 2 * chunk + 2 * BLOCK, 128 * BLOCK)]
    at = sorted({at[0], at[1] if at[1] - at[0] > 800 else at[0], at[2]})
    assert onsets(heard(square, notes(at), at[-1] + 200, chunk)) == at


@pytest.mark.parametrize("rate", [44_100, 88_200, 96_000])
def test_a_note_begins_at_its_frame_at_other_rates(vst3_synth: Path, rate: int) -> None:
    instrument = PluginInstrument.load(vst3_synth, rate, parameters=SHORT)
    at = [1, 3001, 44_099, 77_777]
    assert onsets(heard(instrument, notes(at, rate), 80_000, 1000)) == at


def test_a_note_late_in_a_long_piece_begins_at_its_frame(square: PluginInstrument) -> None:
    frame = 200 * RATE + 13  # in one call of pedalboard, float32 would miss it
    assert onsets(heard(square, note(frame), frame + 200, 60 * RATE)) == [frame]


def test_the_sound_is_the_same_for_every_size_of_piece(vst3_synth: Path) -> None:
    instrument = PluginInstrument.load(vst3_synth, RATE)
    music = [*note(0, 5000, 60), *note(700, 2000, 67), Event(0.05, bytes((0xE0, 0, 96))), *note(5000, 3000, 72)]
    whole = heard(instrument, music, 12_345, 12_345)
    assert np.abs(whole).max() > 0.1
    for chunk in (1, 479, 512, 4097):
        assert np.array_equal(heard(instrument, music, 12_345, chunk), whole)


def test_the_pieces_have_the_sizes_that_were_asked_for(square: PluginInstrument) -> None:
    pieces = list(square.stream([], 1000, 333))
    assert [piece.shape for piece in pieces] == [(2, 333), (2, 333), (2, 333), (2, 1)]
    assert all(piece.dtype == np.float32 for piece in pieces)
    assert list(square.stream([], 0, 333)) == []


def test_events_are_put_in_order_and_one_before_the_start_is_at_the_start(square: PluginInstrument) -> None:
    events = [*note(3000), *note(-50)]
    assert onsets(heard(square, events, 4000, 512)) == [0, 3000]


def test_a_stream_that_was_left_midway_is_not_heard_in_the_next(vst3_synth: Path) -> None:
    instrument = PluginInstrument.load(vst3_synth, RATE)
    held = [Event(0.0, bytes((0x90, 60, 100)))]
    sound = instrument.stream(held, RATE, 512)
    assert np.abs(next(sound)).max() > 0
    assert np.abs(heard(instrument, [], 4096, 512)).max() == 0


def test_two_streams_of_the_same_music_have_the_same_bits(vst3_synth: Path) -> None:
    instrument = PluginInstrument.load(vst3_synth, RATE)
    music = notes([0, 900, 5000])
    assert np.array_equal(heard(instrument, music, 9000, 700), heard(instrument, music, 9000, 700))


def test_two_instruments_of_one_file_play_in_turns_as_they_do_alone(vst3_synth: Path) -> None:
    music = [notes([0, 3000]), notes([512, 5000])]
    both = [PluginInstrument.load(vst3_synth, RATE, parameters={"gain": gain}) for gain in (0.2, 0.4)]
    alone = [heard(one, events, 8192, 512) for one, events in zip(both, music, strict=True)]
    turns = zip(*(one.stream(events, 8192, 512) for one, events in zip(both, music, strict=True)), strict=True)
    together = [np.concatenate(pieces, axis=1) for pieces in zip(*turns, strict=True)]
    assert all(np.array_equal(one, other) for one, other in zip(together, alone, strict=True))


def test_a_pitch_bend_reaches_the_plugin(vst3_synth: Path) -> None:
    instrument = PluginInstrument.load(vst3_synth, RATE, parameters={"brightness": 0})
    up = [Event(0.0, bytes((0xE0, 0x7F, 0x7F))), *note(BLOCK, RATE, 69)]

    def pitch_hz(events: list[Event]) -> float:
        spectrum = np.abs(np.fft.rfft(heard(instrument, events, RATE, 4096)[0]))
        return float(np.argmax(spectrum))

    assert pitch_hz(note(BLOCK, RATE, 69)) == pytest.approx(440, abs=1)
    assert pitch_hz(up) == pytest.approx(440 * 2 ** (2 / 12), abs=1)


def test_latency_is_taken_out(vst3_rig: Vst3Rig) -> None:
    instrument = PluginInstrument.load(vst3_rig.plugin("late"), RATE, parameters=SHORT)
    at = [0, 1500, 10_000]
    for chunk in (100, 512, 4096):
        assert onsets(heard(instrument, notes(at), 11_000, chunk)) == at


def test_a_mono_instrument_is_heard_on_both_sides(vst3_rig: Vst3Rig) -> None:
    instrument = PluginInstrument.load(vst3_rig.plugin("mono"), RATE, parameters=SHORT)
    sound = heard(instrument, notes([17, 2000]), 3000, 640)
    assert onsets(sound) == [17, 2000]
    assert np.array_equal(sound[0], sound[1])


def test_numbers_that_are_no_sound_are_refused(vst3_rig: Vst3Rig) -> None:
    loaded = load(vst3_rig.plugin("nan"), warm_up_s=0)
    with pytest.raises(SoundError, match="Test NaN gave numbers that are no sound"):
        heard(PluginInstrument(loaded, RATE), notes([0]), 100, 100)


CHANGED = {"gain": 0.7, "Release Time": 0.5, "brightness": 0.1, "wave": "Saw"}


def saved(path: Path, plugin: Any, kind: str = "preset_data") -> Path:
    """A plug-in's state in a file. It holds what was set only once a block has been played."""
    if plugin.is_instrument:
        plugin([], duration=0.02, sample_rate=RATE, reset=False)
    else:
        plugin.process(np.zeros((2, 512), np.float32), RATE, reset=False)
    path.write_bytes(getattr(plugin, kind))
    return path


@pytest.mark.parametrize("kind", ["preset_data", "raw_state"])
def test_a_preset_brings_the_sound_back_bit_by_bit(vst3_synth: Path, tmp_path: Path, kind: str) -> None:
    music = notes([0, 2000])
    changed = PluginInstrument.load(vst3_synth, RATE, parameters=CHANGED)
    preset = saved(tmp_path / "mine.preset", changed._plugin, kind)
    again = heard(PluginInstrument.load(vst3_synth, RATE, preset=preset), music, 9000, 512)
    assert np.array_equal(again, heard(changed, music, 9000, 512))
    assert not np.array_equal(again, heard(PluginInstrument.load(vst3_synth, RATE), music, 9000, 512))


def test_parameters_go_over_the_preset(vst3_synth: Path, tmp_path: Path) -> None:
    loudest = PluginInstrument.load(vst3_synth, RATE, parameters={"gain": 1.0})
    preset = saved(tmp_path / "loud.vstpreset", loudest._plugin)
    music = notes([0])
    loud = heard(PluginInstrument.load(vst3_synth, RATE, preset=preset), music, 4000, 512)
    soft = heard(PluginInstrument.load(vst3_synth, RATE, preset=preset, parameters={"gain": 0.5}), music, 4000, 512)
    assert np.allclose(soft, loud / 2, atol=1e-6) and np.abs(loud).max() > 0.1


@pytest.mark.parametrize("name", ["release_time_s", "Release Time", "release_time", "RELEASE-TIME"])
def test_a_parameter_is_known_by_its_own_name_however_it_is_spelt(vst3_synth: Path, name: str) -> None:
    instrument = PluginInstrument.load(vst3_synth, RATE, parameters={name: 1.5})
    assert float(instrument._plugin.release_time_s) == pytest.approx(1.5, abs=1e-6)


@pytest.mark.parametrize("value", [1.5, "1.5", "1.5 s"])
def test_a_number_may_come_with_its_unit(vst3_synth: Path, value: object) -> None:
    instrument = PluginInstrument.load(vst3_synth, RATE, parameters={"attack_s": value})
    assert float(instrument._plugin.attack_s) == pytest.approx(1.5, abs=1e-6)


@pytest.mark.parametrize(
    ("parameters", "said"),
    [
        ({"brightnes": 1}, "Test Synth has no parameter 'brightnes': did you mean 'brightness'?"),
        ({"xyzzy": 1}, "Test Synth has no parameter 'xyzzy': it has gain, attack_s, release_time_s, brightness, wave"),
        ({"gain": 1.01}, "Test Synth: gain must be a number from 0 to 1, not 1.01"),
        ({"gain": float("nan")}, "Test Synth: gain must be a number from 0 to 1, not nan"),
        ({"gain": True}, "Test Synth: gain must be a number from 0 to 1, not True"),
        ({"attack_s": "long"}, "Test Synth: attack_s must be a number from 0.001 to 2 s, not 'long'"),
        ({"wave": "Sawtooth"}, "Test Synth: wave must be one of Sine, Saw, Square, not 'Sawtooth'"),
    ],
)
def test_a_parameter_that_cannot_be_set_is_told_in_one_line(
    vst3_synth: Path, parameters: dict[str, Any], said: str
) -> None:
    with pytest.raises(SoundError, match=f"^{re.escape(said)}$"):
        PluginInstrument.load(vst3_synth, RATE, parameters=parameters)


def _file(name: str, data: bytes = b"") -> Callable[[Path, Path], Path]:
    def made(folder: Path, synth: Path) -> Path:
        (folder / name).write_bytes(data)
        return folder / name

    return made


def _foreign(folder: Path, synth: Path) -> Path:
    """A bundle for other systems."""
    bundle = folder / "Foreign.vst3"
    for system in ("MacOS", "x86_64-win"):
        (bundle / "Contents" / system).mkdir(parents=True)
    return bundle


def _hollow(folder: Path, synth: Path) -> Path:
    """A bundle whose binary is none."""
    binary = folder / "Hollow.vst3" / "Contents" / f"{platform.machine()}-linux" / "Hollow.so"
    binary.parent.mkdir(parents=True)
    binary.write_bytes(b"no binary")
    return folder / "Hollow.vst3"


@pytest.mark.parametrize(
    ("made", "said"),
    [
        (lambda folder, synth: folder / "gone.vst3", "there is no such plug-in file"),
        (_file("song.mid"), "song.mid is no plug-in for this system"),
        (_file("flat.vst3", b"not a plug-in"), "flat.vst3 cannot be loaded as a plug-in"),
        (_foreign, "Foreign.vst3 has no binary for .*, only for MacOS, x86_64-win"),
        (_hollow, "Hollow.vst3 cannot be loaded as a plug-in"),
    ],
)
def test_what_is_no_plugin_is_told_in_one_line(
    vst3_synth: Path, tmp_path: Path, made: Callable[[Path, Path], Path], said: str
) -> None:
    path = made(tmp_path, vst3_synth)
    for act in (lambda: PluginInstrument.load(path, RATE), lambda: load_effect(path)):
        with pytest.raises(SoundError, match=said) as told:
            act()
        assert "\n" not in str(told.value)


@pytest.mark.parametrize(
    ("name", "data", "said"),
    [
        ("gone.vstpreset", None, "the preset cannot be read: No such file"),
        ("empty.vstpreset", b"", "no preset of a VST3"),
        ("song.mid", b"MThd\0\0\0\6", "no preset of a VST3"),
        ("cut.state", b"VC2!\xff\0\0\0<?xml", "no preset of a VST3"),
        ("other.state", b"RIFF\x20\0\0\0<VST3PluginState>" + bytes(40), "no preset of a VST3"),
        ("broken.vstpreset", b"VST3" + bytes(60), "Test Synth does not take this preset"),
    ],
)
def test_what_is_no_preset_is_told_in_one_line(
    vst3_synth: Path, tmp_path: Path, name: str, data: bytes | None, said: str
) -> None:
    if data is not None:
        (tmp_path / name).write_bytes(data)
    with pytest.raises(SoundError, match=f"{name}: .*{said}"):
        PluginInstrument.load(vst3_synth, RATE, preset=tmp_path / name)


def test_a_preset_of_another_plugin_is_refused(vst3_synth: Path, vst3_effect: Path, tmp_path: Path) -> None:
    (tmp_path / "gain.vstpreset").write_bytes(load(vst3_effect).plugin.preset_data)
    with pytest.raises(SoundError, match=r"gain.vstpreset: Test Synth does not take this preset"):
        PluginInstrument.load(vst3_synth, RATE, preset=tmp_path / "gain.vstpreset")


def test_a_name_that_the_file_does_not_hold_is_refused(vst3_synth: Path) -> None:
    assert PluginInstrument.load(vst3_synth, RATE, name="Test Synth").name == "Test Synth"
    with pytest.raises(SoundError, match=r"TestSynth.vst3 holds no plug-in 'Test Sint': did you mean 'Test Synth'?"):
        PluginInstrument.load(vst3_synth, RATE, name="Test Sint")


def test_of_several_plugins_in_a_file_one_must_be_named(
    vst3_synth: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Shell:
        """A file of two, as pedalboard tells of it."""

        def __init__(self, path: str, plugin_name: str | None, initialization_timeout: float) -> None:
            if plugin_name is None:
                raise ValueError("Plugin file contains 2 plugins. \n\t To open a specific plugin ...")
            self.name, self.is_instrument = plugin_name, True

        @staticmethod
        def get_plugin_names_for_file(path: str) -> list[str]:
            return ["Piano", "Organ"]

    monkeypatch.setattr(pedalboard, "VST3Plugin", Shell)
    with pytest.raises(SoundError, match=r"^TestSynth.vst3 holds 2 plug-ins: name one of Piano, Organ$"):
        load(vst3_synth)
    assert load(vst3_synth, "Organ").plugin.name == "Organ"


def test_plugins_are_loaded_and_started_on_the_main_thread_only(square: PluginInstrument, vst3_synth: Path) -> None:
    faults: list[str] = []

    def elsewhere() -> None:
        for act in (lambda: load(vst3_synth), lambda: next(square.stream([], 512, 512))):
            try:
                act()
            except SoundError as error:
                faults.append(str(error))

    thread = threading.Thread(target=elsewhere)
    thread.start()
    thread.join()
    assert len(faults) == 2 and all("main thread" in fault for fault in faults)


def test_thousands_of_controllers_are_not_parameters(vst3_synth: Path) -> None:
    plugin = load(vst3_synth).plugin
    assert len(plugin._parameters) > 2000  # what makes pedalboard slow without our rule
    assert list(plugin.parameters) == ["gain", "attack_s", "release_time_s", "brightness", "wave"]


def test_the_rule_for_controllers_may_fail_to_find_its_place(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(pedalboard._pedalboard, "PARAMETER_NAME_REGEXES_TO_IGNORE")
    ignore_controllers()
    monkeypatch.setattr(pedalboard._pedalboard, "PARAMETER_NAME_REGEXES_TO_IGNORE", (), raising=False)
    ignore_controllers()


def test_an_effect_works_on_sound(vst3_effect: Path) -> None:
    sound = np.random.default_rng(1).uniform(-1, 1, (2, 5000)).astype(np.float32)
    half = load_effect(vst3_effect)
    quarter = load_effect(vst3_effect, name="Test Gain", parameters={"Gain": 0.25})
    assert np.allclose(half.process(sound, RATE), sound / 2, atol=1e-6)
    assert np.allclose(pedalboard.Pedalboard([half, quarter])(sound, RATE), sound / 8, atol=1e-6)


def test_a_preset_of_an_effect_is_restored(vst3_effect: Path, tmp_path: Path) -> None:
    preset = saved(tmp_path / "soft.vstpreset", load_effect(vst3_effect, parameters={"gain": 0.125}))
    effect = load_effect(vst3_effect, preset=preset)
    sound = np.ones((2, 1000), np.float32)
    assert np.allclose(effect.process(sound, RATE), sound / 8, atol=1e-6)


def test_an_instrument_is_no_effect_and_an_effect_no_instrument(vst3_synth: Path, vst3_effect: Path) -> None:
    with pytest.raises(SoundError, match=r"^Test Synth is an instrument, not an effect: give it a part to play$"):
        load_effect(vst3_synth)
    with pytest.raises(SoundError, match=r"^Test Gain is an effect, not an instrument: put it among a part's effects$"):
        PluginInstrument.load(vst3_effect, RATE)


def test_an_effect_in_mono_only_is_refused(vst3_rig: Vst3Rig) -> None:
    with pytest.raises(SoundError, match=r"^Test Mono Gain does not work in stereo"):
        load_effect(vst3_rig.plugin("mono_effect"))


def test_a_plugin_works_from_a_folder_with_spaces_and_accents(vst3_synth: Path, tmp_path: Path) -> None:
    copy = shutil.copytree(vst3_synth, tmp_path / "Été à la mer" / vst3_synth.name)
    assert PluginInstrument.load(copy, RATE).name == "Test Synth"


@pytest.mark.parametrize("sizes", [[0, 5, 0, 0, 7], [1] * 12, [12], [30]])
@pytest.mark.parametrize("chunk", [1, 5, 12, 100])
def test_sound_is_cut_anew_without_loss(sizes: list[int], chunk: int) -> None:
    whole = np.arange(2 * sum(sizes), dtype=np.float32).reshape(2, -1)
    ends = np.cumsum(sizes)
    pieces = [whole[:, end - size : end] for size, end in zip(sizes, ends, strict=True)]
    out = list(recut(pieces, 12, chunk))
    assert np.array_equal(np.concatenate(out, axis=1), whole[:, :12])
    assert [piece.shape[1] for piece in out] == [chunk] * (12 // chunk) + [12 % chunk] * bool(12 % chunk)
