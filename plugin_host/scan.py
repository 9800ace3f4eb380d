"""The plug-ins that are installed, each probed once in a process of its own, and remembered. Standard library only.

Remembered in `plugins.json` in the user's cache folder, by path, with the age and size of the binaries and the version of
pedalboard; broken ones too, so that a plug-in that hangs costs its time once. A file that cannot be read or written costs
a new scan, nothing else.
"""

from __future__ import annotations

import contextlib
import json
import os
import sys
import tempfile
from collections.abc import Callable, Iterable
from dataclasses import asdict
from importlib import metadata
from pathlib import Path
from typing import Any

from plugin_host.folders import plugin_files, standard_folders
from plugin_host.probed import TIMEOUT_S, Found, Probed, probed

_FORMAT = 1
Stamp = list[int | str]


def scan(
    folders: Iterable[Path] = (),
    *,
    again: bool = False,
    timeout_s: float = TIMEOUT_S,
    on_file: Callable[[Path], None] = lambda path: None,
    probe: Callable[[Path, float], list[Probed]] = probed,
    cache: Path | None = None,
) -> list[Found]:
    """Every plug-in of `folders` (none: the system's), in the order of `plugin_files`; broken ones with their `trouble`.

    `again` probes also what is remembered. `on_file` hears of each file before it is probed. Blocks for `timeout_s` a
    plug-in at most. Errors: `SoundError` if nothing can be probed here.
    """
    given = list(folders)
    file = cache or cache_folder() / "plugins.json"
    kept = _remembered(file)
    found: list[Found] = []
    for path in plugin_files(given or standard_folders()):
        key, stamp = str(path.absolute()), stamp_of(path)
        known = None if again else _known(kept.get(key), stamp, path)
        if known is None:
            on_file(path)
            known = [each.found for each in probe(path, timeout_s)]
            kept[key] = {"stamp": stamp, "found": [{**asdict(each), "path": key} for each in known]}
            _remember(file, kept)
        found += known
    return found


def stamp_of(path: Path) -> Stamp:
    """What changes when a plug-in is installed anew: newest age in ns, bytes of its binaries, pedalboard's version."""
    ages, size = [0], 0
    for file in _binaries(path):
        with contextlib.suppress(OSError):
            told = file.stat()
            ages.append(told.st_mtime_ns)
            size += told.st_size
    return [max(ages), size, _version(), _FORMAT]


def _binaries(path: Path) -> Iterable[Path]:
    """The file, or a bundle's files but for its resources, which may be gigabytes of samples."""
    yield path
    for at, folders, files in os.walk(path / "Contents"):
        folders[:] = [name for name in folders if name != "Resources"]
        yield from (Path(at, name) for name in files)


def _version() -> str:
    """Read from its metadata: importing pedalboard costs a tenth of a second and more."""
    try:
        return metadata.version("pedalboard")
    except metadata.PackageNotFoundError:
        return "none"


def cache_folder() -> Path:
    """The user's folder for what can be made again, by the system's custom; it need not exist."""
    if sys.platform == "win32":
        base = Path(os.environ.get("LOCALAPPDATA") or tempfile.gettempdir())
    elif sys.platform == "darwin":
        base = Path(os.path.expanduser("~/Library/Caches"))  # noqa: PTH111 - must not raise without a home
    else:
        base = Path(os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache"))  # noqa: PTH111
    # Without a home there is nothing absolute to go by.
    return (base if base.is_absolute() else Path(tempfile.gettempdir())) / "daw-assist"


def _known(entry: Any, stamp: Stamp, path: Path) -> list[Found] | None:
    """What is remembered of `path`, if it is still so and makes sense."""
    if not isinstance(entry, dict) or entry.get("stamp") != stamp or not entry.get("found"):
        return None
    try:
        return [Found(**{**told, "path": path}) for told in entry["found"]]
    except TypeError:
        return None


def _remembered(file: Path) -> dict[str, Any]:
    try:
        told = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        return {}
    return told if isinstance(told, dict) else {}


def _remember(file: Path, kept: dict[str, Any]) -> None:
    """Written whole or not at all, after each file: a scan that is stopped goes on where it was."""
    with contextlib.suppress(OSError):
        file.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        with tempfile.TemporaryDirectory(dir=file.parent) as folder:
            partial = Path(folder) / file.name
            partial.write_text(json.dumps(kept, indent=1) + "\n", encoding="utf-8")
            partial.replace(file)
