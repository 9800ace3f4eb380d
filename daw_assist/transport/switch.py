"""What leads is a choice that is moved while the song goes on."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Mapping, Sequence

from daw_assist.clock import HostNs
from daw_assist.errors import PortError
from daw_assist.mailbox import Latest
from daw_assist.transport.auto import AutoTransport
from daw_assist.transport.internal import MAX_BPM, MIN_BPM
from daw_assist.transport.jack import in_thread
from daw_assist.transport.source import Source

_log = logging.getLogger(__name__)

Offer = Callable[[float], tuple[Source, ...]]
"""Opens what may lead, the first choice first, and may wait for it; `PortError` if that cannot be. Given: a tempo to begin with."""
Run = Callable[[Callable[[], None]], None]


class Switch(AutoTransport):
    """A `Source` that is what was chosen of `offers`. Threads: one, and a short one for each opening and closing.

    `kept` are at hand all the time: they hear everything also while they may not lead (MIDI clock never says again where
    it is), and are never closed before the end. `PortError` if the first choice, `sync`, cannot be opened.
    """

    def __init__(
        self,
        offers: Mapping[str, Offer],
        sync: str,
        kept: Sequence[Source] = (),
        bpm: float = 120.0,
        run: Run = in_thread,
    ) -> None:
        sources = offers[sync](bpm)
        super().__init__(sources, _without(kept, sources))
        self._offers, self._kept, self._run = offers, tuple(kept), run
        self._wish: _Wish | None = None
        self.sync = sync
        """What was chosen, of `syncs`."""
        self.complaint: str | None = None
        """Why what was chosen last cannot lead. Whoever tells it takes it away."""

    @classmethod
    def fixed(cls, source: Source) -> Switch:
        """There is no choice."""
        return cls({source.name: lambda _: (source,)}, source.name)

    @property
    def syncs(self) -> tuple[str, ...]:
        """What can be chosen."""
        return tuple(self._offers)

    def choose(self, sync: str, bpm: float | None = None) -> None:
        """Let this one of `syncs` lead, as soon as it is open; until then, and if it cannot be, all stays as it is.

        `bpm`: the tempo in which our own clock is then to stand (None: that of now).
        """
        if self._wish is not None:
            if self._wish.sync == sync:
                return
            self._run(self._wish.drop)
            self._wish = None
        if sync != self.sync:
            self._wish = _Wish(sync, self.bpm if bpm is None else bpm, self._offers[sync], self._kept)
            self._run(self._wish.open)

    def poll(self, now: HostNs) -> None:
        if self._wish is not None and (brought := self._wish.take()) is not None:
            wish, self._wish = self._wish, None
            if isinstance(brought, PortError):
                self.complaint = str(brought)
            else:
                self._give(wish, brought, now)
        super().poll(now)

    def close(self) -> None:
        """Give back everything, also what is still to come."""
        if self._wish is not None:
            self._wish.drop()
        super().close()

    def _give(self, wish: _Wish, sources: tuple[Source, ...], now: HostNs) -> None:
        """Our own clock, where it did not lead until now, stands ready where the song stood.

        JACK's transport, where it leads and may go on, is not changed for another view of the same one.
        """
        led, tick = self.leader, self.tick_at(now)
        wanted = tuple(led if source.name == led.name else source for source in sources)
        gone = _without((*self._sources, *sources), (*wanted, *self._kept))
        self.change(wanted, _without(self._kept, wanted), now)
        self.sync = wish.sync
        clock = self.internal
        if clock is not None and clock is not led:
            clock.set_bpm(min(MAX_BPM, max(MIN_BPM, wish.bpm)), now)
            clock.locate(tick, now)
        if gone:
            self._run(lambda: _close(gone))


class _Wish:
    """A choice that is being opened. Threads: `open` one of its own, once; `take` one; `drop` any."""

    def __init__(self, sync: str, bpm: float, offer: Offer, kept: tuple[Source, ...]) -> None:
        self.sync, self.bpm = sync, bpm
        self._offer, self._kept = offer, kept
        self._brought: Latest[tuple[Source, ...] | PortError] = Latest()
        self._dropped = False

    def open(self) -> None:
        """Wait for it."""
        try:
            self._brought.put(self._offer(self.bpm))
        except PortError as reason:
            self._brought.put(reason)
        except Exception as error:  # noqa: BLE001 - whatever it is, the wish has an end
            _log.warning("%s cannot be opened", self.sync, exc_info=True)
            self._brought.put(PortError(f"{self.sync} cannot be opened: {error}"))
        if self._dropped:
            self.drop()

    def take(self) -> tuple[Source, ...] | PortError | None:
        """What was opened, or why it could not be, once; None until then."""
        return self._brought.take()

    def drop(self) -> None:
        """It is wanted no more: what was opened for it, or is yet to be, is closed."""
        self._dropped = True
        brought = self._brought.take()
        if isinstance(brought, tuple):
            _close(_without(brought, self._kept))


def _without(sources: Sequence[Source], those: Sequence[Source]) -> tuple[Source, ...]:
    return tuple(source for source in sources if source not in those)


def _close(sources: Iterable[Source]) -> None:
    for source in sources:
        source.close()
