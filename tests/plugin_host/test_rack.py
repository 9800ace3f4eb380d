"""The rack file: what can be said, and what is refused in one line."""

from __future__ import annotations

from pathlib import Path

import pytest

from plugin_host.errors import SoundError
from plugin_host.rack import DEFAULT_LUFS, Channel, EffectChoice, Master, Rack, load_rack


def _written(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "rack.toml"
    path.write_text(text)
    return path


def test_all_that_a_rack_can_say_is_read(tmp_path: Path) -> None:
    rack = load_rack(_written(tmp_path, """
        [part.Keys]
        plugin = "Piano.vst3"
        preset = "sub/Soft.vstpreset"
        parameters = { gain = 0.4 }
        gain_db = -2
        pan = -0.25
        effects = [{ effect = "reverb", room_size = 0.4 }, { plugin = "/abs/Echo.vst3", parameters = { mix = 0.1 } }]
        [part.bass]
        soundfont = "Bass.sf2"
        program = 34
        bank = 128
        [master]
        effects = [{ effect = "compressor", ratio = 2 }]
        loudness_lufs = -16
        ceiling_dbtp = -2
    """))  # fmt: skip
    assert rack.parts["keys"] == Channel(
        plugin=str(tmp_path / "Piano.vst3"), preset=str(tmp_path / "sub/Soft.vstpreset"), parameters={"gain": 0.4},
        gain_db=-2, pan=-0.25,
        effects=(EffectChoice("reverb", parameters={"room_size": 0.4}),
                 EffectChoice(plugin="/abs/Echo.vst3", parameters={"mix": 0.1})),
    )  # fmt: skip
    assert rack.parts["bass"] == Channel(soundfont=str(tmp_path / "Bass.sf2"), program=34, bank=128)
    assert rack.master == Master((EffectChoice("compressor", parameters={"ratio": 2}),), -16, -2)


def test_a_track_is_found_by_its_name_then_its_part_then_the_default() -> None:
    rack = Rack({"solo": Channel(gain_db=1), "keys": Channel(gain_db=2), "default": Channel(gain_db=3)})
    gains = [
        channel.gain_db
        for track in (("Solo", "keys"), ("x", "keys"), ("x", "bass"))
        if (channel := rack.channel(*track))
    ]
    assert gains == [1, 2, 3]
    assert Rack({"keys": Channel()}).channel("x", "bass") is None


def test_loudness_can_be_left_as_it_comes(tmp_path: Path) -> None:
    assert load_rack(_written(tmp_path, "[master]\nloudness_lufs = false")).master.loudness_lufs is None
    assert load_rack(_written(tmp_path, "")).master.loudness_lufs == DEFAULT_LUFS


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[part.keys", "no TOML"),
        ("[parts.keys]", "did you mean part?"),
        ("[part.keys]\nplugins = 'x'", "did you mean plugin?"),
        ("[part.keys]\nplugin = 3", "plugin must be text in quotes, not 3"),
        ("[part.keys]\nplugin = 'a.vst3'\nsoundfont = 'b.sf2'", "leave one out"),
        ("[part.keys]\npan = 2", "pan must be a number from -1 to 1, not 2"),
        ("[part.keys]\ngain_db = true", "gain_db must be a number"),
        ("[part.keys]\nprogram = 128", "from 0 to 127"),
        ("[part.keys]\neffects = 'reverb'", "must be a list of tables"),
        ("[part.keys]\neffects = [{room = 1}]", 'each needs effect = "..." or plugin = "..."'),
        ("[part.keys]\neffects = ['reverb']", "must be a table"),
        ("[master]\nloudness_lufs = 3", "from -60 to -5"),
        ("[master]\nceiling_dbtp = 1", "from -20 to 0"),
        ("part = 3", "part must be a table"),
    ],
)
def test_what_cannot_be_meant_is_refused_with_the_file_and_the_place(tmp_path: Path, text: str, said: str) -> None:
    with pytest.raises(SoundError) as told:
        load_rack(_written(tmp_path, text))
    assert said in str(told.value)
    assert "rack.toml" in str(told.value)
    assert "\n" not in str(told.value)


def test_a_missing_rack_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(SoundError, match="cannot be read"):
        load_rack(tmp_path / "none.toml")
