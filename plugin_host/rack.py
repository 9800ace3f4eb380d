"""The rack: which instrument plays which part, how loud, from where, through what. Values and their TOML; standard library only.

    [part.keys]                       # by the track's name, else by part: voice, lead, winds, brass, strings, keys,
    plugin = "Piano.vst3"             #   guitar, pad, other, bass, drums; "default" is for all that are not named
    preset = "Soft.vstpreset"
    parameters = { gain = 0.4 }
    gain_db = -2
    pan = -0.2                        # -1 left .. 1 right
    effects = [{ effect = "reverb", room_size = 0.4, wet_level = 0.2 }, { plugin = "Echo.vst3" }]

    [part.bass]
    soundfont = "Bass.sf2"            # or none: the font that comes with the program
    program = 34                      # 0..127, instead of what the file says
    bank = 0

    [master]
    effects = [{ effect = "compressor", threshold_db = -18, ratio = 2 }]
    loudness_lufs = -14               # false: as it comes
    ceiling_dbtp = -1

Paths are relative to the rack file. A part that is not in it is played as the file says by the font that comes with the
program, at the place on the stage that `PLACES` gives it unless the file gives one.
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Final

from plugin_host.errors import SoundError
from plugin_host.words import nearest

DEFAULT_LUFS: Final = -14.0
DEFAULT_DBTP: Final = -1.0
PLACES: Final[Mapping[str, int]] = {
    "voice": 64, "lead": 70, "winds": 76, "brass": 84, "strings": 48, "keys": 58, "guitar": 80, "pad": 64, "other": 64,
    "bass": 64, "drums": 64,
}  # fmt: skip
"""Pan by part (control change 10, 64 is the middle) where neither rack nor file says: the middle for what carries."""


@dataclass(frozen=True, slots=True)
class EffectChoice:
    """One effect: ours by name (`plugin_host.effects.EFFECTS`), or a plug-in."""

    effect: str | None = None
    plugin: str | None = None
    plugin_name: str | None = None
    preset: str | None = None
    parameters: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Channel:
    """One part's place in the rack; `pan` None leaves the pan to the file. A plug-in goes before a SoundFont."""

    plugin: str | None = None
    plugin_name: str | None = None
    preset: str | None = None
    parameters: Mapping[str, Any] = field(default_factory=dict)
    soundfont: str | None = None
    program: int | None = None
    bank: int | None = None
    gain_db: float = 0.0
    pan: float | None = None
    effects: tuple[EffectChoice, ...] = ()


@dataclass(frozen=True, slots=True)
class Master:
    """What the mix goes through. `loudness_lufs` None leaves the level as it comes; the ceiling holds in any case."""

    effects: tuple[EffectChoice, ...] = ()
    loudness_lufs: float | None = DEFAULT_LUFS
    ceiling_dbtp: float = DEFAULT_DBTP


@dataclass(frozen=True, slots=True)
class Rack:
    """All channels by name in lower case, and the master."""

    parts: Mapping[str, Channel] = field(default_factory=dict)
    master: Master = Master()

    def plugins(self) -> list[str]:
        """The files of all plug-ins in it."""
        choices: list[Channel | EffectChoice] = [
            *self.parts.values(),
            *self.master.effects,
            *(e for one in self.parts.values() for e in one.effects),
        ]
        return sorted({one.plugin for one in choices if one.plugin is not None})

    def channel(self, name: str, part: str) -> Channel | None:
        """The channel of a track; None where the rack has none."""
        for key in (name.casefold(), part.casefold(), "default"):
            if key in self.parts:
                return self.parts[key]
        return None


def load_rack(path: Path) -> Rack:
    """Read a rack file; `SoundError` in one line for what cannot be meant."""
    try:
        told = tomllib.loads(path.read_text("utf-8"))
    except OSError as error:
        raise SoundError(f"{path}: the rack cannot be read ({error.strerror or error}): check the name") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise SoundError(f"{path}: this is no TOML ({error})") from None
    reader = _Reader(path)
    reader.only(told, ("part", "master"), "the rack")
    parts = reader.table(told.get("part", {}), "part")
    return Rack(
        {name.casefold(): reader.channel(reader.table(given, f"part.{name}"), name) for name, given in parts.items()},
        reader.master(reader.table(told.get("master", {}), "master")),
    )


