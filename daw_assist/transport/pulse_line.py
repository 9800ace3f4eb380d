"""Tempo and phase from clock pulses that come late, in bursts, or not at all.

Convention: the line goes through the *mean* of the pulses, so it lies off the sender's own time by the mean of what the
way here adds or takes: RtMidi on JACK stamps a pulse by its period, up to one period early for a sender that writes it
sample-exactly, and plays ours at the start of the next; measured end to end the two cancel to within a period.
"""

from __future__ import annotations

from collections import deque
from itertools import accumulate, pairwise
from math import ceil, sqrt
from statistics import median_low

from daw_assist.clock import NS_PER_MS
from daw_assist.transport.lost_pulses import Kink, Residual, explain
from daw_assist.transport.regression import Pulse, SlidingFit, best_split

LONG, SHORT = 96, 24
"""Pulses of the line that counts and of the one that notices a change."""
ALARM_SIGMAS = 3.0
SURE_SIGMAS = 5.0
"""For forgetting what came before: more, because the best of many places is looked at."""
ALARM_JITTER_NS = 4.0 * NS_PER_MS
"""Jitter assumed at least when the two lines are compared. Stamps cut to audio periods of 5.3 ms can stand still for
a hundred pulses and then step by a whole period; 3 sigma of 4 ms is just above what such a step does to 24 pulses."""
LEAST_JITTER_NS = 1.5 * NS_PER_MS
"""Jitter assumed at least when single pulses are judged: a uniform 0..5.3 ms has this deviation."""
FIRST_JITTER_NS, FIRST_JITTER_PULSES = 3.0 * NS_PER_MS, 6
"""Jitter assumed before it is known, and how many pulses that assumption weighs."""
SHORTEST_GAP_NS = 5 * NS_PER_MS
"""500 BPM; pulses closer than this are a burst, not a tempo."""
BETTER = 5.0
"""How many times less the first pulses must scatter for some of them to be declared lost."""
SETTLED_PULSES = 12
"""After a change of tempo, pulses needed before the older ones are forgotten."""
HINT_WEIGHT = 143.0
LEARNT_WEIGHT = 1150.0
"""Weight of a tempo known beforehand, as the spread of 12 and of 24 pulses."""
TRUST = 0.03
"""Share of the interval to which it must be known before pulses are declared lost."""
DOUBT = 0.5
"""Intervals off the line at which a pulse is not taken as it is."""


