"""What the render process is told and tells, as values; JSON on the wire. Standard library and msgspec only."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from plugin_host.midi import Track
from plugin_host.rack import Rack

FORMATS: Final[Mapping[str, tuple[int, ...]]] = {".wav": (16, 24, 32), ".flac": (16, 24), ".mp3": (), ".ogg": ()}
"""What can be written, with the bits that a sample may have (32 is floating point)."""
RATES: Final = (44_100, 48_000, 88_200, 96_000)
MOST_TAIL_S: Final = 12.0
MOST_SECONDS: Final = 2 * 3600.0


@dataclass(frozen=True, slots=True)
class Encoding:
    """How the file is written. `bits` None: 24 where there is a choice; `quality` as pedalboard says it, None: usual."""

    suffix: str
    rate: int = 48_000
    bits: int | None = None
    quality: str | None = None


@dataclass(frozen=True, slots=True)
class Job:
    """One render. `folder` is an empty folder for the results: `mix<suffix>`, and `stem-<i><suffix>` by track."""

    tracks: tuple[Track, ...]
    rack: Rack
    encoding: Encoding
    folder: str
    stems: bool = False
    tail_s: float | None = None
    """Sound after the last event; None: until it is silent, at most `MOST_TAIL_S`."""
    tags: Mapping[str, str] = field(default_factory=dict)
    threads: int = 2
    listen: bool = False
    """Play it now instead of writing files; `folder` is not used then."""
    device: str | None = None
    """Where to, None: the system's own output."""


@dataclass(frozen=True, slots=True)
class Progress:
    """What is being done, and how much of it (0 to 1)."""

    doing: str
    share: float


@dataclass(frozen=True, slots=True)
class Level:
    """One track's sound in the mix: RMS in dBFS (None: silence) and peak of full scale."""

    name: str
    rms_dbfs: float | None
    peak: float


@dataclass(frozen=True, slots=True)
class Report:
    """What was made.

    `lufs` None: too quiet or too short to be measured; `peak_dbtp` None: silence; `levels` only with stems, by track.
    """

    frames: int
    rate: int
    lufs: float | None
    peak_dbtp: float | None
    gain_db: float
    limited: bool
    levels: tuple[Level, ...]
    synthesizer: str
    peak_memory_mb: float
    seconds: Mapping[str, float]