class _Reader:
    """Checks what stands in one rack file; every refusal names the file and the place."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def fault(self, text: str) -> SoundError:
        return SoundError(f"{self._path}: {text}")

    def only(self, given: Mapping[str, Any], known: tuple[str, ...], where: str) -> None:
        for key in given:
            if key not in known:
                raise self.fault(f"{where} has no {key!r}: {nearest(key, known)}")

    def table(self, value: Any, where: str) -> Mapping[str, Any]:
        if not isinstance(value, Mapping):
            raise self.fault(f"{where} must be a table, not {value!r}")
        return value

    def number(self, given: Mapping[str, Any], key: str, low: float, high: float, where: str) -> float | None:
        value = given.get(key)
        if value is None:
            return None
        if isinstance(value, bool) or not isinstance(value, int | float) or not low <= value <= high:
            raise self.fault(f"{where}: {key} must be a number from {low:g} to {high:g}, not {value!r}")
        return float(value)

    def text(self, given: Mapping[str, Any], key: str, where: str) -> str | None:
        value = given.get(key)
        if value is not None and not isinstance(value, str):
            raise self.fault(f"{where}: {key} must be text in quotes, not {value!r}")
        return value

    def file(self, given: Mapping[str, Any], key: str, where: str) -> str | None:
        value = self.text(given, key, where)
        return None if value is None else str(self._path.parent / Path(value).expanduser())

    def channel(self, given: Mapping[str, Any], name: str) -> Channel:
        where = f"part.{name}"
        self.only(given, tuple(Channel.__dataclass_fields__), where)
        if given.get("plugin") and given.get("soundfont"):
            raise self.fault(f"{where} names a plugin and a soundfont: leave one out")
        program, bank = (self.number(given, key, 0, most, where) for key, most in (("program", 127), ("bank", 16_383)))
        return Channel(
            plugin=self.file(given, "plugin", where),
            plugin_name=self.text(given, "plugin_name", where),
            preset=self.file(given, "preset", where),
            parameters=self.table(given.get("parameters", {}), f"{where}.parameters"),
            soundfont=self.file(given, "soundfont", where),
            program=None if program is None else int(program),
            bank=None if bank is None else int(bank),
            gain_db=self.number(given, "gain_db", -96, 40, where) or 0.0,
            pan=self.number(given, "pan", -1, 1, where),
            effects=self.effects(given, where),
        )

    def master(self, given: Mapping[str, Any]) -> Master:
        self.only(given, tuple(Master.__dataclass_fields__), "master")
        made = Master(effects=self.effects(given, "master"))
        if given.get("loudness_lufs") is False:
            made = replace(made, loudness_lufs=None)
        elif (loudness := self.number(given, "loudness_lufs", -60, -5, "master")) is not None:
            made = replace(made, loudness_lufs=loudness)
        if (ceiling := self.number(given, "ceiling_dbtp", -20, 0, "master")) is not None:
            made = replace(made, ceiling_dbtp=ceiling)
        return made

    def effects(self, given: Mapping[str, Any], where: str) -> tuple[EffectChoice, ...]:
        listed = given.get("effects", [])
        if not isinstance(listed, list):
            raise self.fault(f"{where}: effects must be a list of tables, not {listed!r}")
        return tuple(self.effect(self.table(one, f"{where}.effects"), f"{where}.effects") for one in listed)

    def effect(self, given: Mapping[str, Any], where: str) -> EffectChoice:
        if "plugin" in given:
            self.only(given, ("plugin", "plugin_name", "preset", "parameters"), where)
            return EffectChoice(
                plugin=self.file(given, "plugin", where),
                plugin_name=self.text(given, "plugin_name", where),
                preset=self.file(given, "preset", where),
                parameters=self.table(given.get("parameters", {}), f"{where}.parameters"),
            )
        name = self.text(given, "effect", where)
        if name is None:
            raise self.fault(f'{where}: each needs effect = "..." or plugin = "..."')
        return EffectChoice(effect=name, parameters={key: value for key, value in given.items() if key != "effect"})
