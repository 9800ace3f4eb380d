"""The tempo of a hand that taps."""

from __future__ import annotations

from collections import deque
from itertools import combinations, pairwise
from statistics import median, median_low

from daw_assist.clock import NS_PER_MS, HostNs
from daw_assist.transport.internal import MAX_BPM, MIN_BPM
from daw_assist.transport.position import NS_PER_MINUTE

MOST_TAPS, LEAST_TAPS = 8, 3
SILENCE_NS = 2500 * NS_PER_MS


class TapTempo:
    """Beats a minute from the last taps. Threads: one.

    The median of the slopes between all pairs of taps (Theil-Sen), so that one tap that is early or late does not
    count; taps are numbered by the usual gap, so that one left out or doubled does not either.
    """

    def __init__(self) -> None:
        self._taps: deque[HostNs] = deque(maxlen=MOST_TAPS)

    def tap(self, at: HostNs) -> float | None:
        """Taps a minute; None below three taps since the last silence of 2.5 s, and for a tempo outside 10..999."""
        if self._taps and not 0 <= at - self._taps[-1] <= SILENCE_NS:
            self._taps.clear()
        self._taps.append(at)
        if len(self._taps) < LEAST_TAPS:
            return None
        slopes = [(b - a) / (n - m) for (m, a), (n, b) in combinations(self._numbered(), 2)]
        interval = median(slopes) if slopes else 0.0
        bpm = NS_PER_MINUTE / interval if interval > 0 else 0.0
        return bpm if MIN_BPM <= bpm <= MAX_BPM else None

    def _numbered(self) -> list[tuple[int, HostNs]]:
        """Which beat each tap is; one too close after another (less than half a gap) is none."""
        usual = max(1, median_low(later - earlier for earlier, later in pairwise(self._taps)))
        numbered = [(0, self._taps[0])]
        for at in list(self._taps)[1:]:
            number, last = numbered[-1]
            beats = round((at - last) / usual)
            if beats:
                numbered.append((number + beats, at))
        return numbered
