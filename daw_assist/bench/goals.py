"""What a benchmark is held to, and how it is told to people. A goal that is missed fails no run: it depends on the machine."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from models_onnx.record import provenance


@dataclass(frozen=True, slots=True)
class Goal:
    """`value` is to be at most `most` (or, with `at_least`, at least that), both in `unit`; None: it was not measured."""

    name: str
    value: float | None
    most: float
    unit: str
    at_least: bool = False

    @property
    def met(self) -> bool:
        """What was not measured is not met."""
        if self.value is None:
            return False
        return self.value >= self.most if self.at_least else self.value <= self.most

    @property
    def told(self) -> dict[str, Any]:
        """For the line of the log."""
        bound = "least" if self.at_least else "most"
        return {"name": self.name, "value": self.value, bound: self.most, "unit": self.unit, "met": self.met}

    def __str__(self) -> str:
        sign = ">=" if self.at_least else "<="
        found = "not measured" if self.value is None else f"{self.value:g} {self.unit}"
        return f"{'met' if self.met else 'NOT met':<8} {self.name}: {found} ({sign} {self.most:g} {self.unit})"


def table(heads: Sequence[str], rows: Sequence[Sequence[object]]) -> str:
    """Columns as wide as they must be, the first to the left, the others to the right; None is a dash."""
    cells = [list(heads), *(["-" if cell is None else _cell(cell) for cell in row] for row in rows)]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    return "\n".join("  ".join(map(_placed, range(len(heads)), row, widths)) for row in cells)


def _placed(column: int, text: str, width: int) -> str:
    return text.rjust(width) if column else text.ljust(width)


def _cell(cell: object) -> str:
    return f"{cell:g}" if isinstance(cell, float) else str(cell)


def say(text: str) -> None:
    """To people, on stderr."""
    print(text, file=sys.stderr, flush=True)


def line_of(benchmark: str, told: dict[str, Any], goals: Sequence[Goal]) -> dict[str, Any]:
    """The line of the log; how the goals stand is said on the way."""
    for goal in goals:
        say(str(goal))
    return {"benchmark": benchmark, **provenance(), **told, "goals": [goal.told for goal in goals]}
