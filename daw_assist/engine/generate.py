"""Tokens in, tokens out: one prompt, several continuations from its shared cache.

It knows the grammar of the tokens and nothing of requests, processes or host time.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, Protocol

import numpy as np

from daw_assist.engine.echo import Echo, heard
from daw_assist.engine.sampling import draw
from daw_assist.music.bars import Bar
from daw_assist.music.metre import Metre
from daw_assist.music.notes import Note
from daw_assist.music.parts import Part
from daw_assist.tokens.attributes import Attributes
from daw_assist.tokens.decode import decode_bars
from daw_assist.tokens.encode import NOTHING_SAID, encode_bar_opening, encode_events
from daw_assist.tokens.grammar import Grammar
from daw_assist.tokens.vocab import BAR, KIND_OF, Kind

MAX_BAR_TOKENS = 192
"""A bar is closed by force beyond this: twice the densest bar in a hundred of the corpus."""
PREFILL_CHUNK = 32
"""Tokens read at once: a newer request waits for one such run (see docs/notes/log.md: 4 ms at 1,000 tokens, no dearer than 128)."""

Logits = np.ndarray[Any, Any]


class Rows(Protocol):
    """Sequences that go on from one prompt, a token each at every step (`models_onnx.session.Branches`)."""

    def step(self, tokens: Sequence[int], staying: Collection[int] = ()) -> Logits:
        """Logits (rows, vocab); rows that are `staying` do not keep their token."""

    def enter(self, back: int = 0) -> None:
        """One more row behind the others, which begins with the prompt, or with all but its last `back` tokens."""

    def leave(self, row: int) -> None:
        """Drop a row; the last one takes its place."""


class Decoder(Protocol):
    """What generation needs of a model: a sequence that grows and is rewound (`models_onnx.session.DecoderSession`)."""

    @property
    def ids(self) -> list[int]:
        """The tokens held."""

    @property
    def width(self) -> int:
        """Rows that are stepped together in less time than one after another."""

    @property
    def trust(self) -> tuple[float, ...]:
        """How far the piece itself is believed beside the model: see `echo`; empty: not at all."""

    def rewind(self, length: int) -> None:
        """Keep the first `length` tokens."""

    def append(self, ids: Sequence[int]) -> Logits:
        """Logits (len(ids), vocab)."""

    def read(self, ids: Sequence[int]) -> None:
        """The same, where no logits are wanted."""

    def fork(self) -> Rows:
        """Rows that begin with the tokens held, none yet. Nothing may be appended while they are in use."""


class Stale(Exception):
    """Somebody wants something newer; what was under way is given up."""


@dataclass(frozen=True, slots=True)
class Frame:
    """What is settled about one bar before it is made."""

    metre: Metre
    says_metre: bool = False
    """The metre changes here, or nothing was said before."""
    said: Attributes = NOTHING_SAID
    fixed: tuple[Note, ...] = ()
    """Notes that stand in it whatever happens; onsets from its bar line."""

    @property
    def opening(self) -> list[int]:
        """The ids that it begins with."""
        return encode_bar_opening(self.metre if self.says_metre else None, self.said)


@dataclass(frozen=True, slots=True)
class Plan:
    """What one continuation must keep to: one frame for each bar that is to be made."""

    frames: tuple[Frame, ...]
    temperature: float
    top_p: float
    pitch_classes: frozenset[int] | None = None
    parts: frozenset[Part] | None = None
    dynamics: bool = False
    room: int | None = None
    """Tokens that fit behind the prompt (None: any number); a continuation that needs more ends where they do."""
    similarity: float | None = None
    """0 away from the prompt's motifs .. 0.5 as learned (also None) .. 1 its motifs over and over; see `echo`."""
    begun: tuple[int, ...] | None = None
    """The first bar was opened before, and these of its events are made already: it goes on behind them."""


@dataclass(frozen=True, slots=True)
class Continuation:
    """`ids` from the first BAR on (`Plan.begun` too); `nats` of the sampled tokens and how many `notes` they hold."""

    ids: tuple[int, ...]
    nats: float
    notes: int
    closed: int
    """Bars that are done. Fewer than were planned: there was no more room, and a bar may have been begun behind them."""
    whole: int
    """Those of them that the model itself brought to an end; the others reached MAX_BAR_TOKENS."""


def prefill(decoder: Decoder, ids: Sequence[int], is_stale: Callable[[], bool] = lambda: False) -> int:
    """Make the cache hold exactly `ids`, from the first differing token on; gives how many were there already."""
    held = decoder.ids
    same = next((i for i, (a, b) in enumerate(zip(held, ids, strict=False)) if a != b), min(len(held), len(ids)))
    # A piece of one token is reckoned in another order, and would not be the same to the last bit.
    start = min(same if same > 1 else 0, max(0, len(ids) - 2)) if same < len(ids) else same
    decoder.rewind(start)
    while start < len(ids):
        if is_stale():
            raise Stale
        size = PREFILL_CHUNK - (len(ids) - start == PREFILL_CHUNK + 1)
        decoder.read(ids[start : start + size])
        start += size
    return same


