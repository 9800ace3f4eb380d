"""What a check is asked and what it finds. Plain values: they go to a process and come back as JSON."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Level = Literal["ok", "warning", "problem"]
"""warning: it works, but not all of it, or less well. problem: something does not work."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One line. `advice` says what to do; it is empty where all is well."""

    name: str
    level: Level
    found: str
    advice: str = ""


def of_error(name: str, error: Exception, advice: str = "see docs/daws.md") -> Finding:
    """A problem from an error of ours, whose one line says what is wrong, and mostly after a semicolon what to do."""
    text = " ".join(str(error).split())
    found, _, what_to_do = text.rpartition("; ")
    return Finding(name, "problem", found or text, what_to_do if found else advice)


@dataclass(frozen=True, slots=True)
class Asked:
    """What the command line says: the same options as those of `live`."""

    in_port: str | None = None
    out_port: str | None = None
    virtual: str = "daw-assist"
    api: str = "auto"
    listen_s: float = 3.0
    bpm: float = 120.0
    model: str = "small-int8"
    provider: str = "auto"
    threads: int = 0
    endpoint: str | None = None

    @property
    def by_name(self) -> bool:
        """Whether existing ports were named instead of virtual ones."""
        return self.in_port is not None or self.out_port is not None
