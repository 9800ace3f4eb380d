"""A plug-in's preset and parameters, checked before they are set: what pedalboard lets through may crash or do nothing.

Threads: the main thread. Errors: `SoundError`, one line.
"""

from __future__ import annotations

import difflib
import math
import re
import struct
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from plugin_host.errors import SoundError

_PRESET_MAGIC, _STATE_MAGIC = b"VST3", b"VC2!"
_MOST_BYTES = 1 << 30
_NUMBER = re.compile(r"-?\d+(\.\d+)?")
_SHOWN = 12
"""Choices that a message lists; more would not be read."""


def set_preset(plugin: Any, path: Path) -> None:
    """A .vstpreset, an .aupreset (Audio Units), or the bytes of `raw_state` in a file of any other ending.

    Wrong bytes may crash a plug-in, so a file that is neither by its first bytes is refused.
    """
    try:
        if path.stat().st_size > _MOST_BYTES:
            raise SoundError(f"{path.name}: a preset of more than {_MOST_BYTES >> 30} GiB is none")
        data = path.read_bytes()
    except OSError as error:
        raise SoundError(f"{path}: the preset cannot be read: {error.strerror or error}") from None
    is_vst3 = hasattr(plugin, "preset_data")
    try:
        if path.suffix.lower() == ".aupreset" and not is_vst3:
            plugin.load_preset(str(path))
        elif is_vst3 and data.startswith(_PRESET_MAGIC):
            plugin.preset_data = data
        elif data and (not is_vst3 or _is_state(data)):
            plugin.raw_state = data
        else:
            raise SoundError(f"{path.name}: no preset of a VST3: give a .vstpreset, or the plug-in's raw state")
    except (RuntimeError, ValueError):
        raise SoundError(f"{path.name}: {plugin.name} does not take this preset: is it another plug-in's?") from None


def _is_state(data: bytes) -> bool:
    """Magic, length (little-endian), XML, a zero byte."""
    if len(data) < 9 or not data.startswith(_STATE_MAGIC):
        return False
    (length,) = struct.unpack_from("<I", data, 4)
    return 8 + length <= len(data) and b"<VST3PluginState>" in data[: 8 + length]


def set_parameters(plugin: Any, values: Mapping[str, Any]) -> None:
    """Each by the plug-in's own name for it, in any case and spelling ("Filter Cutoff", "filter_cutoff"), the unit or not."""
    if not values:
        return
    parameters: dict[str, Any] = plugin.parameters
    by_word = {_word(parameter.name): parameter for parameter in parameters.values()}
    by_word.update({_word(name): parameter for name, parameter in parameters.items()})
    for name, value in values.items():
        parameter = by_word.get(_word(name))
        if parameter is None:
            raise SoundError(f"{plugin.name} has no parameter {name!r}: {nearest(name, list(parameters))}")
        fault = _fault(parameter, value)
        if fault is not None:
            raise SoundError(f"{plugin.name}: {name} must be {fault}, not {value!r}")
        try:
            parameter.raw_value = _raw(parameter, value)
        except ValueError as error:
            raise SoundError(f"{plugin.name}: {name} = {value!r}: {' '.join(str(error).split())}") from None


def _raw(parameter: Any, value: Any) -> float:
    """The plug-in's own reading of a number, where its text says that it is as good as pedalboard's, which has 1000 steps."""
    stepped: float = parameter.get_raw_value_for(value)
    if parameter.type is not float:
        return stepped
    number = float(_bare(parameter, value))
    own: float = parameter.get_raw_value_for_text(f"{number:.9g}")
    step = (parameter.max_value - parameter.min_value) / 1000

    def error(raw: float) -> float:
        found = _NUMBER.search(parameter.get_text_for_raw_value(raw))
        return abs(float(found[0]) - number) if found else math.inf

    return own if 0 <= own <= 1 and error(own) <= min(step, error(stepped)) else stepped


def _bare(parameter: Any, value: Any) -> Any:
    """A text without its unit."""
    return value.removesuffix(parameter.label or "").strip() if isinstance(value, str) else value


def _fault(parameter: Any, value: Any) -> str | None:
    """What the value should be, if it is not."""
    if parameter.type is float:
        unit = f" {parameter.label}" if parameter.label else ""
        told = f"a number from {parameter.min_value:g} to {parameter.max_value:g}{unit}"
        try:
            number = math.nan if isinstance(value, bool) else float(_bare(parameter, value))
        except (TypeError, ValueError):
            return told
        return None if parameter.min_value <= number <= parameter.max_value else told
    if parameter.type is bool:
        return None if isinstance(value, bool) else "true or false"
    choices = [str(choice) for choice in parameter.valid_values]
    return None if str(value) in choices else f"one of {_listed(choices)}"


def nearest(given: str, known: list[str]) -> str:
    """The end of a sentence that says there is no such name."""
    close = difflib.get_close_matches(_word(given), known, n=1, cutoff=0.5)
    if close:
        return f"did you mean {close[0]!r}?"
    return f"it has {_listed(known)}" if known else "it has none"


def _listed(words: list[str]) -> str:
    more = len(words) - _SHOWN
    return ", ".join(words[:_SHOWN]) + (f" and {more} more" if more > 0 else "")


def _word(name: str) -> str:
    return "_".join("".join(letter if letter.isalnum() else " " for letter in name.casefold()).split())
