"""Tempo and phase from clock pulses that come late, in bursts, or not at all.

Convention: the line goes through the *mean* of the pulses, so it lies off the sender's own time by the mean of what the
way here adds or takes: RtMidi on JACK stamps a pulse by its period, up to one period early for a sender that writes it
sample-exactly, and plays ours at the start of the next; measured end to end the two cancel to within a period.
"""

from __future__ import annotations

from collections import deque
from itertools import accumulate, pairwise
from math import ceil, inf, log, sqrt
from statistics import median_low

from daw_assist.clock import NS_PER_MS
from daw_assist.transport.lost_pulses import Kink, Residual, Shifts, Stall, explain, explain_lossless, miscounted
from daw_assist.transport.periods import SLACK, Band, band, period_of
from daw_assist.transport.regression import Pulse, SlidingFit, best_split

LONG, SHORT = 96, 24
"""Pulses of the line that counts and of the one that notices a change."""
ALARM_SIGMAS, NOISE_SIGMAS = 3.0, 4.5
"""By how much the two lines differ when the tempo changes: in deviations of the jitter assumed at least, and of the one
measured, which is looked at anew with every pulse."""
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
LOSS_GAIN, LEAST_SCATTER_NS = 12.0, 0.5 * NS_PER_MS
"""Twice the log likelihood that the first pulses must gain for some of them to be declared lost; of lines that are not
taken to fit better than to half a millisecond."""
LOOKS_BACK, MOST_MISCOUNTS = (SHORT, 2 * SHORT, LONG), 4
"""Pulses after which the count is gone over once more, and mistakes looked for."""
SETTLED_PULSES = 12
"""After a change of tempo, pulses needed before the older ones are forgotten."""
LOSSLESS_BETRAYED, LOSSY_BETRAYED = (2, 1), (6, 2)
"""Longer and shorter gaps among the pulses that betray an audio period. On a lossless way two stalls of the same length
are longer too, on a lossy one six lost pulses of 96, at even distances; shorter ones come from nothing else."""
HINT_WEIGHT = 143.0
LEARNT_WEIGHT = 1150.0
"""Weight of a tempo known beforehand, as the spread of 12 and of 24 pulses."""
TRUST = 0.03
"""Share of the interval to which it must be known before pulses are declared lost."""
DOUBT = 0.5
DOUBT_SIGMAS = 4.0
"""Intervals off the line at which a pulse is not taken as it is, and on a lossless way, where the count is not in doubt,
deviations."""


