"""All that was heard in a session: a view has the last bars only, so they are gathered here. In memory; it knows no files.

Threads: one (the event loop).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from daw_assist.music.bars import Bar
from daw_assist.suggest.view import LiveView

MOST_BARS: Final = 2_000


class WholeSong:
    """Bars by their number, as heard."""

    def __init__(self) -> None:
        self._bars: dict[int, Bar] = {}
        self._next = 0
        self._dropped: tuple[Bar, ...] = ()

    def dropped(self, bars: Sequence[Bar]) -> None:
        """These are going to be heard all at once, which are more than a view has."""
        self._dropped = tuple(bars)

    def saw(self, view: LiveView) -> None:
        """Take in what is new; a count that has begun anew is another song."""
        if view.number < self._next:
            self._bars.clear()
        first = view.number - len(view.heard)
        shared = min(len(self._dropped), len(view.heard))
        if shared and view.number > self._next and view.heard[-shared:] == self._dropped[-shared:]:
            self._bars.update(enumerate(self._dropped, view.number - len(self._dropped)))
            self._dropped = ()
        self._bars.update(enumerate(view.heard, first))
        self._next = view.number
        if len(self._bars) > MOST_BARS:
            for number in sorted(self._bars)[:-MOST_BARS]:
                del self._bars[number]

    def bars(self) -> dict[int, Bar]:
        """By number; at most `MOST_BARS`."""
        return dict(self._bars)
