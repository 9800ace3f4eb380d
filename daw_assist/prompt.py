"""What the model reads before it plays: header, what is known of later bars, and as much of the past as there is room for.

Pure: bars -> ids.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from daw_assist.errors import UsageError
from daw_assist.music.bars import Bar
from daw_assist.music.keys import parse_key
from daw_assist.music.metre import Metre
from daw_assist.music.parts import Part
from daw_assist.suggest.suggestion import Settings
from daw_assist.tokens.encode import encode_ahead, encode_bar_opening, encode_events, encode_header
from daw_assist.tokens.vocab import BAR

ROOM_SHARE = 0.4
"""Share of the context that is kept free for what is to come, at least."""
MOST_ROOM_SHARE = 0.7
"""At most, where many dense bars are to be made: what does not fit is made in another leg (`pipeline`)."""
ROOM_STEP = 0.1
"""Steps between the two, so that a bar more or less seldom moves where the context begins."""
FORGET_BARS = 8
"""Old bars leave the context eight at a time: were it one at a time, every bar line would read the whole context anew."""
WINDOW_BARS = 40
"""Whoever gives the last so many bars of a longer piece (`context.Listener` does) is one who forgets the oldest at each bar
line: of these, too, eight are left out at a time, and 33 to 40 are read."""

MAX_AFTER = 4
"""Bars after those to be filled that are said to the model: as many as in training."""
AFTER_SHARE = 0.25
"""Share of the context that they may take."""
NEAR_BARS = 8
"""Bars before that tell what a bar usually costs and who plays."""


@dataclass(frozen=True, slots=True)
class Prompt:
    """The context as the model reads it: `ids` of the last `bars` bars heard."""

    ids: tuple[int, ...]
    bars: int
    metre: Metre


def encode_prompt(
    bars: Sequence[Bar], settings: Settings, context_tokens: int, first_bar: int, begun: int = 0
) -> Prompt:
    """Header and as many of the last bars as leave room; `first_bar` is the index of the bar after the last one.

    The room is for `settings.bars` bars like the last ones, and for `begun` tokens that are made already. Where the
    context begins moves by whole groups of FORGET_BARS in the asker's own count, so that the ids of one request are a
    prefix of the next one's most of the time.
    """
    header = _header(bars, settings)
    near = [encode_events(bar) for bar in bars[-NEAR_BARS:]]
    kept = room_for(near, settings.bars, context_tokens, begun)
    events = _that_fit(bars, context_tokens - kept - len(header), near)
    start = len(bars) - len(events)
    if start or first_bar > len(bars) >= WINDOW_BARS:
        start = min(start + -(first_bar - len(bars) + start) % FORGET_BARS, max(start, len(bars) - 1))
    metre = bars[-1].metre if bars else Metre()
    return Prompt((*header, *_spoken(bars[start:], events)), len(bars) - start, metre)


def room_for(like: Sequence[Sequence[int]], count: int, context_tokens: int, begun: int = 0) -> int:
    """Tokens to keep free for `count` bars like those with such events, of which `begun` tokens are made."""
    usual = sum(len(events) + 3 for events in like) * count / max(1, len(like))
    # A quarter more than usual, in whole steps upwards.
    steps = -int(-(usual * 5 / 4 / context_tokens - ROOM_SHARE) // ROOM_STEP)
    share = min(MOST_ROOM_SHARE, ROOM_SHARE + max(0, steps) * ROOM_STEP)
    return max(int(context_tokens * share + 0.999), begun + context_tokens // 4)


def _header(bars: Sequence[Bar], settings: Settings) -> list[int]:
    """What is said of the whole; the parts (those that play and those that may) only if the composer named some."""
    key = parse_key(settings.key) if settings.key else None
    named = settings.parts or ()
    parts = {note.part for bar in bars for note in bar.notes} | parts_of(named) if named else frozenset[Part]()
    return encode_header(settings.style, key=key, bpm=settings.bpm, parts=parts)


def parts_of(names: Iterable[str]) -> frozenset[Part]:
    """The parts of these names."""
    return frozenset(Part[name.upper()] for name in names)


def _that_fit(bars: Sequence[Bar], room: int, near: Sequence[list[int]] = ()) -> list[list[int]]:
    """Events of the last bars that take at most `room` ids; the first bar says its metre (2 of them). `near`: of the last few,
    where they are known.

    From the end backwards, so that a long piece is not encoded whole; each bar once, because to know one again costs
    more than all else.
    """
    found: list[list[int]] = []
    start, free = len(bars), room - 2
    while start:
        bar, before = bars[start - 1], bars[max(0, start - 2)]
        events = near[-1 - len(found)] if len(found) < len(near) else encode_events(bar)
        free -= len(events) + 1 + 2 * (bar.metre != before.metre)
        if free < 0:
            break
        found.append(events)
        start -= 1
    return found[::-1]


def _spoken(bars: Sequence[Bar], events: Sequence[list[int]]) -> list[int]:
    """What `encode_bars` says of them; `events` of the last of them or more."""
    ids: list[int] = []
    previous: Metre | None = None
    for bar, own in zip(bars, events[len(events) - len(bars) :], strict=True):
        ids += (BAR,) if bar.metre == previous else encode_bar_opening(bar.metre)
        ids += own
        previous = bar.metre
    return ids


def encode_fill(
    bars: Sequence[Bar], first: int, last: int, settings: Settings, context_tokens: int, begun: int = 0
) -> Prompt:
    """Header, what is fixed in bars first..last and what follows them, then as much of the past as there is room for.

    `UsageError` if what is fixed alone fills the model's memory: it is said before the past, and said again in its place.
    """
    open_bars, past = bars[first : last + 1], bars[:first]
    header, fixed = _header(bars, settings), len(encode_ahead(open_bars, ()))
    near = [encode_events(bar) for bar in around(bars, first, last)]
    kept = room_for(near, len(open_bars), context_tokens, begun)
    kept = max(kept, fixed + context_tokens // 4)
    room = context_tokens - kept - len(header) - fixed
    if room < 0:
        kept = fixed + context_tokens // 4
        room = context_tokens - kept - len(header) - fixed
    if room < 0:
        raise UsageError(
            f"the notes that stay in these {len(open_bars)} bars take {fixed} of the model's {context_tokens} tokens, "
            "twice: fill fewer bars at a time, or lock fewer parts"
        )
    after: list[Bar] = []
    free = min(int(context_tokens * AFTER_SHARE), room // 2)
    for bar in bars[last + 1 : last + 1 + MAX_AFTER]:
        free -= len(encode_events(bar)) + 3
        if free < 0:
            break
        after.append(bar)
    known = [*header, *encode_ahead(open_bars, after)]
    events = _that_fit(past, room - (len(known) - len(header) - fixed))
    metre = past[-1].metre if past else Metre()
    return Prompt((*known, *_spoken(past[len(past) - len(events) :], events)), len(events), metre)


def around(bars: Sequence[Bar], first: int, last: int) -> tuple[Bar, ...]:
    """The bars next to first..last, before and after."""
    return (*bars[max(0, first - NEAR_BARS) : first], *bars[last + 1 : last + 1 + MAX_AFTER])
