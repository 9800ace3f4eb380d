"""A suggestion: bars that could come next, how they were made, and from what."""

from __future__ import annotations

from dataclasses import dataclass

from daw_assist.music.bars import Bar

MAX_BARS = 16
MAX_CANDIDATES = 8


@dataclass(frozen=True, slots=True)
class Settings:
    """What the composer asked for. None means: leave it to the model."""

    bars: int = 4
    """How many bars to make, 1..16."""
    candidates: int = 3
    """How many different ones, 1..8."""
    seed: int = 0
    temperature: float = 0.95
    """0.1..2.0; below 1 safer, above 1 wilder."""
    top_p: float = 0.97
    """Nucleus: sample among the likeliest tokens that hold this much probability, 0..1."""
    style: str | None = None
    """One of `tokens.vocab.STYLES`."""
    key: str | None = None
    """Scale lock, e.g. "G", "F# minor": only pitches of the scale are played."""
    density: int | None = None
    """0 (empty) .. 7 (very dense), notes a quarter on a rising scale; this and the next four: `tokens.attributes`."""
    polyphony: int | None = None
    """1 (a single line) .. 7 (five voices and more)."""
    register: int | None = None
    """0 (lowest) .. 7 (highest), mean pitch."""
    loudness: int | None = None
    """0 (ppp) .. 7 (fff), mean velocity."""
    syncopation: int | None = None
    """0 (on the beat) .. 7."""
    similarity: float | None = None
    """0 (away from the given music) .. 0.5 (as the model would) .. 1 (its motifs over and over)."""
    parts: tuple[str, ...] | None = None
    """Which parts may play, as names of `music.parts.Part` in small letters; None: those that were heard."""
    bpm: float | None = None
    """Tempo in quarters a minute, if the model is to know it."""


@dataclass(frozen=True, slots=True)
class Candidate:
    """One possibility. `bars` follow the last bar heard, or stand in the place of those that were filled.

    `nats_per_note` is the surprise of the model together with its echo, where it has one (lower: likelier).
    """

    bars: tuple[Bar, ...]
    nats_per_note: float
    seed: int
    faults: tuple[str, ...] = ()
    """What the checks of `suggest.rank` found, in words; the first of several candidates has the least of it."""


@dataclass(frozen=True, slots=True)
class Provenance:
    """Where it comes from: enough to make it again."""

    model: str
    sha256: str
    provider: str
    settings: Settings
    heard_bars: int
    heard_tokens: int
    reused_tokens: int
    """Tokens of the context that were still in the cache."""
    milliseconds: dict[str, float]
    """By station: encode, prefill, decode, rank."""


@dataclass(frozen=True, slots=True)
class Suggestion:
    """Candidates, best first, for the bars from `first_bar` on (the asker's own count of bars).

    `epoch` is the asker's: an answer of an older epoch is thrown away.
    """

    epoch: int
    first_bar: int
    candidates: tuple[Candidate, ...]
    provenance: Provenance
