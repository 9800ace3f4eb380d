"""What is judged: anything that continues bars. The model, and what a model has to be better than."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Protocol

from daw_assist.music.bars import Bar
from daw_assist.music.metre import Metre
from daw_assist.music.time import TICKS_PER_QUARTER, Ticks
from daw_assist.pipeline import Model, suggest
from daw_assist.suggest.suggestion import Settings


class Continuator(Protocol):
    """Bars in, the next `asked.bars` bars out; the same bars and settings give the same answer."""

    @property
    def name(self) -> str:
        """As it stands in the tables."""

    def continued(self, heard: Sequence[Bar], asked: Settings) -> tuple[Bar, ...]:
        """Whole bars in the metre heard last; what `asked` says beyond bars and seed may be ignored."""


@dataclass(frozen=True, slots=True)
class ModelContinuator:
    """The product's own path, its best candidate. With `candidates=1` it is a plain sample of the model."""

    model: Model
    name: str = "model"

    def continued(self, heard: Sequence[Bar], asked: Settings) -> tuple[Bar, ...]:
        return suggest(heard, asked, self.model).candidates[0].bars


@dataclass(frozen=True, slots=True)
class RepeatLast:
    """The last bars heard again, as many as are asked for."""

    name: str = "repeat"

    def continued(self, heard: Sequence[Bar], asked: Settings) -> tuple[Bar, ...]:
        metre = heard[-1].metre if heard else Metre()
        last = tuple(heard[-asked.bars :]) or (Bar(metre),)
        return tuple(in_metre(bar, metre) for bar in (last * asked.bars)[: asked.bars])


@dataclass(frozen=True, slots=True)
class OneNote:
    """One pitch on every quarter: what no measure may praise."""

    name: str = "one note"

    def continued(self, heard: Sequence[Bar], asked: Settings) -> tuple[Bar, ...]:
        bar = next(bar for bar in reversed(heard) if bar.notes)
        first = bar.notes[0]
        metre = heard[-1].metre
        quarter = Ticks(TICKS_PER_QUARTER)
        notes = tuple(
            replace(first, onset=Ticks(at), duration=quarter) for at in range(0, metre.bar_ticks, TICKS_PER_QUARTER)
        )
        return (Bar(metre, notes),) * asked.bars


def in_metre(bar: Bar, metre: Metre) -> Bar:
    """The bar in another metre: what does not fit is left out."""
    if bar.metre == metre and bar.length == metre.bar_ticks:
        return bar
    return Bar(metre, tuple(note for note in bar.notes if note.onset < metre.bar_ticks))
