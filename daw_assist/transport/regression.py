"""A straight line through the last pulses, kept up to date in constant time."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Sequence
from math import sqrt

Pulse = tuple[int, int]
"""(number of the pulse, host time in ns)."""


class SlidingFit:
    """Least squares over the last `size` pulses. Threads: one.

    The sums are Python integers: exact however long it runs, where float sums would drift after hours of adding
    and taking away.
    """

    def __init__(self, size: int) -> None:
        self._size = size
        self.refill(())

    def refill(self, pulses: Iterable[Pulse]) -> None:
        """Forget everything and take these."""
        self.pulses: deque[Pulse] = deque()
        self._base: Pulse = (0, 0)
        self._sx = self._sy = self._sxx = self._sxy = self._syy = 0
        for number, at in pulses:
            self.add(number, at)

    def add(self, number: int, at: int) -> None:
        """Take one pulse more; the oldest goes if there are `size` already."""
        if not self.pulses:
            self._base = (number, at)
        self.pulses.append((number, at))
        self._sum(number, at, 1)
        if len(self.pulses) > self._size:
            old_number, old_at = self.pulses.popleft()
            self._sum(old_number, old_at, -1)

    def _sum(self, number: int, at: int, sign: int) -> None:
        x, y = number - self._base[0], at - self._base[1]
        self._sx += sign * x
        self._sy += sign * y
        self._sxx += sign * x * x
        self._sxy += sign * x * y
        self._syy += sign * y * y

    def __len__(self) -> int:
        return len(self.pulses)

    @property
    def centre(self) -> tuple[float, float]:
        """Mean pulse number and mean host time; needs one pulse."""
        n = len(self.pulses)
        return self._base[0] + self._sx / n, self._base[1] + self._sy / n

    @property
    def spread(self) -> float:
        """Sum of squared distances of the pulse numbers from their mean: the weight of the slope."""
        n = len(self.pulses)
        return (n * self._sxx - self._sx**2) / n if n else 0.0

    @property
    def product(self) -> float:
        """Sum of (number - mean) * (time - mean); `product / spread` is the slope in ns a pulse."""
        n = len(self.pulses)
        return (n * self._sxy - self._sx * self._sy) / n if n else 0.0

    @property
    def slope(self) -> float:
        """Nanoseconds a pulse; needs two pulses of different number."""
        return self.product / self.spread

    @property
    def scatter(self) -> float:
        """Sum of squared distances of the pulses from the line, in ns^2."""
        n = len(self.pulses)
        spread = self.spread
        if not spread:
            return 0.0
        return max(0.0, (n * self._syy - self._sy**2) / n - self.product**2 / spread)

    @property
    def jitter(self) -> float:
        """Standard deviation of the pulses around the line in ns; 0 below three pulses."""
        return sqrt(self.scatter / (len(self.pulses) - 2)) if len(self.pulses) > 2 else 0.0


def best_split(pulses: Sequence[Pulse], at_least: int) -> int | None:
    """Index at which two separate lines, before and from there on, fit best; each has `at_least` pulses or more.

    None if that best place is the last one allowed: the real one may still lie later.
    """
    last = len(pulses) - at_least
    if last <= at_least:
        return None
    before, after = SlidingFit(len(pulses)), SlidingFit(len(pulses))
    left: list[float] = []
    right: list[float] = []
    for number, at in pulses:
        left.append(before.scatter)
        before.add(number, at)
    for number, at in reversed(pulses):
        after.add(number, at)
        right.append(after.scatter)
    right.reverse()
    split = min(range(at_least, last + 1), key=lambda i: left[i] + right[i])
    return split if split < last else None
