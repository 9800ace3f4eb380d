"""`python -m plugin_host.probe FILE [NAME]`: loads one plug-in, plays to it and says what it is; may die of it.

Prints one JSON object a line, each with the `stage` that begins, so that the reader knows where it ended:

    {"stage": "loading"}
    {"stage": "playing a note", "plugin": {"name": ..., "maker": ..., "kind": ..., "version": ..., "parameters": [...]}}
    {"stage": "done"}

The last has "trouble": "..." if it failed, and "names": [...], no more, if there are several: each is probed by its name.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from plugin_host.errors import SoundError
from plugin_host.events import Event
from plugin_host.plugin import Loaded, PluginInstrument, effect_of, load, names_in

RATE_HZ = 48_000
WARM_UP_S = 1.0
"""How long a silent instrument is waited for; a scan is not the time for a sampler to read its disk."""
_CHOICES = 1000

Say = Callable[..., None]


def main(arguments: list[str]) -> None:
    """Never returns: a plug-in may crash where it is unloaded, which is not its user's trouble."""
    say = _private_stdout()
    _leave_no_core()
    try:
        _probe(Path(arguments[0]), arguments[1] if len(arguments) > 1 else None, say)
    except SoundError as error:
        say(stage="done", trouble=str(error))
    except Exception as error:  # noqa: BLE001 - whatever it is, it is the plug-in's trouble
        say(stage="done", trouble=f"{type(error).__name__}: {error}".splitlines()[0])
    os._exit(0)


def _probe(path: Path, name: str | None, say: Say) -> None:
    say(stage="loading")
    try:
        loaded = load(path, name, WARM_UP_S)
    except SoundError:
        if name is None and len(names := names_in(path)) > 1:
            say(stage="done", names=names)
            return
        raise
    say(stage="playing a note" if loaded.is_instrument else "working on sound", plugin=_told(loaded))
    if loaded.is_instrument:
        for _ in PluginInstrument(loaded, RATE_HZ).stream(_NOTE, RATE_HZ, 4096):
            pass
    else:
        effect_of(loaded, RATE_HZ)
    say(stage="done")


_NOTE = (Event(0.0, bytes((0x90, 60, 100))), Event(0.5, bytes((0x80, 60, 0))))


def _told(loaded: Loaded) -> dict[str, Any]:
    plugin = loaded.plugin
    return {
        "name": plugin.name,
        "maker": plugin.manufacturer_name,
        "kind": "instrument" if loaded.is_instrument else "effect",
        "version": plugin.version,
        "parameters": [_parameter(name, each) for name, each in plugin.parameters.items()],
    }


def _parameter(name: str, parameter: Any) -> dict[str, Any]:
    is_number = parameter.type is float
    choices = () if is_number else tuple(dict.fromkeys(map(str, parameter.valid_values)))
    return {
        "name": name,
        "value": str(parameter.string_value),
        "low": parameter.min_value if is_number else None,
        "high": parameter.max_value if is_number else None,
        "unit": parameter.label or "",
        "choices": choices[:_CHOICES],
    }


def _private_stdout() -> Say:
    """What is printed from now on goes nowhere; what is said goes where stdout led."""
    out = os.fdopen(os.dup(1), "w", encoding="utf-8")
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 1)

    def say(**fields: Any) -> None:
        out.write(json.dumps(fields) + "\n")
        out.flush()

    return say


def _leave_no_core() -> None:
    """A crash is expected here: it shall not fill the disk."""
    if sys.platform != "win32":
        import resource

        resource.setrlimit(resource.RLIMIT_CORE, (0, resource.getrlimit(resource.RLIMIT_CORE)[1]))


if __name__ == "__main__":
    main(sys.argv[1:])
