"""Tokens in, tokens out: one prompt, several continuations from its shared cache.

It knows the grammar of the tokens and nothing of requests, processes or host time.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np

from daw_assist.engine.sampling import sample
from daw_assist.music.metre import Metre
from daw_assist.music.parts import Part
from daw_assist.tokens.encode import encode_bar_opening
from daw_assist.tokens.grammar import Grammar
from daw_assist.tokens.vocab import BAR, KIND_OF, Kind

MAX_BAR_TOKENS = 192
"""A bar is closed by force beyond this: twice the densest bar in a hundred of the corpus."""
PREFILL_CHUNK = 128


class Decoder(Protocol):
    """What generation needs of a model: a sequence that grows and is rewound (`models_onnx.session.DecoderSession`)."""

    @property
    def ids(self) -> list[int]:
        """The tokens held."""

    def rewind(self, length: int) -> None:
        """Keep the first `length` tokens."""

    def append(self, ids: Sequence[int]) -> np.ndarray[Any, Any]:
        """Logits (len(ids), vocab)."""

    def step(self, token: int) -> np.ndarray[Any, Any]:
        """Logits (vocab,)."""


class Stale(Exception):
    """Somebody wants something newer; what was under way is given up."""


@dataclass(frozen=True, slots=True)
class Plan:
    """What one continuation must keep to."""

    metre: Metre
    bars: int
    temperature: float
    top_p: float
    density: int | None = None
    pitch_classes: frozenset[int] | None = None
    parts: frozenset[Part] | None = None
    dynamics: bool = False
    room: int | None = None
    """Tokens that fit behind the prompt (None: any number); the bars that no longer fit stay empty."""


@dataclass(frozen=True, slots=True)
class Continuation:
    """`ids` from the first BAR on; `nats` of the sampled tokens and how many `notes` they hold."""

    ids: tuple[int, ...]
    nats: float
    notes: int


def prefill(decoder: Decoder, ids: Sequence[int], is_stale: Callable[[], bool] = lambda: False) -> int:
    """Make the cache hold exactly `ids`, from the first differing token on; gives how many were there already."""
    held = decoder.ids
    same = next((i for i, (a, b) in enumerate(zip(held, ids, strict=False)) if a != b), min(len(held), len(ids)))
    decoder.rewind(same)
    for start in range(same, len(ids), PREFILL_CHUNK):
        if is_stale():
            raise Stale
        decoder.append(ids[start : start + PREFILL_CHUNK])
    return same


def continue_from(
    decoder: Decoder,
    plan: Plan,
    rng: np.random.Generator,
    on_token: Callable[[int], None] = lambda token: None,
    is_stale: Callable[[], bool] = lambda: False,
) -> Continuation:
    """Sample `plan.bars` bars after what the decoder holds; afterwards it holds what it held before."""
    start = len(decoder.ids)
    grammar = Grammar(plan.metre, plan.pitch_classes, plan.parts, plan.dynamics)
    made: list[int] = []
    nats, notes = 0.0, 0
    # The first bar of all says its metre, as in training.
    openings = [encode_bar_opening(None, plan.density)] * plan.bars
    if BAR not in decoder.ids:
        openings[0] = encode_bar_opening(plan.metre, plan.density)
    left = math.inf if plan.room is None else plan.room - sum(map(len, openings))
    try:
        for opening in openings:
            logits = decoder.append(opening)[-1]
            grammar.open_bar()
            for token in opening:
                made.append(token)
                on_token(token)
            for _ in range(MAX_BAR_TOKENS):
                token, cost = sample(logits, grammar.allowed(), plan.temperature, plan.top_p, float(rng.random()))
                nats += cost
                if token == BAR:
                    break
                if is_stale():
                    raise Stale
                if left <= 0:
                    break
                left -= 1
                grammar.advance(token)
                made.append(token)
                notes += KIND_OF[token] in (Kind.PITCH, Kind.DRUM)
                on_token(token)
                logits = decoder.step(token)
    finally:
        decoder.rewind(start)
    return Continuation(tuple(made), nats, notes)
