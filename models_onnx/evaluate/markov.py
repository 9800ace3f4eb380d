"""A variable-order Markov continuator in the manner of Pachet's Continuator (2003).

The music is a sequence of slices: all notes that start together, with the place in the bar. What is made so far is looked
up by its longest ending that was heard before (at most `order` slices), and one of the slices that followed there is
taken at random, each as likely as the others. Where no ending is known, a slice that follows the same place in the bar
is taken. It learns from the prompt, and from other pieces if it is given any; the prompt goes first at each length.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np

from daw_assist.music.bars import Bar, cut
from daw_assist.music.metre import BarLine, Metre
from daw_assist.music.notes import Note
from daw_assist.music.time import Ticks
from daw_assist.suggest.suggestion import Settings
from models_onnx.evaluate.pieces import group_of
from models_onnx.train.data import Corpus

CORPUS_BARS = 64
"""Of each training piece, from its beginning: three hundred pieces then take some hundred MB."""

Symbol = tuple[int, tuple[tuple[int, int], ...]]
"""Place in the bar in ticks, and (part, pitch) of each note."""


@dataclass(frozen=True, slots=True)
class Slice:
    """Notes that start together, `gap` ticks after the slice before; their onsets are not used."""

    gap: int
    place: int
    notes: tuple[Note, ...]

    @property
    def symbol(self) -> Symbol:
        """What endings are compared by: not the durations, nor the velocities."""
        return self.place, tuple(sorted({(int(n.part), n.pitch) for n in self.notes}))


def slices(bars: Sequence[Bar]) -> list[Slice]:
    """In order; the gap of the first is 0."""
    found: list[Slice] = []
    start, last = 0, None
    for bar in bars:
        at: dict[int, list[Note]] = {}
        for note in bar.notes:
            at.setdefault(int(note.onset), []).append(note)
        for place, notes in sorted(at.items()):
            found.append(Slice(0 if last is None else start + place - last, place, tuple(notes)))
            last = start + place
        start += bar.length
    return found


class Memory:
    """What followed each ending of up to `order` slices, and each place in the bar. Threads: one."""

    def __init__(self, order: int) -> None:
        self.order = order
        self._after: dict[tuple[Symbol, ...], list[Slice]] = {}
        self._after_place: dict[int, list[Slice]] = {}

    def learn(self, piece: Sequence[Slice]) -> None:
        """One piece, or one prompt."""
        symbols = [one.symbol for one in piece]
        for here in range(1, len(piece)):
            for length in range(1, min(self.order, here) + 1):
                self._after.setdefault(tuple(symbols[here - length : here]), []).append(piece[here])
            self._after_place.setdefault(symbols[here - 1][0], []).append(piece[here])

    def after(self, ending: Sequence[Symbol]) -> Sequence[Slice]:
        """What followed exactly these slices."""
        return self._after.get(tuple(ending), ())

    def after_place(self, place: int) -> Sequence[Slice]:
        """What followed any slice at this place in the bar."""
        return self._after_place.get(place, ())


@dataclass(slots=True)
class MarkovContinuator:
    """`pieces` are learned once, before any prompt."""

    pieces: Iterable[Sequence[Bar]] = ()
    order: int = 8
    name: str = "markov"
    _corpus: Memory = field(init=False)

    def __post_init__(self) -> None:
        self._corpus = Memory(self.order)
        for bars in self.pieces:
            self._corpus.learn(slices(bars))

    def continued(self, heard: Sequence[Bar], asked: Settings) -> tuple[Bar, ...]:
        metre = heard[-1].metre if heard else Metre()
        length = int(metre.bar_ticks)
        lines = [BarLine(i, Ticks(i * length), Ticks(length), metre) for i in range(asked.bars)]
        own = slices(heard)
        if not own:
            return cut((), lines)
        rng = np.random.default_rng(asked.seed)
        prompt = Memory(self.order)
        prompt.learn(own)
        past = [one.symbol for one in own[-self.order :]]
        here = own[-1].place - heard_after_last_note(heard)
        made: list[Note] = []
        while True:
            following = self._next(prompt, past, -here, rng)
            if following is None:  # nothing that was heard leads over the bar line: begin again from a bar line
                following = Slice(-here, 0, own[0].notes)
            here += max(1, following.gap)
            if here >= asked.bars * length:
                return cut(made, lines)
            made += [Note(Ticks(here), n.part, n.pitch, n.duration, n.velocity) for n in following.notes]
            past = [*past[1 - self.order :], (here % length, following.symbol[1])]

    def _next(self, prompt: Memory, past: list[Symbol], least_gap: int, rng: np.random.Generator) -> Slice | None:
        """A slice at least `least_gap` ticks on, after the longest ending that has one."""
        memories = (prompt, self._corpus)
        known = [m.after(past[-size:]) for size in range(len(past), 0, -1) for m in memories]
        for found in (*known, *(m.after_place(past[-1][0]) for m in memories)):
            fitting = [one for one in found if one.gap >= least_gap]
            if fitting:
                return fitting[int(rng.integers(len(fitting)))]
        return None


def training_pieces(corpus: Corpus, count: int, seed: int) -> Iterator[Sequence[Bar]]:
    """The openings of `count` pieces drawn by `seed`, in turn from each group, as the prompts are."""
    order = np.random.default_rng(seed).permutation(len(corpus.words)).tolist()
    groups: dict[str, list[int]] = {}
    for index in order:
        groups.setdefault(group_of(corpus.words[index]["source"], corpus.words[index]["style"]), []).append(index)
    turns = sorted((place, name, index) for name, own in groups.items() for place, index in enumerate(own))
    for _, _, index in turns[:count]:
        yield corpus.read(index, 0, CORPUS_BARS)


def heard_after_last_note(heard: Sequence[Bar]) -> int:
    """Ticks from the bar line of the last bar with a note to the end of what was heard."""
    ticks = 0
    for bar in reversed(heard):
        ticks += bar.length
        if bar.notes:
            break
    return ticks
