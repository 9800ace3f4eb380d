"""What the composer moves while it plays: settings as they are to be from now on. Pure."""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from typing import Any

from daw_assist.errors import UsageError
from daw_assist.suggest.harmony import HarmonySettings
from daw_assist.suggest.modes import Mode
from daw_assist.suggest.suggestion import MAX_BARS, Settings


@dataclass(frozen=True, slots=True)
class Steer:
    """None: as it is. What is named in `clear` is left to the model again."""

    mode: str | None = None
    bars: int | None = None
    candidates: int | None = None
    seed: int | None = None
    seed_locked: bool | None = None
    """The same seed for every draft: the same context gives the same notes."""
    temperature: float | None = None
    top_p: float | None = None
    style: str | None = None
    key: str | None = None
    density: int | None = None
    polyphony: int | None = None
    register: int | None = None
    loudness: int | None = None
    syncopation: int | None = None
    similarity: float | None = None
    parts: tuple[str, ...] | None = None
    rhythm: str | None = None
    complexity: str | None = None
    pattern: str | None = None
    meter: str | None = None
    bpm: float | None = None
    """Of the internal clock."""
    sync: str | None = None
    """What leads: one of `SYNCS`."""
    thru: bool | None = None
    fill: str | None = None
    """Bars of the song from 1, `5-6`, for the mode `fill`."""
    clear: tuple[str, ...] = ()


SYNCS = ("auto", "clock", "jack", "link", "internal")
"""MIDI clock, JACK's transport, Ableton Link, our own; auto is the first of them that runs, but for Link."""
CLEARABLE = (
    "style", "key", "density", "polyphony", "register", "loudness", "syncopation", "similarity", "parts",
)  # fmt: skip
_PLAN_FIELDS = tuple(field.name for field in fields(Settings) if field.name != "bpm")
_CHORD_FIELDS = tuple(field.name for field in fields(HarmonySettings) if field.name != "given")
_CHORDS_ONLY = ("key", "register", "density", "temperature")
"""Of the words that both have: these are about the chords where chords and drums play."""


def steered(settings: Settings, steer: Steer, mode: Mode) -> Settings:
    """The settings of what continues, with what was moved; in a mode with chords their words are not for it."""
    mine = [name for name in _PLAN_FIELDS if not (mode.has_chords and (name in _CHORDS_ONLY or mode is Mode.HARMONIZE))]
    cleared: dict[str, Any] = {name: None for name in steer.clear if name in mine}
    return replace(settings, **(cleared | _said(steer, mine)))


def steered_chords(settings: HarmonySettings, steer: Steer, mode: Mode) -> HarmonySettings:
    """The settings of chords, with what was moved; untouched in a mode without chords."""
    if not mode.has_chords:
        return settings
    mine = [name for name in _CHORD_FIELDS if not (mode is Mode.ACCOMPANY and name == "style")]
    usual = HarmonySettings()
    cleared: dict[str, Any] = {name: getattr(usual, name) for name in steer.clear if name in mine}
    return replace(settings, **(cleared | _said(steer, mine)))


def of_plans(steer: Steer) -> Steer:
    """What is about bars alone."""
    return Steer(**{name: getattr(steer, name) for name in _PLAN_FIELDS if name not in _CHORD_FIELDS})


def of_chords(steer: Steer) -> Steer:
    """What is about chords alone."""
    return Steer(**{name: getattr(steer, name) for name in _CHORD_FIELDS if name not in _PLAN_FIELDS})


def _said(steer: Steer, names: list[str]) -> dict[str, Any]:
    return {name: value for name in names if (value := getattr(steer, name, None)) is not None}


def parse_fill(text: str) -> tuple[int, int]:
    """`5-6` or `5`: first and last bar, from 0; `UsageError` for what is no range of 1..16 bars."""
    first, _, last = text.partition("-")
    try:
        found = int(first) - 1, int(last or first) - 1
    except ValueError:
        raise UsageError(f"{text!r} is no range of bars: write 5-6") from None
    if not 0 <= found[0] <= found[1] or found[1] - found[0] >= MAX_BARS:
        raise UsageError(f"bars {text!r} cannot be filled: give 1 to {MAX_BARS} bars, the first before the last")
    return found


def parse_mode(text: str) -> Mode:
    """The mode of this name; `UsageError` names those there are."""
    try:
        return Mode(text)
    except ValueError:
        raise UsageError(f"there is no mode {text[:24]!r}: choose from {', '.join(Mode)}") from None


def parse_sync(text: str, syncs: tuple[str, ...] = SYNCS) -> str:
    """What is to lead; `UsageError` names what may."""
    if text not in syncs:
        raise UsageError(f"{text[:24]!r} cannot lead here: choose from {', '.join(syncs)}")
    return text