@np.errstate(
    over="ignore"
)  # Logits beyond all reason are dealt with by `sampling`; at each token this would cost 4 us.
def continue_from(
    decoder: Decoder,
    plan: Plan,
    rngs: Sequence[np.random.Generator],
    on_token: Callable[[int, int], None] = lambda candidate, token: None,
    is_stale: Callable[[], bool] = lambda: False,
    earlier: Sequence[int] = (),
    prompt: int | None = None,
) -> list[Continuation]:
    """The bars of the plan after the prompt, once for each generator.

    The decoder holds the prompt (its first `prompt` ids; None: all), and may hold some of what the plan begins with from
    before; then it holds the prompt, and of a bar that was begun what it has read. `earlier`: ids of bars that it does not
    hold any more; the echo remembers them.

    As many candidates as the decoder is wide are under way together; when one is finished the next takes its row.
    `on_token(candidate, token)` hears each token as it is made. An error in one ends all.
    """
    held = decoder.ids
    start = len(held) if prompt is None else prompt
    head = [*plan.frames[0].opening, *(plan.begun or ())]
    # All begin alike, so the head is read and heard once.
    echo = heard(decoder.trust, [*earlier, *held[:start], *head], plan.similarity) if decoder.trust else None
    writers = [
        _Writer(plan, rng, echo.copy() if candidate and echo is not None else echo, partial(on_token, candidate))
        for candidate, rng in enumerate(rngs)
    ]
    waiting = deque(writers)
    running: list[_Writer] = []
    tokens: list[int] = []
    try:
        if plan.begun:
            whole = [*held[:start], *head[:-1]]
            prefill(decoder, whole, is_stale)
            start, head = len(whole), head[-1:]
        else:
            decoder.rewind(start)
        first = decoder.append(head)[-1]
        rows = decoder.fork()
        while waiting or running:
            while waiting and len(running) < decoder.width:
                writer = waiting.popleft()
                token = writer.begin(first)
                if token is not None:
                    rows.enter()
                    running.append(writer)
                    tokens.append(token)
            if not running:
                break
            if is_stale():
                raise Stale
            logits = rows.step(tokens)
            taken = [writer.take(own) for writer, own in zip(running, logits, strict=True)]
            for row in reversed(range(len(running))):
                if taken[row] is None:
                    rows.leave(row)
                    running[row], taken[row] = running[-1], taken[-1]
                    del running[-1], taken[-1]
            tokens = [token for token in taken if token is not None]
    finally:
        decoder.rewind(min(start, len(decoder.ids)))
    return [writer.continuation for writer in writers]


class _Writer:
    """One candidate under way: from logits to the token that is read next. Threads: one."""

    def __init__(
        self, plan: Plan, rng: np.random.Generator, echo: Echo | None, on_token: Callable[[int], None]
    ) -> None:
        self._plan, self._rng, self._echo, self._on_token = plan, rng, echo, on_token
        self._grammar = Grammar(plan.pitch_classes, plan.parts, plan.dynamics)
        self._frames = iter(plan.frames)
        self._forced: deque[int] = deque()
        self._in_bar = 0
        self._left = math.inf if plan.room is None else plan.room
        self._ended = False
        self._made: list[int] = []
        self._nats, self._notes, self._closed, self._whole = 0.0, 0, 0, 0

    @property
    def continuation(self) -> Continuation:
        """What has been made so far."""
        return Continuation(tuple(self._made), self._nats, self._notes, self._closed, self._whole)

    def begin(self, logits: Logits) -> int | None:
        """Make the first opening, which model and echo have read, and `take` what follows."""
        self._open(next(self._frames))
        begun = self._plan.begun
        self._made += (*self._forced, *(begun or ()))
        self._left -= len(self._made)
        while self._forced:
            token = self._forced.popleft()
            if begun is None:
                self._on_token(token)
        for token in begun or ():
            self._grammar.advance(token)
            self._in_bar += 1
        return self.take(logits)

    def take(self, logits: Logits) -> int | None:
        """The next token, given what the model expects after the last one; None: all bars are made, or no room is left."""
        if not self._forced:
            if self._ended or self._left <= 0:
                return None
            if self._in_bar < MAX_BAR_TOKENS:
                token = self._sampled(logits)
                if token != BAR:
                    self._in_bar += 1
                    self._notes += KIND_OF[token] in (Kind.PITCH, Kind.DRUM)
                    self._grammar.advance(token)
                    self._make(token)
                    return token
                self._whole += 1
            self._close()
        if not self._forced:
            return None
        token = self._forced.popleft()
        self._make(token)
        return token

    def _sampled(self, logits: Logits) -> int:
        """BAR: the bar ends."""
        plan = self._plan
        token, nats = draw(
            logits, self._grammar.allowed_ids(), plan.temperature, plan.top_p, float(self._rng.random()), self._echo
        )
        self._nats += nats
        return token

    def _make(self, token: int) -> None:
        self._made.append(token)
        self._left -= 1
        if self._echo is not None:
            self._echo.append(token)
        self._on_token(token)

    def _open(self, frame: Frame) -> None:
        self._frame, self._in_bar = frame, 0
        self._forced.extend(frame.opening)
        self._grammar.open_bar(frame.metre, frame.fixed)

    def _close(self) -> None:
        """The fixed notes that a bar closed by force still owes, then the next opening, as far as there is room."""
        owed = self._owed()
        if len(owed) > self._left:
            self._ended = True
            return
        self._forced.extend(owed)
        self._closed += 1
        following = next(self._frames, None)
        if following is None or len(owed) + len(following.opening) > self._left:
            self._ended = True
        else:
            self._open(following)

    def _owed(self) -> list[int]:
        frame = self._frame
        if not frame.fixed:
            return []
        (*_, bar) = decode_bars(self._made, frame.metre)
        said = {(note.onset, note.part, note.pitch) for note in bar.notes}
        owed = [note for note in frame.fixed if (note.onset, note.part, note.pitch) not in said]
        return _fixed_events(frame, owed, self._plan.dynamics)


def _fixed_events(frame: Frame, notes: Sequence[Note], dynamics: bool) -> list[int]:
    return encode_events(Bar(frame.metre, tuple(sorted(notes))), dynamics) if notes else []