class PulseLine:
    """Numbers the pulses and draws the line through them. Threads: one.

    `last` is the number of the newest pulse. Numbers only count pulses; which tick of the song one is, is the
    follower's affair, so a jump leaves the line alone.

    `lossless`: the way here loses nothing (ports inside one machine), so pulses that all come later than the line mean
    that their sender stood still for a while, as a DAW does whose audio missed its time: the count and the tempo hold,
    the phase begins anew.
    """

    def __init__(self, interval_ns: float, lossless: bool = False) -> None:
        self.inserted = self.tempo_changes = self.stalls = 0
        self._lossless = lossless
        self.last = -1
        self._long, self._short = SlidingFit(LONG), SlidingFit(SHORT)
        self._doubtful: list[int] = []
        self._counted = -1  # number of the last pulse before the doubtful ones
        self._declared_lost: deque[int] = deque(maxlen=SHORT)
        self._hint, self._hint_weight = interval_ns, HINT_WEIGHT
        self._interval = interval_ns
        self._centre = (0.0, 0.0)
        self._weight = 0.0

    @property
    def interval(self) -> float:
        """Nanoseconds a pulse."""
        return self._interval

    @property
    def jitter(self) -> float:
        """Standard deviation of the last pulses around the line in ns, as measured; 0 while nothing is known."""
        return self._long.jitter

    @property
    def uncertainty(self) -> float:
        """Standard deviation of `interval` in ns; infinite while nothing is known."""
        return self._jitter / sqrt(self._weight) if self._weight else float("inf")

    def number_at(self, at: float) -> float:
        """Number of the pulse that is due at a host time, fractional."""
        return self._centre[0] + (at - self._centre[1]) / self._interval

    def time_of(self, number: float) -> float:
        """Host time at which the pulse is due."""
        return self._centre[1] + (number - self._centre[0]) * self._interval

    def restart(self) -> None:
        """The next pulse begins a new phase; what is known of the tempo is kept as a hint."""
        self.settle()
        if self._is_trusted:
            self._hint, self._hint_weight = self._interval, min(LEARNT_WEIGHT, self._weight)
        elif not self._hint_weight:
            self._hint, self._hint_weight = self._interval, HINT_WEIGHT
        self._refill([])

    def pulse(self, at: int) -> None:
        """Take a pulse that came at host time `at` (ns)."""
        if self._doubtful:
            self._doubtful.append(at)
            self.last = self._guess(at)
            if len(self._doubtful) >= self._patience:
                self.settle()
        elif self._is_trusted and abs(self.number_at(at) - self.last - 1) > DOUBT:
            self._counted = self.last
            self._doubtful.append(at)
            self.last = self._guess(at)
        else:
            self.last += 1
            self._take(self.last, at)
            self._bootstrap()
            self._draw()

    def _guess(self, at: int) -> int:
        """Number of a doubtful pulse until it is judged."""
        if self._lossless:
            return self._counted + len(self._doubtful)
        return max(self.last, round(self.number_at(at)))

    def skip(self, pulses: int) -> None:
        """Go on after a silence in which this many pulses must have been lost."""
        self.settle()
        self.last += pulses
        self._declare(pulses)

    def settle(self) -> None:
        """Judge the doubtful pulses with what is known now."""
        doubtful, self._doubtful = self._doubtful, []
        if not doubtful:
            return
        pulses = [(self._counted + 1 + i, at) for i, at in enumerate(doubtful)]
        before = self._residuals(list(self._long.pulses)[-SETTLED_PULSES:])
        through_all = SlidingFit(LONG + SHORT)
        through_all.refill([*self._long.pulses, *pulses])
        redrawn = (through_all.scatter - self._long.scatter) / self._interval**2
        taken_back = -sum(1 for number in self._declared_lost if number > self.last - LONG)
        story = explain(before, self._residuals(pulses), self._jitter / self._interval, redrawn, taken_back)
        if isinstance(story, Kink):
            self.tempo_changes += 1
            self._hint_weight = 0.0
            self._refill([pulse for pulse in self._long.pulses if pulse[0] >= story.number])
            shifts: tuple[int, ...] = (0,) * len(pulses)
        elif self._lossless and any(story.by):
            self.stalls += 1
            self._hint, self._hint_weight = self._interval, LEARNT_WEIGHT
            self._refill([])
            shifts = (0,) * len(pulses)
        else:
            shifts = story.by
            self._declare(shifts[-1])
        for (number, at), shift in zip(pulses, shifts, strict=True):
            self._take(number + shift, at)
        self.last = pulses[-1][0] + shifts[-1]
        self._draw()

    @property
    def _jitter(self) -> float:
        """Deviation of the pulses from the line; a first guess counts like a few pulses, so that four by chance in
        line do not make the fifth look lost.
        """
        known = max(0, len(self._long) - 2)
        pooled = self._long.scatter + FIRST_JITTER_PULSES * FIRST_JITTER_NS**2
        return max(LEAST_JITTER_NS, sqrt(pooled / (known + FIRST_JITTER_PULSES)))

    @property
    def _is_trusted(self) -> bool:
        enough = 1 if self._hint_weight > HINT_WEIGHT else 6
        return len(self._long) >= enough and self.uncertainty < TRUST * self._interval

    @property
    def _patience(self) -> int:
        """Doubtful pulses to gather: so many that their mean tells half an interval from the jitter by 4 sigma."""
        return min(SHORT, max(4, ceil((8 * self._jitter / self._interval) ** 2)))

    def _residuals(self, pulses: list[Pulse]) -> list[Residual]:
        return [(number, (at - self.time_of(number)) / self._interval) for number, at in pulses]

    def _declare(self, lost: int) -> None:
        """Count pulses declared lost, or (below 0) such declarations taken back."""
        self.inserted += lost
        self._declared_lost.extend([self.last] * min(lost, SHORT))
        for _ in range(min(-lost, len(self._declared_lost))):
            self._declared_lost.pop()

    def _take(self, number: int, at: int) -> None:
        self._long.add(number, at)
        self._short.add(number, at)

    def _refill(self, pulses: list[Pulse]) -> None:
        self._long.refill(pulses)
        self._short.refill(pulses[-SHORT:])

    def _bootstrap(self) -> None:
        """Find pulses lost among the very first ones, when no tempo is known to miss them by.

        A gap over 1.5 of the usual one counts as more than one pulse if the line then fits beyond comparison better.
        """
        pulses = list(self._long.pulses)
        if self._lossless or not 3 <= len(pulses) < SHORT or self._hint_weight > HINT_WEIGHT or self._is_trusted:
            return
        gaps = [later - earlier for (_, earlier), (_, later) in pairwise(pulses)]
        usual = max(median_low(gaps), SHORTEST_GAP_NS)
        numbers = list(accumulate((max(1, ceil(gap / usual - 0.5)) for gap in gaps), initial=pulses[0][0]))
        plain, full = SlidingFit(LONG), SlidingFit(LONG)
        plain.refill((pulses[0][0] + i, at) for i, (_, at) in enumerate(pulses))
        full.refill((number, at) for number, (_, at) in zip(numbers, pulses, strict=True))
        holes = sum(later - earlier > 1 for earlier, later in pairwise(numbers))
        few = holes <= max(1, len(pulses) // 6)  # stamps cut to periods fit perfectly where every other one is "lost"
        best = full if few and full.scatter < plain.scatter / BETTER else plain
        lost = best.pulses[-1][0] - self.last
        if lost:
            self._declare(lost)
            self.last += lost
            self._refill(list(best.pulses))

    def _draw(self) -> None:
        """Choose the line: the long one, or the short one while the two differ."""
        fit = self._long
        if self._is_changing():
            pulses = list(self._long.pulses)
            split = best_split(pulses, SETTLED_PULSES)
            if split is not None and self._bends_at(pulses, split):
                self.tempo_changes += 1
                self._refill(pulses[split:])
                self._hint_weight = 0.0
            else:
                fit = self._short
        weight, product = fit.spread, fit.product
        if self._hint_weight:
            weight, product = self._with_hint(weight, product)
        self._centre = fit.centre
        self._weight = weight
        self._interval = product / weight if weight and product > 0 else self._interval

    def _is_changing(self) -> bool:
        if len(self._long) < SHORT + SETTLED_PULSES:
            return False
        jitter = max(ALARM_JITTER_NS, self._short.jitter)
        sigma = jitter * sqrt(1 / self._short.spread - 1 / self._long.spread)
        return abs(self._short.slope - self._long.slope) > ALARM_SIGMAS * sigma

    def _bends_at(self, pulses: list[Pulse], split: int) -> bool:
        """Whether the line after the split is another one beyond doubt, not a step by an audio period."""
        after = SlidingFit(LONG)
        after.refill(pulses[split:])
        before = SlidingFit(LONG)
        before.refill(pulses[:split])
        sigma = LEAST_JITTER_NS * sqrt(1 / after.spread + 1 / before.spread)
        sigma = max(sigma, sqrt(after.jitter**2 / after.spread + before.jitter**2 / before.spread))
        return abs(after.slope - before.slope) > SURE_SIGMAS * sigma

    def _with_hint(self, weight: float, product: float) -> tuple[float, float]:
        """Pool the slope with the known tempo until the pulses contradict it or are many."""
        n = len(self._long)
        off = abs(product - weight * self._hint)  # equals |slope - hint| * spread
        if n >= 2 * SHORT or (weight and off > ALARM_SIGMAS * self._hint_doubt * sqrt(weight)):
            self._hint_weight = 0.0
            return weight, product
        return weight + self._hint_weight, product + self._hint_weight * self._hint

    @property
    def _hint_doubt(self) -> float:
        return ALARM_JITTER_NS if self._hint_weight > HINT_WEIGHT else LEAST_JITTER_NS