class PulseLine:
    """Numbers the pulses and draws the line through them. Threads: one.

    `last` is the number of the newest pulse. Numbers only count pulses; which tick of the song one is, is the
    follower's affair, so a jump leaves the line alone.

    `lossless`: the way here loses nothing (ports inside one machine), so pulses that all come later than the line mean
    that their sender stood still for a while, as a DAW does whose audio missed its time: the count and the tempo hold,
    the phase begins anew.

    Where the gaps betray stamps by audio periods (`periods`), what fits one even tempo is neither lost, nor a stall, nor
    another tempo, and the line is one of those that are possible. A pulse takes some 150 us then, else 30.
    """

    def __init__(self, interval_ns: float, lossless: bool = False) -> None:
        self.inserted = self.tempo_changes = self.stalls = 0
        self._lossless = lossless
        self.last = -1
        self._long, self._short = SlidingFit(LONG), SlidingFit(SHORT)
        self._doubtful: list[int] = []
        self._counted = -1  # number of the last pulse before the doubtful ones
        self._heard: deque[Pulse] = deque(maxlen=LONG)  # of the present tempo, those before a stall too
        self._furthest = inf  # ns off the line that a pulse can be, where periods bound it
        self._since = 0  # pulses since the phase began
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
        self._heard.clear()
        self._since = 0
        self._refill([])

    def pulse(self, at: int) -> None:
        """Take a pulse that came at host time `at` (ns)."""
        if self._doubtful:
            self._doubtful.append(at)
            self.last = self._guess(at)
            if len(self._doubtful) >= self._patience:
                self.settle()
        elif self._is_trusted and abs(self.number_at(at) - self.last - 1) > self._doubt:
            self._counted = self.last
            self._doubtful.append(at)
            self.last = self._guess(at)
        else:
            self.last += 1
            self._take(self.last, at)
            self._bootstrap()
            self._draw()
        self._since += 1
        if not self._lossless and self._since in LOOKS_BACK:
            self._look_back()

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
        if not self._take_as_even(pulses):
            for number, at in self._judged(pulses):
                self._take(number, at)
        self.last = self._heard[-1][0]
        self._draw()

    def _take_as_even(self, pulses: list[Pulse]) -> bool:
        """Whether all heard lately is one even tempo by audio periods; what was declared lost in it may not have been."""
        heard = [*self._heard, *pulses][-LONG:]
        tries = [heard]
        if not self._lossless:
            tries.append([(heard[0][0] + i, at) for i, (_, at) in enumerate(heard)])
        elif len(self._heard) > len(self._long):  # what was taken for a stall may be the step of a period
            tries += [heard[-LONG // 2 :], heard[-SHORT:]]
        for tried in tries:
            if self._even(tried) is not None:
                self._declare(tried[-1][0] - pulses[-1][0])
                self._renumber(tried)
                return True
        return False

    def _judged(self, pulses: list[Pulse]) -> list[Pulse]:
        """Those of the doubtful pulses that the line goes on with, with their right numbers."""
        before, after = self._residuals(list(self._long.pulses)[-SETTLED_PULSES:]), self._residuals(pulses)
        through_all = SlidingFit(LONG + SHORT)
        through_all.refill([*self._long.pulses, *pulses])
        redrawn = (through_all.scatter - self._long.scatter) / self._interval**2
        jitter = self._jitter / self._interval
        story: Stall | Shifts | Kink | None
        if self._lossless:
            story = explain_lossless(before, after, jitter, redrawn)
        else:
            taken_back = -sum(1 for number in self._declared_lost if number > self.last - LONG)
            story = explain(before, after, jitter, redrawn, taken_back)
        if isinstance(story, Kink):
            self._change_tempo([pulse for pulse in self._long.pulses if pulse[0] >= story.number])
        elif isinstance(story, Stall):
            self.stalls += 1
            self._hint, self._hint_weight = self._interval, LEARNT_WEIGHT
            self._refill([])
        elif isinstance(story, Shifts):
            self._declare(story.by[-1])
            return [(number + shift, at) for (number, at), shift in zip(pulses, story.by, strict=True)]
        return pulses

    def _change_tempo(self, pulses: list[Pulse]) -> None:
        """Only these belong to the present tempo."""
        self.tempo_changes += 1
        self._hint_weight = 0.0
        self._heard = deque(pulses, LONG)
        self._refill(pulses)

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
    def _doubt(self) -> float:
        """Intervals off the line at which a pulse is not taken as it is."""
        if not self._lossless:
            return DOUBT
        return max(DOUBT, min(DOUBT_SIGMAS * self._jitter, self._furthest) / self._interval)

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
        self._heard.append((number, at))

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
        degrees, least = len(pulses) - 2, len(pulses) * LEAST_SCATTER_NS**2
        gain = degrees * log((plain.scatter + least) / (full.scatter + least))
        if holes and few and gain > LOSS_GAIN:
            self._declare(numbers[-1] - self.last)
            self._renumber(list(full.pulses))

    def _renumber(self, pulses: list[Pulse]) -> None:
        self.last = pulses[-1][0]
        self._heard = deque(pulses, LONG)
        self._refill(pulses)

    def _look_back(self) -> None:
        """Find pulses lost, or wrongly declared lost, before the tempo was known."""
        self.settle()
        pulses, corrected = list(self._heard), False
        for _ in range(MOST_MISCOUNTS):
            if len(pulses) < SHORT or self._even(pulses) is not None:
                break
            found = miscounted(pulses)
            if found is None:
                break
            place, by = found
            pulses[place:] = [(number + by, at) for number, at in pulses[place:]]
            self._declare(by)
            corrected = True
        if corrected:
            self._renumber(pulses)
            self._draw()

    def _draw(self) -> None:
        """Choose the line: the long one, or the short one while the two differ."""
        fit, pulses = self._long, list(self._long.pulses)
        period = self._period(pulses)
        even = None if period is None else band(pulses, period)
        # The steps of periods are bounded: where they no longer fit one tempo, less is needed to call it another one.
        if even is None and self._is_changing(NOISE_SIGMAS if period is None else ALARM_SIGMAS):
            split = best_split(pulses, SETTLED_PULSES)
            if split is not None and self._bends_at(pulses, split):
                self._change_tempo(pulses[split:])
            else:
                fit = self._short
        weight, product = fit.spread, fit.product
        if self._hint_weight:
            weight, product = self._with_hint(weight, product)
        self._centre = fit.centre
        self._weight = weight
        self._interval = product / weight if weight and product > 0 else self._interval
        self._furthest = inf if even is None else (0.5 + 2 * SLACK) * even.width
        if even is not None and not self._hint_weight:
            self._centre, self._interval = even.nearest(self._centre, self._interval)

    def _even(self, pulses: list[Pulse]) -> Band | None:
        """The lines of one even tempo on which all of these lie, where they were stamped by audio periods."""
        period = self._period(pulses)
        return None if period is None else band(pulses, period)

    def _period(self, pulses: list[Pulse]) -> float | None:
        if len(pulses) < SETTLED_PULSES:
            return None
        return period_of(pulses, *(LOSSLESS_BETRAYED if self._lossless else LOSSY_BETRAYED))

    def _is_changing(self, sigmas: float) -> bool:
        if len(self._long) < SHORT + SETTLED_PULSES:
            return False
        apart = abs(self._short.slope - self._long.slope) / sqrt(1 / self._short.spread - 1 / self._long.spread)
        if apart <= max(ALARM_SIGMAS * ALARM_JITTER_NS, sigmas * self._short.jitter):
            return False
        older = SlidingFit(LONG)
        older.refill(list(self._long.pulses)[:-SHORT])
        return apart > sigmas * _pooled(older, self._short)

    def _bends_at(self, pulses: list[Pulse], split: int) -> bool:
        """Whether the line after the split is another one beyond doubt, not a step by an audio period."""
        before, after = SlidingFit(LONG), SlidingFit(LONG)
        before.refill(pulses[:split])
        after.refill(pulses[split:])
        sigma = max(LEAST_JITTER_NS, _pooled(before, after)) * sqrt(1 / after.spread + 1 / before.spread)
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


def _pooled(*fits: SlidingFit) -> float:
    """Jitter around several lines of one way, ns: known better than each for itself."""
    return sqrt(sum(fit.scatter for fit in fits) / sum(len(fit) - 2 for fit in fits))
