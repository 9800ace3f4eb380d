"""Where plug-ins lie on this system, which files are plug-ins, and whether one has a binary for it. Standard library only.

The folders are those of Steinberg's "Plug-in Locations" and Apple's Audio Unit guide. A .vst3 is a bundle (a folder) or, on
Windows, also a single file; a .component (Audio Unit, macOS only) is a bundle.
"""

from __future__ import annotations

import os
import platform
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path

ENDINGS = (".vst3", ".component") if sys.platform == "darwin" else (".vst3",)


def standard_folders() -> list[Path]:
    """`VST3_PATH` (several, as in PATH), then the user's and the system's folders; they need not exist."""
    given = [Path(word).expanduser() for word in os.environ.get("VST3_PATH", "").split(os.pathsep) if word]
    return list(dict.fromkeys([*given, *_of_the_system()]))


def _of_the_system() -> list[Path]:
    home = Path(os.path.expanduser("~"))  # noqa: PTH111 - must not raise without a home
    if sys.platform == "win32":
        bases = [os.environ.get(name) for name in ("COMMONPROGRAMFILES", "COMMONPROGRAMFILES(X86)")]
        local = os.environ.get("LOCALAPPDATA")
        own = [Path(local, "Programs", "Common", "VST3")] if local else []
        return own + [Path(base, "VST3") for base in bases if base]
    if sys.platform == "darwin":
        roots = (home / "Library", Path("/Library"), Path("/Network/Library"))
        return [root / "Audio/Plug-Ins" / kind for root in roots for kind in ("VST3", "Components")]
    return [home / ".vst3", *(Path(base, "vst3") for base in ("/usr/local/lib", "/usr/lib", "/usr/lib64"))]


def is_plugin(path: Path) -> bool:
    """By its name alone."""
    return path.suffix.lower() in ENDINGS


def plugin_files(folders: Iterable[Path]) -> list[Path]:
    """Every plug-in at or below `folders`, once and in their order, sorted within each; links are followed.

    A folder that is not there or cannot be read holds none.
    """
    found: dict[str, Path] = {}
    for folder in folders:
        for path in [folder] if is_plugin(folder) and folder.exists() else sorted(_below(folder)):
            found.setdefault(os.path.realpath(path), path)
    return list(found.values())


def _below(folder: Path) -> Iterator[Path]:
    seen: set[str] = set()
    for at, folders, files in os.walk(folder, followlinks=True):
        here = os.path.realpath(at)
        if here in seen:  # a link to a folder above
            folders.clear()
            continue
        seen.add(here)
        yield from (Path(at, name) for name in [*folders, *files] if is_plugin(Path(name)))
        folders[:] = [name for name in folders if not is_plugin(Path(name))]


def lacking(path: Path) -> str | None:
    """Why a bundle cannot run here: it holds binaries for other systems only, or cannot be read. None if it may run."""
    contents = path / "Contents"
    if path.suffix.lower() != ".vst3" or not path.is_dir():
        return None
    try:
        there = sorted(entry.name for entry in contents.iterdir() if entry.is_dir()) if contents.is_dir() else []
    except OSError as error:
        return f"cannot be read: {error.strerror or error}"
    binaries = [name for name in there if name == "MacOS" or name.endswith(("-linux", "-win"))]
    if any(name in _OURS for name in binaries):
        return None
    what = f"only for {', '.join(binaries)}" if binaries else "nor for any other system"
    return f"has no binary for {_OURS[0]}, {what}: install its build for this system"


def _binary_folders() -> tuple[str, ...]:
    machine = platform.machine()
    if sys.platform == "darwin":
        return ("MacOS",)
    if sys.platform == "win32":
        arm = machine.lower() in ("arm64", "aarch64")
        return ("arm64-win", "arm64ec-win", "arm64x-win", "x86_64-win") if arm else ("x86_64-win", "arm64x-win")
    return (f"{machine}-linux",)


_OURS = _binary_folders()
